"""The packets that a plan's records serve, with what is the same of all of them settled."""

from __future__ import annotations

from collections.abc import Mapping

from nfverify.equivalence.fastpath.chain import Chain
from nfverify.equivalence.fastpath.specialise import substituted
from nfverify.equivalence.layers import Layer, Tags
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
    solver = Solver(Translator(), "", deadline=deadline, rlimit=RLIMIT, refuted=chain.refuted)
    solver.add(*facts, chain.serves(chain.scope(state, packet, now)))
    return not solver.feasible(chain.terms.not_(packet.has(chain.terms, IP)))


def served_packet(chain: Chain, prefix: str, deadline: float) -> tuple[SymbolicPacket, list[Term]]:
    """A served packet of free fields, and what holds of it: headers that each has are there."""
    terms = chain.terms
    packet, now, facts = chain.arriving(prefix)
    state, _ = chain.arbitrary_state()
    facts = [*facts, chain.serves(chain.scope(state, packet, now))]
    solver = Solver(Translator(), "", deadline=deadline, rlimit=RLIMIT, refuted=chain.refuted)
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
    made = SymbolicPacket(
        dict(zip(HEADERS, present, strict=True)),
        dict(zip(names, fields, strict=True)),
        {},
        _settled_layer(chain, packet.layer, settled),
    )
    known = substituted(terms, facts, settled)
    # What is inside speaks of the packet as it was.
    return made, known if packet.layer is None else [*facts, *known]


def _settled_layer(chain: Chain, layer: Layer | None, put: Mapping[Term, Term]) -> Layer | None:
    if layer is None:
        return None
    tags = Tags(*substituted(chain.terms, layer.tags.terms(), put))
    own = substituted(chain.terms, layer.terms(), put)
    proto, size, payload, vxlan, captured, rest, count = own
    return Layer(tags, proto, size, payload, vxlan, captured, rest, count, layer.inside)
