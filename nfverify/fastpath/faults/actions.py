"""Faults of the paths: when one is taken, what it writes to headers and state, where it goes."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from nfverify.fastpath.faults.fault import Fault
from nfverify.fastpath.faults.rewriting import (
    Hoist,
    changed_function,
    nodes,
    position,
    reads_state,
    recorded_instead,
    varies,
    with_classes,
    with_paths,
)
from nfverify.fastpath.parallel import conflict, read_by
from nfverify.fastpath.plan import Class, Path, Plan, StateFunction
from nfverify.semantics.walk import entry_title
from nfverify.smat import ir
from nfverify.smat.rebuild import mapped_expr

# Which way is taken ---------------------------------------------------------------------------


def _unguarded(plan: Plan) -> Plan | None:
    def unguarded(_: Class, path: Path) -> Path:
        return replace(path, residual=tuple(c for c in path.residual if reads_state(c)))

    return with_paths(plan, unguarded)


def _unchecked(plan: Plan) -> Plan | None:
    def unchecked(_: Class, path: Path) -> Path:
        return replace(path, residual=tuple(c for c in path.residual if not reads_state(c)))

    return with_paths(plan, unchecked)


def _verdict(plan: Plan) -> Plan | None:
    def once(path: Path, hoist: Hoist) -> Path:
        return replace(
            path, residual=tuple(hoist(c) if reads_state(c) else c for c in path.residual)
        )

    return recorded_instead(plan, once)


def _reversed(plan: Plan) -> Plan | None:
    return with_classes(plan, lambda class_: replace(class_, paths=class_.paths[::-1]))


# State ------------------------------------------------------------------------------------------


def _skipped(plan: Plan) -> Plan | None:
    return with_paths(
        plan, lambda _, path: replace(path, functions=path.functions[:-1], parallel=())
    )


def _uncounted(plan: Plan) -> Plan | None:
    def uncounted(_: Class, path: Path) -> Path:
        return path if path.outputs else replace(path, functions=(), parallel=())

    return with_paths(plan, uncounted)


def _too_late(plan: Plan) -> Plan | None:
    """What NFs behind the one that drops would have done."""

    def goes_on(class_: Class) -> Class:
        longest = max((p for p in class_.paths), key=lambda p: len(p.entries), default=None)
        return replace(
            class_,
            paths=tuple(
                path if path.outputs or longest is None else _with_rest(plan, path, longest)
                for path in class_.paths
            ),
        )

    return with_classes(plan, goes_on)


def _with_rest(plan: Plan, path: Path, other: Path) -> Path:
    last = max((position(plan, instance) for instance, _ in path.entries), default=-1)
    rest = (f for f in other.functions if position(plan, f.instance) > last)
    return replace(path, functions=(*path.functions, *rest))


def _cancelled(plan: Plan) -> Plan | None:
    """Functions of what stands between the NF that puts a header on and the one that takes it off,
    by `push` and `pop` or by a tag that is set and cleared."""
    puts: dict[str, int] = {}
    inside: set[str] = set()
    names = [i.name for i in plan.network.instances]
    for index, instance in enumerate(plan.network.instances):
        for node in ir.walk(instance.program.body):
            match node:
                case ir.Push(kind=what):
                    puts.setdefault(what, index)
                case ir.SetTag(name=what, value=ir.Const(value=value)) if value:
                    puts.setdefault(f"tag {what}", index)
                case ir.Pop(kind=what) if what in puts:
                    inside.update(names[puts[what] + 1 : index])
                case ir.SetTag(name=what, value=ir.Const()) if f"tag {what}" in puts:
                    inside.update(names[puts[f"tag {what}"] + 1 : index])
                case _:
                    pass

    def cancelled(_: Class, path: Path) -> Path:
        left = tuple(f for f in path.functions if f.instance not in inside)
        return path if left == path.functions else replace(path, functions=left, parallel=())

    return with_paths(plan, cancelled)


def _counter(plan: Plan) -> Plan | None:
    """A counter: a value that rests on its own variable."""

    def kept(function: StateFunction, hoist: Hoist) -> StateFunction:
        written = {write.var for write in function.writes}

        def change(node: ir.Expr) -> ir.Expr:
            return hoist(node) if isinstance(node, ir.Read) and node.var in written else node

        return changed_function(function, change)

    return recorded_instead(
        plan,
        lambda path, hoist: replace(path, functions=tuple(kept(f, hoist) for f in path.functions)),
    )


def _arriving(plan: Plan) -> Plan | None:
    """Keys as they would be if no NF had changed the header."""

    def arriving(_: Class, path: Path) -> Path:
        was: dict[ir.Expr, str] = {
            expr: name for name, expr in path.header.modify if not isinstance(expr, ir.Const)
        }

        def change(node: ir.Expr) -> ir.Expr:
            name = was.get(node)
            return node if name is None else ir.Field(name)

        return replace(
            path,
            functions=tuple(changed_function(f, change, keys_only=True) for f in path.functions),
        )

    return with_paths(plan, arriving)


def _parallel(plan: Plan) -> Plan | None:
    """Side by side, a function that writes what a later one reads."""

    def together(_: Class, path: Path) -> Path:
        for first, second in combinations(range(len(path.functions)), 2):
            one, other = path.functions[first], path.functions[second]
            if conflict(one, other):
                late = {write.var for write in one.writes} & read_by(other)
                return replace(path, parallel=((first, second) if late else (second, first),))
        return path

    return with_paths(plan, together)


def _harmless(plan: Plan) -> Plan | None:
    """Side by side, two that may."""

    def together(_: Class, path: Path) -> Path:
        for first, second in combinations(range(len(path.functions)), 2):
            if not conflict(path.functions[first], path.functions[second]):
                return replace(path, parallel=((second, first),))
        return path

    return with_paths(plan, together)


# Headers and outputs ------------------------------------------------------------------------------


def _wrong_order(plan: Plan) -> Plan | None:
    """Of two NFs that write a field, the first one's constant stays."""

    def first_wins(_: Class, path: Path) -> Path:
        taken = [(position(plan, instance), entry) for instance, entry in path.entries]
        modify = []
        for name, expr in path.header.modify:
            writers = [value for at, entry in taken for value in _set(plan, at, entry, name)[-1:]]
            early = writers[0] if len(writers) > 1 else None
            modify.append((name, early if isinstance(early, ir.Const) else expr))
        return replace(path, header=replace(path.header, modify=tuple(modify)))

    return with_paths(plan, first_wins)


def _set(plan: Plan, at: int, title: str, name: str) -> list[ir.Expr]:
    """What the entry of that title in the instance at `at` writes to a field."""
    if at >= len(plan.network.instances):
        return []
    tables = (
        n for n in ir.walk(plan.network.instances[at].program.body) if isinstance(n, ir.Table)
    )
    return [
        node.value
        for table in tables
        for place, entry in enumerate(table.entries, 1)
        if entry_title(entry, place) == title
        for node in ir.walk(entry.body)
        if isinstance(node, ir.SetField) and node.name == name
    ]


def _early_sum(plan: Plan) -> Plan | None:
    def early(_: Class, path: Path) -> Path:
        return replace(path, header=replace(path.header, summed=path.header.summed[:-1]))

    return with_paths(plan, early)


def _constant(plan: Plan) -> Plan | None:
    def constant(path: Path, hoist: Hoist) -> Path:
        modify = tuple(
            (name, hoist(expr) if varies(plan, expr) and not reads_state(expr) else expr)
            for name, expr in path.header.modify
        )
        return replace(path, header=replace(path.header, modify=modify))

    return recorded_instead(plan, constant)


def _port(plan: Plan) -> Plan | None:
    """Not where the packet came in, but where the first one did."""

    def fixed(path: Path, hoist: Hoist) -> Path:
        def change(node: ir.Expr) -> ir.Expr:
            return hoist(node) if node == ir.Field("iface") else node

        def over_port(expr: ir.Expr) -> bool:
            return ir.Field("iface") in nodes(expr)

        return replace(
            path,
            residual=tuple(c for c in path.residual if not over_port(c)),
            outputs=tuple(mapped_expr(port, change) for port in path.outputs),
        )

    return recorded_instead(plan, fixed)


def _undropped(plan: Plan) -> Plan | None:
    """The packet goes where those that are not dropped go."""
    ways = [path.outputs for class_ in plan.classes for path in class_.paths if path.outputs]
    if not ways:
        return None
    return with_paths(
        plan, lambda _, path: path if path.outputs else replace(path, outputs=ways[0])
    )


ACTIONS = (
    Fault(
        "guard-left-out", "what varies within a flow (flags, ttl) is not asked", _unguarded, "c1"
    ),
    Fault("threshold-unchecked", "counters are not compared with limits", _unchecked, "c1"),
    Fault(
        "verdict-recorded", "the verdict of one packet serves for all later ones", _verdict, "c6"
    ),
    Fault("function-skipped", "the last state function is left out", _skipped, "c1"),
    Fault("drop-not-counted", "what NFs count before the drop is left out", _uncounted, "c1"),
    Fault("drop-too-late", "NFs behind the one that drops count the packet", _too_late, "c4"),
    Fault("drop-does-not-win", "dropped packets leave the chain", _undropped, "c1"),
    Fault(
        "tunnel-cancelled",
        "a tunnel is cancelled though something inside reads the outer header",
        _cancelled,
        "c2b",
    ),
    Fault("counter-in-record", "a counter is kept in the record", _counter, "c1"),
    Fault("arriving-tuple-in-state", "state is keyed by the tuple as it came in", _arriving, "c1"),
    Fault(
        "parallel-conflict",
        "state functions run side by side though one writes what the other reads",
        _parallel,
        "c9",
    ),
    Fault("wrong-order", "of two NFs that write a field, the first one wins", _wrong_order, "c1"),
    Fault("checksum-early", "the checksum is taken before the last modify", _early_sum, "c1"),
    Fault("relative-as-constant", "ttl - 1 is recorded as a constant", _constant, "c2b"),
    Fault("port-as-recorded", "packets leave where the recorded one left", _port, "c6"),
    Fault(
        "parallel-harmless",
        "state functions that share nothing run side by side, in the other order",
        _harmless,
        "c1",
        "none",
    ),
    Fault(
        "paths-reversed",
        "the paths of a class are tried in the other order",
        _reversed,
        "c1",
        "none",
    ),
)
