"""Frames put into tags, IPv4 and VXLAN, honestly or not; byte by byte, as in `oracles.frames`."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from struct import pack as packed

_TAGS = (b"\x81\0", b"\x88\xa8")
_VERSIONS = {b"\x08\0": 4, b"\x86\xdd": 41}
_VXLAN_PORT = 4789
_ODD = 0.2  # of the headers


def pack(rng: Random, frame: bytes, kind: str, want: Mapping[str, int]) -> bytes:
    """The frame in one more header of a kind (vlan, ipip, vxlan), with values that it can have."""
    odd = rng.random() < _ODD
    match kind:
        case "vlan":
            tci = rng.getrandbits(4) << 12 | want.get("vlan", rng.getrandbits(12)) & 0xFFF
            return frame[:12] + rng.choice(_TAGS) + packed("!H", tci) + frame[12:]
        case "ipip":
            return _pack_ipip(rng, frame, want, odd)
        case _:
            return pack_vxlan(rng, frame, want, odd)


def _pack_ipip(rng: Random, frame: bytes, want: Mapping[str, int], odd: bool) -> bytes:
    """In front of the IP header, if the frame has one."""
    at = 12
    while frame[at : at + 2] in _TAGS and at < 20:
        at += 4
    proto = _VERSIONS.get(frame[at : at + 2])
    inner = frame[at + 2 :]
    if proto is None or len(inner) < 6:
        return frame
    if proto == 4:
        size = int.from_bytes(inner[2:4], "big")
    else:
        size = 40 + int.from_bytes(inner[4:6], "big")
    if odd and rng.random() < 0.5:
        proto = rng.choice((4, 41, 17, 0))
    return frame[:at] + b"\x08\0" + _ip4(rng, 20 + size, proto, want, odd) + inner


def pack_vxlan(rng: Random, frame: bytes, want: Mapping[str, int], odd: bool) -> bytes:
    """In an Ethernet frame of VXLAN (RFC 7348)."""
    vni, flags, port = want.get("vni", rng.choice((0, 7, 1 << 23))), 8, _VXLAN_PORT
    length = len(frame) + 16
    if odd:
        flags, port = rng.choice(((0, port), (0xF7, port), (0xFF, port), (8, port + 1), (9, port)))
        length = rng.choice((length, length - 1, 8, 0, 0xFFFF))
    udp = packed("!HHHH", 49152 + rng.getrandbits(14), port, length & 0xFFFF, 0)
    vxlan = packed("!II", flags << 24, vni << 8 & 0xFFFFFFFF)
    body = udp + vxlan + frame
    link = frame[:12].ljust(12, b"\0") + b"\x08\0"
    out = link + _ip4(rng, 20 + len(body), 17, want, odd) + body
    return out[: rng.randrange(len(out))] if odd and rng.random() < 0.1 else out


def _ip4(rng: Random, size: int, proto: int, want: Mapping[str, int], odd: bool) -> bytes:
    """The header of a packet of `size` bytes."""
    options, fragment = b"", 0x4000
    if odd:
        roll = rng.random()
        if roll < 0.25:
            options = bytes((1,)) * rng.choice((4, 8, 40))
            size += len(options)
        elif roll < 0.5:
            fragment = rng.choice((0x2000, 1, 0x2001))
        elif roll < 0.75:
            size = rng.choice((size - 1, size + 1, 20, 28, 0xFFFF, size - 20))
    ends = want.get("sip", 0) & 0xFFFFFFFF, want.get("dip", 0) & 0xFFFFFFFF
    first = 0x45 + len(options) // 4
    fields = (first, 0, max(0, size) & 0xFFFF, 0, fragment, 64, proto, 0)
    head = packed("!BBHHHBBHII", *fields, *ends) + options
    words = int.from_bytes(head, "big") % 0xFFFF or 0xFFFF
    check = rng.choice((0xFFFF, 0, 0xFFFF - words)) if odd else 0xFFFF - words
    return head[:10] + packed("!H", check) + head[12:]
