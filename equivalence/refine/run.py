"""One question of refinement on its way: what is known by now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from nfverify.equivalence.concrete import Reality
from nfverify.equivalence.constants import Constants, constant_folded
from nfverify.equivalence.induction import Failed
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.question import Question, report_on
from nfverify.equivalence.refine.deep import determined
from nfverify.equivalence.refine.pair import RefinePair
from nfverify.equivalence.refine.proposals import strategies
from nfverify.equivalence.refine.refute import Escaped, Refutation
from nfverify.equivalence.refine.shown import shown
from nfverify.equivalence.refine.witness import Strategy, places
from nfverify.equivalence.simulate import (
    Arrival,
    Snapshot,
    Trace,
)
from nfverify.equivalence.verdict import (
    Different,
    Report,
    Unknown,
    Verdict,
)

MANY = 64


@dataclass(slots=True)
class Run:
    """One question being answered."""

    question: Question
    problem: Problem
    plan: RulesetPlan
    pair: RefinePair
    constants: Constants
    started: float
    deadline: float
    notify: Callable[[str], None]
    known: Callable[[int, str], None]
    assumed: Callable[[Arrival], bool]
    always: tuple[str, ...]
    missing: tuple[str, ...]
    failed: Failed | None = None
    stuck: str = ""
    excluded: int = 0
    queue: Iterator[Strategy] = field(init=False)  # that were not looked at yet
    alive: list[Strategy] = field(default_factory=list)
    snapshots: dict[Strategy, list[Snapshot]] = field(default_factory=dict)
    traces: list[Trace] = field(default_factory=list)
    escaped: list[Escaped] = field(default_factory=list)
    follows_outputs: bool | None = None
    deep: set[Strategy] = field(default_factory=set)  # that were flooded
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.queue = iter(strategies(self.problem))

    def report(self) -> Report:
        a, b = (side.network for side in self.problem.sides)
        notes = self.always + self.notes
        return report_on(a, b, self.question, notes, time.monotonic() - self.started)

    def unknown(self, reason: str) -> Unknown:
        return Unknown(self.report(), reason, self.excluded, ())

    def different(self, found: Refutation) -> Verdict:
        if self.missing:
            return self.unknown(
                f"a difference for some {', '.join(self.missing)}: name the real one with --ops"
            )
        return Different(self.report(), shown(self.problem, self.pair, found, self.excluded))

    def resistance(self) -> str:
        if self.failed is not None:
            return f"no relation was found for {self.failed.obligation!r} ({self.failed.reason})"
        if not self.alive:
            return "no rule was found by which b's choices could follow a"
        return self.stuck or "no method applies"

    def allowed(self, arrival: Arrival) -> bool:
        options = self.problem.options
        if options.drop_non_ip and not (arrival.packet.IP4 or arrival.packet.IP6):
            return False
        return self.assumed(arrival)

    def out_of_time(self) -> bool:
        return time.monotonic() >= self.deadline

    def reality(self) -> Reality:
        return Reality(self.plan.rulesets, self.question.operators or {})

    def follows(self, strategy: Strategy, run: Escaped) -> bool:
        pair = self.pair.like(strategy, script=run.script)
        return not any(pair.step(arrival)[0] for arrival in run.trace)

    @property
    def determined(self) -> bool:
        """Does B's state follow from what it sends?"""
        if self.follows_outputs is None:
            self.follows_outputs = determined(self.problem, self.deadline)
        return self.follows_outputs

    @property
    def roomy(self) -> bool:
        """Is there a choice among many?"""
        nodes = [n for s in self.problem.sides for n in places(s.network).values()]
        ends = [(constant_folded(n.low), constant_folded(n.high)) for n in nodes]
        return any(low is None or high is None or high - low > MANY for low, high in ends)

    @property
    def chooses(self) -> bool:
        return bool(places(self.problem.a.network))
