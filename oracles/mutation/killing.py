"""Does a suite tell a mutant from the original? By what comes out: times, ports and frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nfverify.lang.source import ModelError
from nfverify.oracles.trace import Event, Trace
from nfverify.packet.codec import Malformed, deparse, parse
from nfverify.packet.packet import Packet, wire_values
from nfverify.semantics.machine import Emission, Machine, Output, RunawayError
from nfverify.semantics.operators import Function
from nfverify.smat import ir


class Kill(NamedTuple):
    """Where a suite notices: the number of the trace, and of the event in it, from 0."""

    trace: int
    event: int


Seen = tuple[int, int, tuple[object, ...]]  # time, port, wire values


@dataclass(frozen=True, slots=True)
class _Expected:
    time: int
    port: int
    packet: Packet | None  # None: malformed
    outputs: list[Seen]
    frames: list[Output]


class Suite:
    """Traces with what the original makes of them, ready to be held against many mutants."""

    def __init__(
        self,
        network: ir.Network,
        traces: Sequence[Trace],
        operators: Mapping[str, Function] | None = None,
    ) -> None:
        """ModelError as `Machine`, ValueError for a port that the network doesn't have."""
        self.network = network
        self.traces = tuple(traces)
        self._operators = dict(operators or {})
        fresh = Machine(network, operators=self._operators)
        self._expected = [_run(fresh.clone(), trace) for trace in self.traces]

    @property
    def packets(self) -> int:
        """How many packets arrive, all traces together."""
        return sum(map(len, self.traces))

    def kill(self, mutant: ir.Network) -> Kill | None:
        """The first difference; None if the mutant survives. A mutant that can't be run, or fires
        timers without end, is noticed at once."""
        try:
            fresh = Machine(mutant, operators=self._operators)
        except ModelError:
            return Kill(0, 0)
        for number, events in enumerate(self._expected):
            machine = fresh.clone()
            for index, event in enumerate(events):
                try:
                    out = _step(machine, event.time, event.port, event.packet)
                except RunawayError:
                    return Kill(number, index)
                if list(map(_seen, out)) != event.outputs and _frames(out) != event.frames:
                    return Kill(number, index)
        return None


def _run(machine: Machine, trace: Sequence[Event]) -> list[_Expected]:
    found = []
    for time, port, frame in trace:
        parsed = parse(frame)
        packet = None if isinstance(parsed, Malformed) else parsed
        out = _step(machine, time, port, packet)
        found.append(_Expected(time, port, packet, list(map(_seen, out)), _frames(out)))
    return found


def _step(machine: Machine, time: int, port: int, packet: Packet | None) -> list[Emission]:
    if packet is None:
        return machine.wait(time, start=True)
    return machine.emit(packet, time, port)


def _seen(emission: Emission) -> Seen:
    time, port, packet = emission
    return time, port, wire_values(packet)


def _frames(out: Sequence[Emission]) -> list[Output]:
    return [Output(e.time, e.port, deparse(e.packet)) for e in out]
