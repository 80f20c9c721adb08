"""Scripts on the reference: what they reach, and the states that they lead to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from nfverify.equivalence.reach.script import Loop, Script, length
from nfverify.equivalence.reach.target import REACHED, Target, focused
from nfverify.equivalence.simulate import Arrival
from nfverify.packet.packet import wire_values
from nfverify.semantics.machine import Machine

KEPT = 400
KEPT_LARGE = 6
LARGE = 1000
MANY = 200
"""States that are kept; those after so many packets are as large as their maps."""


@dataclass(slots=True)
class Runner:
    """Runs scripts; what has the same beginning as an earlier one goes on from there."""

    target: Target
    machine: Machine = field(init=False)
    _bare: Machine = field(init=False)
    _states: dict[tuple[Mark, ...], Machine] = field(default_factory=dict)
    _large: dict[tuple[Mark, ...], Machine] = field(default_factory=dict)  # after loops
    _ends: dict[tuple[Mark, ...], Machine] = field(default_factory=dict)  # some packets later

    def __post_init__(self) -> None:
        target = self.target
        non_ip = "drop" if target.drop_non_ip else "bypass"
        self.machine, self._bare = (
            Machine(
                network,
                operators=target.operators,
                non_ip=non_ip,  # type: ignore[arg-type]  # one of the two
            )
            for network in (target.network, focused(target.network, (), ghosts=True))
        )

    def after(self, script: Script) -> Machine:
        """A machine of its own in the state after a script from the initial state."""
        return self._after(script).clone()

    def reached(self, script: Script) -> frozenset[int]:
        """The goals that a script reaches."""
        if self.target.replay is not None:
            return self.target.replay(script)
        return reached(self._after(script))

    def _after(self, script: Script) -> Machine:
        marks = tuple(map(mark, script))
        known = self._known(marks)
        if known is not None:
            return known
        if not script:
            return self.machine
        if length(script) >= LARGE:
            return self._after_many(script, marks)
        *before, last = script
        if isinstance(last, Loop) and last.count > 1:
            machine, start = self._nearest(tuple(before), last)
        else:
            machine, start = self._after(tuple(before)).clone(), 0
        self._part(machine, last, start)
        _keep(self._states, KEPT, marks, machine)
        return machine

    def _after_many(self, script: Script, marks: tuple[Mark, ...]) -> Machine:
        """Goes on from the longest beginning that is known, and keeps the states that repetitions
        lead to: another for each packet would be too much."""
        place = len(script) - 1
        while place and self._known(marks[:place]) is None:
            place -= 1
        machine = self._after(script[:place]).clone()
        for number in range(place, len(script)):
            part, start = script[number], 0
            if isinstance(part, Loop) and part.count > 1:
                if number > place:
                    machine, start = self._further(machine, script[:number], part)
                else:
                    machine, start = self._nearest(script[:number], part)
            self._part(machine, part, start)
            if isinstance(part, Loop) and number < len(script) - 1:
                _keep(self._large, KEPT_LARGE, marks[: number + 1], machine.clone())
        kept = self._large if isinstance(script[-1], Loop) else self._ends
        _keep(kept, KEPT_LARGE, marks, machine)
        return machine

    def _known(self, marks: tuple[Mark, ...]) -> Machine | None:
        for kept in (self._states, self._large, self._ends):
            if marks in kept:
                if kept is not self._states:
                    kept[marks] = kept.pop(marks)  # the one asked for last
                return kept[marks]
        return None

    def _part(self, machine: Machine, part: Arrival | Loop, start: int) -> None:
        if isinstance(part, Loop):
            self._repeated(machine, part, start)
        else:
            machine.emit(part.packet, part.time, part.port)

    def _repeated(self, machine: Machine, loop: Loop, start: int) -> None:
        """Many repetitions run without the goals: what only they reach is not recorded."""
        many = loop.count - start >= MANY
        running = self._bare.clone() if many else machine
        if many:
            running.restore(machine.save())
        for number in range(start, loop.count):
            arrival = loop.repetition(number)
            running.emit(arrival.packet, arrival.time, arrival.port)
        if many:
            machine.restore(running.save())

    def _nearest(self, before: Script, loop: Loop) -> tuple[Machine, int]:
        """The state after fewer repetitions of the same, if it is known, and how many."""
        return self._further(None, before, loop)

    def _further(self, machine: Machine | None, before: Script, loop: Loop) -> tuple[Machine, int]:
        """The same, where the state before the loop is at hand."""
        prefix = tuple(map(mark, before))
        same = mark(loop)[:-1]
        best: tuple[Machine, int] | None = None
        for marks, known in (*self._states.items(), *self._large.items()):
            if len(marks) == len(prefix) + 1 and marks[:-1] == prefix and marks[-1][:-1] == same:
                count = cast(int, marks[-1][-1])
                if count <= loop.count and (best is None or count > best[1]):
                    best = known, count
        if best is None:
            return (machine or self._after(before).clone()), 0
        return best[0].clone(), best[1]


Mark = tuple[Any, ...]


def _keep(
    kept: dict[tuple[Mark, ...], Machine], limit: int, marks: tuple[Mark, ...], machine: Machine
) -> None:
    if len(kept) >= limit:
        kept.pop(next(iter(kept)))
    kept[marks] = machine


def mark(part: Arrival | Loop) -> Mark:
    """What tells one part of a script from another; the count of a loop last."""
    if isinstance(part, Loop):
        first = part.arrival
        return (*mark(first), part.vary, part.gap, part.count)
    return (part.time, part.port, part.packet.frame, wire_values(part.packet))


def reached(machine: Machine) -> frozenset[int]:
    """The goals that a machine of an instrumented network has recorded."""
    return frozenset(int(key[0]) for rows in machine.live(REACHED) for key in rows)
