"""Runs that are long enough to use up a pool of thousands.

Beyond a few packets nobody can unroll all that B could choose. But where B's state after an event
follows from the packet and from what B sends (shown once, of any state), B has one state only after
each event at which it sent what A did, however it came to choose. So one run of B is all of them,
and only at the last event all choices are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from nfverify.equivalence.constants import Constants
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.packets import arriving_packet
from nfverify.equivalence.problem import Event, Model, Problem
from nfverify.equivalence.refine.hands import Fits, Hand, first
from nfverify.equivalence.refine.membership import Observed, Refused, as_terms, sent_terms
from nfverify.equivalence.refine.pair import Made, RefinePair
from nfverify.equivalence.refine.refute import Refutation
from nfverify.equivalence.refine.traffic import wide_traffic
from nfverify.equivalence.simulate import START, Arrival
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.state import constant, width
from nfverify.equivalence.symbolic import Choice, Chosen
from nfverify.equivalence.terms import Term, Terms, signed
from nfverify.packet.fields import PORTS, Header
from nfverify.packet.packet import Packet
from nfverify.semantics.machine import Emission, Machine
from nfverify.smat import ir

RLIMIT = 30_000_000
FLOWS = 70_000
SILENT = 4
"""Packets, each sent again at once, that A may drop before a flood has said what it can."""

CHECKPOINT = 4096
CANDIDATES = 60


# B's state follows from what it sends ---------------------------------------------------------


def determined(problem: Problem, deadline: float) -> bool:
    """In any state, do two ways to choose that send the same leave B in the same state?"""
    terms, translator = Terms(), Translator()
    solver = Solver(translator, deadline=deadline, rlimit=RLIMIT)
    side = Solver(translator, "", deadline=deadline, rlimit=RLIMIT // 10)
    model = Model(problem, terms, side.feasible)
    pre, base = model.arbitrary_state()
    executor = model.executors[1]
    packet, facts = arriving_packet(terms, "", problem.port_count, problem.only_ip())
    now = terms.var("now", 64)
    runs = []
    try:
        for number in range(2):
            executor.chooser = _free(terms, number)
            post, out = executor.packet_step(pre, packet, now)
            runs.append((post, tuple(out), tuple(executor.chosen)))
        for period in problem.periods():
            timers = [t for t in problem.b.timers() if t[2].delay == period]
            executor.tick_step(pre, timers, now)
            if executor.chosen:
                return False
    except Unsupported:
        return False
    chosen = [c for _, _, found in runs for c in found]
    for one in chosen:
        facts.append(terms.or_(one.none, one.choice.fits(one.value)))
        facts += [_nothing(terms, one, other.value) for other in chosen]
    (first, out_a, _), (second, out_b, _) = runs
    differ = model.outputs_differ(Event("", packet, now, tuple(facts), first, out_a, out_b))
    parts = []
    for name, variable in problem.b.variables():
        keys = tuple(terms.var(f"{name} key {i}", width(t)) for i, t in enumerate(variable.keys))
        parts.append(terms.not_(terms.eq(first.has(name, keys), second.has(name, keys))))
        parts += [
            terms.not_(terms.eq(first.read(name, keys, i), second.read(name, keys, i)))
            for i in range(len(variable.values))
        ]
    solver.add(*facts, terms.not_(differ), terms.any(parts))
    for var, at in list(base.touched):
        solver.add(base.facts(var, at))
    return solver.check(patience=RLIMIT) == "unsat"


def _free(terms: Terms, number: int) -> Callable[[Choice], tuple[Term, Term]]:
    def choose(choice: Choice) -> tuple[Term, Term]:
        label = f"run {number} choice {choice.number}"
        return terms.var(label, choice.low.width), terms.var(f"{label} none", 0)

    return choose


def _nothing(terms: Terms, one: Chosen, value: Term) -> Term:
    fitted = terms.resize(value, one.value.width, False)
    return terms.implies(one.none, terms.not_(one.choice.fits(fitted)))


# A flood --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Flood:
    """Flow after flow through both sides, until they part or A has nothing to give any more."""

    problem: Problem
    pair: RefinePair
    constants: Constants
    allowed: Callable[[Arrival], bool]
    out_of_time: Callable[[], bool]
    deadline: float
    events: list[Arrival] = field(default_factory=list)

    def refute(self) -> Refutation | None:
        """A run of A that B does not allow: what the strategy cannot follow, no other can."""
        for template in self._templates():
            found = self._flooded(template)
            if found is not None:
                return found
        return None

    def _templates(self) -> Iterator[Packet]:
        """One packet that begins a flow of which there are many."""
        source = wide_traffic(self.problem, self.constants).packets([])
        for _ in range(CANDIDATES):
            packet = next(source)
            run = self.pair.clone()
            states = []
            for number in range(3):
                if run.step(Arrival(START, 0, _varied(packet, number)))[0]:
                    break
                states.append({k: v for k, v in run.snapshot().items() if k != "clock"})
            if len(states) == 3 and states[0] != states[1] != states[2]:
                yield packet
                return

    def _flooded(self, template: Packet) -> Refutation | None:
        run = self.pair.clone()
        saved, start = run.copied(), 0
        origin = self.problem.options.origin
        time = START if origin is None else origin
        self.events = []
        silent = 0
        for packet in _flows(template):
            for _ in range(2 if silent else 1):
                arrival = Arrival(time, 0, packet)
                if self.out_of_time() or not self.allowed(arrival):
                    return None
                if len(self.events) % CHECKPOINT == 0:
                    saved, start = run.copied(), len(self.events)
                self.events.append(arrival)
                differs, out = run.step(arrival)
                if differs:
                    return last_refused(self.problem, run, saved, self.events, start, self.deadline)
                silent += not out
            if silent > 2 * SILENT:
                return None
        return None


def last_refused(
    problem: Problem,
    run: RefinePair,
    before: RefinePair,
    events: Sequence[Arrival],
    start: int,
    deadline: float,
) -> Refutation | None:
    """Of a run whose last event B's strategy cannot follow: can no choice? `before` is the pair as
    it was before event `start`. Only where B's state is `determined`."""
    before.script = run.made
    for arrival in events[start:-1]:
        before.step(arrival)
    at = len(events) - 1
    if not refused(problem, before, events[-1], run.sent, deadline):
        return None
    ways = "b's state follows from what it sends, and no choice at the last packet sends that"
    seen = Observed(tuple(events), ())
    made: tuple[Made, ...] = tuple(run.made_by_b[:at])
    return Refutation(seen, tuple(run.made), Refused(at, made, f"{ways} (solver)"))


def long_refuted(
    problem: Problem, pair: RefinePair, trace: Sequence[Arrival], deadline: float
) -> Refutation | None:
    """A long trace on which a strategy of B fails, without what A doesn't answer."""
    run = pair.clone()
    kept = []
    for number, arrival in enumerate(trace):
        run.step(arrival)
        if run.sent or number == len(trace) - 1:
            kept.append(arrival)
    for attempt in (kept, list(trace)):
        run = pair.clone()
        for number, arrival in enumerate(attempt):
            if run.step(arrival)[0]:
                events = attempt[: number + 1]
                return last_refused(problem, run, pair.clone(), events, 0, deadline)
    return None


def refused(
    problem: Problem,
    pair: RefinePair,
    arrival: Arrival,
    out: Sequence[Emission],
    deadline: float,
) -> bool:
    """From the state of B, can no choice at this packet send that? Only what is read at known keys
    is looked up; about the rest the solver may assume anything. B's timers choose nothing."""
    machine = pair.machines[1].clone()
    machine.wait(arrival.time, start=True)  # `init` and the timers that are due come first
    terms, translator = Terms(), Translator()
    solver = Solver(translator, deadline=deadline, rlimit=RLIMIT)
    side = Solver(translator, "", deadline=deadline, rlimit=RLIMIT // 10)
    model = Model(problem, terms, side.feasible)
    pre, base = model.arbitrary_state()
    held = {
        problem.b.qualify(instance, name): content
        for instance, variables in machine.snapshot().items()
        for name, content in variables.items()
    }
    for name, variable in problem.b.variables():
        if not variable.keys and not variable.constant:
            values = zip(held[name][()], variable.values, strict=True)
            pre.plain[name] = tuple(constant(terms, v, t) for v, t in values)
    executor = model.executors[1]
    executor.chooser = _free(terms, 0)
    packet, now = as_terms(terms, arrival.packet, arrival.port), terms.const(arrival.time, 64)
    try:
        post, sent = executor.packet_step(pre, packet, now)
    except Unsupported:
        return False
    facts = [terms.or_(c.none, c.choice.fits(c.value)) for c in executor.chosen]
    if len(executor.chosen) == 1:
        (one,) = executor.chosen
        facts += [
            _nothing(terms, one, value)
            for value in _some_free(terms, machine, pair.hands[1], arrival)
        ]
    event = Event("", packet, now, (), post, sent_terms(terms, out), tuple(sent))
    solver.add(*facts, terms.not_(model.outputs_differ(event)))
    for var, keys in list(base.touched):
        variable = model.variables[var]
        known = var in held and all(k.is_const for k in keys)
        if known and ir.BYTES not in (*variable.keys, *variable.values):
            key = tuple(_concrete(k, t) for k, t in zip(keys, variable.keys, strict=True))
            row = held[var].get(key)
            solver.add(terms.eq(base.has(var, keys), terms.boolean(row is not None)))
            values_here = zip(row or variable.default, variable.values, strict=True)
            for i, (value, type_) in enumerate(values_here):
                solver.add(terms.eq(base.value(var, i, keys), constant(terms, value, type_)))
    return solver.check(patience=RLIMIT) == "unsat"


def _some_free(terms: Terms, machine: Machine, hand: Hand, arrival: Arrival) -> list[Term]:
    """A value that fits, if one does, as B's machine says."""
    found: list[Term] = []

    def look(instance: str, node: ir.Choose, candidates: range, fits: Fits) -> int | None:
        value = next(filter(fits, candidates), None)
        if value is not None and isinstance(node.type, ir.Bits):
            found.append(terms.const(value, node.type.width))
        return value

    hand.decide = look
    try:
        machine.clone().emit(arrival.packet, arrival.time, arrival.port)
    finally:
        hand.decide = first
    return found


def _concrete(term: Term, type_: ir.Type) -> ir.Value:
    if isinstance(type_, ir.Bits) and type_.signed:
        return signed(int(term.data), type_.width)
    return cast(ir.Value, term.data)


def _flows(template: Packet) -> Iterator[Packet]:
    return (_varied(template, number) for number in range(FLOWS))


def _varied(packet: Packet, number: int) -> Packet:
    """Another flow: by ports, and by the last bits of the source."""
    other = packet.copy()
    number += packet.sport
    if packet.present & PORTS:
        other.sport = 1 + number % 65_000
    if packet.present & Header.ICMP:
        other.icmp_id = 1 + number % 65_000
    if packet.IP4:
        other.sip ^= number // 65_000
    if packet.IP6:
        other.sip6 ^= number // 65_000
    return other
