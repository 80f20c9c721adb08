"""Frames made odd in ways that real networks have, some of them legal, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable
from struct import pack_into, unpack_from

from nfverify.packet.checksum import internet_checksum

TAGS = (0x8100, 0x88A8)
NOPS = b"\x01\x01\x01\x01"
PADDED = 60  # bytes of the shortest Ethernet frame without FCS

Oddity = Callable[[bytes], bytes]


def _ip(frame: bytes) -> int | None:
    """Where the IP header starts; None if there is no whole one."""
    at = 12
    while len(frame) >= at + 2 and unpack_from("!H", frame, at)[0] in TAGS and at < 20:
        at += 4
    if len(frame) < at + 2:
        return None
    ethertype = unpack_from("!H", frame, at)[0]
    need = {0x0800: 20, 0x86DD: 40}.get(ethertype)
    return at + 2 if need is not None and len(frame) >= at + 2 + need else None


def _patched(version: int, offset: int, change: Callable[[int], int]) -> Oddity:
    """One byte of the IP header changed, the header's checksum made right."""

    def odd(frame: bytes) -> bytes:
        at = _ip(frame)
        if at is None or frame[at] >> 4 != version:
            return frame
        out = bytearray(frame)
        out[at + offset] = change(out[at + offset]) & 0xFF
        return _summed(out, at)

    return odd


def _summed(out: bytearray, at: int) -> bytes:
    if out[at] >> 4 == 4 and 5 <= (out[at] & 15) <= (len(out) - at) // 4:
        pack_into("!H", out, at + 10, 0)
        header = bytes(out[at : at + (out[at] & 15) * 4])
        pack_into("!H", out, at + 10, internet_checksum(header))
    return bytes(out)


def _padded(frame: bytes) -> bytes:
    return frame + bytes(max(0, PADDED - len(frame)))


def _options(frame: bytes) -> bytes:
    """With four bytes of IPv4 options, or an IPv6 destination options header."""
    at = _ip(frame)
    if at is None:
        return frame
    out = bytearray(frame)
    if frame[at] == 0x45:
        out[at + 20 : at + 20] = NOPS
        out[at] = 0x46
        pack_into("!H", out, at + 2, unpack_from("!H", frame, at + 2)[0] + len(NOPS) & 0xFFFF)
        return _summed(out, at)
    if frame[at] >> 4 == 6:
        out[at + 40 : at + 40] = bytes((frame[at + 6], 0, 1, 4, 0, 0, 0, 0))
        out[at + 6] = 60
        pack_into("!H", out, at + 4, unpack_from("!H", frame, at + 4)[0] + 8 & 0xFFFF)
    return bytes(out)


def _tagged(frame: bytes) -> bytes:
    return frame[:12] + b"\x81\0\0\x01" + frame[12:] if len(frame) >= 12 else frame


def _l4(frame: bytes) -> int | None:
    at = _ip(frame)
    if at is None:
        return None
    return at + ((frame[at] & 15) * 4 if frame[at] >> 4 == 4 else 40)


def _l4_checksum(change: Callable[[int], int]) -> Oddity:
    def odd(frame: bytes) -> bytes:
        at, l4 = _ip(frame), _l4(frame)
        if at is None or l4 is None:
            return frame
        proto = frame[at + (9 if frame[at] >> 4 == 4 else 6)]
        place = l4 + {6: 16, 17: 6, 1: 2, 58: 2}.get(proto, 1 << 16)
        if len(frame) < place + 2:
            return frame
        out = bytearray(frame)
        pack_into("!H", out, place, change(unpack_from("!H", frame, place)[0]))
        return bytes(out)

    return odd


def _ip_checksum(frame: bytes) -> bytes:
    at = _ip(frame)
    if at is None or frame[at] >> 4 != 4:
        return frame
    out = bytearray(frame)
    out[at + 10] ^= 0xFF
    return bytes(out)


def _data_offset(frame: bytes) -> bytes:
    l4 = _l4(frame)
    if l4 is None or len(frame) < l4 + 13:
        return frame
    return frame[: l4 + 12] + b"\x40" + frame[l4 + 13 :]


def _cut(less: int) -> Oddity:
    return lambda frame: frame[: max(0, len(frame) - less)]


def _cut_to(length: int) -> Oddity:
    return lambda frame: frame[:length]


ODDITIES: tuple[Oddity, ...] = (
    _padded,
    _options,
    _tagged,
    lambda frame: _tagged(_tagged(frame)),
    lambda frame: _tagged(_tagged(_tagged(frame))),
    _patched(4, 6, lambda byte: 0x20),  # a first fragment
    _patched(4, 7, lambda byte: 1),  # a later one
    _l4_checksum(lambda right: right ^ 1),
    _l4_checksum(lambda right: 0),
    _l4_checksum(lambda right: 0xFFFF),
    _ip_checksum,
    lambda frame: frame + b"trailer",
    _cut(1),
    _cut(8),
    _cut_to(33),
    _cut_to(13),
    _cut_to(0),
    _patched(4, 0, lambda byte: 0x44),  # IHL 4
    _patched(4, 0, lambda byte: 0x4F),
    _patched(4, 0, lambda byte: 0x65),  # version 6 under IPv4's ethertype
    _patched(6, 0, lambda byte: 0x40),
    _patched(4, 3, lambda byte: byte - 1),  # the IP length
    _patched(4, 3, lambda byte: byte + 1),
    _patched(4, 2, lambda byte: 0xFF),
    _patched(6, 5, lambda byte: byte - 1),
    _patched(6, 4, lambda byte: 0xFF),
    _data_offset,
    lambda frame: frame[:12] + b"\x08\x06" + frame[14:],  # ARP
)
