"""Traces to test on: aimed at a network by the reference, short ones first, repeated packets for
what counts. The trace of a number is the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from nfverify.oracles.engines.base import Failure, Setting, Stepping
from nfverify.oracles.engines.reference import Reference
from nfverify.oracles.hammer import Hammer
from nfverify.oracles.needs import Needs
from nfverify.oracles.trace import Event, Trace
from nfverify.oracles.traffic import Traffic
from nfverify.semantics.machine import Machine
from nfverify.smat.ir import Network

# Length, share of frames without oddities, share of ends never seen before; hammers repeat a few.
_KINDS = (
    ("mixed", 12, 1.0, 0.0),
    ("mixed", 40, 1.0, 0.0),
    ("mixed", 40, 0.5, 0.0),
    ("hammer", 0, 1.0, 0.0),
    ("mixed", 150, 0.8, 0.1),
    ("hammer", 0, 1.0, 0.0),
    ("mixed", 600, 0.5, 0.3),
)
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
    setting: Setting = Setting()  # noqa: RUF009 - frozen

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
            hammer = Hammer(traffic, rng, self._machine())
            return self._run(hammer, hammer.length)
        return self._run(traffic, length)

    def _machine(self) -> Machine:
        if isinstance(self.source, Reference):
            return self.source.fresh
        return Machine(self.network, operators=self.setting.operators, non_ip=self.setting.non_ip)

    def _run(self, traffic: Traffic | Hammer, length: int) -> Trace:
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
