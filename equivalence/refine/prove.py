"""`equiv --refine`: the methods in order, and a verdict.

Simulation finds which strategy B could follow; induction proves that it always can; a bounded
search looks for a trace of A that B does not allow by any choices. As in plain equivalence counts
and solver resources bound them, not the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from nfverify.equivalence.assumption import check_satisfiable
from nfverify.equivalence.assumption import judge as judge_assumption
from nfverify.equivalence.certificate import certify
from nfverify.equivalence.concrete import Reality, signatures_of, stand_in
from nfverify.equivalence.constants import Constants, collect, constant_folded
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.induction import Failed, Induction
from nfverify.equivalence.notes import Reach, notes_on
from nfverify.equivalence.predicates import RulesetPlan, plan_rulesets
from nfverify.equivalence.problem import Problem, Side
from nfverify.equivalence.prove import compare_ports, port_notes, relate, relation_text, same_model
from nfverify.equivalence.question import Question, report_on
from nfverify.equivalence.refine.deep import Flood, determined, long_refuted
from nfverify.equivalence.refine.filled import filled
from nfverify.equivalence.refine.hands import POLICIES, Policy
from nfverify.equivalence.refine.membership import observe
from nfverify.equivalence.refine.model import step_by
from nfverify.equivalence.refine.pair import RefinePair, refine_pair
from nfverify.equivalence.refine.refinable import check_refinable
from nfverify.equivalence.refine.refute import Escaped, Refutation, Refuter, Stuck, judged
from nfverify.equivalence.refine.shown import shown
from nfverify.equivalence.refine.traffic import flood, wide_traffic
from nfverify.equivalence.refine.witness import Strategy, places, said, strategies
from nfverify.equivalence.simulate import (
    FULL,
    Arrival,
    Effort,
    Simulation,
    Snapshot,
    Trace,
    shrink,
    simulate,
)
from nfverify.equivalence.solver import OutOfTime
from nfverify.equivalence.verdict import (
    Different,
    Equivalent,
    Obligation,
    Proof,
    Report,
    Unknown,
    Verdict,
)
from nfverify.lang.source import NOWHERE, Diagnostic, ModelError
from nfverify.semantics.engine import Chooser
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

LIGHT = Effort(5, 40, 2, 60)
SHALLOW = 2
DEEPER = 2
KEPT = 3
"""Strategies that a proof is tried with."""

MAX_COPIES = 12
MANY = 64
LONG = 150  # packets: more are not unrolled
SEARCHED = 30
MAX_DEPTH = 10**6


@dataclass(slots=True)
class _Refining:
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

    # Verdicts -------------------------------------------------------------------------------

    def answer(self) -> Verdict:
        if same_model(self.problem.a.network, self.problem.b.network):
            obligation = Obligation("both sides are the same model", 0.0, "proved")
            return Equivalent(self.report(), Proof("reflexivity", 0, (), (obligation,)))
        for quotient, thrifty in ((True, True), (True, False), (False, False)):
            tried: set[Strategy] = set()
            while len(tried) < KEPT:
                found = self.refill(tried)
                if found is not None:
                    return found
                strategy = next((s for s in self.alive if s not in tried), None)
                if strategy is None:
                    break
                tried.add(strategy)
                proof = self.induct(strategy, quotient, thrifty)
                if proof is not None:
                    return proof
            found = self.flooded() or self.refuted(self.excluded + DEEPER, False)
            if found is not None:
                return found
        found = self.refuted(MAX_DEPTH, True)
        return found or self.unknown(self.resistance())

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

    # Simulation -----------------------------------------------------------------------------

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

    def follows(self, strategy: Strategy, run: Escaped) -> bool:
        pair = self.pair.like(strategy, script=run.script)
        return not any(pair.step(arrival)[0] for arrival in run.trace)

    def tried(self, strategy: Strategy) -> Refutation | Escaped | Stuck | None:
        """None if it follows A wherever simulation looked."""
        traffic = wide_traffic(self.problem, self.constants)
        traffic.seeds = list(self.plan.witnesses)
        snapshots: list[Snapshot] = []
        for policy in POLICIES if self.chooses else POLICIES[:1]:
            pair = self.pair.like(strategy, policy)
            found = simulate(pair, traffic, self.allowed, LIGHT, out_of_time=self.out_of_time)
            snapshots += found.snapshots
            self.traces += found.traces
            if found.difference is None and self.roomy:
                found = flood(pair, traffic, self.allowed, self.out_of_time)
                snapshots += found.snapshots
            if found.difference is not None:
                return self.suspected(pair, found.difference)
        self.snapshots[strategy] = snapshots
        return None

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

    # Bounded search -------------------------------------------------------------------------

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

    # Induction ------------------------------------------------------------------------------

    def induct(self, strategy: Strategy, quotient: bool, thrifty: bool) -> Equivalent | None:
        """A proof by induction with this strategy, certified; None if none was found."""
        self.notify("induction")
        build = step_by(strategy)
        if not thrifty:
            self.more_snapshots(strategy)
        snapshots = self.snapshots[strategy]
        try:
            induction = Induction(
                self.problem, snapshots, deadline=self.deadline, thrifty=thrifty,
                notify=self.notify, build=build,
            )  # fmt: skip
            more = list(filled(self.problem))
            proved = relate(self.problem, self.constants, induction, snapshots, quotient, more)
        except Unsupported as exception:
            self.failed = Failed("the symbolic step", str(exception), 0)
            return None
        if isinstance(proved, Failed):
            self.failed = proved
            return None
        obligations = certify(
            self.problem, proved.relation, self.deadline, lambda n: f"({n + 1})", self.notify, build
        )
        resisting = [o for o in obligations if o.result != "proved"]
        if resisting:
            what = f"the certificate is {resisting[0].result}"
            self.failed = Failed(resisting[0].name, what, proved.checks)
            return None
        simulation = Simulation([], self.traces[:4], None)
        notes = notes_on(Reach(self.problem, induction, proved.relation, self.pair, simulation))
        # What B could do by other choices is not looked at.
        followed = [
            f"b's choice of {name} in {instance}: {said(witness)}"
            for (instance, name), witness in strategy.witnesses
        ]
        self.notes = (*followed, *(n for n in notes if not n.startswith("b: ")))
        variables = self.problem.variables()
        texts = tuple(relation_text(c, variables) for c in proved.relation)
        method = "simulation relation, by induction over one event"
        found = (*self.plan.obligations, *obligations)
        return Equivalent(self.report(), Proof(method, self.excluded, texts, found))

    def more_snapshots(self, strategy: Strategy) -> None:
        """Traffic that is heavier: thresholds, and states that are rarer."""
        traffic = wide_traffic(self.problem, self.constants)
        policy: Policy = "random" if self.chooses else "first"
        found = simulate(
            self.pair.like(strategy, policy), traffic, self.allowed, FULL,
            out_of_time=self.out_of_time,
        )  # fmt: skip
        self.snapshots[strategy] += found.snapshots


def refines(
    a: ir.Network,
    b: ir.Network,
    question: Question = Question(),  # noqa: B008  # frozen
    notify: Callable[[str], None] = lambda text: None,
    known: Callable[[int, str], None] = lambda depth, resisting: None,
) -> Verdict:
    """Is every behaviour of A one that B allows: for all packets and all that A may choose, could B
    choose so that it sends the same? `Equivalent` says yes, `Different` no.

    As `prove.equivalent` otherwise.
    """
    check_refinable(a, b)
    if question.options.observe_state:
        message = "refinement compares packets only, not state"
        raise ModelError(Diagnostic("error", "observe", message, NOWHERE))
    started = time.monotonic() if question.started is None else question.started
    deadline = started + question.time_limit
    plan = plan_rulesets(a, b, max(0.1, question.time_limit / 3))
    problem = Problem(Side("a", a), Side("b", b), question.options, plan)
    compare_ports(a, b)
    signatures = signatures_of((a, b))
    given = dict(question.operators or {})
    missing = tuple(sorted(set(signatures) - set(given)))
    given |= {name: stand_in(signatures[name]) for name in missing}

    def machine(network: ir.Network, chooser: Chooser) -> Machine:
        drop = question.options.drop_non_ip
        return Machine(
            network,
            operators=given,
            non_ip="drop" if drop else "bypass",
            chooser=chooser if places(network) else None,
        )

    run = _Refining(
        question,
        problem,
        plan,
        refine_pair(problem, machine, Strategy(())),
        collect((a, b)),
        started,
        deadline,
        notify,
        known,
        judge_assumption(problem, given),
        port_notes(a, b),
        missing,
    )
    try:
        check_satisfiable(problem, deadline)
        verdict = run.answer()
    except OutOfTime:
        return run.unknown(f"time ran out after {question.time_limit:g} s; {run.resistance()}")
    return replace(verdict, report=run.report())
