"""Traces of an instrumented network on the reference: what they reach, and what that takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from nfverify.equivalence.reach.script import Script, expand
from nfverify.equivalence.simulate import Arrival, Trace
from nfverify.oracles.coverage.goals import REACHED, Instrumented
from nfverify.oracles.coverage.shrinking import shrunk
from nfverify.oracles.coverage.watching import Watching, needed
from nfverify.semantics.engine import Engine
from nfverify.semantics.machine import Machine, RunawayError
from nfverify.semantics.operators import Function


@dataclass(slots=True)
class Player:
    """Runs traces on the reference and says what they reach."""

    instrumented: Instrumented
    operators: Mapping[str, Function] = field(default_factory=dict)
    non_ip: Literal["bypass", "drop"] = "bypass"
    start: Machine = field(init=False)
    _watching: tuple[Watching, Machine] | None = None

    def __post_init__(self) -> None:
        self.start = self._machine("closures")

    def _machine(self, engine: str | Engine) -> Machine:
        network = self.instrumented.network
        return Machine(network, operators=self.operators, non_ip=self.non_ip, engine=engine)

    def run(self, trace: Iterable[Arrival]) -> Machine:
        """The machine after a trace. RunawayError."""
        machine = self.start.clone()
        for arrival in trace:
            machine.emit(arrival.packet, arrival.time, arrival.port)
        return machine

    def reaches(self, trace: Iterable[Arrival]) -> frozenset[int]:
        """The goals that a trace reaches; none if the network runs away."""
        try:
            return reached(self.run(trace))
        except RunawayError:
            return frozenset()

    def replay(self, script: Script) -> frozenset[int]:
        """The goals that a script reaches from the initial state."""
        return self.reaches(expand(script))

    def least(self, trace: Trace, goal: int) -> Trace:
        """A short trace to a goal that the last event of `trace` reaches, made of its events."""
        pairs = self.instrumented.goals[goal].kind == "pair"

        def reaches(part: Trace) -> bool:
            return goal in self.reaches(part)

        rests = self.watched(trace, pairs)
        whole = rests if len(rests) == len(trace) or reaches(rests) else trace
        return shrunk(whole, reaches)

    def watched(self, trace: Trace, pairs: bool) -> Trace:
        """The events of a trace on which the last one rests. RunawayError."""
        if self._watching is None:
            engine = Watching()
            self._watching = engine, self._machine(engine)
        engine, start = self._watching
        engine.log.clear()
        machine = start.clone()
        for arrival in trace:
            engine.log.begin()
            machine.emit(arrival.packet, arrival.time, arrival.port)
        return tuple([trace[n] for n in needed(engine.log, pairs)])


def reached(machine: Machine) -> frozenset[int]:
    """The goals that a machine of an instrumented network has recorded."""
    return frozenset(int(key[0]) for rows in machine.live(REACHED) for key in rows)


def replay(
    instrumented: Instrumented, script: Script, operators: Mapping[str, Function] | None = None
) -> frozenset[int]:
    """The goals that a script reaches on the reference; for many scripts, keep a Player."""
    return Player(instrumented, operators or {}).replay(script)
