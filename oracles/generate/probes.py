"""Packets after a trace that show what state it left: without them a wrong write is seen by nobody.

The last packet again, its answer, answers to what came out, the packets before, and the last one
with one of its key fields changed by one bit; then the same at the instants at which a timer or a
time-out decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nfverify.equivalence.reach.script import Script, expand
from nfverify.equivalence.simulate import Arrival, make_packet
from nfverify.oracles.generate.packets import changed, reversed_packet
from nfverify.packet.fields import Header
from nfverify.packet.packet import IP6, Packet
from nfverify.semantics.machine import Machine

BEFORE = 3  # packets before the last that come again
TICKS = 3  # of a timer
REPLIES = 2  # outputs of one packet that are answered
_BITS = ("sip", "dip", "sip6", "dip6", "sport", "dport", "icmp_id")


def probes(
    machine: Machine, script: Script, spans: Sequence[int] = (), patterns: Sequence[bytes] = ()
) -> tuple[Arrival, ...]:
    """Packets to be appended to a script. `machine` is fresh; `spans` are the times that matter to
    the model, ns (timers are found without them), `patterns` the strings."""
    arrivals = list(expand(script))
    outputs: list[tuple[int, Packet]] = []
    for arrival in arrivals:
        outputs = machine.process(arrival.packet, arrival.time, arrival.port)
    last, now = arrivals[-1], machine.now or arrivals[-1].time
    found = [Arrival(now, port, packet) for port, packet in _now(arrivals, outputs, patterns)]
    return (*found, *_spans(last, now, spans), *_ticks(last, machine))


def _now(
    arrivals: Sequence[Arrival],
    outputs: Sequence[tuple[int, Packet]],
    patterns: Sequence[bytes],
) -> Iterator[tuple[int, Packet]]:
    last = arrivals[-1]
    port, packet = last.port, last.packet
    yield port, packet
    answer = reversed_packet(packet)
    if answer is not None:
        yield _other(port), answer
    for out, sent in outputs[:REPLIES]:
        answer = reversed_packet(sent)
        if answer is not None:
            yield out, answer
    for arrival in arrivals[-1 - BEFORE : -1]:
        yield arrival.port, arrival.packet
    for name in _BITS:
        if (name[-1] == "6") != bool(packet.bits & IP6) and name[1:3] == "ip":
            continue
        near = changed(packet, {name: getattr(packet, name) ^ 1})
        if near is not None and getattr(near, name) != getattr(packet, name):
            yield port, near
    other = _over_another(packet)
    if other is not None:
        yield port, other
    for payload in _payloads(patterns):
        other = changed(packet, {}, payload)
        if other is not None:
            yield port, other
    longer = changed(packet, {}, packet.payload + b"+")
    if longer is not None:
        yield port, longer


def _payloads(patterns: Sequence[bytes]) -> Iterator[bytes]:
    """Strings with their first or last byte wrong, then the strings."""
    for pattern in patterns:
        yield bytes((pattern[0] ^ 1,)) + pattern[1:]
        yield pattern[:-1] + bytes((pattern[-1] ^ 1,))
    yield from patterns


def _over_another(packet: Packet) -> Packet | None:
    """The same ends over UDP instead of TCP, or the reverse."""
    present = packet.present
    if not present & (Header.TCP | Header.UDP):
        return None
    tcp = bool(present & Header.TCP)
    names = ("sip", "dip", "sip6", "dip6", "sport", "dport", "smac", "dmac", "vlan", "ttl", "tos")
    values = {name: getattr(packet, name) for name in names}
    values["proto"] = 17 if tcp else 6
    return make_packet(present ^ (Header.TCP | Header.UDP), values, packet.payload)


def _other(port: int) -> int:
    return 1 - port if port < 2 else port


def _spans(last: Arrival, now: int, spans: Sequence[int]) -> Iterator[Arrival]:
    """The last packet again, just before and at the instants at which a time-out decides."""
    for instant in sorted({last.time + span for span in spans}):
        for time in (instant - 1, instant):
            if now <= time < 1 << 61:
                now = time
                yield Arrival(time, last.port, last.packet)


def _ticks(last: Arrival, machine: Machine) -> Iterator[Arrival]:
    """The same around the next ticks of a timer, one after the other: a tick sets the next one."""
    for _ in range(TICKS):
        if not machine.timers:
            return
        due = machine.timers[0].due
        for time in (due - 1, due):
            if (machine.now or 0) <= time < 1 << 61:
                machine.process(last.packet, time, last.port)
                yield Arrival(time, last.port, last.packet)
