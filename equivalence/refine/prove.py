"""`equiv --refine`: the methods in order, and a verdict.

Simulation finds which strategy B could follow; induction proves that it always can; a bounded
search looks for a trace of A that B does not allow by any choices. As in plain equivalence counts
and solver resources bound them, not the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from nfverify.equivalence.assumption import check_satisfiable
from nfverify.equivalence.assumption import judge as judge_assumption
from nfverify.equivalence.audit import NO_QUERY, unconfirmed
from nfverify.equivalence.certificate import certify
from nfverify.equivalence.concrete import signatures_of, stand_in
from nfverify.equivalence.constants import collect
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.induction import Failed, Induction
from nfverify.equivalence.notes import Reach, notes_on
from nfverify.equivalence.ports import compare_ports, port_notes
from nfverify.equivalence.predicates import plan_rulesets
from nfverify.equivalence.problem import Problem, Side
from nfverify.equivalence.prove import relate, same_model
from nfverify.equivalence.question import Question
from nfverify.equivalence.refine.filled import filled
from nfverify.equivalence.refine.hands import Policy
from nfverify.equivalence.refine.model import step_by
from nfverify.equivalence.refine.pair import refine_pair
from nfverify.equivalence.refine.refinable import check_refinable
from nfverify.equivalence.refine.rehearsing import Rehearsing
from nfverify.equivalence.refine.traffic import wide_traffic
from nfverify.equivalence.refine.witness import Strategy, places, said
from nfverify.equivalence.relation import relation_text
from nfverify.equivalence.simulate import (
    FULL,
    Simulation,
    simulate,
)
from nfverify.equivalence.solver import OutOfTime
from nfverify.equivalence.verdict import (
    Equivalent,
    Obligation,
    Proof,
    Unknown,
    Verdict,
)
from nfverify.lang.source import NOWHERE, Diagnostic, ModelError
from nfverify.semantics.engine import Chooser
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

DEEPER = 2
KEPT = 3
"""Strategies that a proof is tried with."""

MAX_DEPTH = 10**6


@dataclass(slots=True)
class _Refining(Rehearsing):
    """The methods in order."""

    def answer(self) -> Verdict:
        if same_model(self.problem.a.network, self.problem.b.network):
            obligation = Obligation("both sides are the same model", 0.0, "proved")
            if self.problem.audit is not None:
                self.notes = (NO_QUERY,)
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

    def induct(
        self, strategy: Strategy, quotient: bool, thrifty: bool
    ) -> Equivalent | Unknown | None:
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
            if why := unconfirmed(obligations):
                return self.unknown(why)
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
        lists = () if self.problem.audit else self.plan.obligations
        found = (*lists, *obligations)
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
    problem = Problem(Side("a", a), Side("b", b), question.options, plan, question.audit)
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
