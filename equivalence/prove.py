"""`equiv`: the methods in order, and a verdict out of what they say (semantics.md, prover.md 4).

Simulation, a shallow search for a difference, induction, deeper search. Each is bounded by counts
and solver resources, so that the answer does not depend on the clock; only `unknown` may.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nfverify.equivalence.assumption import check_satisfiable, judge
from nfverify.equivalence.audit import NO_QUERY, unconfirmed
from nfverify.equivalence.components import Components, matchings
from nfverify.equivalence.concrete import Reality, signatures_of, stand_in
from nfverify.equivalence.constants import Constants, collect
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.induction import Failed, Induction, Proved
from nfverify.equivalence.invariants import own_invariants
from nfverify.equivalence.notes import Reach, notes_on
from nfverify.equivalence.ports import compare_ports, port_notes
from nfverify.equivalence.predicates import RulesetPlan, plan_rulesets
from nfverify.equivalence.problem import Problem, Side
from nfverify.equivalence.provable import check_provable
from nfverify.equivalence.question import Question as Question
from nfverify.equivalence.question import report_on
from nfverify.equivalence.relation import Candidate, relation_text
from nfverify.equivalence.replay import replay
from nfverify.equivalence.resisting import resisting
from nfverify.equivalence.search import Found, NotFound, Search
from nfverify.equivalence.shares import certified
from nfverify.equivalence.simulate import (
    FULL,
    LIGHT,
    Arrival,
    Effort,
    Pair,
    Simulation,
    Snapshot,
    Trace,
    Traffic,
    new_pair,
    shrink,
    simulate,
)
from nfverify.equivalence.solver import OutOfTime
from nfverify.equivalence.templates import Templates
from nfverify.equivalence.verdict import (
    Counterexample,
    Different,
    Equivalent,
    Obligation,
    Proof,
    Report,
    Resisting,
    Unknown,
    Verdict,
)
from nfverify.lang.source import NOWHERE, Diagnostic, ModelError
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.smat.relating import Claim

SHALLOW = 2
DEEPER = 2

Known = Callable[[int, str, Resisting | None], None]
"""Hears the depth that is excluded, and what resists: in words, and as a step."""


@dataclass(slots=True)
class Run:
    """One question being answered."""

    question: Question
    problem: Problem
    plan: RulesetPlan
    pair: Pair
    constants: Constants
    started: float
    deadline: float
    notify: Callable[[str], None]
    known: Known
    assumed: Callable[[Arrival], bool]
    simulation: Simulation | None = None
    search: Search | None = None
    failed: Failed | None = None
    notes: tuple[str, ...] = ()
    always: tuple[str, ...] = ()  # notes of every verdict
    missing: tuple[str, ...] = ()  # user operators that only a stand-in runs for
    proved: tuple[Induction, Proved] | None = None  # what an `equivalent` rests on

    @property
    def depth(self) -> int:
        """No difference exists in traces of up to this many packets."""
        return self.search.excluded if self.search else 0

    def tell(self) -> None:
        """What is known by now, should the answer never come."""
        resistance = "" if self.failed is None else self.resistance()
        self.known(self.depth, resistance, self.resisting())

    def resisting(self) -> Resisting | None:
        """The step that the last proof failed on."""
        failed = self.failed
        if failed is None or failed.stuck is None:
            return None
        return resisting(self.problem, self.pair, failed.obligation, failed.stuck)

    # Verdicts -------------------------------------------------------------------------------

    def report(self) -> Report:
        a, b = (side.network for side in self.problem.sides)
        return report_on(
            a, b, self.question, self.always + self.notes, time.monotonic() - self.started
        )

    def unknown(self, reason: str, obligations: Sequence[Obligation] = ()) -> Unknown:
        return Unknown(self.report(), reason, self.depth, tuple(obligations), self.resisting())

    def different(self, trace: Trace, minimal: bool, excluded: int) -> Different | Unknown:
        if self.missing:
            return self.unknown(
                f"a difference for some {', '.join(self.missing)}: name the real one with --ops"
            )
        events, differences = replay(self.problem, self.pair, trace)
        return Different(self.report(), Counterexample(events, minimal, excluded, differences))

    # Methods --------------------------------------------------------------------------------

    def answer(self) -> Verdict:
        if same_model(self.problem.a.network, self.problem.b.network):
            return self.reflexive()
        traffic = Traffic(self.problem, self.constants)
        traffic.seeds = list(self.plan.witnesses)
        verdict = self.simulated(traffic, LIGHT) or self.deepen(SHALLOW)
        if verdict is not None:
            return verdict
        for quotient, thrifty in ((True, True), (True, False), (False, False)):
            proof = self.induct(quotient, thrifty)
            if proof is not None:
                return proof
            if thrifty:
                verdict = self.simulated(traffic, FULL)
            verdict = verdict or self.deepen((self.search.depth if self.search else 0) + DEEPER)
            if verdict is not None:
                return verdict
        if self.search is not None:
            self.search.be_patient()
            verdict = self.deepen(self.question.depth or 10**6)
            if verdict is not None:
                return verdict
        return self.unknown(self.resistance())

    def reflexive(self) -> Equivalent:
        """A deterministic system equals itself, whatever it does."""
        obligation = Obligation("both sides are the same model", 0.0, "proved")
        if self.problem.audit is not None:
            self.notes = (NO_QUERY,)
        return Equivalent(self.report(), Proof("reflexivity", 0, (), (obligation,)))

    def simulated(self, traffic: Traffic, effort: Effort) -> Verdict | None:
        """More states to hold candidates against; a difference, if traffic shows one."""
        self.notify("simulation")
        found = simulate(self.pair, traffic, self.allowed, effort, out_of_time=self.out_of_time)
        if self.simulation is not None:
            found.snapshots += self.simulation.snapshots
        self.simulation = found
        if found.difference is None:
            return None
        trace = shrink(self.pair, found.difference)
        verdict = self.deepen(len(trace))
        if verdict is None and self.search is not None and self.search.stuck:
            self.search.be_patient()
            verdict = self.deepen(len(trace))
        if verdict is not None:
            return verdict
        # The search gave up before the length at which simulation had found a difference.
        excluded = min(self.search.excluded, len(trace) - 1) if self.search else 0
        return self.different(trace, self.excludes(len(trace) - 1), excluded)

    def excludes(self, length: int) -> bool:
        """Was just this length excluded? A longer one would contradict the trace at hand."""
        return self.search is not None and self.search.excluded == length

    def resistance(self) -> str:
        if self.failed is None:
            return "no method applies"
        return f"no relation was found for {self.failed.obligation!r} ({self.failed.reason})"

    def allowed(self, arrival: Arrival) -> bool:
        options = self.problem.options
        if options.drop_non_ip and not (arrival.packet.IP4 or arrival.packet.IP6):
            return False
        return self.assumed(arrival)

    def out_of_time(self) -> bool:
        return time.monotonic() >= self.deadline

    def deepen(self, depth: int) -> Verdict | None:
        """Search for a difference of up to `depth` packets; None if there is none so short."""
        limit = min(depth, self.question.depth or depth)
        try:
            if self.search is None:
                self.search = Search(
                    self.problem,
                    self.pair,
                    Reality(self.plan.rulesets, self.question.operators or {}),
                    self.allowed,
                    self.deadline,
                    self.notify,
                )
            while self.search.depth < limit and not self.search.stuck:
                match self.search.deepen():
                    case Found(trace=trace, minimal=minimal, excluded=excluded):
                        return self.different(trace, minimal, excluded)
                    case NotFound(reason=reason):
                        self.search.stuck = reason
                    case None:
                        self.tell()
        except Unsupported as exception:
            self.failed = self.failed or Failed("the symbolic step", str(exception), 0)
        return None

    def induct(self, quotient: bool, thrifty: bool) -> Equivalent | Unknown | None:
        """A proof by induction, certified; None if none was found."""
        assert self.simulation is not None
        self.notify("induction")
        try:
            induction = Induction(
                self.problem,
                self.simulation.snapshots,
                deadline=self.deadline,
                thrifty=thrifty,
                notify=self.notify,
            )
        except Unsupported as exception:
            self.failed = Failed("the symbolic step", str(exception), 0)
            return None
        more = [Candidate("promise", *claim) for claim in self.question.claims]
        outcome = relate(
            self.problem, self.constants, induction, self.simulation.snapshots, quotient, more
        )
        if isinstance(outcome, Failed):
            self.failed = outcome
            self.tell()
            return None
        return self.certified(outcome, induction)

    def certified(self, proved: Proved, induction: Induction) -> Equivalent | Unknown | None:
        variables = self.problem.variables()
        texts = tuple(relation_text(c, variables) for c in proved.relation)
        obligations = certified(self.problem, proved.relation, self.deadline, self.notify)
        resisting = [o for o in obligations if o.result != "proved"]
        if resisting:
            if why := unconfirmed(obligations):
                return self.unknown(why, obligations)
            self.failed = Failed(
                resisting[0].name, f"the certificate is {resisting[0].result}", proved.checks
            )
            return None
        self.proved = induction, proved
        self.notes = notes_on(
            Reach(self.problem, induction, proved.relation, self.pair, self.simulation)
        )
        method = "induction over one event" if proved.relation else "outputs need no relation"
        # With an audit, the lists of rules are among its obligations.
        lists = () if self.problem.audit else self.plan.obligations
        found = (*lists, *obligations)
        claims = tuple(Claim(c.keys, c.expr) for c in proved.relation)
        return Equivalent(self.report(), Proof(method, self.depth, texts, found, claims))


def relate(
    problem: Problem,
    constants: Constants,
    induction: Induction,
    snapshots: Sequence[Snapshot],
    quotient: bool,
    more: Sequence[Candidate] = (),
) -> Proved | Failed:
    """A relation out of equalities and templates; `more` are candidates beside these. With
    `quotient`, what equals a variable of A stands for nothing of its own."""
    components = Components(
        problem, constants, set(induction.step.relevant), set(induction.step.presence)
    )
    start: list[Candidate] = list(own_invariants(problem))
    kept = components.all
    matched_a: set[object] = set()
    matched_b: set[object] = set()
    for a, b, candidate in matchings(components):
        if a in matched_a or b in matched_b or not induction.acceptable(candidate):
            continue
        matched_a.add(a)
        matched_b.add(b)
        start.append(candidate)
    if quotient:
        kept = [c for c in components.all if c not in matched_b]
    templates = Templates(problem, constants, kept, snapshots)
    pool = list(dict.fromkeys([*templates.generate(), *more]))
    return induction.run(start, pool)


def same_model(a: ir.Network, b: ir.Network) -> bool:
    """Is all of two networks but their names the same?"""
    return replace(a, name="") == replace(b, name="")


def equivalent(
    a: ir.Network,
    b: ir.Network,
    question: Question = Question(),  # noqa: B008  # frozen
    notify: Callable[[str], None] = lambda text: None,
    known: Known = lambda depth, resistance, resisting: None,
) -> Verdict:
    """Do two networks give the same output for every packet sequence of any length?

    Raises ModelError for models that cannot be run, or have no encoding, and for an assumption that
    nothing satisfies. Sound on its own; `supervise` adds the hard limits. `notify` hears what is
    being done, `known` the depth excluded so far and what resists.
    """
    return decided(begin(a, b, question, notify, known))


def decided(run: Run) -> Verdict:
    """The verdict of a run."""
    try:
        check_satisfiable(run.problem, run.deadline)
        verdict = run.answer()
    except OutOfTime:
        reason = f"time ran out after {run.question.time_limit:g} s"
        if run.failed is not None:
            reason += f"; {run.resistance()}"
        return run.unknown(reason)
    return replace(verdict, report=run.report())


def begin(
    a: ir.Network,
    b: ir.Network,
    question: Question = Question(),  # noqa: B008  # frozen
    notify: Callable[[str], None] = lambda text: None,
    known: Known = lambda depth, resistance, resisting: None,
) -> Run:
    """What answers a question, before its first step. ModelError, as `equivalent`."""
    check_provable(a, b, headers=True)
    started = time.monotonic() if question.started is None else question.started
    deadline = started + question.time_limit
    plan = plan_rulesets(a, b, max(0.1, question.time_limit / 3))
    problem = Problem(
        Side("a", a), Side("b", b), question.options, plan, question.audit, question.executor
    )

    compare_ports(a, b)
    if question.options.observe_state and problem.unpaired() and not problem.state_pairs():
        message = (
            "packets+state has nothing to compare: no two state variables pair by name and type"
        )
        hint = f"state variables: {', '.join(problem.unpaired())}"
        raise ModelError(Diagnostic("error", "observe", message, NOWHERE, hint))
    signatures = signatures_of((a, b))
    given = dict(question.operators or {})
    missing = tuple(sorted(set(signatures) - set(given)))
    given |= {name: stand_in(signatures[name]) for name in missing}

    def machine(network: ir.Network) -> Machine:
        drop = question.options.drop_non_ip
        return Machine(network, operators=given, non_ip="drop" if drop else "bypass")

    return Run(
        question,
        problem,
        plan,
        new_pair(problem, machine),
        collect((a, b)),
        started,
        deadline,
        notify,
        known,
        judge(problem, given),
        missing=missing,
        always=port_notes(a, b),
    )
