"""Traces on which planted faults show that random traffic would take long to find."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from nfverify.oracles.trace import Event
from nfverify.packet.build import build
from nfverify.packet.fields import Header
from nfverify.semantics.operators import hash_of
from nfverify.smat import ir

LAN, WEB, PUBLIC = 0x0A000001, 0xC6336450, 0xCB007100
TCP, UDP = 6, 17


def frame(sip: int, sport: int, dip: int, dport: int, proto: int = TCP, **flags: int) -> bytes:
    ends = {"sip": sip, "sport": sport, "dip": dip, "dport": dport}
    ends["size"] = 40  # compiled records serve no frames that are shorter
    return build(Header.IP4 | (Header.TCP if proto == TCP else Header.UDP), ends | flags)


def events(*frames: bytes) -> list[Event]:
    return [Event(number, 0, one) for number, one in enumerate(frames)]


def colliding() -> tuple[bytes, bytes]:
    """Two flows that 20 bits of a hash don't tell apart."""
    hashed = hash_of(
        tuple(ir.field_type(name) for name in ("sip", "dip", "sport", "dport", "proto"))
    )
    seen: dict[int, int] = {}
    for number in count():
        sport, dport = number & 0xFFFF, 80 + (number >> 16)
        low = int(hashed(LAN, WEB, sport, dport, TCP)) & (1 << 20) - 1
        if low in seen:
            other = seen[low]
            return (
                frame(LAN, other & 0xFFFF, WEB, 80 + (other >> 16)),
                frame(LAN, sport, WEB, dport),
            )
        seen[low] = number
    raise AssertionError


A = frame(LAN, 1000, WEB, 80)
STRAY = frame(0x08080808, 53, PUBLIC, 1024)
# What random traffic would take long to find.
TRACES: Mapping[str, tuple[bytes, ...]] = {
    "event-of-absence": (STRAY, A, STRAY),
    "hash-as-key": colliding(),
    "key-without-proto": (A, frame(LAN, 1000, WEB, 80, UDP)),
    "departing-key": (frame(LAN, 1000, PUBLIC + 1, 80), frame(PUBLIC, 1024, PUBLIC + 1, 80)),
    "kept-on-fin": (A, frame(LAN, 1000, WEB, 80, flag_rst=1), A),
}
