"""The tables of a plan as texts: what a flow's first packet fixes, and what its others still do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from nfverify.fastpath.parallel import conflict
from nfverify.fastpath.plan import PAYLOAD, Class, Path, Payload, Plan, Value, qualified
from nfverify.fastpath.view.expressions import (
    PlanPrinter,
    function_lines,
    header_lines,
    plan_printer,
    size_of,
)
from nfverify.semantics.walk import entry_title
from nfverify.smat import ir
from nfverify.smat.rebuild import mapped_expr
from nfverify.smat.unparse import Printer, printer

KEY_BYTES, HEAD_BYTES = 16, 12  # of a record: its key; epoch, class and sums of changes


@dataclass(frozen=True, slots=True)
class Action:
    """A header action: forward, drop, modify, encap, decap; or tag, which stays in the chain."""

    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class LocalRow:
    """An entry that records rest on: what it does to the header once for all, and to state still.
    `classes` are those in which flows take it."""

    entry: str
    actions: tuple[Action, ...]
    functions: tuple[str, ...]
    payload: Payload
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LocalMat:
    instance: str
    program: str
    rows: tuple[LocalRow, ...]


@dataclass(frozen=True, slots=True)
class ShownFunction:
    instance: str
    payload: Payload
    writes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownPath:
    name: str
    entries: tuple[tuple[str, str], ...]
    residual: tuple[str, ...]
    actions: tuple[Action, ...]
    functions: tuple[ShownFunction, ...]
    outputs: tuple[str, ...]
    parallel: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ShownValue:
    name: str
    text: str
    bytes: int
    instance: str


@dataclass(frozen=True, slots=True)
class ShownClass:
    name: str
    condition: tuple[str, ...]
    values: tuple[ShownValue, ...]
    watches: tuple[tuple[str, str], ...]  # variable, key
    paths: tuple[ShownPath, ...]
    bytes: int  # of its values


@dataclass(frozen=True, slots=True)
class Event:
    """A change of `variable`: who makes it, and which records it outdates; `reach` is None for all,
    else (class, key) of those that watch."""

    variable: str
    policy: str
    writers: tuple[str, ...]
    reach: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True, slots=True)
class Slow:
    """Ways through the chain that no record serves, and why."""

    reason: str
    ways: tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two NFs whose state functions a path runs; `reason` is "" if they may run side by side."""

    first: str
    second: str
    reason: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """Of the compiled plan: bytes of a record with its key and with `references` to entries of the
    chain's tables; so many classes that are compiled."""

    bytes: int
    references: int
    classes: int


@dataclass(frozen=True, slots=True)
class View:
    """All tables; `compiled` is None where nothing is compiled."""

    name: str
    key: tuple[str, ...]
    served: tuple[str, ...]
    local: tuple[LocalMat, ...]
    classes: tuple[ShownClass, ...]
    events: tuple[Event, ...]
    slow: tuple[Slow, ...]
    pairs: tuple[Pair, ...]
    compiled: Compiled | None

    @property
    def values(self) -> tuple[int, int]:
        """Of the record with the most: how many values, and their bytes."""
        return max(((len(c.values), c.bytes) for c in self.classes), default=(0, 0))


def view(plan: Plan, compiled: Compiled | None = None) -> View:
    """All that there is to be shown of a plan."""
    out = plan_printer(plan)
    return View(
        plan.network.name,
        plan.key,
        _texts(out, plan.served),
        tuple(_local(plan, at) for at in range(len(plan.network.instances))),
        tuple(_class(out, class_) for class_ in plan.classes),
        tuple(_events(plan, out)),
        _slow(plan),
        _pairs(plan),
        compiled,
    )


def _texts(out: Printer, exprs: Sequence[ir.Expr]) -> tuple[str, ...]:
    return tuple(out.text(expr) for expr in exprs)


# The Global MAT ----------------------------------------------------------------------------


def _class(out: PlanPrinter, class_: Class) -> ShownClass:
    values = tuple(
        ShownValue(v.name, out.text(v.expr), size_of(v.expr.type), v.instance)
        for v in class_.values
    )
    named: dict[ir.Expr, Value] = {v.expr: v for v in reversed(class_.values)}

    def short(node: ir.Expr) -> ir.Expr:
        value = named.get(node)
        return node if value is None else ir.Local(value.name, value.expr.type)

    return ShownClass(
        class_.name,
        tuple(out.text(mapped_expr(c, short)) for c in class_.condition),
        values,
        tuple(
            (w.var, out.key_text(w.var, tuple(mapped_expr(k, short) for k in w.keys)))
            for w in class_.watches
        ),
        tuple(_path(out, path) for path in class_.paths),
        sum(v.bytes for v in values),
    )


def _path(out: PlanPrinter, path: Path) -> ShownPath:
    if path.outputs:
        actions = tuple(Action(kind, text) for kind, text in header_lines(out, path.header))
        actions = actions or (Action("forward"),)
    else:
        actions = (Action("drop"),)
    return ShownPath(
        path.name,
        path.entries,
        _texts(out, path.residual),
        actions,
        tuple(
            ShownFunction(f.instance, f.payload, tuple(function_lines(out, f)))
            for f in path.functions
        ),
        tuple(map(out.port_text, path.outputs)),
        tuple(tuple(path.functions[i].instance for i in group) for group in path.parallel),
    )


# Local MATs --------------------------------------------------------------------------------


def _local(plan: Plan, at: int) -> LocalMat:
    instance = plan.network.instances[at]
    out = printer(instance.program, plan.network.ports)
    taken: dict[str, list[tuple[Class, Path]]] = {}
    for class_ in plan.classes:
        for path in class_.paths:
            for name, entry in path.entries:
                if name == instance.name:
                    taken.setdefault(entry, []).append((class_, path))
    found = {entry_title(e, place): e for place, e in _entries(instance.program)}
    order = [*(t for t in found if t in taken), *(t for t in taken if t not in found)]
    rows = tuple(
        _local_row(out, instance.name, title, found.get(title), taken[title]) for title in order
    )
    return LocalMat(instance.name, instance.program.name, rows)


def _local_row(
    out: Printer,
    instance: str,
    title: str,
    entry: ir.Entry | None,
    taken: Sequence[tuple[Class, Path]],
) -> LocalRow:
    functions = [f for _, path in taken for f in path.functions if f.instance == instance]
    still = {write.var for function in functions for write in function.writes}
    actions: list[Action] = []
    writes: list[str] = []
    for node in ir.walk(entry.body) if entry is not None else ():
        match node:
            case ir.SetField() | ir.SetTag() | ir.Push() | ir.Pop() | ir.SetOutput():
                actions += _action(out, node)
            case ir.Write(var=var) | ir.Delete(var=var) if qualified(instance, var) in still:
                writes += [line.removesuffix(";") for line in out.statement(node)]
            case _:
                pass
    return LocalRow(
        title,
        tuple(actions) or (Action("forward"),),
        tuple(writes),
        min((f.payload for f in functions), key=PAYLOAD.__getitem__, default="ignore"),
        tuple(dict.fromkeys(class_.name for class_, _ in taken)),
    )


def _action(out: Printer, node: ir.Stmt) -> list[Action]:
    text = " ".join(out.statement(node)).removesuffix(";")
    match node:
        case ir.SetField():
            return [Action("modify", text)]
        case ir.SetTag():
            return [Action("tag", text)]
        case ir.Push():
            return [Action("encap", text.removeprefix("push "))]
        case ir.Pop():
            return [Action("decap", text.removeprefix("pop "))]
        case ir.SetOutput(output=ir.Drop()):
            return [Action("drop")]
        case ir.SetOutput(output=ir.Ports()):
            return [Action("forward", text)]
        case _:
            return []


def _entries(program: ir.Program) -> Iterator[tuple[int, ir.Entry]]:
    for node in ir.walk(program.body):
        if isinstance(node, ir.Table):
            yield from enumerate(node.entries, 1)


# The Event Table, what is slow, what may run in parallel --------------------------------------


def _events(plan: Plan, out: PlanPrinter) -> Iterator[Event]:
    policies = dict(plan.policies)
    for name, variable in plan.variables():
        reach = dict.fromkeys(
            (class_.name, out.key_text(name, watch.keys))
            for class_ in plan.classes
            for watch in class_.watches
            if watch.var == name
        )
        if name in plan.epoch or reach or policies.get(name, "constant") != "constant":
            yield Event(
                name,
                policies.get(name, "epoch" if name in plan.epoch else "index"),
                () if variable.constant else _writers(plan, name),
                None if name in plan.epoch else tuple(reach),
            )


def _writers(plan: Plan, name: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for instance in plan.network.instances:
        for place, entry in _entries(instance.program):
            statements = list(ir.walk(entry.body))
            timer = any(
                isinstance(s, ir.SetOutput) and isinstance(s.output, ir.Delay) for s in statements
            )
            for node in statements:
                if isinstance(node, ir.Write | ir.Delete) and (
                    qualified(instance.name, node.var) == name
                ):
                    who = "a timer" if timer else entry_title(entry, place)
                    found.setdefault(f"{instance.name}: {who}")
    return tuple(found)


def _slow(plan: Plan) -> tuple[Slow, ...]:
    by_reason: dict[str, list[tuple[tuple[str, str], ...]]] = {}
    for way in plan.slow:
        by_reason.setdefault(way.reason, []).append(way.entries)
    return tuple(Slow(reason, tuple(ways)) for reason, ways in by_reason.items())


def _pairs(plan: Plan) -> tuple[Pair, ...]:
    found: dict[tuple[str, str], str] = {}
    for class_ in plan.classes:
        for path in class_.paths:
            for first, second in combinations(path.functions, 2):
                names = first.instance, second.instance
                if not found.get(names):
                    found[names] = conflict(first, second)
    return tuple(Pair(first, second, reason) for (first, second), reason in found.items())
