"""Simulation: by which strategies B could follow A, as part of one question of refinement."""

from __future__ import annotations

from dataclasses import dataclass

from nfverify.equivalence.refine.deep import long_refuted
from nfverify.equivalence.refine.hands import POLICIES
from nfverify.equivalence.refine.membership import observe
from nfverify.equivalence.refine.pair import RefinePair
from nfverify.equivalence.refine.refute import Escaped, Refutation, Stuck, judged
from nfverify.equivalence.refine.searching import SHALLOW, Searching
from nfverify.equivalence.refine.traffic import flood, wide_traffic
from nfverify.equivalence.refine.witness import Strategy
from nfverify.equivalence.simulate import (
    Effort,
    Snapshot,
    Trace,
    shrink,
    simulate,
)
from nfverify.equivalence.solver import OutOfTime
from nfverify.equivalence.verdict import (
    Verdict,
)

LIGHT = Effort(5, 40, 2, 60)
EFFORT = 1_500_000  # values that are asked for whether they fit, for one strategy
LONG = 150  # packets: more are not unrolled


@dataclass(slots=True)
class Rehearsing(Searching):
    """Strategies, the likeliest first, as long as they are needed."""

    def refill(self, tried: set[Strategy]) -> Verdict | None:
        """One strategy more, beside those tried, that can follow A as far as simulation and short
        traces show; a refutation, if one turns up."""
        while tried.issuperset(self.alive):
            if self.out_of_time():
                raise OutOfTime
            strategy = next(self.queue, None)
            if strategy is None:
                return None
            if not self.follows_escaped(strategy):
                continue
            self.notify("simulation")
            found = self.tried(strategy)
            if isinstance(found, Refutation):
                return self.shortest(found)
            if found is None:
                verdict = self.probed(strategy)
                if verdict is not None:
                    return verdict
        return None

    def probed(self, strategy: Strategy) -> Verdict | None:
        """Keeps the strategy if it also follows A wherever the solver looks in short traces."""
        found = self.searched([strategy], SHALLOW, False)
        match found:
            case Refutation():
                return self.different(found)
            case Escaped():
                self.escaped.append(found)
            case Stuck(reason=reason):
                self.stuck = reason
                self.alive.append(strategy)
            case None:
                self.alive.append(strategy)
        return None

    def follows_escaped(self, strategy: Strategy) -> bool:
        """Can it follow all runs of A that B was found to allow?"""
        return all(self.follows(strategy, one) for one in self.escaped)

    def tried(self, strategy: Strategy) -> Refutation | Escaped | Stuck | None:
        """None if it follows A wherever simulation looked."""
        traffic = wide_traffic(self.problem, self.constants)
        traffic.seeds = list(self.plan.witnesses)
        snapshots: list[Snapshot] = []
        hands = self.pair.hands
        most = sum(h.effort for h in hands) + EFFORT

        def enough() -> bool:
            return self.out_of_time() or sum(h.effort for h in hands) > most

        for policy in POLICIES if self.chooses else POLICIES[:1]:
            pair = self.pair.like(strategy, policy)
            found = simulate(pair, traffic, self.allowed, LIGHT, out_of_time=enough)
            snapshots += found.snapshots
            self.traces += found.traces
            if found.difference is None and self.roomy:
                found = flood(pair, traffic, self.allowed, enough)
                snapshots += found.snapshots
            if found.difference is not None:
                return self.suspected(pair, found.difference)
        self.snapshots[strategy] = snapshots
        return None

    def suspected(self, pair: RefinePair, trace: Trace) -> Refutation | Escaped | Stuck:
        """A trace on which a strategy fails, shortened, and judged over all that B can do."""
        if len(trace) > LONG:
            if not self.determined:
                return Stuck("a trace too long to look at all choices")
            long = long_refuted(self.problem, pair, trace, self.deadline)
            return long or Stuck("a trace too long to look at all choices")
        found: Refutation | Escaped | Stuck = Stuck("")
        for attempt in (shrink(pair, trace), trace):
            run = pair.clone()
            for arrival in attempt:
                run.step(arrival)
            script = tuple(run.made)
            seen = observe(self.pair, attempt, script)
            found = judged(self.problem, self.pair, seen, script, self.reality(), self.deadline)
            if isinstance(found, Escaped):
                self.escaped.append(found)
            else:
                return found
        return found
