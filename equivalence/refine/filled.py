"""Candidates of refinement alone: that nothing is free any more on one side of a counter.

Where A takes numbers in order and B any that is free, B may only give up when none is left. That
needs the other half of "what is taken is below `next`".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nfverify.equivalence.components import at_most, implies, kindred, locals_of, number
from nfverify.equivalence.constants import constant_folded
from nfverify.equivalence.problem import CLOCK, Problem
from nfverify.equivalence.refine.witness import places
from nfverify.equivalence.relation import Candidate
from nfverify.smat import ir


def filled(problem: Problem) -> Iterator[Candidate]:
    """end <= k && k < next -> k is taken, k is taken -> k <= next, and the same downwards; for each
    map with one key and each counter."""
    variables = {n: v for n, v in problem.variables().items() if not v.constant and n != CLOCK}
    ends = _ends(problem)
    for name, variable in variables.items():
        if len(variable.keys) != 1 or not isinstance(variable.keys[0], ir.Bits):
            continue
        keys = locals_of(variable.keys)
        for taken in _taken(name, variable, keys):
            for other, counter in variables.items():
                for index, type_ in enumerate(() if counter.keys else counter.values):
                    if not isinstance(type_, ir.Bits) or not kindred(type_, keys[0].type):
                        continue
                    limit = ir.Read(other, (), index, type_)
                    start = counter.default[index]
                    known = sorted({*ends, int(start) if isinstance(start, int) else 0})
                    for shape, claim in _about(keys[0], taken, limit, known):
                        yield Candidate(shape, variable.keys, claim)


def _ends(problem: Problem) -> set[int]:
    """Where the ranges of choices begin and end."""
    return {
        found
        for side in problem.sides
        for node in places(side.network).values()
        for bound in (node.low, node.high)
        if (found := constant_folded(bound)) is not None
    }


def _about(
    key: ir.Expr, taken: ir.Expr, limit: ir.Expr, ends: Sequence[int]
) -> Iterator[tuple[str, ir.Expr]]:
    yield "freshkey", implies(taken, at_most(key, limit))
    yield "freshkey", implies(taken, at_most(limit, key))
    assert isinstance(key.type, ir.Bits)
    for end in ends:
        if ir.wrap(end, key.type) != end:
            continue
        bound = number(end, key.type)
        for strictly in (True, False):
            up = ir.And((ir.Compare("<=", bound, key), at_most(key, limit, strictly)))
            down = ir.And((at_most(limit, key, strictly), ir.Compare("<=", key, bound)))
            yield "filled", implies(up, taken)
            yield "filled", implies(down, taken)


def _taken(name: str, variable: ir.StateVar, keys: tuple[ir.Expr, ...]) -> Iterator[ir.Expr]:
    yield ir.Has(name, keys)
    if not variable.values:
        return
    value = ir.Read(name, keys, 0, variable.values[0])
    if isinstance(value.type, ir.Bits):
        yield ir.Compare("!=", value, number(0, value.type))
    elif value.type == ir.BOOL:
        yield value
