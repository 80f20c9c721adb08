"""One network unrolled over a few symbolic packets, from the initial state or a concrete one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from nfverify.equivalence.canonical import canonical
from nfverify.equivalence.concrete import NotRealisable, Strings, concretise, lemmas
from nfverify.equivalence.constants import collect
from nfverify.equivalence.firing import Firings, idempotent
from nfverify.equivalence.frames import least_size, realisable
from nfverify.equivalence.packets import SymbolicPacket
from nfverify.equivalence.problem import CLOCK, Event, Model, Problem
from nfverify.equivalence.reach.start import concrete_state
from nfverify.equivalence.reach.target import Target, forget_hits, hits, problem_of
from nfverify.equivalence.simulate import START, Trace
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.state import State, constant
from nfverify.equivalence.terms import Term, Terms
from nfverify.packet.fields import FIELDS
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

RLIMIT = 2_000_000
MAX_ROUNDS = 60
"""Models that are looked at without any new goal, at one depth."""
MAX_HINTS = 8
SIZES = (64, 128, 576, 1500, 65535)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all unrollings of one network share: each has a solver of its own."""

    target: Target
    problem: Problem
    model: Model
    translator: Translator
    settled: bool  # see Firings
    hints: Mapping[str, Sequence[int]]
    used: frozenset[str]  # fields that are read


def shared(target: Target, settled: bool | None = None) -> Shared:
    """Looked up once for each network; `settled` (see Firings), if it is known of another focus.
    Raises Unsupported."""
    problem, translator = problem_of(target), Translator()
    side = Solver(translator, "", deadline=target.deadline, rlimit=RLIMIT)
    model = Model(problem, Terms(), side.feasible)
    if settled is None:
        settled = idempotent(model, side)
    used = frozenset(
        n.name
        for i in target.network.instances
        for n in ir.walk(i.program.body)
        if isinstance(n, ir.Field)
    )
    return Shared(target, problem, model, translator, settled, _hints(target.network), used)


def _hints(network: ir.Network) -> dict[str, Sequence[int]]:
    """The constants that a field is held against, and their neighbours."""
    found = collect((network,))
    hints: dict[str, Sequence[int]] = {"size": SIZES}
    for name, values in sorted(found.fields.items()):
        most = (1 << (FIELDS[name].width or 1)) - 1
        near = [v + d for v in sorted(values) for d in (0, 1, -1)]
        fitting = dict.fromkeys(v for v in near if 0 <= v <= most)
        hints[name] = (*hints.get(name, ()), *fitting)[-MAX_HINTS:]
    return hints


@dataclass(slots=True)
class Unrolled:
    """A network at some depth: `goals` says when its last packet, or a timer just before it,
    reaches each. Begins in the initial state, or where a machine stands."""

    shared: Shared
    machine: Machine | None = None
    goals: dict[int, Term] = field(default_factory=dict)
    packets: list[tuple[SymbolicPacket, Term]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    state: State = field(init=False)
    solver: Solver = field(init=False)
    model: Model = field(init=False)
    terms: Terms = field(init=False)
    start: int = field(init=False)
    refused: set[int] = field(default_factory=set)  # goals that `find` could not decide
    counter: Term | None = None  # is made as small as can be
    _firings: Firings = field(init=False)
    _strings: Strings = field(default_factory=lambda: Strings({}))

    def __post_init__(self) -> None:
        deadline = self.shared.target.deadline
        self.solver = Solver(self.shared.translator, "", deadline=deadline, rlimit=RLIMIT)
        self.model = self.shared.model
        self.terms = self.model.terms
        self._firings = Firings(self.model, self.solver, self.shared.settled)
        if self.machine is None or self.machine.now is None:
            self.start = START
            self.state = self.model.initial_state()
            self._firings.begin(self.state.plain[CLOCK][0])
            first = self.terms.const(START, 64)
            self.solver.add(self.terms.eq(self.terms.var("start", 64), first))
            self.machine = None
        else:
            self.start = self.machine.now
            self.state, self._firings.due = concrete_state(self.model, self.machine)

    @property
    def depth(self) -> int:
        return len(self.packets)

    @property
    def exact(self) -> bool:
        """Is whatever timers can do between packets looked at?"""
        return self._firings.exact or self.depth < 2

    def deepen(self) -> None:
        """One more packet."""
        terms, number = self.terms, len(self.packets)
        later = number > 0 or self.machine is not None
        state = forget_hits(self.shared.problem, self.state)
        if later:
            state = self._firings.before(state, number)
        event = self.model.packet_event(state, f"p{number}")
        assert event.packet is not None
        if later:
            self._firings.none_left(event.now)
        else:
            self.solver.add(terms.eq(event.now, terms.var("start", 64)))
        self.packets.append((event.packet, event.now))
        self.events.append(event)
        self.solver.add(*event.facts, *realisable(terms, event.packet))
        self.solver.add(*patterns_fit(terms, event.packet))
        self.state = event.post
        self.goals = hits(self.shared.problem, event.post)

    # Asking -------------------------------------------------------------------------------

    def find(
        self, wanted: set[int], replayed: Callable[[Trace], frozenset[int]]
    ) -> Iterator[tuple[Trace, frozenset[int]]]:
        """Traces whose last packet reaches a goal of `wanted`, with the wanted goals that
        `replayed` saw them reach; the caller takes those out of `wanted`.

        What is still wanted afterwards, and not in `refused`, is out of reach at this depth.
        """
        self.refused = refused = set()
        rounds = 0
        while rounds < MAX_ROUNDS:
            asked = [g for g in self.goals if g in wanted and g not in refused]
            asked = [g for g in asked if self.goals[g] is not self.terms.false]
            question = self.terms.any(self.goals[g] for g in asked)
            answer = self.solver.check([question]) if asked else "unsat"
            if answer == "unsat":
                return
            if answer == "unknown":
                # One by one: what is too hard must not hide the rest.
                hard = {g for g in asked if self.solver.check([self.goals[g]]) == "unknown"}
                if not hard:
                    hard = set(asked)
                refused |= hard
                continue
            predicted = [g for g in asked if self.solver.value(self.goals[g])]
            trace, got = self._plainest(predicted[0], wanted, replayed)
            if trace is not None and got:
                rounds = 0
                yield trace, got
            elif not self._refine(predicted):
                refused |= set(predicted)
            rounds += 1
        refused |= set(self.goals)

    def _plainest(
        self, goal: int, wanted: Collection[int], replayed: Callable[[Trace], frozenset[int]]
    ) -> tuple[Trace | None, frozenset[int]]:
        """The canonical trace to a goal, else the one of the solver's model."""
        trace: Trace | None = None
        got: frozenset[int] = frozenset()
        if any(t.data.startswith(_REAL) for t in self.terms.applications()):
            trace, got = self._tried(wanted, replayed)
            if trace is None or not got:
                return trace, got
        goal_term = self.goals[goal]
        if self.counter is not None:
            if self.solver.check([goal_term]) != "sat":
                return None, frozenset()
            fewest = self.terms.const(self.least(self.counter, goal_term), 64)
            goal_term = self.terms.and_(goal_term, self.terms.eq(self.counter, fewest))
        made = canonical(
            self.terms,
            self.solver,
            self.packets,
            goal_term,
            self.start,
            self.shared.hints,
            self.shared.used,
            thorough=self.depth == 1,
        )
        if made:
            plain, reached = self._tried(wanted, replayed)
            if reached:
                return plain, reached
        if got:
            return trace, got
        # The last model must be one of the question, for lemmas against it.
        self.solver.check([goal_term])
        return self._tried(wanted, replayed) if not made else (None, frozenset())

    def _tried(
        self, wanted: Collection[int], replayed: Callable[[Trace], frozenset[int]]
    ) -> tuple[Trace | None, frozenset[int]]:
        if not self.solver.has_model:
            return None, frozenset()
        try:
            trace = self.concrete()
        except NotRealisable:
            return None, frozenset()
        return trace, replayed(trace) & frozenset(wanted)

    def concrete(self, packets: Sequence[tuple[SymbolicPacket, Term]] | None = None) -> Trace:
        """The frames of the solver's model, of these packets. Raises NotRealisable."""
        for string, number in self.terms.strings.items():
            self._strings.known[int(number.data)] = string
        used = set(self.shared.used)
        return tuple(
            concretise(self.terms, self.solver, packet, now, self._strings, used)
            for packet, now in (self.packets if packets is None else packets)
        )

    def least(self, term: Term, condition: Term) -> int:
        """The smallest value of a term under a condition that the last model fulfils."""
        terms, solver = self.terms, self.solver
        low, high = 0, int(solver.value(term))
        while low < high:
            middle = (low + high) // 2
            small = terms.compare("ule", term, terms.const(middle, term.width))
            if solver.check([condition, small]) == "sat":
                high = int(solver.value(term))
            else:
                low = middle + 1
        return high

    def key_terms(self, var: str, key: tuple[ir.Value, ...]) -> tuple[Term, ...]:
        """A concrete key as constants."""
        types = self.model.variables[var].keys
        return tuple(constant(self.terms, v, t) for v, t in zip(key, types, strict=True))

    def _refine(self, predicted: Sequence[int]) -> bool:
        """Adds what uninterpreted functions really say about the last model; was anything new?"""
        if not self.solver.has_model:
            return False
        with suppress(NotRealisable):
            self.concrete()
        roots = [self.goals[g] for g in predicted]
        reality = self.shared.target.reality()
        found = lemmas(self.terms, self.solver, roots, reality, self._strings)
        self.solver.add(*found)
        return bool(found) and self.terms.false not in found


def patterns_fit(terms: Terms, packet: SymbolicPacket) -> Iterator[Term]:
    """A payload is as long as each pattern in it."""
    payload, size = packet.fields["payload"], packet.fields["size"]
    for term in terms.applications():
        if term.data.startswith("contains ") and term.args[0] in (payload, *payload.args):
            room = terms.const(len(term.data.split(" ", 1)[1]) // 2, size.width)
            least = terms.binary("add", least_size(terms, packet), room)
            yield terms.implies(term, terms.compare("ule", least, size))


_REAL = ("hash", "op ", "Encrypt ", "Decrypt ", "ruleset ")
