"""Which fields a frame must have had to become another one: the inverse of deparsing."""

from __future__ import annotations

from nfverify.packet.codec import deparse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import ICMP, IP4, IP6, TCP, UDP, VLAN, Packet


def wire_fields(packet: Packet) -> tuple[str, ...]:
    """The fields of a packet that stand in its frame, each in bits of its own."""
    present = packet.present
    return tuple(n for n, info in FIELDS.items() if info.on_wire and info.headers & present)


def rewritten(packet: Packet, frame: bytes) -> Packet | None:
    """The packet with the fields that deparse to `frame`; None if no fields do."""
    if len(frame) != len(packet.frame):
        return None
    found = packet.copy()
    _read(found, frame)
    try:
        return found if deparse(found) == frame else None
    except ValueError:
        return None


def _read(p: Packet, frame: bytes) -> None:
    def number(at: int, size: int) -> int:
        return int.from_bytes(frame[at : at + size], "big")

    bits, at, l4 = p.bits, p.ip_at, p.l4_at
    p.dmac, p.smac, p.ethertype = number(0, 6), number(6, 6), number(p.type_at, 2)
    if bits & VLAN:
        p.vlan = number(14, 2) & 0xFFF
    if bits & IP4:
        p.tos, p.iplen, p.ip_id = frame[at + 1], number(at + 2, 2), number(at + 4, 2)
        p.ttl, p.proto = frame[at + 8], frame[at + 9]
        p.sip, p.dip = number(at + 12, 4), number(at + 16, 4)
    elif bits & IP6:
        p.tos = number(at, 2) >> 4 & 0xFF
        p.ttl, p.proto = frame[at + 7], frame[p.proto_at]
        p.sip6, p.dip6 = number(at + 8, 16), number(at + 24, 16)
    else:
        return
    if bits & (TCP | UDP):
        p.sport, p.dport = number(l4, 2), number(l4 + 2, 2)
    if bits & TCP:
        p.seq, p.ack_no = number(l4 + 4, 4), number(l4 + 8, 4)
        flags = frame[l4 + 13]
        p.flag_fin, p.flag_syn, p.flag_rst = flags & 1, flags >> 1 & 1, flags >> 2 & 1
        p.flag_psh, p.flag_ack, p.flag_urg = flags >> 3 & 1, flags >> 4 & 1, flags >> 5 & 1
        p.window = number(l4 + 14, 2)
    elif bits & ICMP:
        p.icmp_type, p.icmp_code = frame[l4], frame[l4 + 1]
        p.icmp_id, p.icmp_seq = number(l4 + 4, 2), number(l4 + 6, 2)
    p.payload = frame[p.payload_at : p.payload_at + len(p.payload)]
