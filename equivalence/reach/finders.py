"""Traces by symbolic packets: one after a concrete prefix, or a few from the initial state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.reach.outcome import Reached
from nfverify.equivalence.reach.runner import Runner
from nfverify.equivalence.reach.script import Script
from nfverify.equivalence.reach.target import Target
from nfverify.equivalence.reach.unroll import Shared, Unrolled, shared
from nfverify.equivalence.simulate import Trace

IN_VAIN = 6
"""Seeds in a row that led to nothing: the others are not looked at."""


def from_seeds(
    target: Target, wanted: set[int], seeds: Sequence[Script], runner: Runner, packets: int = 1
) -> Iterator[Reached]:
    """Up to so many symbolic packets after each seed; what is reached is taken out of `wanted`."""
    if not wanted:
        return
    common = shared(target.focused(wanted))
    in_vain = 0
    for seed in seeds:
        if not wanted or in_vain >= IN_VAIN:
            return
        left = len(wanted)
        yield from after_seed(common, runner, wanted, seed, packets)
        in_vain = in_vain + 1 if len(wanted) == left else 0


def after_seed(
    common: Shared, runner: Runner, wanted: set[int], seed: Script, packets: int
) -> Iterator[Reached]:
    """The same for one seed."""

    def replayed(trace: Trace) -> frozenset[int]:
        return runner.reached((*seed, *trace))

    unrolled = Unrolled(common, runner.after(seed))
    for _ in range(packets):
        try:
            unrolled.deepen()
        except Unsupported:
            return
        for trace, got in unrolled.find(wanted, replayed):
            wanted -= got
            yield Reached((*seed, *trace), got, "seeds")
        if not wanted:
            return


class Bounded:
    """The bounded search from the initial state; `excluded[goal]` packets don't reach it."""

    def __init__(self, target: Target, wanted: set[int], depth: int, runner: Runner) -> None:
        self.target, self.wanted, self.depth, self.runner = target, wanted, depth, runner
        self.excluded = dict.fromkeys(sorted(wanted), 0)

    def run(self) -> Iterator[Reached]:
        """Deeper and deeper, so that what is found is shortest. Raises Unsupported."""
        if not self.wanted:
            return
        unrolled = Unrolled(shared(self.target.focused(self.wanted)))
        undecided: set[int] = set()
        for depth in range(1, self.depth + 1):
            unrolled.deepen()
            for trace, got in unrolled.find(self.wanted, self.runner.reached):
                minimal = all(self.excluded.get(g, 0) == depth - 1 for g in got)
                self.wanted -= got
                yield Reached(trace, got, "bounded", minimal)
            undecided |= unrolled.refused if unrolled.exact else self.wanted
            for goal in self.wanted - undecided:
                self.excluded[goal] = depth
            if not self.wanted:
                return
