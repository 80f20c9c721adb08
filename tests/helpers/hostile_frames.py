"""Random frames of every kind that the codec knows, whole and damaged, and random writes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from nfverify.packet.checksum import internet_checksum
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet

_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
_WIDTHS = {n: f.width for n, f in FIELDS.items() if f.writable and n != "payload"}


@dataclass(frozen=True, slots=True)
class _Words:
    """A source of bytes: random, or (`flat`) 16-bit words that are all ones or zero."""

    rng: Random
    flat: bool

    def __call__(self, n: int) -> bytes:
        if not self.flat:
            return self.rng.randbytes(n)
        words = (self.rng.choice((b"\0\0", b"\xff\xff", b"\xff\xff")) for _ in range(n // 2 + 1))
        return b"".join(words)[:n]


def frame(rng: Random) -> bytes:
    """A frame; every second one is plain IPv4 with TCP or UDP."""
    words = _Words(rng, rng.random() < 0.4)
    plain = rng.random() < 0.5
    link = words(12)
    if not plain:
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
            link += rng.choice((b"\x81\0", b"\x88\xa8")) + words(2)
        if rng.random() < 0.03:
            return link + rng.choice((b"\x08\x06", b"\x08\0", b"\x86\xdd", b"\0\x2e")) + words(46)
    payload = words(rng.choice((0, 0, 1, 2, 3, 4, 17, 40, 41, 300)))
    out = bytearray(_ip4(rng, words, link, payload, plain))
    if not plain and rng.random() < 0.5:
        out = bytearray(_ip6(rng, words, link, payload))
    out += words(rng.choice((0, 0, 1, 6, 18)))
    damage = rng.random()
    if damage < 0.1:
        out[rng.randrange(12, len(out))] = rng.choice((0, 5, 0x45, 0xFF, rng.getrandbits(8)))
    elif damage < 0.2:
        del out[rng.randrange(len(out)) :]
    return bytes(out)


def writes(rng: Random, p: Packet) -> list[str]:
    """Writes random fields of the packet, absent ones too; their names, in random order."""
    names = rng.sample(sorted(_WIDTHS), rng.choice((0, 1, 1, 2, 3, 6, len(_WIDTHS))))
    if rng.random() < 0.3:
        names.append("payload")
    if rng.random() < 0.2:  # what a sum does not see
        p.sip, p.dip, p.sport, p.dport = p.dip, p.sip, p.dport, p.sport
        names += [n for n in ("sip", "dip", "sport", "dport") if n not in names]
    else:
        extreme = rng.random() < 0.5
        for name in names:
            if name != "payload":
                value = rng.getrandbits(_WIDTHS[name])
                if extreme:
                    value = rng.choice((0, (1 << _WIDTHS[name]) - 1, getattr(p, name)))
                setattr(p, name, value)
    if "payload" in names:
        words = _Words(rng, rng.random() < 0.5)
        payload = words(len(p.payload)) if rng.random() < 0.7 else bytes(len(p.payload))
        p.payload = payload if rng.random() < 0.9 else bytes(bytearray(p.payload))
    rng.shuffle(names)
    return names


def _checksum(rng: Random, right: int) -> int:
    return rng.choice((0, 0xFFFF, 0xFFFF, right, right, right ^ 0xFFFF, rng.getrandbits(16)))


def _transport(rng: Random, words: _Words, kind: str, payload: bytes, pseudo: bytes) -> bytes:
    match kind:
        case "tcp":
            options = words(4 * rng.choice((0, 0, 0, 3, 10)))
            offset = 0x50 + len(options) * 4 | rng.getrandbits(4)
            head, tail = words(12) + bytes((offset,)) + words(3), words(2) + options
        case "udp":
            right = 8 + len(payload)
            length = rng.choice((right, right, 0, 7, 8, 9, rng.getrandbits(9)))
            head, tail = words(4) + struct.pack("!H", length), b""
        case "icmp":
            head, tail = words(2), words(4)
        case _:
            return b""
    right = internet_checksum(pseudo + head + b"\0\0" + tail + payload)
    return head + struct.pack("!H", _checksum(rng, right)) + tail


def _kind(rng: Random, icmp: int) -> tuple[str, int]:
    other = rng.choice((0, 1, 41, 50, 51, 58, 89, 253))
    kinds = (("tcp", 6), ("tcp", 6), ("udp", 17), ("udp", 17), ("icmp", icmp), ("", other))
    return rng.choice(kinds)


def _ip4(rng: Random, words: _Words, link: bytes, payload: bytes, plain: bool) -> bytes:
    kind, proto = rng.choice((("tcp", 6), ("udp", 17))) if plain else _kind(rng, 1)
    options = b"" if plain else words(4 * rng.choice((0, 0, 0, 1, 2, 10)))
    kinds = (0, 0x4000) if plain else (0, 0x4000, 0x8000, 0x2000, 1, 0x1FFF, rng.getrandbits(16))
    addresses = words(8)
    fragment = rng.choice(kinds)
    if fragment & 0x1FFF and rng.random() < 0.8:
        kind = ""
    l4 = _transport(rng, words, kind, payload, addresses + bytes((0, proto)))
    size = 20 + len(options) + len(l4) + len(payload)
    if rng.random() < 0.1:
        size += rng.choice((-1, 1, 8, 2000, -size, -size + 20, 0xFFFF - size))
    head = bytes((0x45 + len(options) // 4,)) + words(1)
    head += struct.pack("!H", max(size, 0)) + words(2)
    head += struct.pack("!H", fragment) + words(1) + bytes((proto,))
    checksum = _checksum(rng, internet_checksum(head + addresses + options))
    head += struct.pack("!H", checksum) + addresses + options
    return link + b"\x08\0" + head + l4 + payload


def _ip6(rng: Random, words: _Words, link: bytes, payload: bytes) -> bytes:
    kind, proto = _kind(rng, 58)
    addresses = words(32)
    count = rng.choice((0, 0, 0, 1, 1, 2, 3, 7, 8, 9))
    chain = rng.choices((_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION), k=count)
    numbers = [*chain, proto]
    extensions = b""
    for number, after in pairwise(numbers):
        if number == _FRAGMENT:
            fragment = rng.choice((0, 1, 1, 6, 8, 0xFFF8, rng.getrandbits(16)))
            extensions += struct.pack("!BBH", after, rng.getrandbits(8), fragment) + words(4)
        else:
            units = rng.choice((0, 0, 1, 5, 255 if count == 9 else 2))
            extensions += bytes((after, units)) + words(6 + 8 * units)
    l4 = _transport(rng, words, kind, payload, addresses + bytes((0, proto)))
    size = len(extensions) + len(l4) + len(payload)
    if rng.random() < 0.1:
        size = max(0, size + rng.choice((-1, 1, -8, 2000, -size, 0xFFFF - size)))
    word = 6 << 28 | rng.getrandbits(28)
    head = struct.pack("!IHBB", word, size, numbers[0], rng.getrandbits(8))
    return link + b"\x86\xdd" + head + addresses + extensions + l4 + payload
