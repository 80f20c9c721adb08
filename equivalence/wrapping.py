"""What the symbols of layers stand for in real frames: tags, the bytes that no field shows, and the
bytes of a packet inside another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.encapsulation import INNER_HEADERS, IP_FIELDS, ON_WIRE
from nfverify.equivalence.layers import MARK_WIDTH, Arrived, Tunnel
from nfverify.packet import tunnel
from nfverify.packet.codec import deparse
from nfverify.packet.fields import Header
from nfverify.packet.packet import VLAN, WIRE_VALUES, Packet

Number = Callable[[bytes], int]
_TPIDS = (b"\x81\x00", b"\x88\xa8")
_TAGS = 5  # terms of layers.Tags
FRAMES = ("bytes in ", "rest around ")  # functions of Layers, before the kind


def rest_of(packet: Packet) -> bytes:
    """All that is left of a frame without its tags where every field is 0, checksums as far as they
    are wrong."""
    bare = packet.copy()
    while tunnel.pop_vlan(bare) is None and bare.bits & VLAN:
        pass
    for name in WIRE_VALUES:
        setattr(bare, name, bytes(len(bare.payload)) if name == "payload" else 0)
    return deparse(bare)


def marks_of(packet: Packet) -> tuple[int, bool, int, int, bool]:
    """What layers.Tags holds, of a real packet."""
    frame, at = packet.frame, packet.type_at
    outer = _mark(frame, 12) if at > 12 else 0
    if at < 20:
        return outer, False, 0, 0, False
    vid = int.from_bytes(frame[18:20], "big") & 0xFFF
    return outer, True, vid, _mark(frame, 16), frame[at : at + 2] in _TPIDS


def _mark(frame: bytes, at: int) -> int:
    return _TPIDS.index(frame[at : at + 2]) << (MARK_WIDTH - 1) | frame[at + 2] >> 4


def tagged(packet: Packet, tags: Sequence[tuple[int, int]]) -> Packet:
    """The packet with these tags only, (mark, VID), outermost first."""
    made = packet.copy()
    while made.bits & VLAN:
        if tunnel.pop_vlan(made) is not None:
            return made
    for mark, vid in reversed(tags):
        tunnel.push_vlan(made, vid)
        made.frame = made.frame[:12] + tag_bytes(mark, vid) + made.frame[16:]
    return made


def tag_bytes(mark: int, vid: int) -> bytes:
    """A tag in a frame."""
    tci = (mark & 15) << 12 | vid
    return _TPIDS[mark >> (MARK_WIDTH - 1)] + tci.to_bytes(2, "big")


@dataclass(slots=True)
class Wrapping:
    """The packets behind the numbers of `rest`, and what `bytes in` and `rest around` them are."""

    number: Number
    string: Callable[[int], bytes]
    templates: dict[int, Packet] = field(default_factory=dict)

    def rest(self, packet: Packet) -> int:
        """The number of all that no field of a packet shows."""
        number = self.number(rest_of(packet))
        self.templates.setdefault(number, packet)
        return number

    def apply(self, name: str, args: Sequence[int | bool]) -> int:
        """The value of one of Layers' functions."""
        what, kind = name.rsplit(" ", 1)
        inner = self._packet(args if kind == "ipip" else args[1:], kind == "vxlan")
        if kind == "ipip":
            tunnel.push_ipip(inner, 0, 0)
        else:
            tunnel.push_vxlan(inner, 0, 0, int(args[0]), 0)
        return self.number(inner.payload) if what == "bytes in" else self.rest(inner)

    def _packet(self, args: Sequence[int | bool], link: bool) -> Packet:
        """The packet that a list of Layers._about describes."""
        fields = ON_WIRE if link else IP_FIELDS
        headers = len(INNER_HEADERS) if link else len(INNER_HEADERS) - 1
        values = dict(zip(fields, args[headers : headers + len(fields)], strict=True))
        made = self.templates[int(args[-1])].copy()
        if link:
            mark, second, second_vid, second_mark, _ = map(int, args[-1 - _TAGS : -1])
            tags = [(mark, int(values["vlan"]))] * int(args[INNER_HEADERS.index(Header.VLAN)])
            made = tagged(made, [*tags, (second_mark, second_vid)][: len(tags) + second])
        made.tunnels = 0
        for name, value in values.items():
            setattr(made, name, self.string(int(value)) if name == "payload" else value)
        return made

    def symbols(self, arrived: Arrived, real: Packet) -> Iterator[tuple[str, int | bool]]:
        """The values of all symbols beside those of fields and headers, for a real frame."""
        layer = arrived.frame.layer
        assert layer is not None
        marks = marks_of(real)
        yield f"{arrived.name}mark", marks[0]
        yield f"{arrived.name}second_tag", marks[1]
        yield f"{arrived.name}second_vid", marks[2]
        yield f"{arrived.name}second_mark", marks[3]
        yield f"{arrived.name}captured", len(real.frame)
        yield f"{arrived.name}rest", self.rest(real)


def opened(real: Packet, kind: Tunnel) -> tuple[Packet, int] | None:
    """The well-formed packet inside a real one, and the bytes in front of it; None if there is
    none."""
    inner = real.copy()
    failed = tunnel.pop_ipip(inner) if kind == "ipip" else tunnel.pop_vxlan(inner)
    if failed is not None or inner.tunnels == real.tunnels:
        return None
    inner.tunnels = 0
    if kind == "ipip":
        return inner, (real.frame[real.ip_at] & 15) * 4
    return inner, real.payload_at + tunnel.VXLAN_BYTES
