"""Bounded search for the shortest trace that tells two networks apart, from the initial states.

Deeper and deeper: length n is tried only when n - 1 was excluded, so what is found first is
shortest. What is found is made canonical, and replayed before anyone sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from nfverify.equivalence.canonical import canonical
from nfverify.equivalence.concrete import NotRealisable, Reality, Strings, concretise, lemmas
from nfverify.equivalence.firing import Firings, idempotent
from nfverify.equivalence.frames import realisable as realisable
from nfverify.equivalence.packets import SymbolicPacket
from nfverify.equivalence.problem import CLOCK, Event, Model, Problem
from nfverify.equivalence.simulate import START, Arrival, Pair, Trace, first_difference
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.state import State, width
from nfverify.equivalence.terms import Term, Terms
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir

SHALLOW_RLIMIT = 2_000_000
DEEP_RLIMIT = 60_000_000
MAX_SPURIOUS = 60
MAX_PLAINER = 12


@dataclass(frozen=True, slots=True)
class Found:
    """A trace, replayed, that tells apart at its last event; smaller lengths were excluded."""

    trace: Trace
    minimal: bool
    excluded: int


@dataclass(frozen=True, slots=True)
class NotFound:
    """No difference in traces of up to `depth` packets; `reason` if the search cannot go on."""

    depth: int
    reason: str = ""


@dataclass(slots=True)
class Search:
    """The unrolled pair of networks; `deepen` adds a packet and asks."""

    problem: Problem
    pair: Pair
    reality: Reality
    allowed: Callable[[Arrival], bool]
    deadline: float
    notify: Callable[[str], None] = lambda text: None
    make: Callable[[Problem, Terms, Callable[[Term], bool]], Model] = Model
    terms: Terms = field(default_factory=Terms)
    depth: int = 0
    stuck: str = ""  # why it can't go on
    exact: bool = True  # are all traces of a length looked at, whatever timers do in between?
    _solver: Solver = field(init=False)
    _side: Solver = field(init=False)  # for feasibility: no assertions of its own
    _model: Model = field(init=False)
    _firings: Firings = field(init=False)
    _state: State = field(init=False)
    _packets: list[tuple[SymbolicPacket, Term]] = field(default_factory=list)
    _used: set[str] = field(init=False)
    _roots: list[Term] = field(default_factory=list)
    _strings: Strings = field(default_factory=lambda: Strings({}))
    _guessed: bool = False  # were packets forbidden that might have been real?
    _pending: Term | None = None  # asked, and not decided

    def __post_init__(self) -> None:
        translator = Translator()
        self._solver = Solver(translator, "", deadline=self.deadline, rlimit=SHALLOW_RLIMIT)
        self._side = Solver(translator, "", deadline=self.deadline, rlimit=SHALLOW_RLIMIT)
        self._model = self.make(self.problem, self.terms, self._side.feasible)
        self._state = self._model.initial_state()
        self._firings = Firings(self._model, self._solver, idempotent(self._model, self._side))
        self._firings.begin(self._state.plain[CLOCK][0])
        self.exact = self._firings.exact
        assumed = self.problem.options.assume
        read = {
            n.name
            for n in ir.walk(() if assumed is None else (assumed,))
            if isinstance(n, ir.Field)
        }
        self._used = {"payload"} & (read | self._reads(0) | self._reads(1))

    def _reads(self, side: int) -> set[str]:
        return {
            n.name
            for i in self.problem.sides[side].network.instances
            for n in ir.walk(i.program.body)
            if isinstance(n, ir.Field)
        }

    @property
    def excluded(self) -> int:
        """The length up to which no trace tells apart, whatever timers do (none fires before the
        first packet)."""
        return self.depth if self.exact else min(self.depth, 1)

    def be_patient(self) -> None:
        """What was too hard for a first look may now take its time."""
        self._solver.rlimit = DEEP_RLIMIT
        self.stuck = ""

    def deepen(self) -> Found | NotFound | None:
        """Tries one more packet. None: no difference at this depth."""
        if self._pending is not None:
            return self._conclude(self._pending)
        _, differs = self.extend()
        self._pending = differs
        return self._conclude(differs)

    def constrain(self, *facts: Term) -> None:
        """What is known to be true of every trace."""
        self._roots += facts
        self._solver.add(*facts)

    def extend(self) -> tuple[Event, Term]:
        """One more packet, and whether it tells the sides apart."""
        terms = self.terms
        number = len(self._packets)
        self._state = self._firings.before(self._state, number)
        event = self._model.packet_event(self._state, f"p{number}")
        if number:
            self._firings.none_left(event.now)
        self._assert_event(event, number)
        differs = self._model.outputs_differ(event)
        if self.problem.options.observe_state:
            states = self._model.states_differ(event.post, self._observed_keys(number))
            differs = terms.any([differs, *[term for _, term in states]])
        self._state = event.post
        self._roots += [*event.facts, differs]
        return event, differs

    def _conclude(self, differs: Term) -> Found | NotFound | None:
        found = self._ask(differs)
        if isinstance(found, Found | NotFound):
            return found
        self._pending = None
        self._solver.add(self.terms.not_(differs))
        self.depth = len(self._packets)
        return None

    def _observed_keys(self, number: int) -> Callable[[str, int], tuple[Term, ...]]:
        def keys(var: str, n: int) -> tuple[Term, ...]:
            types = self._model.variables[var].keys
            return tuple(
                self.terms.var(f"observed {number} {n}.{i}", width(t)) for i, t in enumerate(types)
            )

        return keys

    def _assert_event(self, event: Event, number: int) -> None:
        terms = self.terms
        assert event.packet is not None
        self._packets.append((event.packet, event.now))
        self._solver.add(*event.facts, *realisable(terms, event.packet))
        if number == 0 and self.problem.options.origin is None:
            start = terms.var("start", 64)
            self._solver.add(terms.eq(event.now, start))

    # Asking ---------------------------------------------------------------------------------

    def _ask(self, differs: Term) -> Found | NotFound | None:
        solver = self._solver
        fallback: Trace | None = None  # real, though not the plainest
        for spurious in range(MAX_SPURIOUS):
            answer = solver.check([differs])
            self.notify(f"search: {len(self._packets)} packets: {answer}")
            if answer == "unsat" and fallback is not None:
                break
            if answer == "unsat":
                if self._guessed:
                    return NotFound(self.depth, "the solver's traces could not be made real")
                return None
            if answer == "unknown":
                return NotFound(self.depth, "the solver could not decide a longer trace")
            fallback = fallback or self._confirmed()
            if fallback is not None or spurious == 0:
                origin = self.problem.options.origin
                start = START if origin is None else origin
                made = canonical(self.terms, solver, self._packets, differs, start)
                trace = self._confirmed() if made else None
                if fallback is not None and spurious >= MAX_PLAINER:
                    trace = trace or fallback
                if trace is not None:
                    return Found(trace, self.excluded == len(trace) - 1, self.excluded)
                if not made and solver.check([differs]) != "sat":
                    break
            if not self._refine():
                break
        if fallback is not None:
            return Found(fallback, self.excluded == len(fallback) - 1, self.excluded)
        return NotFound(self.depth, "the solver's traces don't replay as different")

    def _confirmed(self) -> Trace | None:
        """The model's trace, if on the reference semantics it differs at its very last event."""
        try:
            trace = self._concrete()
        except NotRealisable:
            return None
        return trace if all(map(self.allowed, trace)) and self._tells(trace) else None

    def _tells(self, trace: Trace) -> bool:
        """Does the trace tell the sides apart, and none of its beginnings?"""
        return first_difference(self.pair, trace) == len(trace) - 1

    def _concrete(self) -> Trace:
        # Which string a number stands for is fixed once, so that lemmas stay true.
        for string, number in self.terms.strings.items():
            self._strings.known[int(number.data)] = string
        return tuple(
            concretise(self.terms, self._solver, p, now, self._strings, self._used)
            for p, now in self._packets
        )

    def _refine(self) -> bool:
        """Lemmas against the last model; if there are none, its packets are forbidden, and from
        then on no length counts as excluded."""
        solver, terms = self._solver, self.terms
        with suppress(NotRealisable):
            self._concrete()
        found = lemmas(terms, solver, self._roots, self.reality, self._strings)
        if not found:
            self._guessed = True
            chosen = [
                terms.eq(t, terms.const(int(solver.value(t)), t.width))
                for packet, _ in self._packets
                for name, t in packet.fields.items()
                if FIELDS[name].writable and t.op != "const"
            ]
            found = [terms.not_(terms.all(chosen))]
        for lemma in found:
            if lemma is terms.false:
                return False
            solver.add(lemma)
        return True
