"""Packets that bring the faults of fast paths to light: few flows, over and over, each packet with
flags, a time to live and a size of its own; and pairs of flows that a hash takes for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from nfverify.equivalence.simulate import START, Arrival, Trace, Traffic, make_packet
from nfverify.fastpath.plan import Plan
from nfverify.packet.fields import FIELDS, Header
from nfverify.packet.packet import IP4, TCP, UDP, Packet
from nfverify.semantics.operators import hash_of
from nfverify.semantics.values import number
from nfverify.smat import ir

FLOWS = 6
KINDS = 24  # packets that collisions are looked for between
VARIANTS = 6_000  # flows of each kind
COLLISIONS = 400  # that are tried
_FLAGS: tuple[dict[str, int], ...] = ({}, {}, {}, {"flag_syn": 1}, {"flag_fin": 1}, {"flag_rst": 1})


class Recurring(Traffic):
    """`Traffic` whose packets are mostly of a few flows."""

    def packets(self, replies: Sequence[Packet]) -> Iterator[Packet]:
        rng = self.rng
        fresh = super().packets(replies)
        flows = [next(fresh) for _ in range(FLOWS)]
        while True:
            dice = rng.random()
            if dice < 0.25:
                yield next(fresh)
                continue
            if dice < 0.3:
                flows[rng.randrange(FLOWS)] = next(fresh)
            yield self._one_of(rng.choice(flows))

    def _one_of(self, flow: Packet) -> Packet:
        """Another packet of a flow."""
        rng = self.rng
        values = {n: getattr(flow, n) for n, f in FIELDS.items() if f.on_wire and f.width}
        values |= {"flag_syn": 0, "flag_fin": 0, "flag_rst": 0} | rng.choice(_FLAGS)
        if rng.random() < 0.3:
            values["ttl"] = rng.choice((1, 2, 64))
        return make_packet(flow.present, values, flow.payload) or flow


def collisions(plan: Plan, traffic: Traffic) -> Iterator[Trace]:
    """Two packets each, of different flows that stand under one hash of the plan's key."""
    hash_ = hash_of(tuple(map(ir.field_type, plan.key)))
    mask = (1 << plan.hashed) - 1
    kinds = [
        p for p in islice(traffic.packets(()), 8 * KINDS) if p.bits & IP4 and p.bits & (TCP | UDP)
    ]
    found = 0
    seen: dict[int, list[Packet]] = {}
    for packet in kinds[:KINDS]:
        for variant in islice(_variants(packet), VARIANTS):
            key = tuple(getattr(variant, name) for name in plan.key)
            place = number(hash_(*key)) & mask
            for other in seen.setdefault(place, []):
                if any(getattr(other, n) != getattr(variant, n) for n in plan.key):
                    yield from (_trace(other, variant), _trace(variant, other))
                    found += 1
            if found > COLLISIONS:
                return
            seen[place].append(variant)


def _variants(packet: Packet) -> Iterator[Packet]:
    """The same packet from other ports."""
    values = {n: getattr(packet, n) for n, f in FIELDS.items() if f.on_wire and f.width}
    for sport in range(1024, 1024 + VARIANTS):
        made = make_packet(packet.present & ~Header.VLAN, values | {"sport": sport})
        if made is not None:
            yield made


def _trace(first: Packet, second: Packet) -> Trace:
    return Arrival(START, 0, first), Arrival(START, 0, second)
