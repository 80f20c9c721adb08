"""The packets that a plan's records serve, with what is the same of all of them settled."""

from __future__ import annotations

from nfverify.equivalence.fastpath.chain import Chain
from nfverify.equivalence.fastpath.specialise import substituted
from nfverify.equivalence.packets import HEADERS, SymbolicPacket
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.terms import Term
from nfverify.packet.fields import FIELDS, IP

RLIMIT = 2_000_000


def only_ip(chain: Chain, deadline: float) -> bool:
    """May frames that are not IP be left out: no record serves them, no NF looks at them?"""
    if not chain.problem.only_ip():
        return False
    packet, now, facts = chain.arriving("any.")
    state, _ = chain.arbitrary_state()
    solver = Solver(Translator(), "", deadline=deadline, rlimit=RLIMIT)
    solver.add(*facts, chain.serves(chain.scope(state, packet, now)))
    return not solver.feasible(chain.terms.not_(packet.has(chain.terms, IP)))


def served_packet(chain: Chain, prefix: str, deadline: float) -> tuple[SymbolicPacket, list[Term]]:
    """A served packet of free fields, and what holds of it: headers that each has are there."""
    terms = chain.terms
    packet, now, facts = chain.arriving(prefix)
    state, _ = chain.arbitrary_state()
    facts = [*facts, chain.serves(chain.scope(state, packet, now))]
    if packet.layer is not None:
        return packet, facts
    solver = Solver(Translator(), "", deadline=deadline, rlimit=RLIMIT)
    solver.add(*facts)
    wanted = [packet.present[h] for h in HEADERS]
    wanted += [packet.has(terms, info.headers) for info in FIELDS.values()]
    put: dict[int, tuple[Term, Term]] = {}
    for there in wanted:
        if there.is_const or there.id in put:
            continue
        if not solver.feasible(terms.not_(there)):
            put[there.id] = there, terms.true
        elif not solver.feasible(there):
            put[there.id] = there, terms.false
    settled = dict(put.values())
    left = [packet.present[h] for h in HEADERS if packet.present[h] not in settled]
    for number, one in enumerate(left):
        for other in left[:number]:
            # Exactly one of the two: TCP, or else UDP.
            if one not in settled and not solver.feasible(terms.eq(one, other)):
                settled[one] = terms.not_(other)
    names = list(packet.fields)
    fields = substituted(terms, [packet.fields[n] for n in names], settled)
    present = substituted(terms, [packet.present[h] for h in HEADERS], settled)
    return (
        SymbolicPacket(
            dict(zip(HEADERS, present, strict=True)), dict(zip(names, fields, strict=True)), {}
        ),
        substituted(terms, facts, settled),
    )
