"""Traces whose packets differ in all that their goals leave open.

A solver's packets, and those of a small pool, have equal fields, and equal fields hide a mistake:
source for destination, one host for another. So values are replaced by others throughout a trace,
as long as it reaches the same goals.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from nfverify.equivalence.reach.script import Loop, Script
from nfverify.equivalence.simulate import Arrival
from nfverify.oracles.generate.packets import changed, values_of
from nfverify.packet.fields import FIELDS

KINDS: tuple[tuple[str, ...], ...] = (("sip", "dip"), ("sip6", "dip6"), ("sport", "dport"))
"""Fields of one kind share their values: a reply has them in the other order."""
_FREE = (
    *("smac", "dmac", "ttl", "tos", "ip_id", "seq", "ack_no", "window"),
    *("icmp_id", "icmp_seq", "icmp_code"),
)
_PRIME = 0x9E3779B1  # spreads consecutive numbers over a field


def diversified(
    script: Script,
    goals: Collection[int],
    reached: Callable[[Script], Collection[int]],
    used: Collection[str],
    number: int,
) -> Script:
    """A script that still reaches `goals`. `used` are the fields that the model reads or writes;
    `number` is that of the script, so that scripts differ, too."""
    best = script
    wanted = frozenset(goals)
    unread = [name for name in _FREE if name not in used]
    best = _fresh(best, unread, number)
    for kind in (*KINDS, *((name,) for pair in KINDS for name in pair)):
        for value in _values(best, kind):
            if len(kind) == 1 and not _shared(best, kind[0], value):
                continue  # it was tried already
            for other in _others(value, kind[0], number):
                attempt = _renamed(best, kind, value, other)
                if attempt is not None and wanted <= frozenset(reached(attempt)):
                    best = attempt
                    break
    for name in _FREE:
        if name in used:
            attempt = _fresh(best, (name,), number)
            if attempt != best and wanted <= frozenset(reached(attempt)):
                best = attempt
    return best if wanted <= frozenset(reached(best)) else script


def _values(script: Script, kind: Sequence[str]) -> list[int]:
    found: dict[int, None] = {}
    for part in script:
        packet = (part.arrival if isinstance(part, Loop) else part).packet
        for name in kind:
            if FIELDS[name].headers & packet.present:
                found[getattr(packet, name)] = None
    return list(found)


def _shared(script: Script, name: str, value: int) -> bool:
    """Does the other field of the kind have the value, too?"""
    (other,) = (n for kind in KINDS if name in kind for n in kind if n != name)
    return value in _values(script, (other,))


def _others(value: int, name: str, number: int) -> Iterator[int]:
    """Values to try instead: any one, one of the same network, a neighbour."""
    width = FIELDS[name].width
    mask = (1 << width) - 1
    spread = ((value + 1) * _PRIME ^ number * 0x45D9F3B) & 0xFFFFFFFF
    if width == 16:
        yield 20000 + spread % 30000
        yield value & 0xFF00 | spread & 0xFF
    else:
        yield (spread * (_PRIME << 32 | _PRIME) & mask) | 1
        yield value & ~0xFFFF & mask | spread & 0xFFFF | 1
        yield value & ~0xFF & mask | spread & 0x7F | 1


def _renamed(script: Script, kind: Sequence[str], value: int, other: int) -> Script | None:
    found: list[Arrival | Loop] = []
    for part in script:
        arrival = part.arrival if isinstance(part, Loop) else part
        packet = arrival.packet
        names = [
            n for n in kind if FIELDS[n].headers & packet.present and getattr(packet, n) == value
        ]
        if names:
            new = changed(packet, dict.fromkeys(names, other))
            if new is None:
                return None
            arrival = Arrival(arrival.time, arrival.port, new)
        found.append(_as(part, arrival))
    return tuple(found)


def _fresh(script: Script, names: Sequence[str], number: int) -> Script:
    """Each packet with values of its own in these fields, where it has them."""
    found: list[Arrival | Loop] = []
    for place, part in enumerate(script):
        arrival = part.arrival if isinstance(part, Loop) else part
        held = values_of(arrival.packet)
        values = {}
        for at, name in enumerate(names):
            info = FIELDS[name]
            if info.headers & arrival.packet.present:
                spread = (number * 64 + place * 16 + at + 1) * _PRIME & 0xFFFFFFFF
                values[name] = (spread >> 7) & ((1 << info.width) - 1) or 1
                if name == "ttl":
                    values[name] = values[name] | 32
                if name in ("smac", "dmac"):
                    values[name] = 0x020000000000 | spread
        new = changed(arrival.packet, held | values) if values else None
        found.append(part if new is None else _as(part, Arrival(arrival.time, arrival.port, new)))
    return tuple(found)


def _as(part: Arrival | Loop, arrival: Arrival) -> Arrival | Loop:
    if isinstance(part, Loop):
        return Loop(arrival, part.vary, part.count, part.gap)
    return arrival
