"""What is unusual about a frame that no field shows: options, padding, wrong checksums, …"""

from __future__ import annotations

from collections.abc import Iterator

from nfverify.packet.checksum import internet_checksum
from nfverify.packet.codec import Malformed, Packet, parse
from nfverify.packet.packet import FRAG, ICMP, IP4, IP6, TCP, UDP

_L4 = ((TCP, 16), (UDP, 6), (ICMP, 2))


def oddities(frame: bytes) -> tuple[str, ...]:
    """In few words each; none for a frame as `build` makes it."""
    packet = parse(frame)
    if isinstance(packet, Malformed):
        return ()
    return tuple(_odd(packet))


def _odd(packet: Packet) -> Iterator[str]:
    frame, at = packet.frame, packet.ip_at
    if at == 22:
        yield "two VLAN tags"
    if not packet.bits & (IP4 | IP6):
        return
    end = at + packet.size
    if packet.bits & IP4:
        header = (frame[at] & 15) * 4
        if header > 20:
            yield f"{header - 20} bytes of IP options"
        if internet_checksum(frame[at : at + header]):
            yield "wrong IPv4 checksum"
    elif packet.l4_at > at + 40 and not packet.bits & FRAG:
        yield f"{packet.l4_at - at - 40} bytes of extension headers"
    if packet.bits & TCP and packet.payload_at > packet.l4_at + 20:
        yield f"{packet.payload_at - packet.l4_at - 20} bytes of TCP options"
    if len(frame) > end:
        yield f"{len(frame) - end} bytes behind the IP packet"
    elif len(frame) < end:
        yield f"cut {end - len(frame)} bytes before the end of the IP packet"
    elif not packet.bits & FRAG and _wrong_sum(packet, end):
        yield "wrong checksum"


def _wrong_sum(packet: Packet, end: int) -> bool:
    """Of TCP, UDP or ICMP; 0 of UDP over IPv4 is none."""
    frame, at, l4_at = packet.frame, packet.ip_at, packet.l4_at
    for bit, offset in _L4:
        if packet.bits & bit:
            data = frame[l4_at:end]
            if bit == UDP and packet.bits & IP4 and data[offset : offset + 2] == b"\0\0":
                return False
            if bit == ICMP and packet.bits & IP4:
                return bool(internet_checksum(data))
            addresses = slice(at + 12, at + 20) if packet.bits & IP4 else slice(at + 8, at + 40)
            pseudo = frame[addresses] + len(data).to_bytes(4, "big")
            return bool(internet_checksum(pseudo + bytes((0, packet.proto)) + data))
    return False
