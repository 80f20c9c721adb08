"""Thresholds and pools: many repetitions of one packet, summarised by their number.

What a packet adds to a cell whenever it takes an entry is seen by running it a few times; n
repetitions then are one multiplication, and the solver picks n. Only a replay of all of them makes
it true.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.problem import CLOCK
from nfverify.equivalence.reach.loops import (
    TIMES,
    Looping,
    Mover,
    concrete_packet,
    moved,
    movers,
    takes,
)
from nfverify.equivalence.reach.outcome import Reached
from nfverify.equivalence.reach.runner import Runner
from nfverify.equivalence.reach.script import VARIATIONS, Loop, Script
from nfverify.equivalence.reach.start import ConcreteBase
from nfverify.equivalence.reach.target import Target
from nfverify.equivalence.reach.unroll import Shared, Unrolled, shared
from nfverify.equivalence.simulate import Trace
from nfverify.equivalence.state import width
from nfverify.equivalence.terms import Term
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

SEEN = TIMES + 2
"""Repetitions that are run to see what they change."""

MOST = 70_000
"""Repetitions that are written into a trace: all ports of a host, and some."""

SIZED = ((False, 2000), (True, MOST), (False, MOST))
"""Large packets, and up to how many, where sizes are added up: small ones while these are few."""

FAR = 1 << 33
"""Repetitions that are thought about: a counter of 32 bits wraps."""

MAX_MOVERS = 32
ALIKE = 2
"""Loops that move the same variables and are gone on from."""

Cell = tuple[str, tuple[ir.Value, ...], int]


@dataclass(slots=True)
class Accelerator:
    """Loops from one prefix. `ends` are the scripts whose ends are worth going on from; `needs`
    says of goals about how many packets they take, where these are too many."""

    target: Target
    wanted: set[int]
    runner: Runner
    ends: list[Script] = field(default_factory=list)
    needs: dict[int, int] = field(default_factory=dict)
    _bare: Shared = field(init=False)  # without any goals: entries are taken all the same
    _common: Shared | None = None  # with the goals that were open at first
    _alike: dict[tuple[object, ...], int] = field(default_factory=dict)

    def run(self, prefixes: Sequence[Script]) -> Iterator[Reached]:
        """Every entry that moves a cell, from every prefix, in every variation. Raises
        Unsupported."""
        self._bare = shared(self.target.focused(()))
        found = list(movers(self.target.network))[:MAX_MOVERS]
        used = self._bare.used
        varies = [v for v in VARIATIONS if v in ("none", "both") or v in used]
        for prefix in prefixes if found else ():
            machine = self.runner.after(prefix)
            loops = {v: Looping(Unrolled(self._bare, machine), v, found) for v in varies}
            for mover in found:
                for big, most in SIZED if mover.sized else ((False, MOST),):
                    for vary, looping in loops.items():
                        kind = mover.instance, mover.cells, big, most
                        if not self.wanted:
                            return
                        if self._alike.get(kind, 0) >= ALIKE:
                            continue
                        arrival = looping.arrival(mover, big)
                        if arrival is not None:
                            loop = Loop(arrival, vary, SEEN)
                            moving = self._moving(prefix, loop)
                            if moving:
                                self._alike[kind] = self._alike.get(kind, 0) + 1
                                yield from self._repeated(prefix, loop, mover, moving, most)

    def _moving(self, prefix: Script, loop: Loop) -> dict[Cell, int]:
        """Cells that every repetition moves by the same, and by how much."""
        states = [
            _cells(self.runner.after((*prefix, Loop(loop.arrival, loop.vary, n, loop.gap))))
            for n in range(SEEN - 2, SEEN + 1)
        ]
        one, two, three = states
        return {
            cell: value - two[cell]
            for cell, value in three.items()
            if cell in one and value - two[cell] == two[cell] - one[cell] != 0
        }

    def _repeated(
        self, prefix: Script, loop: Loop, mover: Mover, moving: dict[Cell, int], most: int
    ) -> Iterator[Reached]:
        """Goals that one packet reaches after n repetitions."""
        if self._common is None:
            self._common = shared(self.target.focused(self.wanted), self._bare.settled)
        unrolled = Unrolled(self._common, self.runner.after((*prefix, loop)))
        terms = unrolled.terms
        count = terms.var("count", 64)
        before = terms.binary("sub", count, terms.const(1, 64))  # all repetitions but the last
        _move(unrolled, moving, terms.binary("sub", before, terms.const(SEEN, 64)))
        packet = concrete_packet(terms, loop.arrival)
        this = moved(terms, packet, loop.vary, before)
        now = unrolled.state.plain[CLOCK][0]
        unrolled.state, _ = unrolled.model.executors[0].packet_step(unrolled.state, this, now)
        solver, taken = unrolled.solver, takes(unrolled, mover)
        solver.add(
            terms.compare("ult", terms.const(SEEN, 64), count),
            terms.compare("ule", count, terms.const(FAR, 64)),
        )
        if solver.check([terms.not_(taken)]) == "sat":
            # Another entry is taken some time: the formula holds no longer.
            end = unrolled.least(count, terms.not_(taken))
            solver.add(terms.compare("ult", count, terms.const(end, 64)))
        solver.add(taken)
        unrolled.counter = count
        unrolled.deepen()
        near = terms.compare("ule", count, terms.const(most, 64))

        def script(trace: Trace) -> Script:
            times = int(solver.value(count))
            return (*prefix, Loop(loop.arrival, loop.vary, times, loop.gap), *trace)

        def replayed(trace: Trace) -> frozenset[int]:
            made = script(trace)
            last = made[len(prefix)]
            assert isinstance(last, Loop)
            return self.runner.reached(made) if last.count <= MOST else frozenset()

        solver.push()
        solver.add(near)
        for trace, got in unrolled.find(self.wanted, replayed):
            self.wanted -= got
            made = script(trace)
            self.ends.append(made[:-1])
            yield Reached(made, got, "accelerated")
        solver.pop()
        if most == MOST:
            self._far(unrolled, count)

    def _far(self, unrolled: Unrolled, count: Term) -> None:
        """Goals that take more repetitions than can be written down."""
        terms, solver = unrolled.terms, unrolled.solver
        for goal, term in unrolled.goals.items():
            if goal not in self.wanted or goal in self.needs or term is terms.false:
                continue
            far = terms.compare("ult", terms.const(MOST, 64), count)
            if solver.check([term, far]) == "sat":
                self.needs[goal] = unrolled.least(count, terms.and_(term, far))


def _cells(machine: Machine) -> dict[Cell, int]:
    """All numbers in a machine's state but the ghosts'."""
    found: dict[Cell, int] = {}
    for instance, variables in machine.snapshot().items():
        for name, rows in variables.items():
            if name.startswith("%"):
                continue
            for key, values in list(rows.items())[-64:]:
                for index, value in enumerate(values):
                    if isinstance(value, int) and not isinstance(value, bool):
                        found[f"{instance}.{name}", key, index] = value
    return found


def _move(unrolled: Unrolled, moving: dict[Cell, int], times: Term) -> None:
    """Moves cells of a concrete state on by so many repetitions."""
    terms, model = unrolled.terms, unrolled.model
    state, base = unrolled.state, unrolled.state.base
    assert isinstance(base, ConcreteBase)
    names = {
        f"{instance.name}.{variable.name}": model.problem.a.qualify(instance.name, variable.name)
        for instance in model.problem.a.network.instances
        for variable in instance.program.state
    }
    moved_rows: dict[tuple[str, tuple[ir.Value, ...]], list[Term]] = {}
    for (name, key, index), step in moving.items():
        var = names[name]
        variable = model.variables[var]
        bits = width(variable.values[index])
        keys = unrolled.key_terms(var, key)
        row = moved_rows.setdefault(
            (var, key),
            [state.read(var, keys, i) for i in range(len(variable.values))],
        )
        gone = terms.binary("mul", terms.resize(times, bits, False), terms.const(step, bits))
        row[index] = terms.binary("add", row[index], gone)
    for (var, key), values in moved_rows.items():
        state.write(var, unrolled.key_terms(var, key), tuple(values))
