"""Traces with repetitions: a thousand packets that differ in a number are written as one loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from nfverify.equivalence.simulate import Arrival, Trace
from nfverify.packet.packet import IP6, Packet

Vary = Literal["none", "sport", "sip", "dip", "both"]
VARIATIONS: tuple[Vary, ...] = ("none", "sport", "sip", "dip", "both")
PORTS_A_HOST = 250
"""`both`: so many source ports, then the next source address."""


@dataclass(frozen=True, slots=True)
class Loop:
    """`arrival` `count` times, each `gap` ns after the one before; repetition j (from 0) has j
    added to the field that `vary` names, modulo its width; an IPv6 packet's own addresses."""

    arrival: Arrival
    vary: Vary
    count: int
    gap: int = 0

    def repetition(self, number: int) -> Arrival:
        """Arrival number `number` (from 0); its `frame` is the first one's: see `deparse`."""
        first = self.arrival
        time = first.time + number * self.gap
        if self.vary == "none" or not number:
            return Arrival(time, first.port, first.packet)
        return Arrival(time, first.port, varied(first.packet, self.vary, number))


Script = tuple[Arrival | Loop, ...]


def varied(packet: Packet, vary: Vary, number: int) -> Packet:
    """Repetition `number` of a packet."""
    copy = packet.copy()
    for name, amount in moves(vary, number):
        if name == "sport":
            if copy.L4 and not copy.icmp_type and copy.proto in (6, 17):
                copy.sport = (copy.sport + amount) & 0xFFFF
        elif copy.bits & IP6:
            name += "6"
            setattr(copy, name, (getattr(copy, name) + amount) & ((1 << 128) - 1))
        elif copy.IP4:
            setattr(copy, name, (getattr(copy, name) + amount) & 0xFFFFFFFF)
    return copy


def moves(vary: Vary, number: int) -> tuple[tuple[str, int], ...]:
    """What repetition `number` adds to which field."""
    match vary:
        case "none":
            return ()
        case "sport" | "sip" | "dip":
            return ((vary, number),)
        case "both":
            return (("sport", number % PORTS_A_HOST), ("sip", number // PORTS_A_HOST))


def expand(script: Script) -> Iterator[Arrival]:
    """The packets of a script, one after the other. What `deparse` makes of each is its frame."""
    for part in script:
        if isinstance(part, Loop):
            for number in range(part.count):
                yield part.repetition(number)
        else:
            yield part


def length(script: Script) -> int:
    """How many packets a script is."""
    return sum(part.count if isinstance(part, Loop) else 1 for part in script)


def plain(trace: Trace | Sequence[Arrival]) -> Script:
    """A trace as a script without loops."""
    return tuple(trace)
