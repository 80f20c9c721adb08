"""From the paths of a chain to a program: one table, with state and timers of all its NFs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from nfverify.equivalence.consolidate.naming import Taken
from nfverify.equivalence.consolidate.path import Row, is_plain_output
from nfverify.equivalence.consolidate.rewrite import rebuild, transform
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir

ON_WIRE = frozenset(name for name, info in FIELDS.items() if info.on_wire)


def table(rows: Iterable[Row], taken: Taken, *, distinct_lets: bool) -> ir.Table:
    """The rows as entries with names of their own, without those that the next one stands for.

    A `let` has a name that is not in `taken`, nor, if `distinct_lets`, that of another entry's.
    """
    finished = [replace(row, statements=_needed(row)) for row in rows]
    kept = [
        row
        for row, following in zip(finished, [*finished[1:], None], strict=True)
        if following is None or not _stands_for(following, row)
    ]
    names = Taken()
    entries = []
    for row in kept:
        locals_ = taken if distinct_lets else Taken(set(taken.names))
        entries.append(_entry(row, names, locals_))
    return ir.Table(tuple(entries))


def _stands_for(following: Row, row: Row) -> bool:
    """Does the next row do the same, for all packets of this one?"""
    return (
        row.statements == following.statements
        and row.output == following.output
        and set(following.guard) <= set(row.guard)
    )


def _entry(row: Row, names: Taken, locals_: Taken) -> ir.Entry:
    flow = tuple(c for c in row.guard if not _reads_state(c))
    state = tuple(c for c in row.guard if _reads_state(c))
    name = names.fresh("__".join(row.names) or "always")
    return ir.Entry(name, flow, state, _rename_locals(row.statements, locals_))


def _reads_state(condition: ir.Expr) -> bool:
    return any(isinstance(n, ir.Read | ir.Has) for n in ir.walk((condition,)))


def _needed(row: Row) -> tuple[ir.Stmt, ...]:
    """The actions without those that nothing can tell were made, with the output at the end."""
    kept: list[ir.Stmt] = []
    in_place = isinstance(row.output, ir.Ports | ir.Delay)
    if not in_place:
        kept.append(ir.SetOutput(row.output))
    live = _Live()
    if not isinstance(row.output, ir.Drop):
        live.fields |= ON_WIRE
    live.all_tags = isinstance(row.output, ir.Delay | ir.Resubmit)
    for statement in reversed(row.statements):
        if is_plain_output(statement) and not in_place:
            continue
        if live.needs(statement):
            live.before(statement)
            kept.append(statement)
    return tuple(reversed(kept))


@dataclass(slots=True)
class _Live:
    """What is read, or seen on the wire, after a statement."""

    fields: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    locals: set[str] = field(default_factory=set)
    all_tags: bool = False

    def needs(self, statement: ir.Stmt) -> bool:
        match statement:
            case ir.SetField(name=name):
                return name in self.fields
            case ir.SetTag(name=name):
                return self.all_tags or name in self.tags
            case ir.Let(name=name):
                return name in self.locals
            case _:
                return True

    def before(self, statement: ir.Stmt) -> None:
        match statement:
            case ir.SetField(name=name) if name != "payload":  # another length drops the packet
                self.fields.discard(name)
            case ir.SetTag(name=name):
                self.tags.discard(name)
            case _:
                pass
        for node in ir.walk(ir.children(statement)):
            match node:
                case ir.Field(name=name):
                    self.fields.add(name)
                case ir.Tag(name=name):
                    self.tags.add(name)
                case ir.Local(name=name):
                    self.locals.add(name)
                case _:
                    pass


def _rename_locals(statements: tuple[ir.Stmt, ...], taken: Taken) -> tuple[ir.Stmt, ...]:
    """The `let`s of a row under names that no other row has."""
    names: dict[str, str] = {}

    def visit(node: ir.Expr, parts: tuple[ir.Expr, ...]) -> ir.Expr:
        if isinstance(node, ir.Local):
            return ir.Local(names[node.name], node.type)
        return rebuild(node, parts)

    def expr(node: ir.Expr) -> ir.Expr:
        return transform(node, visit)

    found = []
    for statement in statements:
        changed = map_expressions(statement, expr)
        if isinstance(changed, ir.Let):
            names[changed.name] = taken.fresh(changed.name.rsplit("#", 1)[0])
            changed = replace(changed, name=names[changed.name])
        found.append(changed)
    return tuple(found)


def map_expressions(statement: ir.Stmt, expr: Callable[[ir.Expr], ir.Expr]) -> ir.Stmt:
    """The statement over other expressions; bodies of control statements as they are."""
    match statement:
        case ir.SetField(value=value) | ir.SetTag(value=value) | ir.Let(value=value):
            return replace(statement, value=expr(value))
        case ir.SetOutput(output=ir.Ports(ports=ports)):
            return replace(statement, output=ir.Ports(tuple(map(expr, ports))))
        case ir.SetOutput(output=ir.Delay(delay=delay)):
            return replace(statement, output=ir.Delay(expr(delay)))
        case ir.Write(keys=keys, values=values):
            return replace(statement, keys=tuple(map(expr, keys)), values=tuple(map(expr, values)))
        case ir.Delete(keys=keys):
            return replace(statement, keys=tuple(map(expr, keys)))
        case ir.If(condition=test) | ir.While(condition=test):
            return replace(statement, condition=expr(test))
        case _:
            return statement
