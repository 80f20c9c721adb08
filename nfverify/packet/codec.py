"""Frames to packets and back (semantics.md; decisions 8, 10, 11, 18-20).

`parse` reads every field once; `deparse` writes the fields that differ over the frame that came in,
keeping every other byte, and updates the checksums that cover them.
"""

from __future__ import annotations

from struct import Struct, error

from nfverify.packet.build import build
from nfverify.packet.checksum import update_checksum
from nfverify.packet.fields import FIELDS, VXLAN_PORT
from nfverify.packet.packet import (
    FRAG,
    ICMP,
    IP4,
    IP6,
    LINK,
    TCP,
    UDP,
    VLAN,
    WIRE_VALUES,
    Malformed,
    Packet,
    wire_values,
)

__all__ = ["Malformed", "Packet", "build", "deparse", "parse"]

_ETHERNET = Struct("!HIHIH")
_IPV4 = Struct("!BBHHHBBHII")
_IPV6 = Struct("!IHBBQQQQ")
_TCP = Struct("!HHIIBBH")
_UDP = Struct("!HH")
_ICMP = Struct("!BBHHH")
_U16 = Struct("!H")
_U16X2 = Struct("!HH")
_U32 = Struct("!I")
_U32X2 = Struct("!II")
_U16X2_U32X2 = Struct("!HHII")

_TAGS = (0x8100, 0x88A8)
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
_EXTENSIONS = frozenset({_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION})
_MAX_EXTENSIONS = 8
_PROTO = WIRE_VALUES.index("proto")

_SHORT = Malformed("shorter than an Ethernet header")
_CUT_TAG = Malformed("cut inside a VLAN tag")
_CUT_IPV4 = Malformed("cut inside the IPv4 header")
_CUT_IPV6 = Malformed("cut inside the IPv6 header")
_VERSION = Malformed("IP version differs from the ethertype's")
_IHL = Malformed("IHL below 5")
_IPLEN = Malformed("IPv4 total length shorter than the header")
_EXTENSION = Malformed("IPv6 extension header not inside capture and payload length")
_CUT_TCP = Malformed("TCP header not inside capture and IP length")
_DATA_OFFSET = Malformed("TCP data offset below 5")
_CUT_UDP = Malformed("UDP header not inside capture and IP length")
_CUT_ICMP = Malformed("ICMP header not inside capture and IP length")


def parse(frame: bytes) -> Packet | Malformed:
    """The packet in an Ethernet frame without FCS; a property of the frame alone (decision 18).

    Neither IPv4 nor IPv6 after at most two tags: a packet with neither in `present`. One long
    function, because every packet goes through it and calls would double its cost.
    """
    captured = len(frame)
    if captured < 14:
        return _SHORT
    dmac, dmac_low, smac, smac_low, ethertype = _ETHERNET.unpack_from(frame)
    p = Packet.__new__(Packet)
    p.frame = frame
    p.dmac = dmac << 32 | dmac_low
    p.smac = smac << 32 | smac_low
    bits = LINK
    at = 14
    if ethertype in _TAGS:
        if captured < 18:
            return _CUT_TAG
        bits |= VLAN
        tci, ethertype = _U16X2.unpack_from(frame, 14)
        p.vlan = tci & 0xFFF
        at = 18
        if ethertype in _TAGS:
            if captured < 22:
                return _CUT_TAG
            ethertype = _U16.unpack_from(frame, 20)[0]
            at = 22
    else:
        p.vlan = 0
    p.ethertype = ethertype
    p.type_at = at - 2
    p.ip_at = at
    p.vni = p.iface = 0
    p.under = None
    p.tunnels = 0

    if ethertype == 0x0800:
        if captured < at + 20:
            return _CUT_IPV4 if captured == at or frame[at] >> 4 == 4 else _VERSION
        (first, tos, size, ip_id, fragment, ttl, proto, _, sip, dip) = _IPV4.unpack_from(frame, at)
        if first >> 4 != 4:
            return _VERSION
        if first < 0x45:
            return _IHL
        header = (first & 15) * 4
        if size < header:
            return _IPLEN
        l4_at = at + header
        if captured < l4_at:
            return _CUT_IPV4
        end = at + size
        if end > captured:
            end = captured
        bits |= IP4
        later = fragment & 0x1FFF
        if fragment & 0x3FFF:
            bits |= FRAG
        p.IP4 = 1
        p.IP6 = 0
        p.sip = sip
        p.dip = dip
        p.sip6 = p.dip6 = 0
        p.iplen = size
        p.ip_id = ip_id
        p.proto_at = at + 9
        icmp_proto = 1
    elif ethertype == 0x86DD:
        if captured < at + 40:
            return _CUT_IPV6 if captured == at or frame[at] >> 4 == 6 else _VERSION
        (word, size, proto, ttl, high, low, dhigh, dlow) = _IPV6.unpack_from(frame, at)
        if word >> 28 != 6:
            return _VERSION
        tos = word >> 20 & 0xFF
        size += 40
        end = at + size
        if end > captured:
            end = captured
        bits |= IP6
        l4_at = at + 40
        p.proto_at = at + 6
        later = 0
        if proto in _EXTENSIONS:
            walked = _walk_extensions(frame, p, proto, l4_at, end)
            if walked is None:
                return _EXTENSION
            proto, l4_at, fragment = walked
            later = fragment >> 3
            if fragment & 0xFFF9:
                bits |= FRAG
        p.IP4 = 0
        p.IP6 = 1
        p.sip = p.dip = 0
        p.sip6 = high << 64 | low
        p.dip6 = dhigh << 64 | dlow
        p.iplen = p.ip_id = 0
        icmp_proto = 58
    else:
        p.IP4 = p.IP6 = p.L4 = p.FRAG = p.sip = p.dip = p.sip6 = p.dip6 = 0
        p.proto = p.ttl = p.tos = p.iplen = p.ip_id = p.size = 0
        _no_l4(p)
        p.payload = b""
        p.proto_at = p.l4_at = p.payload_at = at
        p.bits = bits
        p.original = wire_values(p)
        return p

    p.proto = proto
    p.ttl = ttl
    p.tos = tos
    p.size = size
    p.l4_at = l4_at
    p.FRAG = 1 if bits & FRAG else 0

    if later:
        payload_at = l4_at
        _no_l4(p)
    elif proto == 6:
        if l4_at + 20 > end:
            return _CUT_TCP
        sport, dport, seq, ack_no, offset, flags, window = _TCP.unpack_from(frame, l4_at)
        if offset < 0x50:
            return _DATA_OFFSET
        payload_at = l4_at + (offset >> 4) * 4
        if payload_at > end:
            return _CUT_TCP
        bits |= TCP
        p.L4 = 1
        p.sport = sport
        p.dport = dport
        p.seq = seq
        p.ack_no = ack_no
        p.flag_fin = flags & 1
        p.flag_syn = flags >> 1 & 1
        p.flag_rst = flags >> 2 & 1
        p.flag_psh = flags >> 3 & 1
        p.flag_ack = flags >> 4 & 1
        p.flag_urg = flags >> 5 & 1
        p.window = window
        p.icmp_type = p.icmp_code = p.icmp_id = p.icmp_seq = 0
    elif proto == 17:
        payload_at = l4_at + 8
        if payload_at > end:
            return _CUT_UDP
        bits |= UDP
        _no_l4(p)
        p.L4 = 1
        p.sport, p.dport = _UDP.unpack_from(frame, l4_at)
        if p.dport == VXLAN_PORT and payload_at + 8 <= end and frame[payload_at] & 8:
            p.vni = _U32.unpack_from(frame, payload_at + 4)[0] >> 8
    elif proto == icmp_proto:
        payload_at = l4_at + 8
        if payload_at > end:
            return _CUT_ICMP
        bits |= ICMP
        _no_l4(p)
        p.L4 = 1
        p.icmp_type, p.icmp_code, _, p.icmp_id, p.icmp_seq = _ICMP.unpack_from(frame, l4_at)
    else:
        payload_at = l4_at
        _no_l4(p)
    p.payload_at = payload_at
    p.payload = frame[payload_at:end]
    p.bits = bits
    p.original = wire_values(p)
    return p


def _no_l4(p: Packet) -> None:
    p.L4 = p.sport = p.dport = p.seq = p.ack_no = p.window = 0
    p.flag_fin = p.flag_syn = p.flag_rst = p.flag_psh = p.flag_ack = p.flag_urg = 0
    p.icmp_type = p.icmp_code = p.icmp_id = p.icmp_seq = 0


def _walk_extensions(
    frame: bytes, p: Packet, proto: int, at: int, end: int
) -> tuple[int, int, int] | None:
    """(proto, offset after the extension headers, fragment word); sets `p.proto_at`.

    At most 8 headers; a later fragment has nothing that could be read behind its fragment header.
    None if one is not inside `end`.
    """
    fragment = 0
    for _ in range(_MAX_EXTENSIONS):
        if proto not in _EXTENSIONS:
            break
        if at + 8 > end:
            return None
        length = 8 if proto == _FRAGMENT else (frame[at + 1] + 1) * 8
        if at + length > end:
            return None
        if proto == _FRAGMENT:
            fragment |= _U16.unpack_from(frame, at + 2)[0]
        p.proto_at = at
        proto = frame[at]
        at += length
        if fragment & 0xFFF8:
            break
    return proto, at, fragment


def deparse(p: Packet) -> bytes:
    """The frame with the packet's fields, checksums updated from how it came in (RFC 1624).

    Fields of absent headers are ignored. ValueError for a payload of another length, or a value
    wider than its field.
    """
    now = wire_values(p)
    if now == p.original:
        return p.frame
    if len(p.payload) != len(p.original[-1]):
        raise ValueError(f"payload of {len(p.payload)} bytes, {len(p.original[-1])} came in")
    try:
        return bytes(_rewrite(p, now[:4] != p.original[:4]))
    except (error, OverflowError, ValueError) as e:
        for name, value in zip(WIRE_VALUES, now, strict=True):
            if name != "payload" and value >> FIELDS[name].width:
                raise ValueError(f"{name} can't hold {value}") from e
        raise


def _rewrite(p: Packet, link: bool) -> bytearray:
    frame = p.frame
    bits = p.bits
    out = bytearray(frame)
    if p.vlan >> 12 or p.tos >> 8:  # where a value too wide would spill into its neighbour
        raise OverflowError
    if link and bits & LINK:
        out[0:6] = p.dmac.to_bytes(6, "big")
        out[6:12] = p.smac.to_bytes(6, "big")
        _U16.pack_into(out, p.type_at, p.ethertype)
        if bits & VLAN:
            _U16.pack_into(out, 14, (frame[14] & 0xF0) << 8 | p.vlan)
    at = p.ip_at
    if bits & IP4:
        out[at + 1] = p.tos
        _U16X2.pack_into(out, at + 2, p.iplen, p.ip_id)
        out[at + 8] = p.ttl
        out[at + 9] = p.proto
        _U32X2.pack_into(out, at + 12, p.sip, p.dip)
        header_end = at + (frame[at] & 15) * 4
        header, now = frame[at:header_end], bytes(out[at:header_end])
        checksum = _U16.unpack_from(frame, at + 10)[0]
        _U16.pack_into(out, at + 10, update_checksum(checksum, header, now))
        addresses = slice(at + 12, at + 20)
    elif bits & IP6:
        out[at] = 0x60 | p.tos >> 4
        out[at + 1] = (p.tos & 15) << 4 | frame[at + 1] & 15
        out[at + 7] = p.ttl
        out[at + 8 : at + 24] = p.sip6.to_bytes(16, "big")
        out[at + 24 : at + 40] = p.dip6.to_bytes(16, "big")
        out[p.proto_at] = p.proto
        addresses = slice(at + 8, at + 40)
    else:
        return out

    l4_at, payload_at = p.l4_at, p.payload_at
    covered = len(p.payload)
    if bits & TCP:
        flags = (
            p.flag_fin
            | p.flag_syn << 1
            | p.flag_rst << 2
            | p.flag_psh << 3
            | p.flag_ack << 4
            | p.flag_urg << 5
        )
        if flags >> 6 or (p.flag_fin | p.flag_syn | p.flag_rst | p.flag_psh | p.flag_ack) > 1:
            raise OverflowError
        _U16X2_U32X2.pack_into(out, l4_at, p.sport, p.dport, p.seq, p.ack_no)
        out[l4_at + 13] = frame[l4_at + 13] & 0xC0 | flags
        _U16.pack_into(out, l4_at + 14, p.window)
        checksum_at = l4_at + 16
    elif bits & UDP:
        _U16X2.pack_into(out, l4_at, p.sport, p.dport)
        checksum_at = l4_at + 6
        # The checksum covers what the UDP length says (RFC 768), if that is a length at all.
        length = _U16.unpack_from(frame, l4_at + 4)[0]
        if 8 <= length < covered + 8:
            covered = length - 8
    elif bits & ICMP:
        out[l4_at] = p.icmp_type
        out[l4_at + 1] = p.icmp_code
        _U16X2.pack_into(out, l4_at + 4, p.icmp_id, p.icmp_seq)
        checksum_at = l4_at + 2
    else:
        out[payload_at : payload_at + covered] = p.payload
        return out

    checksum = _U16.unpack_from(frame, checksum_at)[0]
    covered_end = payload_at
    if p.payload is not p.original[-1]:
        out[payload_at : payload_at + len(p.payload)] = p.payload
        covered_end += covered
    if checksum == 0 and bits & UDP:
        return out
    old, new = frame[l4_at:covered_end], bytes(out[l4_at:covered_end])
    if bits & IP6 or not bits & ICMP:  # ICMP over IPv4 has no pseudo header
        # Its length field can't differ, as no write changes the payload's.
        old = frame[addresses] + bytes((0, p.original[_PROTO])) + old
        new = bytes(out[addresses]) + bytes((0, p.proto)) + new
    checksum = update_checksum(checksum, old, new)
    if checksum == 0 and bits & UDP:
        checksum = 0xFFFF
    _U16.pack_into(out, checksum_at, checksum)
    return out
