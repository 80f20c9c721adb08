"""One property of one network: proved for traces of any length, or broken by the shortest trace.

Simulation, a shallow search, induction, deeper search, as for an equivalence: the network is side
a, and side b only looks on. Counts and solver resources bound each, so that only `unknown` depends
on the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from nfverify.equivalence.assumption import check_satisfiable
from nfverify.equivalence.assumption import judge as assumed
from nfverify.equivalence.components import Components
from nfverify.equivalence.concrete import Reality, signatures_of, stand_in
from nfverify.equivalence.constants import Constants
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.induction import Failed, Induction
from nfverify.equivalence.invariants import own_invariants
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.properties.candidates import candidates
from nfverify.equivalence.properties.happening import Watched, build
from nfverify.equivalence.properties.player import Judge, Player
from nfverify.equivalence.properties.preparing import (
    bounds,
    premise_of,
    prepared,
    seeds,
    spelled,
    unsided,
)
from nfverify.equivalence.properties.question import Question, report_on
from nfverify.equivalence.properties.search import BreachSearch, Values
from nfverify.equivalence.properties.simulation import Simulation, Simulator
from nfverify.equivalence.properties.verdict import (
    Breach,
    Broken,
    Holds,
    Report,
    Seen,
    Unknown,
    Verdict,
)
from nfverify.equivalence.properties.watch import Watch, watch
from nfverify.equivalence.provable import check_provable
from nfverify.equivalence.relation import Candidate, relation_text
from nfverify.equivalence.replay import NotReproduced, port_name, step_of, value_text
from nfverify.equivalence.search import Found, NotFound
from nfverify.equivalence.shares import certified
from nfverify.equivalence.simulate import Arrival, Trace, Traffic, new_pair
from nfverify.equivalence.solver import OutOfTime
from nfverify.equivalence.templates import Templates
from nfverify.equivalence.verdict import Emitted, Proof
from nfverify.packet.codec import Malformed, deparse, parse
from nfverify.semantics.machine import Machine
from nfverify.semantics.operators import Function
from nfverify.smat import ir

SHALLOW = 2
DEEPER = 2
SHRINKING = 400

Notify = Callable[[str], None]
Known = Callable[[int, str], None]


@dataclass(slots=True)
class _Run:
    """One property being decided."""

    network: ir.Network
    watch: Watch
    question: Question
    problem: Problem
    constants: Constants
    operators: Mapping[str, Function]
    missing: tuple[str, ...]
    started: float
    deadline: float
    notify: Notify
    known: Known
    assumed: Callable[[Arrival], bool]
    search: BreachSearch | None = None
    failed: Failed | None = None
    simulation: Simulation | None = None

    # The reference --------------------------------------------------------------------------

    @property
    def variables(self) -> tuple[ir.StateVar, ...]:
        instances = self.network.instances
        return instances[0].program.state if len(instances) == 1 else ()

    def machine(self, network: ir.Network | None = None) -> Machine:
        return Machine(
            network or self.network,
            operators=self.operators,
            non_ip="drop" if self.question.drop_non_ip else "bypass",
        )

    def player(self) -> Player:
        reads = frozenset(
            n.var for n in ir.walk((self.watch.claim.expr,)) if isinstance(n, ir.Read | ir.Has)
        )
        return Player(self.machine(), self.variables, reads)

    def judge(self, of: Watch) -> Judge:
        return Judge(of, self.variables, self.problem.port_count, self.operators)

    def breaks(self, trace: Trace, values: Values) -> bool:
        """Does the last packet of a trace break the property, and none before?"""
        player, watcher = self.player(), self.judge(self.watch).watcher(values)
        return [watcher.see(player.step(a)) for a in trace] == [True] * (len(trace) - 1) + [False]

    def allowed(self, arrival: Arrival) -> bool:
        if self.problem.options.drop_non_ip and not (arrival.packet.IP4 or arrival.packet.IP6):
            return False
        return self.assumed(arrival)

    def out_of_time(self) -> bool:
        return time.monotonic() >= self.deadline

    # Verdicts -------------------------------------------------------------------------------

    @property
    def depth(self) -> int:
        """No trace of up to this many packets breaks the property."""
        return self.search.excluded if self.search else 0

    def unknown(self, reason: str) -> Unknown:
        report = report_on(self.network, self.watch.claim, self.question, self.started)
        return Unknown(report, reason, self.depth)

    def broken(self, trace: Trace, values: Values, minimal: bool, excluded: int) -> Verdict:
        if self.missing:
            return self.unknown(
                f"broken for some {', '.join(self.missing)}: name the real one with --ops"
            )
        frames = [(a.time, a.port, deparse(a.packet)) for a in trace]
        arrivals: list[Arrival] = []
        for at, port, frame in frames:
            packet = parse(frame)
            if isinstance(packet, Malformed):
                raise NotReproduced("a packet of the trace is no packet as a frame")
            arrivals.append(Arrival(at, port, packet))
        if not self.breaks(tuple(arrivals), values):
            raise NotReproduced(f"{len(trace)} packets keep {self.watch.claim.name}")
        machine, ports, events = self.machine(), self.network.ports, []
        for at, port, frame in frames:
            out, entries = step_of(machine, at, port, frame)
            emitted = tuple(Emitted(o.time, port_name(ports, o.port), o.frame) for o in out)
            events.append(Seen(at, port_name(ports, port), frame, emitted, entries))
        shown = tuple((n, value_text(values[n], t)) for n, t in self.watch.variables)
        report = report_on(self.network, self.watch.claim, self.question, self.started)
        return Broken(report, Breach(tuple(events), shown, minimal, excluded))

    def resistance(self) -> str:
        if self.failed is None:
            return "no method applies"
        return f"no relation was found for {self.failed.obligation!r} ({self.failed.reason})"

    # Methods --------------------------------------------------------------------------------

    def answer(self) -> Verdict:
        verdict = self.simulated() or self.deepen(SHALLOW)
        if verdict is not None:
            return verdict
        return self.decided()

    def abstractly(self) -> Verdict | None:
        """What can be said with lists of rules that may be any lists, if anything."""
        found = self.simulated() or self.deepen(SHALLOW)
        return found or self.induct(thrifty=True) or self.induct(thrifty=True, whole=True)

    def decided(self) -> Verdict:
        for thrifty, whole in ((True, False), (True, True), (False, False), (False, True)):
            proof = self.induct(thrifty, whole)
            if proof is not None:
                return proof
            depth = (self.search.depth if self.search else 0) + DEEPER
            verdict = self.deepen(depth)
            if verdict is not None:
                return verdict
        if self.search is not None:
            self.search.be_patient()
            verdict = self.deepen(self.question.depth or 10**6)
            if verdict is not None:
                return verdict
        return self.unknown(self.resistance())

    def simulated(self) -> Verdict | None:
        """States to hold candidates against; a breach, if traffic shows one."""
        self.notify("simulation")
        premise = premise_of(self.watch.claim)
        simulator = Simulator(
            self.watch,
            self.judge(self.watch),
            self.problem,
            self.player,
            self.allowed,
            self.out_of_time,
            None if premise is None else self.judge(watch(premise)),
        )
        traffic = Traffic(self.problem, self.constants)
        traffic.seeds = list(seeds(self.problem))
        self.simulation = simulator.run(traffic)
        if self.simulation.broken is None:
            return None
        trace, values = self.simulation.broken
        trace = self.shrunk(trace, values)
        verdict = self.deepen(len(trace))
        if verdict is not None:
            return verdict
        excluded = min(self.depth, len(trace) - 1)
        return self.broken(trace, values, excluded == len(trace) - 1, excluded)

    def shrunk(self, trace: Trace, values: Values) -> Trace:
        """A shorter trace that still breaks it at its end: packets left out one by one."""
        best, index, budget = trace, len(trace) - 2, SHRINKING
        while index >= 0 and budget and not self.out_of_time():
            budget -= 1
            attempt = best[:index] + best[index + 1 :]
            if self.breaks(attempt, values):
                best = attempt
            index -= 1
        return best

    def deepen(self, depth: int) -> Verdict | None:
        """Search for a breach of up to `depth` packets; None if there is none so short."""
        limit = min(depth, self.question.depth or depth)
        try:
            if self.search is None:
                self.search = self.new_search()
            while self.search.depth < limit and not self.search.stuck:
                match self.search.deepen():
                    case Found(trace=trace, minimal=minimal, excluded=excluded):
                        return self.broken(trace, self.search.values, minimal, excluded)
                    case NotFound(reason=reason):
                        self.search.stuck = reason
                    case None:
                        self.known(self.depth, "" if self.failed is None else self.resistance())
        except Unsupported as exception:
            self.failed = self.failed or Failed("the symbolic step", str(exception), 0)
        return None

    def new_search(self) -> BreachSearch:
        rulesets = self.problem.rulesets
        assert isinstance(rulesets, RulesetPlan)
        return BreachSearch(
            self.problem,
            new_pair(self.problem, self.machine),
            Reality(rulesets.rulesets, self.operators),
            self.allowed,
            self.deadline,
            self.notify,
            partial(Watched, watch=self.watch),
            watch=self.watch,
            breaks=self.breaks,
        )

    def induct(self, thrifty: bool, whole: bool = False) -> Holds | None:
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
                build=partial(build, self.watch, whole=whole),
            )
        except Unsupported as exception:
            self.failed = Failed("the symbolic step", str(exception), 0)
            return None
        outcome = induction.run(list(own_invariants(self.problem)), self.pool(induction))
        if isinstance(outcome, Failed):
            self.failed = outcome
            return None
        return self.certified(outcome.relation, outcome.checks, whole)

    def pool(self, induction: Induction) -> list[Candidate]:
        step = induction.step
        components = Components(
            self.problem, self.constants, set(step.relevant), set(step.presence)
        )
        own = components.by_side["a"]
        snapshots = self.simulation.snapshots if self.simulation else []
        templates = Templates(self.problem, self.constants, own, snapshots)
        plain = [c for c in own if not c.keys]
        mine = candidates(self.watch, self.problem, plain, bounds(self.network, self.watch))
        return list(dict.fromkeys((*mine, *templates.generate())))

    def certified(self, relation: Sequence[Candidate], checks: int, whole: bool) -> Holds | None:
        variables = self.problem.variables()
        obligations = certified(
            self.problem,
            relation,
            self.deadline,
            self.notify,
            build=partial(build, self.watch, whole=whole),
        )
        resisting = [o for o in obligations if o.result != "proved"]
        if resisting:
            what = f"the certificate is {resisting[0].result}"
            self.failed = Failed(resisting[0].name, what, checks)
            return None
        texts = tuple(unsided(relation_text(c, variables)) for c in relation)
        method = "induction over one event" if relation else "no step can break it"
        report = report_on(self.network, self.watch.claim, self.question, self.started)
        return Holds(report, Proof(method, self.depth, texts, obligations))


def prove(
    network: ir.Network,
    claim: ir.Property,
    question: Question = Question(),  # noqa: B008  # frozen
    notify: Notify = lambda text: None,
    known: Known = lambda depth, resisting: None,
) -> Verdict:
    """Does every step of every trace keep the property?

    Raises ModelError for what has no encoding, and for an assumption that nothing satisfies. Sound
    on its own; `supervised` adds the hard limits.
    """
    check_provable(network, headers=True)
    started = time.monotonic() if question.started is None else question.started
    deadline = started + question.time_limit
    watched, problem, constants = prepared(network, claim, question)
    _, abstract, _ = prepared(network, claim, question, whole=False)
    signatures = signatures_of((network,))
    given = dict(question.operators or {})
    missing = tuple(sorted(set(signatures) - set(given)))
    given |= {name: stand_in(signatures[name]) for name in missing}

    def run_of(of: Watch, about: Problem) -> _Run:
        return _Run(
            network, of, question, about, constants, given, missing, started, deadline,
            notify, known, assumed(about, given),
        )  # fmt: skip

    run = run_of(watched, problem)
    try:
        check_satisfiable(problem, deadline)
        if spelled(abstract) == spelled(problem):
            verdict = run.answer()
        else:
            first = run_of(watched, abstract)
            found = first.abstractly()
            run.simulation = first.simulation
            verdict = found or run.decided()
    except OutOfTime:
        verdict = run.unknown(f"time ran out after {question.time_limit:g} s")
        if run.failed is not None:
            verdict = replace(verdict, reason=f"{verdict.reason}; {run.resistance()}")
    premise = premise_of(claim)
    seen = run.simulation is not None and run.simulation.premise
    if isinstance(verdict, Holds) and premise is not None and not seen:
        ready, about, _ = prepared(network, premise, replace(question, audit=None, executor=""))
        _, easier, _ = prepared(network, premise, replace(question, audit=None), whole=False)
        report = vacuity([run_of(ready, easier), run_of(ready, about)], verdict)
        verdict = replace(verdict, report=report)
    return verdict


def vacuity(runs: Sequence[_Run], verdict: Holds) -> Report:
    """Can the left side of a property that holds ever hold? What the report says of it."""
    report, depth = verdict.report, 0
    with suppress(OutOfTime):
        for run in runs:
            if run.simulated() is not None or run.deepen(SHALLOW) is not None:
                return report
            if run.induct(thrifty=True) is not None:
                note = "its left side can never hold, so it says nothing"
                return replace(report, notes=(*report.notes, note), vacuous=True)
            if run.deepen(SHALLOW + DEEPER) is not None:
                return report
            depth = max(depth, run.depth)
    note = f"no trace of up to {depth} packets was found in which its left side holds"
    return replace(report, notes=(*report.notes, note))
