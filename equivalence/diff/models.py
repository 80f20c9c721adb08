"""The classes of packets that two networks treat otherwise: a first difference or a proof that
there is none, as `equiv`; then more traces; then a proof that there are no other classes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from nfverify.equivalence.assumption import check_satisfiable, judge
from nfverify.equivalence.concrete import Reality, signatures_of, stand_in
from nfverify.equivalence.constants import Constants, collect
from nfverify.equivalence.diff.answer import Answer, Changed, PacketClass, Same
from nfverify.equivalence.diff.complete import Completeness
from nfverify.equivalence.diff.describe import Describer
from nfverify.equivalence.diff.explore import Explorer
from nfverify.equivalence.diff.grouping import Grouping, Key
from nfverify.equivalence.diff.partition import Partition, partition
from nfverify.equivalence.diff.question import DiffQuestion
from nfverify.equivalence.diff.rulesets import ChangedList, as_before, changed_lists, packet_at
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.ports import compare_ports, port_notes
from nfverify.equivalence.predicates import RulesetPlan, plan_rulesets
from nfverify.equivalence.problem import Problem, Side
from nfverify.equivalence.provable import check_provable
from nfverify.equivalence.prove import equivalent, same_model
from nfverify.equivalence.question import report_on
from nfverify.equivalence.relation import Candidate
from nfverify.equivalence.replay import replay
from nfverify.equivalence.rulesets.verdict import Budget
from nfverify.equivalence.search import Found, NotFound
from nfverify.equivalence.simulate import (
    LIGHT,
    Arrival,
    Pair,
    Snapshot,
    Trace,
    Traffic,
    new_pair,
    simulate,
)
from nfverify.equivalence.solver import OutOfTime
from nfverify.equivalence.supervise import Known, Notify
from nfverify.equivalence.verdict import (
    Counterexample,
    Different,
    Equivalent,
    Report,
    Unknown,
)
from nfverify.packet.codec import parse
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

DEEPER = 2
"""Packets beyond the shortest difference up to which more classes are looked for."""

BY_LISTS = "the rulesets were compared at every point"
SOLVED = 48
"""Pairs of rules up to which a solver is told what each of them holds."""

SHARE = 0.6
"""Of the time, for the first difference or the proof that there is none."""

TELL = 0.85
"""Of the time, after which no more is looked for."""

MOST, MOST_RULES = 200, 5_000
"""Classes that are shown of two models, of them those that one packet shows for a pair of rules."""


@dataclass(slots=True)
class Work:
    """One comparison under way."""

    old: ir.Network
    new: ir.Network
    question: DiffQuestion
    started: float
    notify: Notify
    lists: tuple[ChangedList, ...]
    plan: RulesetPlan
    problem: Problem = field(init=False)
    grouping: Grouping = field(init=False)
    pair: Pair = field(init=False)
    constants: Constants = field(init=False)
    allowed: Callable[[Arrival], bool] = field(init=False)
    traces: dict[Key, tuple[Trace, bool, int]] = field(default_factory=dict)
    """For each class its trace, whether none is shorter, the length up to which none is."""
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        asked = self.question.asked
        self.problem = Problem(
            Side("a", self.old), Side("b", self.new), asked.options, self.plan, asked.audit
        )
        self.grouping = Grouping.of(self.problem, self.lists)
        given = dict(asked.operators or {})
        signatures = signatures_of((self.old, self.new))
        given |= {n: stand_in(s) for n, s in signatures.items() if n not in given}
        non_ip = "drop" if asked.options.drop_non_ip else "bypass"
        self.pair = new_pair(
            self.problem,
            lambda n: Machine(n, operators=given, non_ip=non_ip),  # type: ignore[arg-type]
        )
        self.constants = collect((self.old, self.new))
        satisfied = judge(self.problem, given)
        dropping = asked.options.drop_non_ip

        def allowed(arrival: Arrival) -> bool:
            ip = arrival.packet.IP4 or arrival.packet.IP6
            return bool(ip or not dropping) and satisfied(arrival)

        self.allowed = allowed

    @property
    def deadline(self) -> float:
        """When what was found must be told, for after the time limit nobody listens."""
        return self.started + self.question.asked.time_limit * TELL

    def report(self) -> Report:
        notes = (*port_notes(self.old, self.new), *self.notes)
        spent = time.monotonic() - self.started
        return report_on(self.old, self.new, self.question.asked, notes, spent)

    # Traces -------------------------------------------------------------------------------

    def note(self, trace: Trace, minimal: bool, excluded: int) -> Key | None:
        """A trace, if its class has none yet."""
        key = self.grouping.key_of(self.pair, trace)
        if key is not None:
            self.traces.setdefault(key, (trace, minimal, excluded))
        return key

    def from_lists(self) -> None:
        """One packet for each pair of rules that decide otherwise, where it is treated
        otherwise."""
        for changed in self.lists:
            for pair in changed.diff.pairs[:MOST_RULES]:
                trace = packet_at(changed.diff.point(pair), self.question.asked.options.origin)
                if trace is not None and all(map(self.allowed, trace)):
                    self.note(trace, True, 0)

    def explore(self, first: int, last: int) -> None:
        """More classes, by ever longer traces; stops when time runs out."""
        asked = self.question.asked
        explorer = Explorer(
            self.problem,
            self.pair,
            Reality(self.plan.rulesets, asked.operators or {}),
            self.allowed,
            self.deadline,
            self.notify,
            grouping=self.grouping,
        )
        exact = True
        while explorer.length < last and len(self.traces) < MOST:
            explorer.one_more()
            if explorer.length < first:
                continue
            while len(self.traces) < MOST:
                found = explorer.find(list(self.traces))
                if isinstance(found, NotFound):
                    explorer.be_patient()
                    found = explorer.find(list(self.traces))
                if not isinstance(found, Found):
                    exact = exact and found is None and explorer.exact
                    break
                excluded = explorer.length - 1 if exact else 0
                before = len(self.traces)
                self.note(found.trace, exact, excluded)
                if len(self.traces) == before:  # what the solver says is not what happens
                    exact = False
                    break

    def snapshots(self) -> list[Snapshot]:
        """States that both sides come to together, whatever they do otherwise by then."""
        traffic = Traffic(self.problem, self.constants)
        traffic.seeds = list(self.plan.witnesses)
        found = simulate(
            self.pair, traffic, self.allowed, LIGHT, lambda: time.monotonic() > self.deadline,
            go_on=True,
        )  # fmt: skip
        return found.snapshots

    def widened(self, proof: Completeness, first: int) -> str:
        """More classes of `first` packets, then of more, until these are all: how that was proved,
        else "". Raises OutOfTime, Unsupported."""
        self.explore(first, first)
        proof.snapshots = self.snapshots()
        how = proof.settled(list(self.traces))
        if not how and not stateless(self.old, self.new):
            self.explore(first + 1, first + DEEPER)
            how = proof.settled(list(self.traces))
        return how


def stateless(*networks: ir.Network) -> bool:
    """Do they keep nothing from packet to packet?"""
    programs = [i.program for network in networks for i in network.instances]
    return all(v.constant for p in programs for v in p.state) and not any(
        p.timers for p in programs
    )


def diff_networks(
    old: ir.Network, new: ir.Network, question: DiffQuestion, notify: Notify, known: Known
) -> Answer:
    """What `new` does otherwise than `old`. Raises ModelError, as `equivalent`."""
    check_provable(old, new, headers=True)
    compare_ports(old, new)
    asked = question.asked
    started = time.monotonic() if asked.started is None else asked.started
    question = replace(question, asked=replace(asked, started=started))
    budget = Budget(seconds=max(0.1, asked.time_limit / 4))
    lists = changed_lists(old, new, budget)
    only_lists = bool(lists) and same_model(old, as_before(new, lists))
    work: Work | None = None
    known_operators = set(signatures_of((old, new))) <= set(asked.operators or {})
    if only_lists and known_operators:
        work = _begin(old, new, question, started, notify, lists)
        check_satisfiable(work.problem, work.deadline)
        work.from_lists()
    first = 1
    if work is None or not work.traces:
        share = replace(question.asked, time_limit=asked.time_limit * SHARE)
        verdict = equivalent(old, new, share, notify, known)
        if isinstance(verdict, Equivalent):
            return Same(verdict.report, verdict.proof)
        if isinstance(verdict, Unknown):
            return verdict
        work = work or _begin(old, new, question, started, notify, lists)
        first = _noted(work, verdict)
    return _answered(work, first, only_lists)


def _begin(
    old: ir.Network,
    new: ir.Network,
    question: DiffQuestion,
    started: float,
    notify: Notify,
    lists: tuple[ChangedList, ...],
) -> Work:
    plan = plan_rulesets(old, new, max(0.1, question.asked.time_limit / 4))
    return Work(old, new, question, started, notify, lists, plan)


def _noted(work: Work, verdict: Different) -> int:
    """The first difference as the trace of a class; its length."""
    shown = verdict.counterexample
    ports = work.old.ports
    trace = []
    for event in shown.events:
        packet = parse(event.frame)
        port = ports.index(event.port) if event.port in ports else int(event.port)
        trace.append(Arrival(event.time, port, packet))  # type: ignore[arg-type]  # it was sent
    work.note(tuple(trace), shown.minimal, shown.excluded)
    return len(trace)


def _answered(work: Work, first: int, only_lists: bool) -> Changed:
    """More classes, and whether these are all."""
    lists = work.lists
    seconds = work.question.asked.time_limit / 6
    proof = Completeness(
        work.problem, work.constants, work.grouping, work.deadline, seconds, work.notify,
        [Candidate("promise", *claim) for claim in work.question.asked.claims],
    )  # fmt: skip
    how, exact = "", frozenset[Key]()
    open_: tuple[str, ...] = ()
    parts: Partition | None = None
    try:
        pairs = sum(len(c.diff.pairs) for c in lists)
        whole = not any(c.diff.stopped for c in lists) and len(work.traces) == pairs
        audited = work.problem.audit is not None  # a second solver can't confirm this one
        if only_lists and whole and not audited and _filters(work.old) and stateless(work.old):
            how = BY_LISTS
        elif pairs <= SOLVED:
            how = work.widened(proof, first)
        pure = stateless(work.old, work.new) and not lists
        if pure and work.question.asked.options.assume is None:
            parts = partition(work.old, work.new, work.problem.port_count)
        if how == BY_LISTS and _says_all(work.old) and work.question.asked.options.assume is None:
            exact = frozenset(work.traces)
        elif (only_lists and pairs <= SOLVED) or parts is not None:
            exact = proof.whole(list(work.traces))
        if not how:
            many = f"classes of other entries than those of these {pairs} pairs of rules"
            if any(c.diff.stopped for c in lists):
                many = "other pairs of rules: the lists differ at more points than were looked at"
            open_ = (many,) if pairs > SOLVED else proof.open(list(work.traces))
    except (OutOfTime, Unsupported) as stopped:
        why = "time ran out" if isinstance(stopped, OutOfTime) else str(stopped)
        open_ = (f"other classes: {why}",)
    describer = Describer(work.grouping, work.pair, work.question.boxes, parts)
    classes = []
    for key, (trace, minimal, excluded) in work.traces.items():
        events, differences = replay(work.problem, work.pair, trace)
        shown = Counterexample(events, minimal, excluded, differences)
        classes.append(describer.described(key, trace, shown, key in exact))
    columns = lists[0].diff.columns if lists else parts.task.columns if parts else ()
    counted = columns if any(c.count is not None for c in classes) else ()
    classes.sort(key=_order)
    return Changed(work.report(), tuple(classes), bool(how), how, open_, counted)


def _order(one: PacketClass) -> tuple[int, int, str]:
    """The shortest traces first, then the most points."""
    length = len(one.example.events) if one.example else 0
    return length, -(one.count or 0), one.identity


def _filters(network: ir.Network) -> bool:
    """Is it one table whose first entry asks a ruleset and nothing else, and the next nothing?"""
    match [instance.program.body for instance in network.instances]:
        case [(ir.Table(entries=(ir.Entry(match_flow=(ir.Match(),)) as first, second, *_)),)]:
            return not first.match_state and not second.match_flow and not second.match_state
        case _:
            return False


def _says_all(network: ir.Network) -> bool:
    """Of such a table: is what the ruleset says all that becomes of a packet?"""
    match network.instances[0].program.body:
        case (ir.Table(entries=(first, second, *_)),):
            ends = {_end(first.body), _end(second.body)}
            return ends == {ir.Forward, ir.Drop}
        case _:
            return False


def _end(body: tuple[ir.Stmt, ...]) -> type[ir.Output] | None:
    """What a body does, if it only forwards or drops."""
    match body:
        case ():
            return ir.Forward
        case (ir.SetOutput(output=ir.Forward() | ir.Drop() as output),):
            return type(output)
        case _:
            return None
