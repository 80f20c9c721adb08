"""What of a network XDP can express exactly; the rest is refused by name, file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nfverify.cythonized.layout import InstanceLayout, TableLayout, layouts, width_of
from nfverify.lang.source import NOWHERE, Span
from nfverify.oracles.platforms.platform import refuse
from nfverify.semantics.machine import MAX_TIME
from nfverify.smat.ir import (
    And,
    Apply,
    Arithmetic,
    Bits,
    Bytes,
    Cast,
    Compare,
    Const,
    Delay,
    Entry,
    Expr,
    If,
    Network,
    Pop,
    Ports,
    Program,
    Push,
    SetField,
    SetOutput,
    SetTag,
    Stmt,
    Table,
    Tag,
    While,
    walk,
)

MAX_PORTS = 64
MAX_CAPACITY = 1 << 24  # keys of one map: what is set aside when the program is loaded
_SMALL = 16  # bits of keys: so few that a map has room for all


def check(network: Network, capacity: int | None) -> None:
    """ModelError at the first construct that XDP can't express."""
    if len(network.ports) > MAX_PORTS:
        raise refuse("xdp", f"over {MAX_PORTS} ports", NOWHERE)
    programs = tuple({id(i.program): i.program for i in network.instances}.values())
    own = timers_own(programs)
    for program in programs:
        for node in walk(program.init + program.body):
            _node(node)
        for statement, span in _delays(program.init + program.body, own):
            raise refuse("xdp", statement, span, "a delay is only for what `every` or init sets")
        if any(timer.delay >= MAX_TIME for timer in program.timers):
            raise refuse("xdp", "a timer that is due after the end of time", program.span)
        for variable in program.state:
            if any(isinstance(type_, Bytes) for type_ in variable.keys + variable.values):
                span = mention(program, (variable.name,))
                raise refuse("xdp", f"{variable.name}, which holds strings of bytes", span)
    for instance in layouts(network):
        for table in instance.tables:
            keys(instance, table, capacity)


def _node(node: Expr | Stmt | Entry) -> None:
    type_ = getattr(node, "type", None)
    match node:
        case Push(kind=kind) | Pop(kind=kind):
            what = "push" if isinstance(node, Push) else "pop"
            raise refuse("xdp", f"`{what} {kind}`", node.span)
        case Apply(op=op) if op != "hash" or any(isinstance(a.type, Bytes) for a in node.args):
            raise refuse("xdp", f"the operator {op}", node.span)
        case SetField(name="payload"):
            raise refuse("xdp", "writes of the payload", node.span)
        case SetOutput(output=Ports(ports=ports)) if len(ports) > 1:
            raise refuse("xdp", "several outputs of one packet", node.span)
        case Arithmetic(op="*" | "/" | "%", type=Bits(width=width)) if width > 64:
            raise refuse("xdp", f"`{node.op}` of {width} bits", node.span)
    if isinstance(type_, Bytes) and not isinstance(node, Entry | Table):
        raise refuse("xdp", "strings of bytes", getattr(node, "span", NOWHERE))


# Timers -------------------------------------------------------------------------------------


def timers_own(programs: Sequence[Program]) -> frozenset[str]:
    """Tags that are 0 in every packet that came in: only packets of timers assign them, where a
    test of such a tag has said that it is one."""
    own = {n.name for p in programs for n in walk(p.init + p.body) if isinstance(n, Tag | SetTag)}
    while True:
        found = {
            node.name
            for program in programs
            for node, timed in _guarded(program.body, frozenset(own), timed=False)
            if isinstance(node, SetTag) and not timed
        }
        if not found & own:
            return frozenset(own)
        own -= found


def _delays(body: tuple[Stmt, ...], own: frozenset[str]) -> Iterator[tuple[str, Span]]:
    for node, timed in _guarded(body, own, timed=False):
        if isinstance(node, SetOutput) and isinstance(node.output, Delay) and not timed:
            yield "a timer that holds a packet back", node.span


def _guarded(
    body: tuple[Stmt, ...], own: frozenset[str], *, timed: bool
) -> Iterator[tuple[Stmt, bool]]:
    """Every statement, and whether only packets of timers come to it."""
    for node in body:
        yield node, timed
        match node:
            case If(condition=condition, then=then, otherwise=otherwise):
                yield from _guarded(then, own, timed=timed or _tests(condition, own))
                yield from _guarded(otherwise, own, timed=timed)
            case While(condition=condition, body=inner):
                yield from _guarded(inner, own, timed=timed or _tests(condition, own))
            case Table(entries=entries):
                for entry in entries:
                    inside = timed or _tests(entry.guard, own)
                    yield from _guarded(entry.body, own, timed=inside)


def _tests(condition: Expr, own: frozenset[str]) -> bool:
    """Does it hold only if one of the tags isn't 0?"""
    match condition:
        case And(operands=operands):
            return any(_tests(operand, own) for operand in operands)
        case Compare(op="==", left=left, right=right):
            return any(
                _tag(one, own) and isinstance(other, Const) and other.value != 0
                for one, other in ((left, right), (right, left))
            )
        case Compare(op="!=", left=left, right=right):
            return any(
                _tag(one, own) and isinstance(other, Const) and other.value == 0
                for one, other in ((left, right), (right, left))
            )
    return False


def _tag(node: Expr, own: frozenset[str]) -> bool:
    while isinstance(node, Cast) and isinstance(node.type, Bits) and node.type.width >= 32:
        node = node.operand
    return isinstance(node, Tag) and node.name in own


# Capacity -----------------------------------------------------------------------------------


def keys(instance: InstanceLayout, table: TableLayout, capacity: int | None) -> tuple[int, bool]:
    """How many keys a table's map holds, and whether one more is an overflow. ModelError if
    nothing says it."""
    variable = table.members[0].variable
    if table.constant:
        return max(1, len(variable.entries)), False
    bits = sum(map(width_of, table.types))
    most = min(variable.capacity or MAX_CAPACITY + 1, 1 << min(bits, 64))
    if variable.capacity is None and bits > _SMALL:
        most = MAX_CAPACITY + 1
    if most <= (capacity or MAX_CAPACITY):
        return max(1, most), False
    if capacity is None:
        span = mention(instance.program, tuple(m.variable.name for m in table.members))
        names = " and ".join(m.variable.name for m in table.members)
        if variable.capacity is None:
            what = f"{names} without a bound on its keys"
            raise refuse("xdp", what, span, "declare it with `max`, or give --capacity")
        what = f"{names} with over {MAX_CAPACITY:,} keys"
        raise refuse("xdp", what, span, "declare it with a smaller `max`, or give --capacity")
    return min(capacity, MAX_CAPACITY), True


def mention(program: Program, names: tuple[str, ...]) -> Span:
    """Where a variable is first used."""
    for node in walk(program.init + program.body):
        if getattr(node, "var", None) in names and node.span != NOWHERE:
            return node.span
    return program.span
