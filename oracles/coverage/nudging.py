"""Packets and traces beside those that reached something: values of the model in their fields, and
traces one after the other on the same addresses and ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nfverify.equivalence.simulate import Arrival, Trace, make_packet
from nfverify.oracles.aim import OTHER_SIDE, Aim, neighbours
from nfverify.packet.codec import deparse, parse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import (
    FLAG_VALUES,
    IP6,
    PORT_VALUES,
    Malformed,
    Packet,
    wire_values,
)

MAX_TRACES = 60
MAX_VALUES = 24  # of one field
_ENDS = (("sip", "sip6"), ("dip", "dip6"), ("sport", "sport"), ("dport", "dport"))
# Which of the ends in `_ENDS` are taken over from another packet, and whether from its other side;
# the most useful first.
_TAKEN: tuple[tuple[tuple[int, ...], bool], ...] = (
    ((0, 1, 2, 3), False),
    ((0, 2), False),
    ((), False),
    ((0, 1, 2, 3), True),
    ((0, 2, 3), False),
    ((0, 1, 2), False),
    ((0, 2), True),
    ((2, 3), False),
    ((1, 3), True),
    ((0,), False),
    ((1, 3), False),
    ((0, 2, 3), True),
)
FREE = frozenset((*PORT_VALUES, *FLAG_VALUES, "sip", "dip", "sip6", "dip6", "ttl", "tos", "seq"))
"""Fields that no other depends on."""
MAX_JOINED = 16  # traces made of two

Values = Mapping[str, int]


def nudged(traces: Iterable[Trace], aim: Aim) -> Iterator[tuple[Trace, list[Trace]]]:
    """For the shortest traces: all but the last packet, and what may come instead of it. Renamed
    ones begin anew: they come after no packet."""
    for trace in sorted(dict.fromkeys(traces), key=len)[:MAX_TRACES]:
        *before, last = trace
        start = before[-1].time if before else last.time
        spans = [span + near for span in aim.spans for near in (-1, 0, 1)] if before else []
        others: list[Trace] = [
            (Arrival(time, last.port, last.packet),)
            for time in sorted({max(start, start + span) for span in spans})
        ]
        renamings: list[Trace] = []
        for name, value in _values(last.packet, aim):
            packet = changed(last.packet, {name: value})
            if packet is not None:
                others.append((Arrival(last.time, last.port, packet),))
            old = getattr(last.packet, name)
            if any(old in (getattr(a.packet, n) for n in _both(name)) for a in before):
                found = renamed(trace, {old: value}, _both(name))
                if found is not None:
                    renamings.append(found)
        yield tuple(before), others
        yield (), renamings


def _values(packet: Packet, aim: Aim) -> Iterator[tuple[str, int]]:
    for name, wanted in aim.values.items():
        info = FIELDS[name]
        if info.on_wire and packet.bits & info.headers.value:
            near = neighbours(wanted, info.width)
            for value in near[:: 1 + len(near) // MAX_VALUES]:
                if value != getattr(packet, name):
                    yield name, value


def _both(name: str) -> tuple[str, ...]:
    """A field, and the one that holds it on the way back."""
    return (name, OTHER_SIDE[name]) if name in OTHER_SIDE else (name,)


def changed(packet: Packet, values: Values) -> Packet | None:
    """A packet of the same headers with other fields; None if no frame has them. Its frame may
    still be the old one: see `framed`."""
    if FREE.issuperset(values):
        copy = packet.copy()
        for name, value in values.items():
            setattr(copy, name, value)
        return copy
    own = {n: getattr(packet, n) for n, f in FIELDS.items() if f.on_wire and f.width}
    return make_packet(packet.present, {**own, **values}, packet.payload)


def framed(trace: Sequence[Arrival]) -> Trace:
    """The trace with every packet as its frame is read."""
    found: list[Arrival] = []
    for arrival in trace:
        packet = arrival.packet
        if wire_values(packet) != packet.original:
            again = parse(deparse(packet))
            assert not isinstance(again, Malformed)
            arrival = Arrival(arrival.time, arrival.port, again)
        found.append(arrival)
    return tuple(found)


def renamed(
    trace: Sequence[Arrival], names: Mapping[int, int], fields: Sequence[str]
) -> Trace | None:
    """The trace with values replaced in some fields of all its packets."""
    found: list[Arrival] = []
    for arrival in trace:
        values = {f: names[v] for f in fields if (v := getattr(arrival.packet, f)) in names}
        packet = changed(arrival.packet, values) if values else arrival.packet
        if packet is None:
            return None
        found.append(Arrival(arrival.time, arrival.port, packet))
    return tuple(found)


def joined(first: Trace, second: Trace) -> Iterator[Trace]:
    """One trace after another, the second also with ends of the first one's last packet: its last
    packet alone, all of it, and with what comes before that at the very beginning."""
    seen: set[tuple[tuple[int, ...], ...]] = set()
    for places, swapped in _TAKEN:
        other = _taken_over(first[-1].packet, second, places, swapped)
        if other is None:
            continue
        *start, last = other
        shape = tuple([_ends(a.packet) for a in other])
        if shape in seen:
            continue
        seen.add(shape)
        yield _timed((*first, last))
        if start:
            yield _timed((*start, *first, last))
            yield _timed((*first, *start, last))


def _taken_over(packet: Packet, trace: Trace, places: Sequence[int], swapped: bool) -> Trace | None:
    """The trace with some of the packet's ends in the place of its last one's, throughout."""
    kind = 1 if packet.bits & IP6 else 0
    last = trace[-1].packet
    if places and (last.bits & IP6) != (packet.bits & IP6):
        return None
    found: Trace | None = trace
    for group in ((0, 1), (2, 3)):
        names: dict[int, int] = {}
        for place in (p for p in places if p in group):
            name = _ENDS[place][kind]
            source = OTHER_SIDE[name] if swapped else name
            names[getattr(last, name)] = getattr(packet, source)
        names = {old: new for old, new in names.items() if old != new}
        if names and found is not None:
            found = renamed(found, names, [_ENDS[place][kind] for place in group])
    return found


def _ends(packet: Packet) -> tuple[int, ...]:
    return tuple([getattr(packet, name) for names in _ENDS for name in dict.fromkeys(names)])


def _timed(trace: Sequence[Arrival]) -> Trace:
    """With no stamp before an earlier one."""
    found: list[Arrival] = []
    for arrival in trace:
        time = max(arrival.time, found[-1].time if found else 0)
        found.append(
            arrival if time == arrival.time else Arrival(time, arrival.port, arrival.packet)
        )
    return tuple(found)
