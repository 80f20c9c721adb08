"""Random traffic past a property: states to hold candidates against, and traces that break it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.problem import CLOCK, Problem
from nfverify.equivalence.properties.happening import kept
from nfverify.equivalence.properties.player import Happening, Judge, Player, Sight, Watcher
from nfverify.equivalence.properties.watch import LEAF, Watch
from nfverify.equivalence.simulate import (
    FIRINGS,
    GAPS,
    START,
    Arrival,
    Effort,
    Snapshot,
    Trace,
    Traffic,
)
from nfverify.packet.packet import Packet
from nfverify.smat import ir

EFFORT = Effort(14, 40, 4, 130)
INSTANCES = 6
"""Choices of values for the property's variables, a trace."""


@dataclass(slots=True)
class Simulation:
    """`snapshots` are of both the network and the looker-on; `broken` a trace that breaks the
    property at its last packet, and the values for which it does. `premise`: did the left side of
    the property ever hold?"""

    snapshots: list[Snapshot] = field(default_factory=list)
    broken: tuple[Trace, dict[str, ir.Value]] | None = None
    premise: bool = False


@dataclass(slots=True)
class Simulator:
    """Runs traces, and lets lookers-on with likely values see each."""

    watch: Watch
    judge: Judge
    problem: Problem
    player: Callable[[], Player]
    allowed: Callable[[Arrival], bool]
    out_of_time: Callable[[], bool]
    premise: Judge | None = None
    rng: random.Random = field(default_factory=lambda: random.Random(7))

    def run(self, traffic: Traffic, effort: Effort = EFFORT) -> Simulation:
        """Stops at the first trace that breaks the property."""
        found = Simulation()
        for number in range(effort.traces + effort.hammers):
            if self.out_of_time():
                break
            hammer = number >= effort.traces
            length = effort.hammer_length if hammer else effort.length
            happenings, states = self._trace(traffic, number, length, hammer)
            for values in self._likely(happenings):
                at = self._watched(happenings, states, values, found)
                if at is not None:
                    trace = tuple(h.arrival for h in happenings[: at + 1])
                    found.broken = trace, values
                    return found
        return found

    def _trace(
        self, traffic: Traffic, number: int, length: int, hammer: bool
    ) -> tuple[list[Happening], list[Snapshot | None]]:
        longest = FIRINGS * min(self.problem.periods(), default=10**9)
        gaps = [gap for gap in GAPS if gap <= longest]
        player, time = self.player(), START
        replies: list[Packet] = []
        source = traffic.packets(replies)
        few = [next(source) for _ in range(1 + number % 2)] if hammer else []
        happenings: list[Happening] = []
        states: list[Snapshot | None] = []
        for count in range(length):
            if self.out_of_time():
                break
            packet = few[count % len(few)] if hammer and count % 40 else next(source)
            time += traffic.rng.choice(gaps)
            arrival = Arrival(time, traffic.rng.randrange(self.problem.port_count), packet)
            if not self.allowed(arrival):
                continue
            happening = player.step(arrival)
            happenings.append(happening)
            replies += [e.packet for e in happening.out]
            keep = count < 6 or count % (50 if hammer else 6) == 0
            states.append(self._state(player) if keep else None)
        return happenings, states

    def _state(self, player: Player) -> Snapshot:
        snapshot: Snapshot = {CLOCK: {(): (player.machine.now or 0,)}}
        for instance, variables in player.machine.snapshot().items():
            for name, content in variables.items():
                snapshot[self.problem.a.qualify(instance, name)] = content
        return snapshot

    def _watched(
        self,
        happenings: Sequence[Happening],
        states: Sequence[Snapshot | None],
        values: dict[str, ir.Value],
        found: Simulation,
    ) -> int | None:
        """The index of the happening that breaks the property for these values."""
        watcher = self.judge.watcher(values)
        premise = None if self.premise is None else self.premise.watcher(values)
        for number, (happening, state) in enumerate(zip(happenings, states, strict=True)):
            fine = watcher.see(happening)
            if premise is not None and not found.premise:
                found.premise = not premise.see(happening)
            if not fine:
                return number
            if state is not None:
                found.snapshots.append(self._with_past(state, watcher))
        return None

    def _with_past(self, state: Snapshot, watcher: Watcher) -> Snapshot:
        mine = {kept(n): {(): (v,)} for n, v in (*watcher.values.items(), *watcher.kept.items())}
        return {**state, **mine}  # type: ignore[dict-item]  # keys are tuples

    # Values -------------------------------------------------------------------------------

    def _likely(self, happenings: Sequence[Happening]) -> Iterator[dict[str, ir.Value]]:
        """Values that packets of the trace have where the property asks for them."""
        if not self.watch.variables:
            yield {}
            return
        if not happenings:
            return
        for _ in range(INSTANCES):
            values: dict[str, ir.Value] = {}
            begun = [p.node.begun for p in self.watch.pasts if isinstance(p.node, ir.Since)]
            self.rng.shuffle(begun)
            for expr in (*begun, self.watch.expr):
                self._fill(expr, self.rng.choice(happenings), values)
            for name, type_ in self.watch.variables:
                values.setdefault(name, self._any(name, type_, happenings))
            yield values

    def _fill(self, expr: ir.Expr, happening: Happening, values: dict[str, ir.Value]) -> None:
        """Solves `expression == variable` for variables without a value, in one step."""
        names = dict(self.watch.variables)
        past = {p.name: ir.zero(p.node.type) for p in self.watch.pasts}
        sight = Sight(self.judge, happening, values, past)
        out = self.rng.choice(happening.out) if happening.out else None
        for node in ir.walk((expr,)):
            if not isinstance(node, ir.Compare) or node.op != "==":
                continue
            for side, other in ((node.left, node.right), (node.right, node.left)):
                variable = other
                while isinstance(variable, ir.Cast):
                    variable = variable.operand
                if not isinstance(variable, ir.Local) or variable.name not in names:
                    continue
                if variable.name in values or self._open(side, values):
                    continue
                type_ = names[variable.name]
                value = sight.value(side, out)
                if isinstance(type_, ir.Bits) and isinstance(value, int):
                    values[variable.name] = ir.wrap(value, type_)

    def _open(self, expr: ir.Expr, values: dict[str, ir.Value]) -> bool:
        return any(
            isinstance(n, ir.Local) and not n.name.startswith(LEAF) and n.name not in values
            for n in ir.walk((expr,))
        )

    def _any(self, name: str, type_: ir.Type, happenings: Sequence[Happening]) -> ir.Value:
        """A key that is there under the variable's type, else zero."""
        for happening in (self.rng.choice(happenings), happenings[-1]):
            for variable, rows in zip(self.judge.variables, happening.after, strict=True):
                for key in rows:
                    fitting = [k for k, t in zip(key, variable.keys, strict=True) if t == type_]
                    if fitting and self.rng.random() < 0.5:
                        return self.rng.choice(fitting)
        return ir.zero(type_)


__all__ = ["Simulation", "Simulator"]
