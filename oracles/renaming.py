"""Equality up to a consistent renaming of what a NAT invents: addresses, and ports of addresses.

A name that one side gives to an address or an end (protocol, address, port) is that of the other
side's for the rest of the trace, one to one. Packets that are sent to such a name reach the other
side under its own name for it. What a packet brings along is called the same on both sides.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from nfverify.oracles.comparators import Comparison, Parted
from nfverify.oracles.engines.base import Failure, Stepping
from nfverify.oracles.trace import Event
from nfverify.packet.codec import Malformed, Packet, deparse, parse
from nfverify.packet.packet import IP4, IP6, TCP, UDP
from nfverify.semantics.machine import Output


@dataclass(slots=True)
class OneToOne:
    """A one-to-one relation that grows; what stands on neither side is its own partner."""

    there: dict[Hashable, Hashable] = field(default_factory=dict)
    back: dict[Hashable, Hashable] = field(default_factory=dict)

    def of(self, name: Hashable) -> Hashable:
        """The partner: of a name that is only a partner itself, the one that nobody else has."""
        if name in self.there:
            return self.there[name]
        while name in self.back:
            name = self.back[name]
        return name

    def relate(self, name: Hashable, partner: Hashable) -> bool:
        """Records the pair, unless another pair forbids it."""
        if name in self.there or partner in self.back:
            return self.there.get(name) == partner
        self.there[name] = partner
        self.back[partner] = name
        return True


@dataclass(slots=True)
class Renaming:
    """What the right side calls the names of the left."""

    addresses: OneToOne = field(default_factory=OneToOne)
    ends: OneToOne = field(default_factory=OneToOne)

    def arrives(self, frame: bytes) -> bytes:
        """A frame of the left side as the right side gets it; its source keeps that name."""
        packet = parse(frame)
        if isinstance(packet, Malformed) or not packet.bits & (IP4 | IP6):
            return frame
        for source in (True, False):
            address, end = _names(packet, source)
            there, end_there = self.addresses.of(address), self.ends.of(end)
            _rename(packet, source, there, end_there)
            if source:
                self.addresses.relate(address, there)
                if _has_ports(packet):
                    self.ends.relate(end, end_there)
        return deparse(packet)

    def leaves(
        self, came: tuple[bytes, bytes], left: Output, right: Output, comparison: Comparison
    ) -> bool:
        """Is what came out on the right that of the left by other names? `came`: what arrived."""
        one, other = parse(left.frame), parse(right.frame)
        if isinstance(one, Malformed) or isinstance(other, Malformed) or one.bits != other.bits:
            return comparison.alike(left, right)
        before, after = parse(came[0]), parse(came[1])
        if isinstance(before, Malformed) or isinstance(after, Malformed):
            return comparison.alike(left, right)
        if one.bits & (IP4 | IP6):
            for source in (True, False):
                if not self._side(source, (before, after), one, other):
                    return False
                _rename(other, source, *_names(one, source))
        return comparison.alike(left, right._replace(frame=deparse(other)))

    def _side(self, source: bool, came: tuple[Packet, Packet], one: Packet, other: Packet) -> bool:
        (address, end), (there, end_there) = _names(one, source), _names(other, source)
        brought = {_names(came[0], s)[0] for s in (True, False)}
        if address in brought and there != self.addresses.of(address):
            return False
        if not self.addresses.relate(address, there):
            return False
        if not _has_ports(one):
            return True
        brought = {_names(came[0], s)[1] for s in (True, False)}
        if end in brought and end_there != self.ends.of(end):
            return False
        kept = _port(one, source) == _port(came[0], source)
        if kept and _port(other, source) != _port(came[1], source):
            return False
        return self.ends.relate(end, end_there)


def parted_renamed(
    left: Stepping, right: Stepping, trace: Sequence[Event], comparison: Comparison
) -> Parted | tuple[int, Failure] | None:
    """Where two engines part on a trace, or the right one fails, given its own names."""
    renaming = Renaming()
    a, b = left.start(), right.start()
    try:
        for at, event in enumerate(trace):
            frame = renaming.arrives(event.frame)
            one, other = a.step(event), b.step(event._replace(frame=frame))
            if isinstance(one, Failure):
                return None
            if isinstance(other, Failure):
                return at, other
            came = event.frame, frame
            same = len(one) == len(other) and all(
                renaming.leaves(came, x, y, comparison) for x, y in zip(one, other, strict=True)
            )
            if not same:
                return Parted(at, one, other)
    finally:
        a.close()
        b.close()
    return None


def _names(packet: Packet, source: bool) -> tuple[Hashable, Hashable]:
    """The address, and the end, of the source or of the destination."""
    if packet.bits & IP4:
        address: tuple[int, int] = 4, packet.sip if source else packet.dip
    else:
        address = 6, packet.sip6 if source else packet.dip6
    return address, (packet.proto, address, _port(packet, source))


def _port(packet: Packet, source: bool) -> int:
    return packet.sport if source else packet.dport


def _has_ports(packet: Packet) -> bool:
    return bool(packet.bits & (TCP | UDP))


def _rename(packet: Packet, source: bool, address: Hashable, end: Hashable) -> None:
    assert isinstance(address, tuple)
    assert isinstance(end, tuple)
    which = "s" if source else "d"
    setattr(packet, f"{which}ip" if address[0] == 4 else f"{which}ip6", address[1])
    if _has_ports(packet):
        setattr(packet, f"{which}port", end[2])
