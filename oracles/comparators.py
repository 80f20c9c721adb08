"""What of an output counts when two executions are compared.

A frame's `view` is its bytes without what isn't compared: ignored fields and each checksum that
covers one of them (decision 30).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from nfverify.oracles.engines.base import UNTOLD, Run
from nfverify.packet.codec import Malformed, Packet, parse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import FLAG_VALUES, FRAG, ICMP, IP4, IP6, TCP, UDP, VLAN
from nfverify.semantics.machine import Output

COMPARATORS = ("exact", "per-flow", "l2-ttl", "renaming")
_IN_IP4_SUM = {"tos", "iplen", "ip_id", "ttl", "proto", "sip", "dip"}
_IN_PSEUDO = {"sip", "dip", "sip6", "dip6", "proto"}
_IN_L4 = {
    name
    for name, info in FIELDS.items()
    if info.on_wire and info.headers.value & (TCP | UDP | ICMP)
} | {"payload"}
_FIXED = {  # offset and length behind the header's start
    IP4: {"iplen": (2, 2), "ip_id": (4, 2), "ttl": (8, 1), "proto": (9, 1), "sip": (12, 4),
          "dip": (16, 4), "tos": (1, 1)},
    IP6: {"ttl": (7, 1), "sip6": (8, 16), "dip6": (24, 16)},
    TCP: {"sport": (0, 2), "dport": (2, 2), "seq": (4, 4), "ack_no": (8, 4), "window": (14, 2)},
    UDP: {"sport": (0, 2), "dport": (2, 2)},
    ICMP: {"icmp_type": (0, 1), "icmp_code": (1, 1), "icmp_id": (4, 2), "icmp_seq": (6, 2)},
}  # fmt: skip
_CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2}


class Parted(NamedTuple):
    """Where two runs part: the event's number, and what came out there on either side (of flat
    runs, what should have and what did)."""

    at: int
    left: tuple[Output, ...]
    right: tuple[Output, ...]


@dataclass(frozen=True)
class Comparison:
    """How outputs are compared. `per_flow`: their order only within a flow; `link`: link-layer
    headers count; `ignore`: fields that don't; `renaming`: see renaming.py."""

    per_flow: bool = False
    link: bool = True
    renaming: bool = False
    ignore: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Sequence[str], ignore: Sequence[str] = ()) -> Comparison:
        """From names of COMPARATORS, which may be combined, and fields to ignore."""
        l2_ttl = "l2-ttl" in names
        ignored = tuple(dict.fromkeys((*ignore, *(("ttl",) if l2_ttl else ()))))
        return cls("per-flow" in names, not l2_ttl, "renaming" in names, ignored)

    @property
    def names(self) -> tuple[str, ...]:
        """As `of` takes them."""
        flags = (self.per_flow, not self.link, self.renaming)
        return tuple(n for n, on in zip(COMPARATORS[1:], flags, strict=True) if on) or ("exact",)

    @cached_property
    def exact(self) -> bool:
        """Do all bytes count?"""
        return self.link and not self.ignore

    def view(self, frame: bytes) -> Hashable:
        """What counts of a frame."""
        if self.exact:
            return frame
        packet = parse(frame)
        if isinstance(packet, Malformed):
            return "malformed", frame
        out = hide(packet, self.ignore)
        if self.link:
            return bytes(out)
        if packet.bits & (IP4 | IP6):
            return bytes(out[packet.ip_at :])
        return bytes(out[packet.type_at :])

    def same(self, left: Sequence[Output], right: Sequence[Output]) -> bool:
        """Do two lists of outputs count as equal? Untold times and ports equal all."""
        return len(left) == len(right) and all(map(self.alike, left, right))

    def alike(self, one: Output, other: Output) -> bool:
        """Do two outputs count as equal?"""
        return (
            (one.port == other.port or UNTOLD in (one.port, other.port))
            and (one.time == other.time or UNTOLD in (one.time, other.time))
            and (one.frame == other.frame or self.view(one.frame) == self.view(other.frame))
        )

    # Runs ---------------------------------------------------------------------------------

    def parted(self, left: Run, right: Run) -> Parted | None:
        """Where the outputs of two runs of one trace part, as far as both go; `left` isn't flat."""
        if self.per_flow or right.flat:
            return self._parted_flat(left, right)
        for at, (one, other) in enumerate(zip(left.steps, right.steps, strict=False)):
            if one != other and not self.same(one, other):
                return Parted(at, one, other)
        return None

    def _parted_flat(self, left: Run, right: Run) -> Parted | None:
        """Stream by stream: of all ports, or of each port that is told, or of each flow."""
        told = all(out.port != UNTOLD for step in right.steps for out in step)
        ours, theirs = self._streams(left, told), self._streams(right, told)
        failed = right.failure is not None
        last = len(left.steps) - 1
        found: Parted | None = None
        for key in (*ours, *(k for k in theirs if k not in ours)):
            a, b = ours.get(key, []), theirs.get(key, [])
            count = min(len(a), len(b))
            index = next((n for n in range(count) if not self.alike(a[n][1], b[n][1])), count)
            if index == len(a) == len(b) or (failed and index == len(b)):
                continue
            at = a[index][0] if index < len(a) else last if right.flat else b[index][0]
            if found is None or at < found.at:
                wanted = tuple(out for _, out in a[index : index + 1])
                found = Parted(at, wanted, tuple(out for _, out in b[index : index + 1]))
        return found

    def _streams(self, run: Run, told: bool) -> dict[Hashable, list[tuple[int, Output]]]:
        found: dict[Hashable, list[tuple[int, Output]]] = {}
        for at, step in enumerate(run.steps):
            for out in step:
                key: tuple[Hashable, ...] = (out.port,) if told else ()
                if self.per_flow:
                    key = (*key, _flow(out.frame))
                found.setdefault(key, []).append((at, out))
        return found


def hide(packet: Packet, names: Sequence[str]) -> bytearray:
    """The packet's frame with zeros where these fields stand, and the checksums over them."""
    out = bytearray(packet.frame)
    hidden = set(names)
    bits, at, l4_at = packet.bits, packet.ip_at, packet.l4_at
    if "dmac" in hidden:
        out[0:6] = bytes(6)
    if "smac" in hidden:
        out[6:12] = bytes(6)
    if "ethertype" in hidden:
        out[packet.type_at : packet.type_at + 2] = bytes(2)
    if "vlan" in hidden and bits & VLAN:
        out[14] &= 0xF0
        out[15] = 0
    for header, start in ((IP4, at), (IP6, at), (TCP, l4_at), (UDP, l4_at), (ICMP, l4_at)):
        if bits & header:
            for name, (offset, length) in _FIXED[header].items():
                if name in hidden:
                    out[start + offset : start + offset + length] = bytes(length)
    if bits & IP6:
        if "tos" in hidden:
            out[at] &= 0xF0
            out[at + 1] &= 0x0F
        if "proto" in hidden:
            out[packet.proto_at] = 0
    if bits & TCP:
        for number, name in enumerate(FLAG_VALUES):
            if name in hidden:
                out[l4_at + 13] &= ~(1 << number)
    if "payload" in hidden:
        out[packet.payload_at : packet.payload_at + len(packet.payload)] = bytes(
            len(packet.payload)
        )
    if bits & IP4 and hidden & _IN_IP4_SUM:
        out[at + 10 : at + 12] = bytes(2)
    _hide_l4_sum(out, packet, hidden)
    return out


def _hide_l4_sum(out: bytearray, packet: Packet, hidden: set[str]) -> None:
    for header, offset in _CHECKSUM_AT.items():
        if packet.bits & header:
            pseudo = not (header == ICMP and packet.bits & IP4)
            if hidden & _IN_L4 or (pseudo and hidden & _IN_PSEUDO):
                start = packet.l4_at + offset
                out[start : start + 2] = bytes(2)


def _flow(frame: bytes) -> Hashable:
    """What a packet shares with those that must stay in order with it."""
    packet = parse(frame)
    if isinstance(packet, Malformed):
        return "malformed"
    ends = (packet.sip, packet.dip, packet.sip6, packet.dip6, packet.proto)
    ports = (0, 0) if packet.bits & FRAG else (packet.sport, packet.dport)
    return (*ends, *ports, packet.ethertype)
