"""Bounded search for a trace of A that B does not allow.

A's choices are free; B answers by several strategies at once, each in a copy of its own. What
makes all of them fail is a suspicion: A's run is replayed on the reference, and whether B could
have sent the same by any other choices is judged exactly. If it could, the caller adds a strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from nfverify.equivalence.canonical import canonical
from nfverify.equivalence.concrete import NotRealisable, Reality, Strings, concretise, lemmas
from nfverify.equivalence.firing import Firings, idempotent
from nfverify.equivalence.frames import realisable
from nfverify.equivalence.packets import SymbolicPacket
from nfverify.equivalence.problem import CLOCK, Problem
from nfverify.equivalence.refine.hands import Misfit
from nfverify.equivalence.refine.membership import (
    Allowed,
    Observed,
    Refused,
    Undecided,
    judge,
    observe,
)
from nfverify.equivalence.refine.model import RefineModel
from nfverify.equivalence.refine.pair import Made, RefinePair
from nfverify.equivalence.refine.witness import Strategy
from nfverify.equivalence.search import DEEP_RLIMIT, SHALLOW_RLIMIT
from nfverify.equivalence.simulate import START, Arrival, Trace
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.state import State
from nfverify.equivalence.symbolic import Chosen
from nfverify.equivalence.terms import Term, Terms, signed
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir

MAX_SPURIOUS = 60
MAX_PLAINER = 12


@dataclass(frozen=True, slots=True)
class Refutation:
    """A's run, replayed, whose last event B does not allow."""

    seen: Observed
    script: tuple[Made, ...]
    refused: Refused


@dataclass(frozen=True, slots=True)
class Escaped:
    """A run of A that B allows, though by none of the strategies."""

    trace: Trace
    script: tuple[Made, ...]
    made: tuple[Made, ...]  # what B may choose


@dataclass(frozen=True, slots=True)
class Stuck:
    reason: str


@dataclass(slots=True)
class Copy:
    """B by one strategy, beside A; `failed` if it could not follow up to now."""

    model: RefineModel
    firings: Firings
    state: State
    failed: Term


@dataclass(slots=True)
class Refuter:
    """The unrolled networks; `deepen` adds a packet and asks."""

    problem: Problem
    pair: RefinePair
    strategies: Sequence[Strategy]
    reality: Reality
    allowed: Callable[[Arrival], bool]
    deadline: float
    notify: Callable[[str], None] = lambda text: None
    patient: bool = False
    depth: int = 0
    terms: Terms = field(default_factory=Terms)
    _solver: Solver = field(init=False)
    _copies: list[Copy] = field(init=False)
    _packets: list[tuple[SymbolicPacket, Term]] = field(default_factory=list)
    _chosen: list[tuple[Chosen, ...]] = field(default_factory=list)
    _roots: list[Term] = field(default_factory=list)
    _strings: Strings = field(default_factory=lambda: Strings({}))
    _used: set[str] = field(init=False)
    _misfit: Misfit | None = None
    _guessed: bool = False

    def __post_init__(self) -> None:
        translator = Translator()
        limit = DEEP_RLIMIT if self.patient else SHALLOW_RLIMIT
        self._solver = Solver(translator, "", deadline=self.deadline, rlimit=limit)
        side = Solver(translator, "", deadline=self.deadline, rlimit=SHALLOW_RLIMIT)
        self._copies = []
        for n, strategy in enumerate(self.strategies):
            model = RefineModel(
                self.problem, self.terms, side.feasible, strategy=strategy, copy=f" {n}"
            )
            state = model.initial_state()
            firings = Firings(model, self._solver, idempotent(model, side))
            firings.begin(state.plain[CLOCK][0])
            self._copies.append(Copy(model, firings, state, self.terms.false))
        nodes = ir.walk(() if (e := self.problem.options.assume) is None else (e,))
        bodies = [i.program.body for s in self.problem.sides for i in s.network.instances]
        read = {n.name for n in nodes if isinstance(n, ir.Field)}
        read |= {n.name for b in bodies for n in ir.walk(b) if isinstance(n, ir.Field)}
        self._used = {"payload"} & read

    @property
    def excluded(self) -> int:
        """The length up to which A does nothing that B doesn't allow."""
        exact = all(copy.firings.exact for copy in self._copies)
        return self.depth if exact else min(self.depth, 1)

    def deepen(self) -> Refutation | Escaped | Stuck | None:
        """Tries one more packet. None: all that A does at this depth is allowed."""
        terms, number = self.terms, len(self._packets)
        name = f"p{number}"
        for copy in self._copies:
            state = copy.firings.before(copy.state, number)
            if any(c.of_a or c.made_by_b for n, c in copy.model.choices.items() if n[0] == "t"):
                return Stuck("a choice in a timer is beyond bounded search")
            event = copy.model.packet_event(state, name)
            choices = copy.model.choices[name]
            fails = [copy.model.outputs_differ(event), *[t for _, t in choices.forbidden]]
            copy.failed = terms.or_(copy.failed, *fails)
            copy.state = event.post
            self._solver.add(*event.facts)
            self._roots += event.facts
            if copy is self._copies[0]:
                assert event.packet is not None
                self._packets.append((event.packet, event.now))
                self._chosen.append(choices.of_a)
                self._solver.add(*realisable(terms, event.packet))
                if number == 0 and self.problem.options.origin is None:
                    self._solver.add(terms.eq(event.now, terms.var("start", 64)))
            if number:
                copy.firings.none_left(event.now)
        fails_all = terms.all(copy.failed for copy in self._copies)
        self._roots.append(fails_all)
        found = self._ask(fails_all)
        if found is None:
            self.depth = len(self._packets)
            self._solver.add(terms.not_(fails_all))
        return found

    def _ask(self, fails: Term) -> Refutation | Escaped | Stuck | None:
        fallback: Refutation | None = None  # real, though not the plainest
        for spurious in range(MAX_SPURIOUS):
            answer = self._solver.check([fails])
            self.notify(f"search: {len(self._packets)} packets: {answer}")
            if answer != "sat" and fallback is not None:
                break
            if answer == "unsat":
                return (
                    Stuck("the solver's traces could not be made real") if self._guessed else None
                )
            if answer == "unknown":
                return Stuck("the solver could not decide a longer trace")
            if fallback is None:
                found = self._judged()
                if isinstance(found, Escaped | Stuck):
                    return found
                fallback = found
            if fallback is not None or spurious == 0:
                found = self._plainest(fails)
                if isinstance(found, Refutation):
                    return found
                if fallback is not None and (found is not None or spurious >= MAX_PLAINER):
                    break
            if not self._refine():
                break
        return fallback or Stuck("the solver's traces don't replay")

    def _plainest(self, fails: Term) -> Refutation | Escaped | Stuck | None:
        """The canonical trace, judged; leaves the solver with its model."""
        origin = self.problem.options.origin
        start = START if origin is None else origin
        free = [t for made in self._chosen for c in made for t in (c.none, c.value)]
        solver = self._solver
        if canonical(self.terms, solver, self._packets, fails, start, more=free):
            return self._judged()
        return None if solver.check([fails]) == "sat" else Stuck("no plainer trace")

    def _judged(self) -> Refutation | Escaped | Stuck | None:
        """What the model's trace is on the reference; None if it isn't real."""
        self._misfit = None
        try:
            trace = self._concrete()
        except NotRealisable:
            return None
        if not all(map(self.allowed, trace)):
            return None
        script = tuple(
            tuple(self._value(c) for c in made if self._solver.value(c.choice.guard))
            for made in self._chosen
        )
        try:
            seen = observe(self.pair, trace, script)
        except Misfit as misfit:
            self._misfit = misfit
            return None
        return judged(self.problem, self.pair, seen, script, self.reality, self.deadline)

    def _value(self, chosen: Chosen) -> int | None:
        if self._solver.value(chosen.none):
            return None
        value, type_ = int(self._solver.value(chosen.value)), chosen.choice.node.type
        assert isinstance(type_, ir.Bits)
        return signed(value, type_.width) if type_.signed else value

    def _concrete(self) -> Trace:
        for string, number in self.terms.strings.items():
            self._strings.known[int(number.data)] = string
        return tuple(
            concretise(self.terms, self._solver, p, now, self._strings, self._used)
            for p, now in self._packets
        )

    def _refine(self) -> bool:
        """What the last model got wrong; if that is not known, its packets are forbidden, and from
        then on no length counts as excluded."""
        solver, terms = self._solver, self.terms
        model = self._copies[0].model
        found: list[Term] = []
        if self._misfit is not None and self._misfit.fitting is not None:
            value = self._misfit.fitting
            found = [
                model.nothing_fits(c, terms.const(value, c.value.width))
                for made in self._chosen
                for c in made
                if solver.value(c.none)
            ]
        with suppress(NotRealisable):
            self._concrete()
        found += lemmas(terms, solver, self._roots, self.reality, self._strings)
        if not found:
            self._guessed = True
            chosen = [
                terms.eq(t, terms.const(int(solver.value(t)), t.width))
                for packet, _ in self._packets
                for name, t in packet.fields.items()
                if FIELDS[name].writable and t.op != "const"
            ]
            found = [terms.not_(terms.all(chosen))]
        self._roots += found
        if any(lemma is terms.false for lemma in found):
            return False
        solver.add(*found)
        return True


def judged(
    problem: Problem,
    pair: RefinePair,
    seen: Observed,
    script: tuple[Made, ...],
    reality: Reality,
    deadline: float,
) -> Refutation | Escaped | Stuck:
    """A run of A, held against all that B can do."""
    match judge(problem, pair, seen, reality, deadline):
        case Refused(at=at) as refused:
            kept = Observed(seen.trace[: at + 1], seen.outputs[: at + 1])
            return Refutation(kept, script[: at + 1], refused)
        case Allowed(made=made):
            return Escaped(seen.trace, script, made)
        case Undecided(reason=reason):
            return Stuck(reason)
