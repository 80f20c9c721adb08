"""Equality up to a consistent renaming of what a NAT invents: addresses, and ports of addresses.

A name that one side gives to an address or an end (protocol, address, port) is that of the other
side's for the rest of the trace, one to one. Packets that are sent to such a name reach the other
side under its own name for it. What a packet brings along is called the same on both sides.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nfverify.oracles.comparators import Comparison, Parted
from nfverify.oracles.engines.base import Failure, Stepping
from nfverify.oracles.trace import Event
from nfverify.packet.codec import Malformed, Packet, deparse, parse
from nfverify.packet.packet import ICMP, IP4, IP6, TCP, UDP
from nfverify.semantics.machine import Output

MAX_PASSES = 12  # over one trace, to learn names


@dataclass(slots=True)
class OneToOne:
    """A one-to-one relation that grows; what stands on neither side is its own partner."""

    there: dict[Hashable, Hashable] = field(default_factory=dict)
    back: dict[Hashable, Hashable] = field(default_factory=dict)

    @classmethod
    def of_pairs(cls, pairs: Mapping[Hashable, Hashable]) -> OneToOne:
        """With these, as far as they go together."""
        found = cls()
        for name, partner in pairs.items():
            found.relate(name, partner)
        return found

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
    meant: list[tuple[Hashable, Hashable]] = field(default_factory=list)
    meant_ends: list[tuple[Hashable, Hashable]] = field(default_factory=list)
    """What seems to be of the sides' own, but stood in a packet before."""

    def arrives(self, frame: bytes) -> bytes:
        """A frame of the left side as the right side gets it; its source keeps that name."""
        packet = parse(frame)
        if isinstance(packet, Malformed) or not packet.bits & (IP4 | IP6):
            return frame
        for source in (True, False):
            address, end = _names(packet, source)
            there, end_there = self.addresses.of(address), self._end(end)
            _rename(packet, source, there, end_there)
            if source:
                self.addresses.relate(address, there)
                if _port_field(packet, source):
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
        if (left.frame, right.frame) == came:  # 0 and ffff are one checksum, and two texts
            right = right._replace(frame=left.frame)
            return comparison.alike(left, right)
        if one.bits & (IP4 | IP6):
            for source in (True, False):
                if not self._side(source, (before, after), one, other):
                    return False
                _rename(other, source, *_names(one, source))
        return comparison.alike(left, right._replace(frame=deparse(other)))

    def _end(self, end: Hashable) -> Hashable:
        """The partner of an end: of one that has none yet, the same port of its address."""
        found = self.ends.of(end)
        if found != end or end in self.ends.there:
            return found
        assert isinstance(end, tuple)
        return end[0], self.addresses.of(end[1]), end[2]

    def _side(self, source: bool, came: tuple[Packet, Packet], one: Packet, other: Packet) -> bool:
        (address, end), (there, end_there) = _names(one, source), _names(other, source)
        own, turned = _names(came[0], source), _names(came[0], not source)
        # What a packet was sent to may yet become a name of the NAT's: it is brought if known.
        addresses, ends = {own[0]}, {own[1]}
        if not source or turned[0] in self.addresses.there:
            addresses.add(turned[0])
        if not source or turned[1] in self.ends.there:
            ends.add(turned[1])
        fits = address not in addresses or there == self.addresses.of(address)
        if not fits or not self.addresses.relate(address, there):
            if source and address != own[0]:
                self.meant.append((address, there))
            return False
        if not _port_field(one, source):
            return True
        fits = end not in ends or end_there == self._end(end)
        if not fits or not self.ends.relate(end, end_there):
            if source and end != own[1]:
                self.meant_ends.append((end, end_there))
            return False
        return True


Names = dict[Hashable, Hashable]


def own_addresses(
    left: Stepping, right: Stepping, traces: Iterable[Sequence[Event]], comparison: Comparison
) -> Names:
    """Which addresses of the left side the right one has others for, as far as traces tell."""
    found: Names = {}
    for trace in traces:
        renaming = Renaming(OneToOne.of_pairs(found))
        _parted(renaming, left, right, trace, comparison)
        found = _others(renaming.addresses.there) | dict(renaming.meant) | found
    return found


def parted_renamed(
    left: Stepping,
    right: Stepping,
    trace: Sequence[Event],
    comparison: Comparison,
    own: Mapping[Hashable, Hashable],
) -> Parted | tuple[int, Failure] | None:
    """Where two engines part on a trace, or the right one fails, given its own names.

    `own` addresses are known to begin with. A name of a side's own may have stood in packets before
    it was learned: then once more, knowing it from the start.
    """
    known: tuple[Names, Names] = dict(own), {}
    for _ in range(MAX_PASSES):
        renaming = Renaming(OneToOne.of_pairs(known[0]), OneToOne.of_pairs(known[1]))
        found = _parted(renaming, left, right, trace, comparison)
        learned = (
            _others(renaming.addresses.there) | dict(renaming.meant),
            _others(renaming.ends.there) | dict(renaming.meant_ends),
        )
        grown = len(learned[0]) > len(known[0]) or len(learned[1]) > len(known[1])
        if not isinstance(found, Parted) or not grown:
            return found
        known = learned
    return found


def _others(pairs: Names) -> Names:
    return {name: partner for name, partner in pairs.items() if name != partner}


def _parted(
    renaming: Renaming,
    left: Stepping,
    right: Stepping,
    trace: Sequence[Event],
    comparison: Comparison,
) -> Parted | tuple[int, Failure] | None:
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
    name = _port_field(packet, source)
    value: int = getattr(packet, name) if name else 0
    return value


def _port_field(packet: Packet, source: bool) -> str:
    """What tells apart the ends of one address: the identifier, for who asked by an echo."""
    if packet.bits & (TCP | UDP):
        return "sport" if source else "dport"
    asked, answered = (8, 0) if packet.bits & IP4 else (128, 129)
    if packet.bits & ICMP and packet.icmp_type == (asked if source else answered):
        return "icmp_id"
    return ""


def _rename(packet: Packet, source: bool, address: Hashable, end: Hashable) -> None:
    assert isinstance(address, tuple)
    assert isinstance(end, tuple)
    which = "s" if source else "d"
    setattr(packet, f"{which}ip" if address[0] == 4 else f"{which}ip6", address[1])
    name = _port_field(packet, source)
    if name:
        setattr(packet, name, end[2])
