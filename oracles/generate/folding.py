"""Repetitions found in a trace and written as loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from nfverify.equivalence.reach.script import VARIATIONS, Loop, Script
from nfverify.equivalence.simulate import Arrival, make_packet
from nfverify.oracles.generate.packets import changed, values_of
from nfverify.packet.codec import deparse
from nfverify.packet.fields import FIELDS, Header
from nfverify.packet.packet import Packet

LEAST = 4
"""Packets that make a loop."""
MANY = 12
"""Packets of a trace in which loops are worth making."""
_COUNTED = ("sip", "sip6", "sport", "dip", "dip6", "dport")


def looped(script: Script, used: Set[str]) -> Iterator[Script]:
    """Traces of the same kind with loops, to be tried: the plainest first. `used` are the fields
    that the model uses: the others become those of the first packet of the kind."""
    if len(script) < MANY or any(isinstance(part, Loop) for part in script):
        return
    arrivals = [part for part in script if not isinstance(part, Loop)]
    packets = _alike([arrival.packet for arrival in arrivals], used)
    counted = packets
    for name in _COUNTED:
        counted = _consecutive(counted, name)
    start = arrivals[0].time
    gap = arrivals[1].time - start
    for row in (counted, packets):
        for step in dict.fromkeys((0, gap)):
            times = range(start, start + step * len(row) + 1, step or 1)
            yield folded(
                tuple(
                    Arrival(times[i] if step else start, arrival.port, packet)
                    for i, (arrival, packet) in enumerate(zip(arrivals, row, strict=True))
                )
            )
        yield folded(
            tuple(
                Arrival(arrival.time, arrival.port, packet)
                for arrival, packet in zip(arrivals, row, strict=True)
            )
        )


def _alike(packets: Sequence[Packet], used: Set[str]) -> list[Packet]:
    first: dict[object, Packet] = {}
    found = []
    untagged = Header(0) if "vlan" in used else Header.VLAN
    sized = used & {"payload", "size", "iplen"}
    for packet in packets:
        present = packet.present & ~untagged
        model = first.setdefault((present, packet.proto), packet)
        mine, theirs = values_of(packet), values_of(model)
        values = {
            n: mine[n] if n in used else theirs[n] for n in mine if n != "vlan" or not untagged
        }
        payload = packet.payload if sized else model.payload
        found.append(make_packet(present, values, payload) or packet)
    return found


def _consecutive(packets: Sequence[Packet], name: str) -> list[Packet]:
    """With the values of a field counted up in the order in which they come."""
    there = [getattr(p, name) for p in packets if FIELDS[name].headers & p.present]
    values = list(dict.fromkeys(there))
    if len(values) < LEAST:
        return list(packets)
    most = (1 << FIELDS[name].width) - 1
    start = min(values[0], most - len(values))
    new = {value: start + number for number, value in enumerate(values)}
    found = []
    for packet in packets:
        value = getattr(packet, name)
        same = not FIELDS[name].headers & packet.present or new[value] == value
        found.append(packet if same else changed(packet, {name: new[value]}) or packet)
    return found


def folded(script: Script) -> Script:
    """The same packets, those that repeat as loops."""
    if len(script) < LEAST or any(isinstance(part, Loop) for part in script):
        return script
    arrivals = [part for part in script if not isinstance(part, Loop)]
    frames = [deparse(arrival.packet) for arrival in arrivals]
    found: list[Arrival | Loop] = []
    at = 0
    while at < len(arrivals):
        loop = _loop(arrivals, frames, at)
        found.append(arrivals[at] if loop is None else loop)
        at += 1 if loop is None else loop.count
    return tuple(found)


def _loop(arrivals: Sequence[Arrival], frames: Sequence[bytes], at: int) -> Loop | None:
    """The longest loop that begins here."""
    if at + LEAST > len(arrivals):
        return None
    first = arrivals[at]
    gap = arrivals[at + 1].time - first.time
    best: Loop | None = None
    for vary in VARIATIONS:
        loop = Loop(first, vary, len(arrivals) - at, gap)
        count = 1
        while at + count < len(arrivals):
            wanted, again = arrivals[at + count], loop.repetition(count)
            if (wanted.time, wanted.port) != (again.time, again.port):
                break
            if frames[at + count] != deparse(again.packet):
                break
            count += 1
        if count >= LEAST and (best is None or count > best.count):
            best = Loop(first, vary, count, gap)
    return best
