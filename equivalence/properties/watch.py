"""A property made ready to be watched: what only properties may say becomes locals with a meaning.

The past of a property is a few plain variables: whether a condition held since, how much an
interval has seen, and the values that its own variables have throughout. They are state of a
second network, which looks on: so whatever proves or searches two networks does it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nfverify.lang.source import Diagnostic, ModelError
from nfverify.smat import ir
from nfverify.smat.rebuild import mapped_expr

LEAF = "%"
"""Locals whose name begins so stand for a leaf of the property; no model can have them."""
TICK = "%tick"

Leaf = ir.Post | ir.Dropped | ir.OutputPort | ir.OutOfBounds | ir.Since | ir.Total
_OF_STATE = (ir.Field, ir.Tag, ir.Now, ir.Post, ir.Dropped, ir.OutputPort, ir.OutOfBounds)


@dataclass(frozen=True, slots=True)
class Past:
    """A variable of the looker-on, and what it is of the past."""

    name: str
    node: ir.Since | ir.Total


@dataclass(frozen=True, slots=True)
class Watch:
    """A property and all of its parts. `expr` and what stands in `leaves` have locals for leaves
    and for the property's variables; `pasts` stand in the order in which they are kept."""

    claim: ir.Property
    expr: ir.Expr
    leaves: Mapping[str, Leaf]
    pasts: tuple[Past, ...]

    @property
    def variables(self) -> tuple[tuple[str, ir.Type], ...]:
        """Those that the property is quantified over."""
        return self.claim.variables

    @property
    def of_state(self) -> bool:
        """Does it speak of the state alone, so that it is about every state?"""
        return of_state(self.claim.expr)

    @property
    def of_timers(self) -> bool:
        """Is it that no limit is reached, which timers must keep, too?"""
        return self.claim.expr == ir.Not(ir.OutOfBounds())

    def past_of(self, node: Leaf) -> Past:
        return next(p for p in self.pasts if p.node == node)

    def depends(self, expr: ir.Expr) -> bool:
        """Does it depend on which packet came out?"""
        for node in ir.walk((expr,)):
            if isinstance(node, ir.Local) and node.name in self.leaves:
                leaf = self.leaves[node.name]
                if isinstance(leaf, ir.OutputPort):
                    return True
                if isinstance(leaf, ir.Post):
                    inner = leaf.operand
                    if isinstance(inner, ir.Field) or any(map(self.depends, ir.children(inner))):  # type: ignore[arg-type]  # of expressions
                        return True
        return False

    def network(self, ports: tuple[str, ...]) -> ir.Network:
        """The looker-on: lets everything through and keeps the past."""
        state = [ir.StateVar(n, (), (t,), (ir.zero(t),), "plain") for n, t in self.variables]
        state += [
            ir.StateVar(p.name, (), (p.node.type,), (ir.zero(p.node.type),), "plain")
            for p in self.pasts
        ]
        entries: list[ir.Entry] = []
        timers: list[ir.InitTimer] = []
        for past in self.pasts:
            if isinstance(past.node, ir.Total):
                tag = f"{TICK} {past.name}"
                test = ir.Compare("==", ir.Tag(tag), ir.Const(1, ir.INT))
                again = ir.Delay(ir.Const(past.node.period, ir.TIME))
                nothing = ir.Write(past.name, (), (ir.Const(0, past.node.type),))
                entries.append(ir.Entry("", (test,), (), (nothing, ir.SetOutput(again))))
                timers.append(ir.InitTimer(((tag, 1),), past.node.period))
        body = (ir.Table(tuple(entries)),) if entries else ()
        numbers = tuple(range(len(ports))) if len(ports) >= 2 else ()
        program = ir.Program(LOOKER, numbers, (), tuple(state), (), tuple(timers), body)
        return ir.Network(LOOKER, ports, (ir.Instance(LOOKER, program),), ())


LOOKER = "property"


def of_state(expr: ir.Expr) -> bool:
    """Does it read nothing but state and variables?"""
    return not any(isinstance(n, (*_OF_STATE, ir.Since, ir.Total)) for n in ir.walk((expr,)))


def watch(claim: ir.Property) -> Watch:
    """The property made ready. ModelError for what nothing outside can see."""
    leaves: dict[str, Leaf] = {}
    numbers: dict[Leaf, str] = {}
    pasts: list[Past] = []
    counts = {"before": 0, "since": 0, "total": 0}
    taken = {name for name, _ in claim.variables}

    def named(kind: str) -> str:
        while True:
            counts[kind] += 1
            name = f"{kind}_{counts[kind]}"
            if name not in taken:
                return name

    def change(node: ir.Expr) -> ir.Expr:
        match node:
            case ir.Tag():
                return ir.Const(0, node.type)  # as a packet arrives
            case ir.Post(operand=ir.Const() as constant):
                message = "a tag is not seen once the packet is out"
                raise ModelError(Diagnostic("error", "tag", message, constant.span or claim.span))
            case ir.Post() | ir.Dropped() | ir.OutputPort() | ir.OutOfBounds():
                pass
            case ir.Since(held=held):
                if node not in numbers:
                    pasts.append(Past(named("before" if held == ir.TRUE else "since"), node))
            case ir.Total():
                if node not in numbers:
                    pasts.append(Past(named("total"), node))
            case _:
                return node
        if node not in numbers:
            numbers[node] = f"{LEAF}{len(numbers)}"
            leaves[numbers[node]] = node
        return ir.Local(numbers[node], node.type)

    expr = mapped_expr(claim.expr, change)
    return Watch(claim, expr, leaves, tuple(pasts))
