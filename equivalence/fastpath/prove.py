"""A plan proved equal to its chain, or the shortest trace on which they part.

Soundness first: a goal that is refuted from some state is no difference yet, for that state may
never come. Only a trace that was replayed on the reference machines is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NoReturn

from nfverify.equivalence.audit import unconfirmed
from nfverify.equivalence.concrete import signatures_of, stand_in
from nfverify.equivalence.constants import collect
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.fastpath.chain import Chain
from nfverify.equivalence.fastpath.plainest import plainest
from nfverify.equivalence.fastpath.progress import is_excused
from nfverify.equivalence.fastpath.replay import FastPair, fast_pair, replayed
from nfverify.equivalence.fastpath.search import Search
from nfverify.equivalence.fastpath.tables import TableReality
from nfverify.equivalence.fastpath.theorem import Settled, settle
from nfverify.equivalence.fastpath.traffic import Recurring, collisions
from nfverify.equivalence.fastpath.verdict import (
    FastDifferent,
    FastEquivalent,
    FastIdle,
    FastQuestion,
    FastReport,
    FastUnknown,
    FastVerdict,
    Shape,
)
from nfverify.equivalence.provable import check_provable
from nfverify.equivalence.search import Found, NotFound
from nfverify.equivalence.simulate import (
    FULL,
    LIGHT,
    Trace,
    first_difference,
    shrink,
    simulate,
)
from nfverify.equivalence.solver import OutOfTime, Solver, Translator
from nfverify.equivalence.terms import Terms
from nfverify.equivalence.verdict import Counterexample
from nfverify.fastpath.faults import applying, fault
from nfverify.fastpath.plan import Plan, Policy
from nfverify.lang.source import NOWHERE, Diagnostic, ModelError
from nfverify.smat import ir

SHALLOW = 2
DEEP = 9  # packets
RESERVE = 4.0  # s
FEASIBLE_RLIMIT = 1_000_000


@dataclass(slots=True)
class _Run:
    """One plan being judged."""

    plan: Plan
    question: FastQuestion
    started: float
    deriving: float
    notify: Callable[[str], None]
    known: Callable[[int, str], None]
    settled: Settled
    pair: FastPair
    missing: tuple[str, ...]
    search: Search | None = None
    notes: tuple[str, ...] = ()

    @property
    def deadline(self) -> float:
        return self.started + self.question.time_limit

    def report(self) -> FastReport:
        return FastReport(
            self.plan.network.name,
            self.question,
            Shape.of(self.plan),
            self.notes,
            time.monotonic() - self.started,
            self.deriving,
        )

    def unknown(self, reason: str) -> FastUnknown:
        depth = self.search.excluded if self.search else 0
        return FastUnknown(self.report(), reason, depth, tuple(self.settled.obligations))

    # Methods ----------------------------------------------------------------------------------

    def answer(self) -> FastVerdict:
        asked, settled = self.question, self.settled
        given = self.plan, self.deadline, settled, asked.drop_non_ip, self.notify, asked.audit
        settle(*given)
        if not self.plan.classes:
            self.notes = (*self.notes, "no record is ever made: all packets take the chain")
        others = dict.fromkeys(s.reason for s in self.plan.slow if is_excused(s))
        if others:
            self.notes = (*self.notes, f"take the chain, whatever they change: {'; '.join(others)}")
        if settled.dead:
            self.notes = (*self.notes, f"no packet is ever served by {', '.join(settled.dead)}")
        obligations = tuple(settled.obligations)
        if why := unconfirmed(obligations):
            return self.unknown(why)
        if settled.misformed:
            return self.unknown(f"the plan is malformed: {'; '.join(settled.misformed)}")
        if settled.sound and not settled.idle:
            if settled.reachable or not self.plan.classes:
                return FastEquivalent(self.report(), obligations)
            return FastIdle(self.report(), obligations)
        if settled.sound:
            refuted = any(o.answer == "sat" for o in settled.idle)
            if refuted:
                return FastIdle(self.report(), obligations)
            return self.unknown("that records serve all that they could is not decided")
        self.known(0, self.resistance())
        found = self.deepen(SHALLOW) or self.simulated() or self.collided()
        found = found or self.deepen(self.question.depth or DEEP)
        if found is None and self.search is not None:
            self.search.be_patient()
            found = self.deepen(self.question.depth or 10**6)
        return found or self.unknown(self.resistance())

    def resistance(self) -> str:
        """What stands in the way of a proof."""
        if self.settled.refused:
            return f"there is no proof about {self.settled.refused}"
        first = self.settled.open[0]
        how = "fails from some state" if first.answer == "sat" else "is not decided"
        return f"{first.goal.kind} of {first.goal.what} {how}"

    def deepen(self, depth: int) -> FastVerdict | None:
        """Search for a difference of up to so many packets; None if there is none so short."""
        limit = min(depth, self.question.depth or depth)
        try:
            search = self._searching()
            while search.depth < limit and not search.stuck:
                match search.deepen():
                    case Found(trace=trace, minimal=minimal, excluded=excluded):
                        return self.different(trace, minimal, excluded)
                    case NotFound(reason=reason):
                        search.stuck = reason
                    case None:
                        self.known(search.excluded, self.resistance())
        except Unsupported as exception:
            self.settled.refused = self.settled.refused or str(exception)
        return None

    def _searching(self) -> Search:
        if self.search is None:
            translator = Translator()
            side = Solver(translator, "", deadline=self.deadline, rlimit=FEASIBLE_RLIMIT)
            drop = self.question.drop_non_ip
            chain = Chain(self.plan, Terms(), side.feasible, drop)
            known = chain.rulesets.rulesets, self.question.operators or {}
            reality = TableReality(*known, chain.variables)
            # What is found must still be made plain, and told.
            deadline = self.deadline - min(RESERVE, self.question.time_limit / 8)
            self.search = Search(chain, self.parts, reality, deadline, self.notify)
        return self.search

    def parts(self, trace: Trace) -> bool:
        return first_difference(self.pair, trace) == len(trace) - 1

    def simulated(self) -> FastVerdict | None:
        """A difference that traffic shows, made as short as the search can say."""
        traffic = Recurring(self.pair.problem, collect((self.plan.network,)))
        for effort in (LIGHT, FULL):
            self.notify("simulation")
            found = simulate(
                self.pair, traffic, lambda _: True, effort, out_of_time=self.out_of_time
            )
            if found.difference is not None:
                return self.shortest(shrink(self.pair, found.difference))
        return None

    def shortest(self, trace: Trace) -> FastVerdict:
        """A trace that is at hand, or the shorter one that the search finds in time."""
        verdict = None
        try:
            verdict = self.deepen(len(trace) - 1)
            if verdict is None and self.search is not None and self.search.stuck:
                self.search.be_patient()
                verdict = self.deepen(len(trace) - 1)
        except OutOfTime:
            pass
        if verdict is not None:
            return verdict
        excluded = min(self.search.excluded, len(trace) - 1) if self.search else 0
        return self.different(trace, excluded == len(trace) - 1, excluded)

    def collided(self) -> FastVerdict | None:
        """Of a hash in the place of a key: two flows that it takes for one."""
        if not self.plan.hashed:
            return None
        traffic = Recurring(self.pair.problem, collect((self.plan.network,)))
        for trace in collisions(self.plan, traffic):
            if self.out_of_time():
                return None
            if self.parts(trace):
                return self.shortest(trace)
        return None

    def out_of_time(self) -> bool:
        return time.monotonic() >= self.deadline

    def different(self, trace: Trace, minimal: bool, excluded: int) -> FastVerdict:
        if self.missing:
            names = ", ".join(self.missing)
            return self.unknown(f"a difference for some {names}: name the real one with --ops")
        trace = plainest(trace, self.parts, fields_read(self.plan.network))
        events, differences = replayed(self.pair, trace)
        example = Counterexample(events, minimal, excluded, differences)
        return FastDifferent(self.report(), example, tuple(self.settled.obligations))


def fields_read(network: ir.Network) -> frozenset[str]:
    """The header fields that the NFs look at."""
    bodies = (i.program.body for i in network.instances)
    return frozenset(n.name for b in bodies for n in ir.walk(b) if isinstance(n, ir.Field))


def prove(
    plan: Plan,
    question: FastQuestion = FastQuestion(),  # noqa: B008  # frozen
    notify: Callable[[str], None] = lambda text: None,
    known: Callable[[int, str], None] = lambda depth, resisting: None,
    *,
    deriving: float = 0.0,
) -> FastVerdict:
    """Is the chain with this plan's fast path the chain, for packets of any number and flows?

    Raises ModelError for models that there is no proof about. `notify` hears what is being done,
    `known` the depth excluded so far and what resists.
    """
    network = plan.network
    check_provable(network, headers=True)
    started = time.monotonic() if question.started is None else question.started
    given = dict(question.operators or {})
    signatures = signatures_of((network,))
    missing = tuple(sorted(set(signatures) - set(given)))
    given |= {name: stand_in(signatures[name]) for name in missing}
    pair = fast_pair(plan, given, drop_non_ip=question.drop_non_ip)
    run = _Run(plan, question, started, deriving, notify, known, Settled(), pair, missing)
    try:
        return run.answer()
    except OutOfTime:
        reason = f"time ran out after {question.time_limit:g} s"
        if run.settled.open or run.settled.refused:
            reason += f"; {run.resistance()}"
        return run.unknown(reason)


def prove_chain(
    network: ir.Network,
    question: FastQuestion,
    notify: Callable[[str], None] = lambda text: None,
    known: Callable[[int, str], None] = lambda depth, resisting: None,
) -> FastVerdict:
    """The same of the plan that is derived of a chain, with the question's fault in it.

    Raises ModelError, also for a fault that the plan has no place for.
    """
    from nfverify.equivalence.fastpath.derive import derive

    started = time.monotonic() if question.started is None else question.started
    question = replace(question, started=started)
    check_provable(network, headers=True)
    notify("deriving the fast path")
    began = time.monotonic()
    plan = with_fault(derive(network, forced(question)), question.fault)
    return prove(plan, question, notify, known, deriving=time.monotonic() - began)


def forced(question: FastQuestion) -> Mapping[str, Policy] | Literal["index", "epoch", "guard"]:
    """What `derive` takes for the question's policy; {}: as it thinks best."""
    return question.policy or {}


def with_fault(plan: Plan, name: str) -> Plan:
    """The plan with a named fault in it. Raises ModelError."""
    if not name:
        return plan
    named = fault(name)
    if named is None:
        _refuse(f"there is no fault {name!a}", plan)
    found = named.plant(plan)
    if found is None:
        _refuse(f"the fast path of {plan.network.name} has no place for {name}", plan)
    return found


def _refuse(message: str, plan: Plan) -> NoReturn:
    names = ", ".join(f.name for f in applying(plan)) or "none"
    raise ModelError(Diagnostic("error", "fault", message, NOWHERE, f"faults that fit: {names}"))
