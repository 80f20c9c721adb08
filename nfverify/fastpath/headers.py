"""The consolidated header action, carried out on a parsed packet."""

from __future__ import annotations

from collections.abc import Sequence

from nfverify.lang.ast import HeaderKind
from nfverify.packet.codec import deparse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import ICMP, IP4, TCP, UDP, Packet, wire_values
from nfverify.semantics import headers
from nfverify.smat.ir import Value


def apply(
    packet: Packet,
    pops: Sequence[HeaderKind],
    modify: Sequence[tuple[str, Value]],
    summed: Sequence[str],
    pushes: Sequence[tuple[HeaderKind, tuple[Value, ...]]],
) -> str | None:
    """Changes the packet; the counter of the error that drops it, if one does."""
    for kind in pops:
        failed = headers.pop(packet, kind)
        if failed is not None:
            return failed
    if not _modify(packet, [c for c in modify if c[0] not in summed]):
        return "payload_length"
    if any(name not in summed for name, _ in modify):
        _settle(packet)
    if not _modify(packet, [c for c in modify if c[0] in summed]):
        return "payload_length"
    for kind, args in pushes:
        failed = headers.push(packet, kind, *args)
        if failed is not None:
            return failed
    return None


def _modify(packet: Packet, changes: Sequence[tuple[str, Value]]) -> bool:
    for name, value in changes:
        if not packet.bits & FIELDS[name].headers.value:
            continue
        if isinstance(value, bytes) and len(value) != len(packet.payload):
            return False
        setattr(packet, name, value)
    return True


def _settle(packet: Packet) -> None:
    """What is written so far becomes part of the frame, under the checksums that came in."""
    old, new = packet.frame, bytearray(deparse(packet))
    for at in _sums(packet):
        new[at : at + 2] = old[at : at + 2]
    packet.frame, packet.original = bytes(new), wire_values(packet)


def _sums(packet: Packet) -> list[int]:
    """Where the checksums stand."""
    places = [packet.ip_at + 10] if packet.bits & IP4 else []
    for header, offset in ((TCP, 16), (UDP, 6), (ICMP, 2)):
        if packet.bits & header:
            places.append(packet.l4_at + offset)
    return places
