"""Could B have sent just this? Exactly, over all of its choices at all events of a trace.

Twice, where that can be paid for: by the solver, from B's symbolic semantics, and by trying every
choice on the reference. A `Refused` of the solver holds for more than B can do (what it says of
"nothing fits" is only what was found to matter); an `Allowed` has been run on the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nfverify.equivalence.concrete import Reality, Strings, lemmas
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.packets import HEADERS, SymbolicPacket, width_of
from nfverify.equivalence.problem import Event, Model, Problem
from nfverify.equivalence.refine.hands import Fits, Hand, Misfit, Scripted, first
from nfverify.equivalence.refine.pair import Made, RefinePair
from nfverify.equivalence.simulate import Arrival
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.symbolic import Choice, Chosen
from nfverify.equivalence.symbolic import Emission as Sent
from nfverify.equivalence.terms import Term, Terms, signed
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet
from nfverify.semantics.machine import Emission, Machine
from nfverify.smat import ir

RLIMIT = 20_000_000
MAX_FIRINGS = 40  # of timers between two packets
MAX_LEMMAS = 200
RUNS = 4_000
"""Steps of the reference that trying every choice may take."""

EFFORT = 3_000_000
"""Values of which it may ask whether they fit."""

Outputs = Sequence[Sequence[Emission]]


@dataclass(frozen=True, slots=True)
class Allowed:
    """B sends just this if it chooses so, event by event."""

    made: tuple[Made, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Whatever B chooses, it doesn't send what A does at event `at`; until then it may choose so.
    `ways` is how that was found."""

    at: int
    made: tuple[Made, ...]
    ways: str


@dataclass(frozen=True, slots=True)
class Undecided:
    reason: str


Judgement = Allowed | Refused | Undecided


@dataclass(frozen=True, slots=True)
class Observed:
    """What A did with a trace."""

    trace: tuple[Arrival, ...]
    outputs: tuple[tuple[Emission, ...], ...]


def observe(pair: RefinePair, trace: Sequence[Arrival], script: Sequence[Made]) -> Observed:
    """A's run with these choices. Misfit if A may not choose so."""
    run = pair.like(pair.strategy, script=script)
    outputs = []
    for arrival, made in zip(trace, script, strict=True):
        decide = Scripted(made)
        run.hands[0].decide = decide
        try:
            out = run.machines[0].emit(arrival.packet, arrival.time, arrival.port)
        finally:
            run.hands[0].decide = first
        if decide.used != len(made):
            raise Misfit("fewer choices than in the script")
        outputs.append(tuple(out))
    return Observed(tuple(trace), tuple(outputs))


def judge(
    problem: Problem, pair: RefinePair, seen: Observed, reality: Reality, deadline: float
) -> Judgement:
    """Could B have sent what A did? AssertionError if the two ways to know disagree."""
    try:
        found: Judgement = Solving(problem, pair, seen, reality, deadline).judge()
    except Unsupported as exception:
        found = Undecided(str(exception))
    if isinstance(found, Allowed):
        return found
    tried = Trying(pair, seen).judge()
    if isinstance(found, Undecided):
        return found if isinstance(tried, Undecided) else tried
    match tried:
        case Allowed():
            raise AssertionError("the reference allows what the solver refuses")
        case Refused(at=at) if at != found.at:
            raise AssertionError("the reference and the solver refuse at different events")
        case Refused():
            return Refused(tried.at, tried.made, f"{found.ways}, and {tried.ways}")
        case _:
            return found


# Every choice, on the reference -------------------------------------------------------------


class _Branch(Exception):
    """A choice beyond the script, and the values that fit."""

    def __init__(self, values: list[int | None]) -> None:
        super().__init__()
        self.values = values


@dataclass(slots=True)
class _Prefix:
    """Follows a script, and asks at its end."""

    script: Made
    used: int = 0

    def __call__(self, instance: str, node: ir.Choose, candidates: range, fits: Fits) -> int | None:
        if self.used == len(self.script):
            found: list[int | None] = [v for v in candidates if fits(v)]
            raise _Branch(found or [None])
        self.used += 1
        return self.script[self.used - 1]


@dataclass(slots=True)
class Trying:
    """Every choice of B, run."""

    pair: RefinePair
    seen: Observed
    left: int = RUNS
    most: int = 0  # effort of the hand

    def judge(self) -> Judgement:
        machine, hand = self.pair.machines[1].clone(), self.pair.hands[1]
        self.most = hand.effort + EFFORT
        states: list[tuple[Machine, tuple[Made, ...]]] = [(machine, ())]
        for number, arrival in enumerate(self.seen.trace):
            known = states[0][1]
            after: dict[str, tuple[Machine, tuple[Made, ...]]] = {}
            for state, made in states:
                for run, script in self._runs(state, hand, arrival, number):
                    after.setdefault(repr(run.save()), (run, (*made, script)))
                if self.left <= 0:
                    return Undecided("too many choices to try them all")
            states = list(after.values())
            if not states:
                tried = RUNS - self.left
                return Refused(number, known, f"all choices tried ({tried:,} runs)")
        return Allowed(states[0][1])

    def _runs(
        self, state: Machine, hand: Hand, arrival: Arrival, number: int
    ) -> list[tuple[Machine, Made]]:
        """The runs that send what A sent."""
        found = []
        prefixes: list[Made] = [()]
        while prefixes and self.left > 0:
            self.left = self.left - 1 if hand.effort <= self.most else 0
            script = prefixes.pop()
            run = state.clone()
            hand.decide = _Prefix(script)
            try:
                out = run.emit(arrival.packet, arrival.time, arrival.port)
            except _Branch as branch:
                if len(branch.values) > self.left:
                    self.left = 0
                    break
                prefixes += [(*script, value) for value in reversed(branch.values)]
                continue
            finally:
                hand.decide = first
            if self.pair.same(self.seen.outputs[number], out):
                found.append((run, script))
        return found


# All choices at once, by the solver -----------------------------------------------------------


class Solving:
    """All choices of B at once, by terms."""

    def __init__(
        self,
        problem: Problem,
        pair: RefinePair,
        seen: Observed,
        reality: Reality,
        deadline: float,
    ) -> None:
        self.pair, self.seen, self.reality = pair, seen, reality
        self.problem = problem
        self.terms = Terms()
        translator = Translator()
        self.solver = Solver(translator, "", deadline=deadline, rlimit=RLIMIT)
        side = Solver(translator, "", deadline=deadline, rlimit=RLIMIT // 10)
        self.model = Model(problem, self.terms, side.feasible)
        self.executor = self.model.executors[1]
        self.executor.chooser = self._free
        self.chosen: list[list[Chosen]] = []
        self.roots: list[Term] = []
        self.strings = Strings({})

    def _free(self, choice: Choice) -> tuple[Term, Term]:
        label = f"choice {choice.number}"
        return self.terms.var(label, choice.low.width), self.terms.var(f"{label} none", 0)

    def judge(self) -> Judgement:
        terms, problem = self.terms, self.problem
        origin = problem.options.origin
        if origin is not None and problem.periods():
            return Undecided("timers that run from a saved state on")
        state = self.model.initial_state()
        start = self.seen.trace[0].time if origin is None else origin
        if origin is None:
            self.solver.add(terms.eq(terms.var("start", 64), terms.const(start, 64)))
        timers = list(problem.b.timers())
        due = {period: start + period for period in sorted({t[2].delay for t in timers})}
        made: tuple[Made, ...] = ()
        clock = start
        for number, (arrival, out) in enumerate(
            zip(self.seen.trace, self.seen.outputs, strict=True)
        ):
            clock = max(clock, arrival.time)
            here: list[Chosen] = []
            for _ in range(MAX_FIRINGS + 1):
                # A tie goes to the longer period, whose timer was set earlier.
                ready = sorted((t, -p) for p, t in due.items() if t <= clock)
                if not ready:
                    break
                at, period = ready[0][0], -ready[0][1]
                these = [t for t in timers if t[2].delay == period]
                state = self.executor.tick_step(state, these, terms.const(at, 64))
                here += self.executor.chosen
                due[period] = at + period
            else:
                return Undecided("timers that fire too often")
            now = terms.const(clock, 64)
            packet = as_terms(terms, arrival.packet, arrival.port)
            state, sent = self.executor.packet_step(state, packet, now)
            here += self.executor.chosen
            self.chosen.append(here)
            facts = [terms.or_(c.none, c.choice.fits(c.value)) for c in here]
            event = Event(
                "", packet, now, (), state, sent_terms(terms, out), tuple(sent)
            )  # fmt: skip
            same = terms.not_(self.model.outputs_differ(event))
            if any(e.time != clock for e in out):
                same = terms.false
            self.solver.add(*facts, same)
            self.roots += [*facts, same]
            answer = self._ask(number)
            if isinstance(answer, Undecided):
                return answer
            if answer is None:
                return Refused(number, made, "no choice sends that (solver)")
            made = answer
        return Allowed(made)

    def _ask(self, number: int) -> tuple[Made, ...] | Undecided | None:
        """Choices that send what A sent up to this event, run on the reference; None if there are
        none."""
        for string, term in self.terms.strings.items():
            self.strings.known[int(term.data)] = string
        for _ in range(MAX_LEMMAS):
            answer = self.solver.check()
            if answer == "unsat":
                return None
            if answer == "unknown":
                return Undecided("the solver could not decide what b may choose")
            script = tuple(
                tuple(self._value(c) for c in event if self._there(c)) for event in self.chosen
            )
            wrong = self._run(script, number)
            if wrong is None:
                return script
            found = [
                self.terms.implies(c.none, self.terms.not_(c.choice.fits(self._fitting(c, wrong))))
                for event in self.chosen
                for c in event
                if isinstance(wrong, int) and self._there(c) and self.solver.value(c.none)
            ]
            self.roots += found
            found += lemmas(self.terms, self.solver, self.roots, self.reality, self.strings)
            if not found:
                return Undecided("the solver's choices don't replay")
            self.solver.add(*found)
        return Undecided("the solver's choices don't replay")

    def _there(self, chosen: Chosen) -> bool:
        return bool(self.solver.value(chosen.choice.guard))

    def _value(self, chosen: Chosen) -> int | None:
        if self.solver.value(chosen.none):
            return None
        value = int(self.solver.value(chosen.value))
        type_ = chosen.choice.node.type
        assert isinstance(type_, ir.Bits)
        return signed(value, type_.width) if type_.signed else value

    def _fitting(self, chosen: Chosen, value: int) -> Term:
        return self.terms.const(value, chosen.value.width)

    def _run(self, script: tuple[Made, ...], number: int) -> int | str | None:
        """None if B, choosing so, sends what A sent; else a value that fits where none was to, or
        what is wrong."""
        machine, hand = self.pair.machines[1].clone(), self.pair.hands[1]
        for made, arrival, wanted in zip(
            script, self.seen.trace[: number + 1], self.seen.outputs, strict=False
        ):
            decide = Scripted(made)
            hand.decide = decide
            try:
                out = machine.emit(arrival.packet, arrival.time, arrival.port)
            except Misfit as misfit:
                return str(misfit) if misfit.fitting is None else misfit.fitting
            finally:
                hand.decide = first
            if decide.used != len(made) or not self.pair.same(wanted, out):
                return "other outputs"
        return None


def as_terms(terms: Terms, packet: Packet, port: int) -> SymbolicPacket:
    """A packet whose fields are all known."""
    present = {h: terms.boolean(bool(packet.bits & h.value)) for h in HEADERS}
    fields = {
        name: terms.string(value)
        if isinstance(value := getattr(packet, name), bytes)
        else terms.const(value, width_of(name))
        for name in FIELDS
    }
    return SymbolicPacket(present, fields | {"iface": terms.const(port, 16)}, {})


def sent_terms(terms: Terms, out: Sequence[Emission]) -> tuple[Sent, ...]:
    """What came out, as terms."""
    return tuple(
        Sent(terms.true, terms.const(e.port, 16), as_terms(terms, e.packet, e.packet.iface))
        for e in out
    )
