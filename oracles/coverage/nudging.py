"""Packets beside those that reached something: one field, or the time, at a value of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nfverify.equivalence.simulate import Arrival, Trace, make_packet
from nfverify.oracles.aim import Aim, neighbours
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet

MAX_TRACES = 60
MAX_VALUES = 24  # of one field


def nudged(traces: Iterable[Trace], aim: Aim) -> Iterator[tuple[Trace, list[Arrival]]]:
    """For the shortest traces: all but the last packet, and others that may follow."""
    for trace in sorted(dict.fromkeys(traces), key=len)[:MAX_TRACES]:
        *before, last = trace
        start = before[-1].time if before else last.time
        times = sorted(
            {max(start, start + span + near) for span in aim.spans for near in (-1, 0, 1)}
        )
        found = [Arrival(time, last.port, last.packet) for time in times if before]
        found += [Arrival(last.time, last.port, packet) for packet in _beside(last.packet, aim)]
        yield tuple(before), found


def _beside(packet: Packet, aim: Aim) -> Iterator[Packet]:
    values = {n: getattr(packet, n) for n, f in FIELDS.items() if f.on_wire and f.width}
    for name, wanted in aim.values.items():
        info = FIELDS[name]
        if not info.on_wire or not packet.bits & info.headers.value:
            continue
        near = neighbours(wanted, info.width)
        for value in near[:: 1 + len(near) // MAX_VALUES]:
            if value != values[name]:
                found = make_packet(packet.present, values | {name: value}, packet.payload)
                if found is not None:
                    yield found
