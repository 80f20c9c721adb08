"""Captures at random, pcap and pcapng: whole, cut, and changed in small ways."""

from __future__ import annotations

import struct
from random import Random

MAGIC = (0xA1B2C3D4, 0xA1B23C4D)


def stamp(rng: Random) -> int:
    return rng.choice((0, 1, 1_700_000_000, 2**32 - 1, rng.getrandbits(32)))


def lengths(rng: Random, frame: bytes) -> tuple[int, int]:
    return len(frame), rng.choice((len(frame), len(frame) + 9, 0, 2**32 - 1))


def pcap(rng: Random) -> bytes:
    order, magic = rng.choice("<>"), rng.choice(MAGIC)
    top = 10**6 if magic == MAGIC[0] else 10**9
    data = struct.pack(
        order + "IHHiIII", magic, 2, 4, 0, 0, 65_535, rng.choice((1, 1, 0xF000_0001))
    )
    for _ in range(rng.randrange(6)):
        frame = rng.randbytes(rng.choice((0, 1, 60, 1_514)))
        fraction = rng.choice((0, top - 1, rng.randrange(top)))
        data += struct.pack(order + "IIII", stamp(rng), fraction, *lengths(rng, frame)) + frame
    return data


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def options(rng: Random, order: str) -> bytes:
    found = b""
    for _ in range(rng.randrange(4)):
        found += rng.choice(
            (
                option(
                    order, 9, bytes((rng.choice((0, 3, 6, 9, 12, 28, 29, 127, 138, 148, 255)),))
                ),
                option(
                    order, 14, struct.pack(order + "q", rng.choice((0, 5, -1, 2**62, -(2**63))))
                ),
                option(order, 2, b"eth0"),
                option(order, 0, b""),
            )
        )
    return found


def pcapng(rng: Random) -> bytes:
    data = b""
    for _ in range(rng.randrange(1, 4)):
        order = rng.choice("<>")
        version = rng.choice(((1, 0), (1, 0), (1, 2)))
        body = struct.pack(order + "IHHq", 0x1A2B3C4D, *version, -1) + options(rng, order)
        data += block(order, 0x0A0D0D0A, body)
        for _ in range(rng.randrange(8)):
            frame = rng.randbytes(rng.choice((0, 1, 60, 1_514)))
            ticks = rng.choice((0, 5, 1_700_000_000_123_456, rng.getrandbits(64)))
            high, low = ticks >> 32, ticks & 0xFFFFFFFF
            number = rng.choice((0, 0, 0, 1))
            match rng.randrange(6):
                case 0 | 1:
                    head = struct.pack(order + "HHI", 1, 0, rng.choice((0, 40)))
                    data += block(order, 1, head + options(rng, order))
                case 2:
                    head = struct.pack(order + "IIIII", number, high, low, *lengths(rng, frame))
                    tail = bytes(-len(frame) % 4) + options(rng, order)
                    data += block(order, 6, head + frame + tail)
                case 3:
                    head = struct.pack(order + "HHIIII", number, 7, high, low, *lengths(rng, frame))
                    data += block(order, 2, head + frame)
                case 4:
                    data += block(order, 3, struct.pack(order + "I", len(frame)) + frame)
                case 5:
                    data += block(order, rng.choice((4, 5, 0x0BAD)), rng.randbytes(40))
    return data


def damaged(rng: Random, data: bytes) -> bytes:
    """Cut or changed, mostly in small ways."""
    if rng.random() < 0.3:
        return data[: rng.randrange(len(data) + 1)]
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randrange(min(len(data), rng.choice((24, 100, 10_000))))
        changed[at] = rng.choice((0, 1, 0xFF, changed[at] ^ 1 << rng.randrange(8)))
    return bytes(changed)
