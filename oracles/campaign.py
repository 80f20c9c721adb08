"""Traces to test on: aimed at a network by the reference, short ones first, repeated packets for
what counts. The trace of a number is the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from nfverify.oracles.engines.base import Failure, Stepping
from nfverify.oracles.needs import Needs
from nfverify.oracles.trace import Event, Trace
from nfverify.oracles.traffic import LATEST, Traffic
from nfverify.smat.ir import Network

# Length, share of frames without oddities, share of ends never seen before; hammers repeat a few.
_KINDS = (
    ("mixed", 12, 1.0, 0.0),
    ("mixed", 40, 1.0, 0.0),
    ("mixed", 40, 0.5, 0.0),
    ("hammer", 160, 1.0, 0.0),
    ("mixed", 150, 0.8, 0.1),
    ("mixed", 600, 0.5, 0.3),
)
_FAVOURITES = 3  # packets that a hammer repeats, at most
MAX_TRIES = 50  # events that don't fit, for each that does


@dataclass(frozen=True, slots=True)
class Campaign:
    """The traces of a seed. `allowed` may refuse events; `source` runs them as they are made, so
    that packets answer what came out: the judge, or what has choices of its own."""

    network: Network
    source: Stepping
    seed: int
    needs: Needs = Needs()  # noqa: RUF009 - frozen
    allowed: Callable[[Event], bool] = lambda event: True

    def traces(self) -> Iterator[Trace]:
        """Without end; some may be empty."""
        number = 0
        while True:
            yield self.trace(number)
            number += 1

    def trace(self, number: int) -> Trace:
        """The trace of this number, from 0."""
        kind, length, plain, many = _KINDS[number % len(_KINDS)]
        rng = Random(f"{self.seed} {number}")
        traffic = Traffic(self.network, rng, plain, many)
        if kind == "hammer":
            return self._run(_Hammer(traffic, rng, length), length)
        return self._run(traffic, length)

    def _run(self, traffic: Traffic | _Hammer, length: int) -> Trace:
        session = self.source.start()
        found: list[Event] = []
        tries = 0
        try:
            while len(found) < length and tries < MAX_TRIES * length:
                tries += 1
                event = self.needs.fit(traffic.event(), found[-1] if found else None)
                if event is None or not self.allowed(event):
                    continue
                out = session.step(event)
                if isinstance(out, Failure):
                    if out.kind != "refused":  # what fails here is what is tested
                        found.append(event)
                    break
                found.append(event)
                traffic.saw(out)
        finally:
            session.close()
        return tuple(found)


class _Hammer:
    """A few packets again and again, close in time, with others in between."""

    def __init__(self, traffic: Traffic, rng: Random, length: int) -> None:
        self.traffic, self.rng = traffic, rng
        self.favourites = [traffic.event() for _ in range(rng.randrange(1, _FAVOURITES + 1))]
        self.gap = rng.choice((0, 1000, 1_000_000, 20_000_000))
        if traffic.aim.ticks:
            self.gap = min(self.gap, traffic.aim.ticks)
        self.now = self.favourites[0].time
        self.calm = length - length // 8  # then others come
        self.count = 0

    def event(self) -> Event:
        self.count += 1
        if self.count > self.calm and self.rng.random() < 0.7:
            event = self.traffic.event()
            return event._replace(time=max(event.time, self.now))
        self.now = min(self.now + self.gap, LATEST)
        return self.favourites[self.count % len(self.favourites)]._replace(time=self.now)

    def saw(self, outputs: object) -> None:
        self.traffic.saw(outputs)  # type: ignore[arg-type]
