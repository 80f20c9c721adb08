"""What may differ between the chain's step and the plan's: outputs, state, checksums, records."""

from __future__ import annotations

from collections.abc import Sequence

from nfverify.equivalence.fastpath.chain import Chain, PlanScope, Step
from nfverify.equivalence.packets import HEADERS, width_of
from nfverify.equivalence.state import LogEntry, State
from nfverify.equivalence.symbolic import Emission
from nfverify.equivalence.terms import Term, Terms
from nfverify.fastpath.plan import Path
from nfverify.packet.fields import FIELDS, LINK_FIELDS

OBSERVED = tuple(name for name, info in FIELDS.items() if info.on_wire)
SUMMED = frozenset(name for name in OBSERVED if name not in LINK_FIELDS)
"""Fields that some checksum of the frame covers."""


def outputs_differ(terms: Terms, a: Sequence[Emission], b: Sequence[Emission]) -> Term:
    """Do the lists of what came out differ: number, ports, order, fields on the wire?"""
    rank_a, count_a = _ranks(terms, a)
    rank_b, count_b = _ranks(terms, b)
    differences = [terms.not_(terms.eq(count_a, count_b))]
    for x, at_x in zip(a, rank_a, strict=True):
        for y, at_y in zip(b, rank_b, strict=True):
            pairs = zip(_observed(x), _observed(y), strict=True)
            same = terms.all(terms.eq(one, other) for one, other in pairs)
            both = terms.all((x.guard, y.guard, terms.eq(at_x, at_y)))
            differences.append(terms.and_(both, terms.not_(same)))
    return terms.any(differences)


def _observed(emission: Emission) -> list[Term]:
    """The port, each field and, where headers are pushed or popped, all other bytes."""
    packet = emission.packet
    found = [emission.port, *(packet.fields[f] for f in OBSERVED)]
    if packet.layer is None:
        return found
    there = (packet.present[h] for h in HEADERS)
    return [*found, *there, *packet.layer.tags.terms(), packet.layer.rest]


def _ranks(terms: Terms, emissions: Sequence[Emission]) -> tuple[list[Term], Term]:
    count = terms.const(0, 16)
    ranks = []
    for emission in emissions:
        ranks.append(count)
        count = terms.binary("add", count, terms.to_bits(emission.guard, 16))
    return ranks, count


def changed_at(a: State, b: State, var: str, keys: tuple[Term, ...]) -> Term:
    """Has a key another value, or presence, in one state than in the other?"""
    terms, count = a.terms, len(a.variables[var].values)
    here, there = a.has(var, keys), b.has(var, keys)
    values = [
        terms.not_(terms.eq(a.read(var, keys, i), b.read(var, keys, i))) for i in range(count)
    ]
    return terms.or_(terms.not_(terms.eq(here, there)), terms.and_(here, terms.any(values)))


def _written(before: State, after: State, var: str) -> tuple[LogEntry, ...]:
    return after.logs.get(var, ())[len(before.logs.get(var, ())) :]


def variable_differs(before: State, a: State, b: State, var: str) -> Term:
    """Is a variable another in one state than in the other, anywhere? Both come of `before`."""
    terms = a.terms
    if not a.variables[var].keys:
        return changed_at(a, b, var, ())
    entries = {(e.guard.id, *(k.id for k in e.keys)): e for e in _written(before, a, var)}
    if a is not b:
        more = {(e.guard.id, *(k.id for k in e.keys)): e for e in _written(before, b, var)}
        entries |= more
    return terms.any(terms.and_(e.guard, changed_at(a, b, var, e.keys)) for e in entries.values())


def writes_to(before: State, after: State, var: str) -> bool:
    """May a step have written a variable at all?"""
    if not after.variables[var].keys:
        return after.plain[var] != before.plain[var]
    return bool(_written(before, after, var))


def states_differ(chain: Chain, before: State, a: State, b: State) -> list[tuple[str, Term]]:
    """For each variable of the chain, whether the states differ in it."""
    return [
        (name, variable_differs(before, a, b, name))
        for name, variable in chain.plan.variables()
        if not variable.constant and (writes_to(before, a, name) or writes_to(before, b, name))
    ]


def held(chain: Chain, step: Step) -> Term:
    """Did a timer take a packet? No path of a plan can do so."""
    return chain.terms.any(h.guard for h in step.held)


def sums_differ(chain: Chain, path: Path, scope: PlanScope) -> Term:
    """Is a covered field changed whose change is not in the checksums?"""
    terms, packet = chain.terms, scope.packet
    if not path.outputs:
        return terms.false
    changed = []
    for name, expr in path.header.modify:
        if name in SUMMED and name not in path.header.summed:
            value = terms.resize(scope(expr), width_of(name), False)
            differs = terms.not_(terms.eq(value, packet.fields[name]))
            changed.append(terms.and_(packet.has(terms, FIELDS[name].headers), differs))
    if path.header.pops and changed:
        return terms.true  # of a header that comes to light only then
    return terms.any(changed)
