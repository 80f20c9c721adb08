"""Plans with other parts: what the faults have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

from nfverify.fastpath.plan import Class, Path, Plan, StateFunction, Value
from nfverify.smat import ir
from nfverify.smat.rebuild import mapped_expr

Pick = Callable[[ir.Expr], bool]


def unless_same(plan: Plan, other: Plan) -> Plan | None:
    """The other, if it is another."""
    return None if other == plan else other


def with_classes(plan: Plan, change: Callable[[Class], Class]) -> Plan | None:
    return unless_same(plan, replace(plan, classes=tuple(map(change, plan.classes))))


def with_paths(plan: Plan, change: Callable[[Class, Path], Path]) -> Plan | None:
    def in_class(class_: Class) -> Class:
        return replace(class_, paths=tuple(change(class_, path) for path in class_.paths))

    return with_classes(plan, in_class)


def without_events(plan: Plan, silent: Callable[[str], bool]) -> Plan | None:
    """Changes of these variables reach no record."""

    def deaf(class_: Class) -> Class:
        return replace(class_, watches=tuple(w for w in class_.watches if not silent(w.var)))

    other = replace(
        plan,
        classes=tuple(map(deaf, plan.classes)),
        epoch=tuple(name for name in plan.epoch if not silent(name)),
    )
    return unless_same(plan, other)


def changed_function(
    function: StateFunction, change: Callable[[ir.Expr], ir.Expr], *, keys_only: bool = False
) -> StateFunction:
    """With `change` made to each part of its keys and values."""
    writes: list[ir.Write | ir.Delete] = []
    for write in function.writes:
        keys = tuple(mapped_expr(k, change) for k in write.keys)
        if isinstance(write, ir.Write) and not keys_only:
            values = tuple(mapped_expr(v, change) for v in write.values)
            writes.append(replace(write, keys=keys, values=values))
        else:
            writes.append(replace(write, keys=keys))
    return replace(function, writes=tuple(writes))


class Hoist:
    """Records expressions in a class that has computed them for each packet so far."""

    def __init__(self, class_: Class) -> None:
        self.taken = {value.name: value.expr for value in class_.values}
        self.found: dict[ir.Expr, Value] = {}

    def __call__(self, expr: ir.Expr) -> ir.Expr:
        if expr not in self.found:
            name = next(f"kept{n}" for n in count() if f"kept{n}" not in self.taken)
            self.taken[name] = expr
            self.found[expr] = Value(name, mapped_expr(expr, self._meant))
        return ir.Local(self.found[expr].name, expr.type)

    def _meant(self, node: ir.Expr) -> ir.Expr:
        """Values mention no others."""
        return self.taken[node.name] if isinstance(node, ir.Local) else node

    def into(self, class_: Class, paths: tuple[Path, ...]) -> Class:
        return replace(class_, paths=paths, values=(*class_.values, *self.found.values()))


def recorded_instead(plan: Plan, change: Callable[[Path, Hoist], Path]) -> Plan | None:
    """`change` takes expressions of a path into the record."""

    def in_class(class_: Class) -> Class:
        hoist = Hoist(class_)
        return hoist.into(class_, tuple(change(path, hoist) for path in class_.paths))

    return with_classes(plan, in_class)


def nodes(*exprs: ir.Expr) -> Iterator[ir.Expr]:
    return (n for n in ir.walk(exprs) if isinstance(n, ir.Expr))


def reads_state(expr: ir.Expr) -> bool:
    return any(isinstance(n, ir.Read | ir.Has) for n in nodes(expr))


def varies(plan: Plan, expr: ir.Expr) -> bool:
    """Does it mention what is not the same for all packets of a flow?"""
    return any(
        isinstance(n, ir.Now) or (isinstance(n, ir.Field) and n.name not in plan.key)
        for n in nodes(expr)
    )


def entries_of(program: ir.Program) -> Iterator[tuple[int, ir.Entry]]:
    """All entries, with their place in their table, from 1."""
    for node in ir.walk(program.body):
        if isinstance(node, ir.Table):
            yield from enumerate(node.entries, 1)


def position(plan: Plan, instance: str) -> int:
    """Where an instance stands in the chain; behind all for a name that it doesn't have."""
    names = [i.name for i in plan.network.instances]
    return names.index(instance) if instance in names else len(names)
