"""Goals reached by running aimed traffic, each by a trace with nothing in it that is not needed.

Most goals fall to this, at no cost; the solver is for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from random import Random
from typing import Literal

from nfverify.equivalence.simulate import Arrival, Trace
from nfverify.oracles.coverage.crowds import HAMMERED, Crowd
from nfverify.oracles.coverage.goals import REACHED, Instrumented
from nfverify.oracles.coverage.nudging import MAX_JOINED, framed, joined, nudged
from nfverify.oracles.coverage.player import Player
from nfverify.oracles.coverage.watching import GHOST
from nfverify.oracles.trace import Event
from nfverify.packet.codec import Malformed, deparse, parse
from nfverify.semantics.machine import Machine, RunawayError
from nfverify.semantics.operators import Function
from nfverify.smat.ir import Value

SHORT = (40, 6)  # traces, packets in each
LONG = (30, 20)
MAX_SEEDS = 30
JOINED = 2  # traces to a row that are joined to others
TAKING = ("entry", "pair", "value")  # goals whose traces end with their row taken
ROUNDS = 8  # of short traces, at most, as long as a round reaches WORTH new goals
WORTH = 2
FIRINGS = 2000  # of the fastest timer between two packets, at most


@dataclass(frozen=True, slots=True)
class Simulated:
    """For each goal that was reached a trace from the initial state, whose last packet reaches it;
    and traces to different states, from which to look further."""

    traces: Mapping[int, Trace]
    seeds: tuple[Trace, ...]
    packets: int  # that were run


def simulate(
    instrumented: Instrumented,
    rng: Random,
    operators: Mapping[str, Function] | None = None,
    non_ip: Literal["bypass", "drop"] = "bypass",
    out_of_time: Callable[[], bool] = lambda: False,
) -> Simulated:
    """What aimed traffic reaches; the same from the same `rng`, if there is time for all of it."""
    player = Player(instrumented, operators or {}, non_ip)
    work = _Simulation(player, Crowd.of(instrumented.original, rng), out_of_time)
    for _ in range(ROUNDS):
        before = len(work.traces)
        work.several(SHORT)
        if len(work.traces) < before + WORTH:
            break
    for event in work.crowd.at_rows(instrumented.original):
        work.run((event,))
    work.several(LONG)
    for varied, proto, syn in HAMMERED:
        work.run(work.crowd.hammer(varied, proto, syn))
    known: set[Trace] = set()
    for _ in range(2):
        fresh = [trace for trace in dict.fromkeys(work.traces.values()) if trace not in known]
        known.update(fresh)
        for prefix, others in nudged(fresh, work.crowd.traffic.aim):
            work.nudge(prefix, others)
        work.join()
    return Simulated(work.traces, seeds(player, work.traces.values()), work.packets)


@dataclass(slots=True)
class _Simulation:
    player: Player
    crowd: Crowd
    out_of_time: Callable[[], bool]
    traces: dict[int, Trace] = field(default_factory=dict)
    joined: set[tuple[int, Trace, Trace]] = field(default_factory=set)  # tried already
    packets: int = 0

    # Goals --------------------------------------------------------------------------------

    def several(self, traces: tuple[int, int]) -> None:
        for _ in range(traces[0]):
            self.run(self.crowd.mixed(traces[1]))

    def run(self, events: Iterable[Event]) -> None:
        """One trace; each packet that reaches an open goal ends a trace of its own."""
        if self.out_of_time():
            return
        machine = self.player.start.clone()
        rows = machine.live(REACHED)
        known, time = [0] * len(rows), 0
        trace: list[Arrival] = []
        for event in events:
            packet = parse(event.frame)
            if isinstance(packet, Malformed):
                self.crowd.seen = []
                continue
            time = max(time, event.time)
            arrival = Arrival(time, event.port, packet)
            if self.too_long(machine, arrival):
                return
            trace.append(arrival)
            self.packets += 1
            try:
                out = machine.emit(packet, time, event.port)
            except RunawayError:
                return
            self.crowd.seen = [(e.time, e.port, deparse(e.packet)) for e in out[:4]]
            new: list[int] = []
            for i, held in enumerate(rows):
                if len(held) != known[i]:
                    new += [int(key[0]) for key in list(held)[known[i] :]]
                    known[i] = len(held)
            self.credit(tuple(trace), [goal for goal in new if goal not in self.traces])

    def nudge(self, before: Trace, others: Iterable[Trace]) -> None:
        """Each of the traces after the same beginning."""
        if self.out_of_time():
            return
        try:
            start = self.player.run(before)
        except RunawayError:
            return
        known = [len(rows) for rows in start.live(REACHED)]
        for other in others:
            machine = start.clone()
            rows, seen = machine.live(REACHED), known
            try:
                for count, arrival in enumerate(other, 1):
                    if self.too_long(machine, arrival):
                        break
                    self.packets += 1
                    machine.emit(arrival.packet, arrival.time, arrival.port)
                    now = [len(held) for held in rows]
                    if now != seen:
                        new = [
                            int(key[0])
                            for held, n in zip(rows, seen, strict=True)
                            for key in list(held)[n:]
                        ]
                        seen = now
                        self.credit((*before, *other[:count]), new)
            except RunawayError:
                continue

    def join(self) -> None:
        """For each open pair, traces to the one row and to the other, one after the other."""
        goals = self.player.instrumented.goals
        takers: dict[tuple[str, str], list[Trace]] = {}
        for number, trace in sorted(self.traces.items()):
            goal = goals[number]
            title = goal.entry if goal.text == "taken" or goal.kind != "entry" else goal.text
            if goal.kind in TAKING and trace not in takers.setdefault((goal.instance, title), []):
                takers[goal.instance, title].append(trace)
        for goal in goals:
            if goal.kind != "pair":
                continue
            firsts = takers.get((goal.instance, goal.after), [])[:JOINED]
            seconds = takers.get((goal.instance, goal.entry), [])[:JOINED]
            for first, second in product(firsts, seconds):
                if (goal.number, first, second) in self.joined:
                    continue
                self.joined.add((goal.number, first, second))
                for trace in islice(joined(first, second), MAX_JOINED):
                    if goal.number in self.traces:
                        break
                    self.nudge((), (trace,))

    def too_long(self, machine: Machine, arrival: Arrival) -> bool:
        """Would timers fire too often before it for the reference to be quick about it?"""
        ticks = self.crowd.traffic.aim.ticks
        if not ticks or machine.now is None:
            return False
        return arrival.time - machine.now > FIRINGS * ticks

    def credit(self, trace: Trace, goals: Sequence[int]) -> None:
        """Keeps for each goal a trace to it made of this one's events."""
        if all(goal in self.traces for goal in goals):
            return
        trace = framed(trace)
        for goal in goals:
            if goal in self.traces:
                continue
            short = self.player.least(trace, goal)
            for other in sorted(self.player.reaches(short)):
                if other not in self.traces:
                    self.traces[other] = short


def seeds(player: Player, traces: Iterable[Trace]) -> tuple[Trace, ...]:
    """Traces to states of different kinds, shortest first, the initial state before all."""
    found: dict[object, Trace] = {}
    for trace in ((), *sorted(dict.fromkeys(traces), key=len)):
        if len(found) < MAX_SEEDS:
            found.setdefault(_signature(player.run(trace)), trace)
    return tuple(found.values())


def _signature(machine: Machine) -> object:
    """How many rows each variable has, and how large the plain ones are, roughly."""
    return tuple(
        len(rows).bit_length() if variable.keys else tuple([_rough(v) for v in rows[()]])
        for instance, node in zip(
            machine.snapshot().values(), machine.network.instances, strict=True
        )
        for variable in node.program.state
        if not variable.constant and not variable.name.startswith(GHOST)
        for rows in (instance[variable.name],)
    )


def _rough(value: Value) -> object:
    if isinstance(value, bytes):
        return len(value)
    return value if -8 < value < 8 else (value < 0, abs(value).bit_length())
