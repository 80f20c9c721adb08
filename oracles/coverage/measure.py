"""What given traffic reaches: each goal with the first packet that reached it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from nfverify.oracles.coverage.goals import REACHED, Goal, Instrumented
from nfverify.oracles.coverage.table import aligned, grid, line
from nfverify.oracles.trace import Event
from nfverify.semantics.machine import Machine
from nfverify.semantics.operators import Function

VERSION = 1
Json = bool | int | str | None | Sequence["Json"] | Mapping[str, "Json"]


class First(NamedTuple):
    """Where a goal was first reached: a trace by its name, a packet by its number from 1."""

    trace: str
    packet: int


@dataclass(slots=True)
class Measured:
    """Traces run so far, each from the initial state, and what they have reached."""

    instrumented: Instrumented
    operators: Mapping[str, Function] = field(default_factory=dict)
    non_ip: Literal["bypass", "drop"] = "bypass"
    first: dict[int, First] = field(default_factory=dict)
    traces: dict[str, int] = field(default_factory=dict)  # packets in each
    start: Machine = field(init=False)

    def __post_init__(self) -> None:
        network = self.instrumented.network
        self.start = Machine(network, operators=self.operators, non_ip=self.non_ip)

    def run(self, name: str, events: Iterable[Event]) -> None:
        """Another trace. RunawayError, and what `events` raises; what was before it counts."""
        machine = self.start.clone()
        tables = machine.live(REACHED)
        known = [0] * len(tables)
        self.traces.setdefault(name, 0)
        for number, event in enumerate(events, 1):
            machine.receive(*event)
            self.traces[name] = number
            for place, rows in enumerate(tables):
                if len(rows) != known[place]:
                    for key in list(rows)[known[place] :]:
                        self.first.setdefault(int(key[0]), First(name, number))
                    known[place] = len(rows)

    @property
    def packets(self) -> int:
        return sum(self.traces.values())


def summary(found: Measured) -> str:
    """All of it in one line."""
    count, goals = len(found.first), len(found.instrumented.goals)
    several = f" in {len(found.traces)} traces" if len(found.traces) > 1 else ""
    packets = f"{found.packets:,} packet{'s' * (found.packets != 1)}"
    return f"{count} of {goals} goals reached by {packets}{several}"


def text(found: Measured) -> str:
    """The table, and what was not reached."""

    def cell(goals: Sequence[Goal]) -> str:
        return f"{sum(goal.number in found.first for goal in goals)}/{len(goals)}"

    goals = found.instrumented.goals
    missed = [goal for goal in goals if goal.number not in found.first]
    parts = [aligned(grid(goals, cell))] if goals else []
    if missed:
        parts.append(f"Not reached ({len(missed)}):\n\n")
        parts[-1] += "".join([f"  {line(goal)}\n" for goal in missed])
    return "\n".join(parts)


def document(found: Measured, model: str, coverage: str) -> dict[str, Json]:
    """The same as JSON, every goal in it."""
    return {
        "version": VERSION,
        "model": model,
        "coverage": coverage,
        "traces": [{"name": name, "packets": count} for name, count in found.traces.items()],
        "reached": len(found.first),
        "goals": [_goal(goal, found.first.get(goal.number)) for goal in found.instrumented.goals],
    }


def _goal(goal: Goal, first: First | None) -> dict[str, Json]:
    return {
        "number": goal.number,
        "kind": goal.kind,
        "instance": goal.instance,
        "entry": goal.entry,
        "text": goal.text,
        "at": goal.at or None,
        "reached": first is not None,
        "trace": None if first is None else first.trace,
        "packet": None if first is None else first.packet,
    }
