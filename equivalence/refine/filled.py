"""Candidates of refinement alone: that nothing is free any more below a counter.

Where A takes numbers in order and B any that is free, B may only give up when none is left. That
needs the other half of "what is taken is below `next`".
"""

from __future__ import annotations

from collections.abc import Iterator

from nfverify.equivalence.components import at_most, implies, kindred, locals_of, number
from nfverify.equivalence.constants import constant_folded
from nfverify.equivalence.problem import CLOCK, Problem
from nfverify.equivalence.refine.witness import places
from nfverify.equivalence.relation import Candidate
from nfverify.smat import ir


def filled(problem: Problem) -> Iterator[Candidate]:
    """low <= k && k < next -> k is taken, and k is taken -> k <= next; for each map with one key
    and each counter."""
    variables = {n: v for n, v in problem.variables().items() if not v.constant and n != CLOCK}
    lows = {
        found
        for side in problem.sides
        for node in places(side.network).values()
        if (found := constant_folded(node.low)) is not None
    }
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
                    within = implies(taken, at_most(keys[0], limit))
                    yield Candidate("freshkey", variable.keys, within)
                    start = counter.default[index]
                    for low in sorted({*lows, int(start) if isinstance(start, int) else 0}):
                        if ir.wrap(low, variable.keys[0]) != low:
                            continue
                        above = ir.Compare("<=", number(low, variable.keys[0]), keys[0])
                        for strictly in (True, False):
                            below = at_most(keys[0], limit, strictly)
                            claim = implies(ir.And((above, below)), taken)
                            yield Candidate("filled", variable.keys, claim)


def _taken(name: str, variable: ir.StateVar, keys: tuple[ir.Expr, ...]) -> Iterator[ir.Expr]:
    if not variable.values:
        yield ir.Has(name, keys)
        return
    value = ir.Read(name, keys, 0, variable.values[0])
    yield ir.Has(name, keys)
    if isinstance(value.type, ir.Bits):
        yield ir.Compare("!=", value, number(0, value.type))
    elif value.type == ir.BOOL:
        yield value
