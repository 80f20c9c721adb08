"""The scalars that relations speak about, and which of one side may equal which of the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TypeVar

from nfverify.equivalence.constants import Constants
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.relation import Candidate
from nfverify.smat import ir

T = TypeVar("T")
MAX_CONSTANTS = 12
MAX_PERMUTATIONS = 24


@dataclass(frozen=True, slots=True)
class Component:
    """One scalar of a state variable: component `index`, or its presence (None).

    With an `order` it is seen under the keys of another variable: position i of its own keys is
    number order[i] of those, whose types are `under`.
    """

    var: str
    variable: ir.StateVar
    index: int | None
    constants: tuple[int, ...]
    order: tuple[int, ...] = ()
    under: tuple[ir.Type, ...] = ()

    @property
    def keys(self) -> tuple[ir.Type, ...]:
        return self.under if self.order else self.variable.keys

    def own_key(self, key: tuple[T, ...]) -> tuple[T, ...]:
        """A key as the variable itself has it."""
        return tuple(key[i] for i in self.order) if self.order else key

    @property
    def type(self) -> ir.Type:
        return ir.BOOL if self.index is None else self.variable.values[self.index]

    def at(self, keys: tuple[ir.Expr, ...]) -> ir.Expr:
        own = self.own_key(keys)
        if self.index is None:
            return ir.Has(self.var, own)
        return ir.Read(self.var, own, self.index, self.type)


def locals_of(types: Sequence[ir.Type]) -> tuple[ir.Expr, ...]:
    """The key variables k0, k1, … of these types."""
    return tuple(ir.Local(f"k{i}", t) for i, t in enumerate(types))


def number(value: int, type_: ir.Type) -> ir.Const:
    assert isinstance(type_, ir.Bits)
    return ir.Const(ir.wrap(value, type_), type_)


def equal(a: ir.Expr, b: ir.Expr) -> ir.Expr:
    """Equality by value; operands of different widths are widened first."""
    if a.type == b.type:
        return ir.Compare("==", a, b)
    return ir.Compare("==", *widened(a, b))


def widened(a: ir.Expr, b: ir.Expr) -> tuple[ir.Expr, ir.Expr]:
    """Both as one signed type that holds every value of both."""
    wide = ir.Bits(1 + max(t.width for t in (a.type, b.type) if isinstance(t, ir.Bits)), True)
    return ir.Cast(a, wide), ir.Cast(b, wide)


def at_most(a: ir.Expr, b: ir.Expr, strictly: bool = False) -> ir.Expr:
    op: ir.CompareOp = "<" if strictly else "<="
    return ir.Compare(op, a, b) if a.type == b.type else ir.Compare(op, *widened(a, b))


def implies(a: ir.Expr, b: ir.Expr) -> ir.Expr:
    return ir.Or((negate(a), b))


def negate(a: ir.Expr) -> ir.Expr:
    return a.operand if isinstance(a, ir.Not) else ir.Not(a)


def is_number(type_: ir.Type) -> bool:
    return isinstance(type_, ir.Bits)


def kindred(a: ir.Type, b: ir.Type) -> bool:
    """May values of these types sensibly be held against each other? An address and a counter
    may not, though both are numbers."""

    def kind(type_: ir.Type) -> str:
        if not isinstance(type_, ir.Bits):
            return "none"
        return "number" if type_.shown in ("int", "port") else type_.shown

    return kind(a) == kind(b) != "none"


class Components:
    """The components that relations speak about: those in the cone of influence."""

    def __init__(
        self, problem: Problem, constants: Constants, relevant: set[str], presence: set[str]
    ) -> None:
        self.variables = {n: v for n, v in problem.variables().items() if not v.constant}
        self.by_side: dict[str, list[Component]] = {"a": [], "b": []}
        for side in problem.sides:
            for instance in side.network.instances:
                where = f"{side.letter}.{instance.name}"
                for variable in instance.program.state:
                    name = side.qualify(instance.name, variable.name)
                    if variable.constant or name not in relevant:
                        continue
                    found = sorted(constants.variables.get((where, variable.name), ()))
                    chosen = tuple(found[:MAX_CONSTANTS])
                    into = self.by_side[side.letter]
                    if variable.keys and (name in presence or not variable.values):
                        into.append(Component(name, variable, None, ()))
                    into.extend(
                        Component(name, variable, i, chosen) for i in range(len(variable.values))
                    )

    @property
    def all(self) -> list[Component]:
        return self.by_side["a"] + self.by_side["b"]


def matchings(components: Components) -> Iterator[tuple[Component, Component, Candidate]]:
    """Equalities between a component of A and one of B, likeliest first: same name, then others;
    same keys, then permuted ones."""

    def bare(name: str) -> str:
        return name.split(".", 1)[1].replace(".", "_")

    pairs = [
        (a, b)
        for a in components.by_side["a"]
        for b in components.by_side["b"]
        if (a.type == b.type or (is_number(a.type) and is_number(b.type)))
        and sorted(map(repr, a.keys)) == sorted(map(repr, b.keys))
    ]

    def likelihood(pair: tuple[Component, Component]) -> tuple[bool, bool, bool]:
        a, b = pair
        ends = bare(a.var).endswith(bare(b.var)) or bare(b.var).endswith(bare(a.var))
        return (
            bare(a.var) != bare(b.var) or a.index != b.index,
            not ends or a.index != b.index,
            a.type != b.type,
        )

    for a, b in sorted(pairs, key=likelihood):
        keys = locals_of(a.keys)
        for order in orders(a.keys, b.keys):
            expr = equal(a.at(keys), b.at(tuple(keys[i] for i in order)))
            identity = order == tuple(range(len(keys)))
            shape = ("iff" if a.index is None else "eq") if identity else "permuted"
            yield a, b, Candidate(shape, a.keys, expr)


def orders(a: Sequence[ir.Type], b: Sequence[ir.Type]) -> list[tuple[int, ...]]:
    """The permutations of A's key positions that have the types of B's, the identity first."""
    found: list[tuple[int, ...]] = []
    if len(a) > 7:
        return [tuple(range(len(a)))] if tuple(a) == tuple(b) else []
    for order in permutations(range(len(a))):
        if all(a[i] == t for i, t in zip(order, b, strict=True)):
            found.append(order)
            if len(found) >= MAX_PERMUTATIONS:
                break
    return found
