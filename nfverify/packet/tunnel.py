"""Headers pushed and popped: 802.1Q tags, IPv4 around IP (RFC 2003), VXLAN (RFC 7348).

Afterwards the fields are those of the outermost headers. Each function changes the packet in place
and returns the counter of what drops it for good, None if nothing does; then, as where a header
isn't there, the packet is as it was. Whether one is there is asked of the frame as it was parsed:
no write to a field changes it.

To pop what was pushed brings back the packet from before the push, all that was written to it
included: both together are nothing. Other packets inside are parsed as if they came in now.
"""

from __future__ import annotations

from struct import Struct

from nfverify.packet.checksum import internet_checksum
from nfverify.packet.codec import deparse, parse
from nfverify.packet.fields import VXLAN_PORT
from nfverify.packet.packet import FRAG, IP4, IP6, UDP, VLAN, Malformed, Packet
from nfverify.packet.pcap import CutFrame

__all__ = [
    *("MAX_TUNNELS", "VXLAN_BYTES", "push_vlan", "push_ipip", "push_vxlan"),
    *("has_vni", "inside", "pop_vlan", "pop_ipip", "pop_vxlan"),
]

MAX_TUNNELS = 4  # IPv4 and VXLAN headers pushed or popped, from arrival or from a timer's firing
TOO_DEEP, TOO_BIG, MALFORMED = "too_deep", "too_big", "malformed_inner"

_TAGS = (0x8100, 0x88A8)
_IPV4_TYPE, _IPV6_TYPE = b"\x08\x00", b"\x86\xdd"
_IN_IP = {4: _IPV4_TYPE, 41: _IPV6_TYPE}  # the ethertype of what a protocol number says is inside
VXLAN_BYTES, _HAS_VNI = 8, 8
_OUTER = 20 + 8 + VXLAN_BYTES  # IPv4, UDP and VXLAN headers
_LARGEST = 0xFFFF  # bytes of an IPv4 packet
_DONT_FRAGMENT = 0x4000
_IPV4 = Struct("!BBHHHBBHII")
_UDP = Struct("!HHHH")
_U16 = Struct("!H")


# Tags -------------------------------------------------------------------------------------


def push_vlan(p: Packet, vid: int) -> str | None:
    """An 802.1Q tag outermost, with priority 0; a written `vlan` goes to the tag beneath."""
    if not p.bits:
        return None
    if p.type_at == 20:
        return TOO_DEEP
    link = _link(p, p.frame[:6], p.frame[6:12])
    _retag(p, link[:12] + b"\x81\x00" + _U16.pack(vid) + link[12:], vid, VLAN)
    return None


def pop_vlan(p: Packet) -> str | None:
    """Without the outermost tag; a frame of three or more, of which two are known, is dropped."""
    if not p.bits & VLAN:
        return None
    frame, at = p.frame, p.type_at
    if at == 20 and _U16.unpack_from(frame, at)[0] in _TAGS:
        return TOO_DEEP
    vid = _U16.unpack_from(frame, 18)[0] & 0xFFF if at == 20 else 0
    _retag(p, frame[:12] + frame[16:at], vid, VLAN if at == 20 else 0)
    return None


def _retag(p: Packet, link: bytes, vid: int, tagged: int) -> None:
    """Other bytes before the ethertype; all else stays, written fields among it."""
    moved = len(link) - p.type_at
    p.frame = _like(p.frame, link + p.frame[p.type_at :])
    p.type_at += moved
    p.ip_at += moved
    p.proto_at += moved
    p.l4_at += moved
    p.payload_at += moved
    p.vlan = vid
    p.bits = p.bits & ~VLAN | tagged
    p.original = (*p.original[:3], vid, *p.original[4:])


def _link(p: Packet, dmac: bytes, smac: bytes) -> bytes:
    """The frame up to its ethertype: these addresses, and the tags with the VID as it is now."""
    link = dmac + smac + p.frame[12 : p.type_at]
    if p.bits & VLAN:
        tci = (p.frame[14] & 0xF0) << 8 | p.vlan
        link = link[:14] + _U16.pack(tci) + link[16:]
    return link


# IPv4 around IP ---------------------------------------------------------------------------


def push_ipip(p: Packet, sip: int, dip: int) -> str | None:
    """An IPv4 header in front of the IP header; nothing on a frame that isn't IP."""
    if not p.bits & (IP4 | IP6):
        return None
    if p.tunnels == MAX_TUNNELS:
        return TOO_DEEP
    frame, at = deparse(p), p.ip_at
    size = 20 + _wire_size(p, frame)
    if size > _LARGEST:
        return TOO_BIG
    header = _ipv4(p.tos, size, 4 if p.bits & IP4 else 41, sip, dip)
    _pushed(p, frame[: p.type_at] + _IPV4_TYPE + header + frame[at:])
    return None


def pop_ipip(p: Packet) -> str | None:
    """Without the IPv4 header around an IP packet, and that one's ethertype behind the tags."""
    frame, at = p.frame, p.ip_at
    if not p.bits & IP4 or p.bits & FRAG or frame[at + 9] not in _IN_IP:
        return None
    if p.tunnels == MAX_TUNNELS:
        return TOO_DEEP
    type_ = _IN_IP[frame[at + 9]]
    link = _link(p, p.dmac.to_bytes(6, "big"), p.smac.to_bytes(6, "big")) + type_
    if p.under is not None and p.payload == p.original[-1]:
        _popped(p, _moved(p, p.under, link))
        return None
    end = p.payload_at + len(p.payload)
    inner = parse(_like(frame, link + p.payload + frame[end:]))
    room = _U16.unpack_from(frame, at + 2)[0] - (frame[at] & 15) * 4
    if isinstance(inner, Malformed) or inner.size > room:
        return MALFORMED
    _popped(p, inner)
    return None


def _moved(outer: Packet, under: Packet, link: bytes) -> Packet:
    """The packet beneath, as it was, behind the Ethernet header that its outer one has by now."""
    p = under.copy()
    moved = len(link) - p.ip_at
    p.frame = _like(p.frame, link + p.frame[p.ip_at :])
    p.type_at += moved
    p.ip_at += moved
    p.proto_at += moved
    p.l4_at += moved
    p.payload_at += moved
    p.dmac, p.smac, p.vlan = outer.dmac, outer.smac, outer.vlan
    p.ethertype = _U16.unpack_from(link, p.type_at)[0]
    p.bits = p.bits & ~VLAN | outer.bits & VLAN
    p.original = (p.dmac, p.smac, p.ethertype, p.vlan, *p.original[4:])
    return p


# VXLAN ------------------------------------------------------------------------------------


def push_vxlan(p: Packet, sip: int, dip: int, vni: int, sport: int) -> str | None:
    """The whole frame, tags and trailer too, in VXLAN from the port `sport`, untagged."""
    if not p.bits:
        return None
    if p.tunnels == MAX_TUNNELS:
        return TOO_DEEP
    frame = deparse(p)
    length = len(frame)
    if p.bits & (IP4 | IP6):  # of a frame that the snap length cut, as long as it was
        length = max(length, p.ip_at + _wire_size(p, frame))
    size = _OUTER + length
    if size > _LARGEST:
        return TOO_BIG
    header = _ipv4(p.tos, size, 17, sip, dip)
    header += _UDP.pack(sport, VXLAN_PORT, size - 20, 0)
    header += bytes((_HAS_VNI, 0, 0, 0)) + (vni << 8).to_bytes(4, "big")
    _pushed(p, frame[:12] + _IPV4_TYPE + header + frame)
    return None


def pop_vxlan(p: Packet) -> str | None:
    """The frame that VXLAN carries."""
    if p.bits & FRAG or not has_vni(p):
        return None
    if p.tunnels == MAX_TUNNELS:
        return TOO_DEEP
    if p.under is not None and p.payload == p.original[-1]:
        _popped(p, p.under.copy())
        return None
    inner = parse(_like(p.frame, p.payload[VXLAN_BYTES:]))
    if isinstance(inner, Malformed):
        return MALFORMED
    _popped(p, inner)
    return None


def has_vni(p: Packet) -> bool:
    """Is it VXLAN with a VNI? As `codec.parse` asks for the field."""
    return bool(
        p.bits & UDP
        and _U16.unpack_from(p.frame, p.l4_at + 2)[0] == VXLAN_PORT
        and len(p.payload) >= VXLAN_BYTES
        and p.frame[p.payload_at] & _HAS_VNI
    )


def inside(p: Packet) -> Packet | None:
    """The packet that IPv4 or VXLAN carries; None if it carries none, or it is malformed."""
    for pop in (pop_vxlan, pop_ipip):
        inner = p.copy()
        pop(inner)
        if inner.tunnels > p.tunnels:
            return inner
    return None


# All of them ------------------------------------------------------------------------------


def _ipv4(tos: int, size: int, proto: int, sip: int, dip: int) -> bytes:
    header = _IPV4.pack(0x45, tos, size, 0, _DONT_FRAGMENT, 64, proto, 0, sip, dip)
    return header[:10] + _U16.pack(internet_checksum(header)) + header[12:]


def _wire_size(p: Packet, frame: bytes) -> int:
    """Bytes of the IP packet in the frame that would leave now."""
    if p.bits & IP4:
        return p.iplen
    return 40 + int(_U16.unpack_from(frame, p.ip_at + 4)[0])


def _pushed(p: Packet, frame: bytes) -> None:
    under = p.copy()
    outer = parse(_like(p.frame, frame))
    assert isinstance(outer, Packet)  # a pushed header is well-formed, whatever is in it
    _become(p, outer)
    p.under = under
    p.tunnels += 1


def _popped(p: Packet, inner: Packet) -> None:
    _become(p, inner)
    p.tunnels += 1


def _become(p: Packet, other: Packet) -> None:
    """Everything but where it came in, and how often it was changed so."""
    kept = p.iface, p.tunnels
    for name in Packet.__slots__:
        setattr(p, name, getattr(other, name))
    p.iface, p.tunnels = kept


def _like(frame: bytes, new: bytes) -> bytes:
    """`new`, which lacks as many bytes of its length on the wire as `frame` does."""
    if not isinstance(frame, CutFrame):
        return new
    cut = CutFrame(new)
    cut.original_length = frame.original_length - len(frame) + len(new)
    return cut
