"""All methods in order: what becomes of each goal of an instrumented network.

One symbolic packet from states that are known, goals that no state allows, a short bounded search,
acceleration, the same with other values, induction, and what is left. Counts and solver resources
bound each, never the clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.reach.accelerate import Accelerator
from nfverify.equivalence.reach.finders import Bounded, from_seeds
from nfverify.equivalence.reach.outcome import Open, Outcome, Reached, Unreachable
from nfverify.equivalence.reach.proofs import Prover
from nfverify.equivalence.reach.runner import Runner
from nfverify.equivalence.reach.script import Script, length
from nfverify.equivalence.reach.target import Target, supported
from nfverify.equivalence.solver import OutOfTime

DEPTH = 4
SEEDS = 30
SNAPSHOTS = 24
ENDS = 6
"""Ends of accelerated loops that are gone on from."""


@dataclass(slots=True)
class Settling:
    """What is known while goals are settled; `scripts` are ones worth going on from. Without
    `prove`, only traces are looked for."""

    target: Target
    wanted: set[int]
    scripts: list[Script]
    depth: int = DEPTH
    prove: bool = True
    excluded: dict[int, int] = field(default_factory=dict)
    needs: dict[int, int] = field(default_factory=dict)
    reason: str = ""
    _loops: list[Script] = field(default_factory=list)

    def run(self) -> Iterator[Outcome]:
        """Every goal once: in a `Reached` (with others), an `Unreachable` or an `Open`."""
        self.reason = supported(self.target)
        try:
            if not self.reason:
                yield from self._methods()
        except Unsupported as exception:
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
        seeds = [(), *(s for s in self.scripts if s)][:SEEDS]
        yield from self._noted(from_seeds(self.target, self.wanted, seeds))
        yield from self._proved(inductive=False)
        bounded = Bounded(self.target, self.wanted, self.depth)
        try:
            yield from self._noted(bounded.run())
        finally:
            self.excluded = bounded.excluded
        if self.wanted:
            accelerator = Accelerator(self.target, self.wanted)
            yield from self._noted(accelerator.run([()]))
            self.needs = accelerator.needs
            ends = sorted(dict.fromkeys(accelerator.ends), key=length)[:ENDS]
            self._loops = ends
            yield from self._noted(from_seeds(self.target, self.wanted, ends, 2))
        yield from self._proved(inductive=True)

    def _noted(self, found: Iterator[Reached]) -> Iterator[Reached]:
        for reached in found:
            self.scripts.append(reached.script)
            yield reached

    def _proved(self, *, inductive: bool) -> Iterator[Unreachable]:
        if not self.wanted or not self.prove:
            return
        target = self.target.focused(self.wanted)
        runner = Runner(target)
        machines = []
        if inductive:
            chosen = dict.fromkeys((*self._loops, *reversed(self.scripts)))
            machines = [runner.after(s) for s in list(chosen)[:SNAPSHOTS]]
        prover = Prover(target, frozenset(self.wanted), machines)
        found = prover.by_induction() if inductive else prover.one_step()
        for proof in found:
            self.wanted.discard(proof.goal)
            yield proof


def settle(
    target: Target, goals: Collection[int], scripts: Sequence[Script] = (), depth: int = DEPTH
) -> Iterator[Outcome]:
    """What becomes of each of the goals; `scripts` are known traces, plainest first, to begin with.

    The same from run to run, unless the target has a deadline.
    """
    yield from Settling(target, set(goals), list(scripts), depth).run()
