"""A few packets again and again, until what they count is full; then others come, too."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from nfverify.oracles.trace import Event
from nfverify.oracles.traffic import LATEST, Traffic
from nfverify.packet.codec import Malformed, deparse, parse
from nfverify.packet.fields import FIELDS
from nfverify.semantics.machine import Machine, RunawayError

MOST = 1200  # packets before others come: a greater limit is a matter for `gen`
AFTER = 30  # events from then on
FEW = 60  # packets, where the model names no number to count to
_LOOKED_AT = 80  # events from which the packets are taken
_GAPS = (0, 0, 0, 0, 1000, 1_000_000, 20_000_000)  # ns
_VARIED = ("", "", "sport", "sport", "dip", "sip", "sport")


class Hammer:
    """A source of events like Traffic, of `length` events.

    The packets are such that change the state of a fresh `machine` when they come again; they do so
    as often as one of the model's numbers says, and a little more. Each may differ from the one
    before in one field.
    """

    def __init__(self, traffic: Traffic, rng: Random, machine: Machine) -> None:
        self.traffic, self.rng = traffic, rng
        self.varied = rng.choice(_VARIED)
        counting = [event for event in _events(traffic) if _counts(machine, event, self.varied)]
        few = counting[:12] or [traffic.event()]
        self.packets = [rng.choice(few) for _ in range(rng.choice((1, 1, 1, 2)))]
        numbers = {n for found in traffic.aim.numbers.values() for n in found}
        limits = sorted(n for n in numbers if 2 <= n <= MOST)
        self.busy = len(self.packets) * (rng.choice(limits) if limits else FEW)
        self.busy = min(self.busy, MOST) + 3
        self.gap = rng.choice(_GAPS)
        if traffic.aim.ticks:
            self.gap = min(self.gap, traffic.aim.ticks)
        self.now = max(event.time for event in self.packets)
        self.count = 0

    @property
    def length(self) -> int:
        """How many events are worth asking for."""
        return self.busy + AFTER

    def event(self) -> Event:
        self.count += 1
        if self.count > self.busy and self.rng.random() < 0.7:
            event = self.traffic.event()
            return event._replace(time=max(event.time, self.now))
        self.now = min(self.now + self.gap, LATEST)
        event = self.packets[self.count % len(self.packets)]
        return event._replace(time=self.now, frame=_changed(event.frame, self.varied, self.count))

    def saw(self, outputs: Iterable[tuple[int, int, bytes]]) -> None:
        self.traffic.saw(outputs)


def _events(traffic: Traffic) -> list[Event]:
    events = [traffic.event() for _ in range(_LOOKED_AT)]
    return [event for event in events if not isinstance(parse(event.frame), Malformed)]


def _counts(machine: Machine, event: Event, varied: str) -> bool:
    """Does the third such packet still change the state?"""
    run = machine.clone()
    try:
        before = after = None
        for number in range(3):
            before = after
            run.step(event.time, event.port, _changed(event.frame, varied, number))
            after = run.snapshot()
    except RunawayError:
        return False
    return before != after


def _changed(frame: bytes, name: str, number: int) -> bytes:
    """The frame with a field greater by a number."""
    packet = parse(frame)
    if not name or isinstance(packet, Malformed):
        return frame
    name = {"dip": "dip6", "sip": "sip6"}.get(name, name) if packet.IP6 else name
    limit = (1 << FIELDS[name].width) - 1
    if packet.bits & FIELDS[name].headers.value:
        setattr(packet, name, (getattr(packet, name) + number) & limit)
    return deparse(packet)
