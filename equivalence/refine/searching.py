"""Bounded search and floods, as part of one question of refinement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.induction import Failed
from nfverify.equivalence.refine.deep import Flood
from nfverify.equivalence.refine.proposals import strategies
from nfverify.equivalence.refine.refute import Escaped, Refutation, Refuter, Stuck
from nfverify.equivalence.refine.run import Run
from nfverify.equivalence.refine.witness import Strategy
from nfverify.equivalence.verdict import (
    Verdict,
)

MAX_COPIES = 12
SHALLOW = 2
SEARCHED = 30  # packets


@dataclass(slots=True)
class Searching(Run):
    """How a refutation is looked for by the solver, and by using up what there is."""

    def shortest(self, found: Refutation) -> Verdict:
        """A refutation is at hand; the search may find a shorter or plainer one."""
        length = len(found.seen.trace)
        verdict = self.refuted(length if length <= SEARCHED else SHALLOW, False)
        return verdict or self.different(found)

    def refuted(self, depth: int, patient: bool) -> Verdict | None:
        """Search traces of up to `depth` packets; None if A does nothing there that B forbids, or
        the search got stuck."""
        chosen = self.alive[:1] or strategies(self.problem)[:1]
        while len(chosen) <= MAX_COPIES and self.excluded < depth:
            found = self.searched(chosen, depth, patient)
            match found:
                case Refutation():
                    return self.different(found)
                case Stuck(reason=reason):
                    self.stuck = reason
                    return None
                case None:
                    return None
                case Escaped():
                    another = self.another(found, chosen)
                    if another is None:
                        self.stuck = "b follows in ways that no rule was found for"
                        return None
                    chosen = [*chosen, another]
        return None

    def flooded(self) -> Verdict | None:
        """A refutation by a run that uses up a pool, where B's strategy is at an end."""
        new = [s for s in self.alive if s not in self.deep]
        if not self.roomy or not new or self.question.depth is not None:
            return None
        self.deep.add(new[0])
        self.notify("a flood of new flows")
        if not self.determined:
            return None
        flood = Flood(
            self.problem,
            self.pair.like(new[0], "onward"),
            self.constants,
            self.allowed,
            self.out_of_time,
            self.deadline,
        )
        found = flood.refute()
        return None if found is None else self.different(found)

    def searched(
        self, chosen: Sequence[Strategy], depth: int, patient: bool
    ) -> Refutation | Escaped | Stuck | None:
        """Bounded search against some strategies at once; None up to this depth."""
        depth = min(depth, self.question.depth or depth)
        try:
            refuter = Refuter(
                self.problem, self.pair, chosen, self.reality(), self.allowed,
                self.deadline, self.notify, patient,
            )  # fmt: skip
            found = None
            while refuter.depth < depth and found is None:
                found = refuter.deepen()
                if refuter.excluded > self.excluded:
                    self.excluded = refuter.excluded
                    self.known(self.excluded, self.resistance())
        except Unsupported as exception:
            self.failed = self.failed or Failed("the symbolic step", str(exception), 0)
            return Stuck(str(exception))
        return found

    def another(self, escaped: Escaped, beside: Sequence[Strategy]) -> Strategy | None:
        """A strategy that can follow this run."""
        self.escaped.append(escaped)
        self.alive = [s for s in self.alive if self.follows(s, escaped)]
        listed = self.pair.listed(escaped.trace, escaped.made, beside[0])
        for strategy in (*self.alive, *strategies(self.problem), listed):
            if strategy not in beside and self.follows(strategy, escaped):
                return strategy
        return None
