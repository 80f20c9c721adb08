"""All methods in order: what becomes of each goal of an instrumented network.

One symbolic packet from states that are known, goals that no state allows, a short bounded search,
acceleration, the same with other values, induction, and what is left. Counts and solver resources
bound each, never the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.reach.accelerate import Accelerator
from nfverify.equivalence.reach.finders import Bounded, from_seeds
from nfverify.equivalence.reach.outcome import Open, Outcome, Reached, Unreachable
from nfverify.equivalence.reach.proofs import Prover
from nfverify.equivalence.reach.runner import LARGE, Runner
from nfverify.equivalence.reach.script import Script, length
from nfverify.equivalence.reach.start import NEWEST
from nfverify.equivalence.reach.target import REACHED, Target, supported
from nfverify.equivalence.solver import OutOfTime
from nfverify.semantics.machine import Machine, RunawayError

DEPTH = 4
SHALLOW = 3  # for more than PAIRS goals
SEEDS = 30
SNAPSHOTS = 80
ROUNDS = 4
FEW = 24
"""Goals up to which more than one induction is tried."""

PAIRS = 120
"""Goals up to which those that ask for ghosts are proved."""

MOST_CHECKS = 160
CHECKS = 70
CHECKS_A_GOAL = 16
"""Questions to the solver: of one induction, and of all that are tried."""

ENDS = 6
DEEP = 3
"""Ends of accelerated loops that are gone on from, and traces of very many packets."""


@dataclass(slots=True)
class Settling:
    """What is known while goals are settled; `scripts` are ones worth going on from. Without
    `prove`, only traces are looked for."""

    target: Target
    wanted: set[int]
    scripts: list[Script]
    depth: int = DEPTH
    prove: bool = True
    runner: Runner | None = None
    excluded: dict[int, int] = field(default_factory=dict)
    needs: dict[int, int] = field(default_factory=dict)
    reason: str = ""
    _runner: Runner = field(init=False)
    _haunted: frozenset[int] = frozenset()
    _checks: int = 0
    _loops: list[Script] = field(default_factory=list)
    _latest: list[Script] = field(default_factory=list)
    _tried: set[str] = field(default_factory=set)

    def run(self) -> Iterator[Outcome]:
        """Every goal once: in a `Reached` (with others), an `Unreachable` or an `Open`."""
        self.reason = supported(self.target)
        try:
            if not self.reason:
                yield from self._methods()
        except (Unsupported, RunawayError) as exception:
            self.reason = str(exception)
        except OutOfTime:
            self.reason = "time ran out"
        for goal in sorted(self.wanted):
            packets = self.needs.get(goal)
            reason = self.reason or "no trace and no proof was found"
            if packets is not None:
                reason = f"would take about {packets:,} packets"
            yield Open(goal, self.excluded.get(goal, 0), reason, packets)

    def _methods(self) -> Iterator[Outcome]:
        self._runner = self.runner or Runner(self.target.focused(self.wanted))
        yield from self._grown([(), *(s for s in self.scripts if s)][:SEEDS])
        if self.wanted and self.prove:
            prover = self._prover((), self.wanted)
            self._haunted = prover.haunted()
            yield from self._proved(prover.one_step)
            if len(self._haunted & self.wanted) > FEW:
                pairs = self._haunted & self.wanted
                yield from self._proved(self._prover(self._short(), pairs).by_marks)
        depth = self.depth if len(self.wanted) <= PAIRS else min(self.depth, SHALLOW)
        bounded = Bounded(self.target, self.wanted, depth, self._runner)
        try:
            yield from self._grown(self._news(), bounded.run())
        finally:
            self.excluded = bounded.excluded
        if self.wanted:
            accelerator = Accelerator(self.target, self.wanted, self._runner)
            yield from self._noted(accelerator.run([()]))
            self.needs = accelerator.needs
            self._loops = sorted(dict.fromkeys(accelerator.ends), key=length)[:ENDS]
            found = from_seeds(self.target, self.wanted, self._loops, self._runner, 2)
            yield from self._grown(self._news(), found)
        yield from self._induced()

    def _induced(self) -> Iterator[Unreachable]:
        """All at once, which is cheap; then without thrift; then each by itself, for one goal's
        candidates may lead another's astray."""
        if not self.wanted or not self.prove:
            return
        self._checks = CHECKS + CHECKS_A_GOAL * len(self.wanted)
        plain = self.wanted - self._haunted
        if plain:
            yield from self._by_induction(plain)
        if len(self.wanted) > PAIRS:
            self.reason = "no trace was found, and there are too many pairs to prove"
            return
        if self._haunted & self.wanted:
            yield from self._by_induction(self.wanted)
        if 0 < len(self.wanted) <= FEW:
            yield from self._by_induction(self.wanted, thrifty=False)
        if len(self.wanted) <= FEW:
            for goal in sorted(self.wanted):
                yield from self._by_induction({goal}, most=CHECKS)

    def _by_induction(
        self, goals: Collection[int], thrifty: bool = True, most: int = MOST_CHECKS
    ) -> Iterator[Unreachable]:
        checks = min(most, self._checks)
        if checks > 0:
            chosen = (*self._loops[:1], *self._short()[:SNAPSHOTS])
            prover = self._prover(chosen, goals, thrifty, checks)
            yield from self._proved(prover.by_induction)
            self._checks -= prover.induction.checks

    def _short(self) -> list[Script]:
        return [s for s in reversed(self.scripts) if length(s) < LARGE]

    # Traces -------------------------------------------------------------------------------

    def _grown(self, seeds: Sequence[Script], found: Iterable[Reached] = ()) -> Iterator[Reached]:
        """What is found, then one more packet after these seeds, and after what that finds."""
        yield from self._noted(found)
        for _ in range(ROUNDS):
            fresh = [s for s in (*seeds, *self._news()) if self._is_new(s)]
            if not fresh or not self.wanted:
                return
            seeds = ()
            yield from self._noted(from_seeds(self.target, self.wanted, fresh, self._runner))

    def _noted(self, found: Iterable[Reached]) -> Iterator[Reached]:
        for reached in found:
            self.scripts.append(reached.script)
            self._latest.append(reached.script)
            yield reached

    def _news(self) -> list[Script]:
        """What was found since this was asked last, the shortest first."""
        found, self._latest = self._latest, []
        deep = [s for s in found if length(s) >= LARGE]
        return [*sorted((s for s in found if length(s) < LARGE), key=length)[:SEEDS], *deep[:DEEP]]

    def _is_new(self, script: Script) -> bool:
        """Does it lead to a state that was not gone on from?"""
        before = len(self._tried)
        self._tried.add(signature(self._runner.after(script)))
        return len(self._tried) > before

    # Proofs -------------------------------------------------------------------------------

    def _prover(
        self,
        scripts: Sequence[Script],
        goals: Collection[int],
        thrifty: bool = True,
        checks: int = MOST_CHECKS,
    ) -> Prover:
        machines = [self._runner.after(s) for s in scripts]
        return Prover(self.target.focused(goals), frozenset(goals), machines, thrifty, checks)

    def _proved(self, prove: Callable[[], Iterator[Unreachable]]) -> Iterator[Unreachable]:
        if self.wanted and self.prove:
            for proof in prove():
                self.wanted.discard(proof.goal)
                yield proof


def signature(machine: Machine) -> str:
    """What tells the states of a machine apart, as far as it is worth the while: the time, and most
    of large maps, are left out."""
    parts = []
    for instance, variables in machine.snapshot().items():
        for name, rows in variables.items():
            if name != REACHED:
                parts.append(f"{instance}.{name} {len(rows)} {list(rows.items())[-NEWEST:]}")
    return "\n".join(parts)


def settle(
    target: Target, goals: Collection[int], scripts: Sequence[Script] = (), depth: int = DEPTH
) -> Iterator[Outcome]:
    """What becomes of each of the goals; `scripts` are known traces, plainest first, to begin with.

    The same from run to run, unless the target has a deadline.
    """
    yield from Settling(target, set(goals), list(scripts), depth).run()
