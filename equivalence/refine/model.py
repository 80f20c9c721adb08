"""One symbolic event of both sides where A chooses freely and B as a strategy says.

A's choices are free symbols with what holds of them. B's are witnesses; that each may be taken is
to be shown: it fits, or nothing fits (for an arbitrary other value: not that one either).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from nfverify.equivalence.packets import SymbolicPacket
from nfverify.equivalence.problem import Event, Model, Problem
from nfverify.equivalence.refine.witness import (
    SMALL_RANGE,
    Place,
    Seen,
    Strategy,
    matchings,
    places,
    witness_term,
)
from nfverify.equivalence.state import State, width
from nfverify.equivalence.step import Step, cone
from nfverify.equivalence.symbolic import Choice, Chosen, Emission
from nfverify.equivalence.terms import Term, Terms
from nfverify.smat import ir


@dataclass(frozen=True, slots=True)
class Choices:
    """What an event's choices came to: those of A, how many B makes, what holds of A's, and when B
    may not choose as its strategy does."""

    of_a: tuple[Chosen, ...]
    made_by_b: int
    facts: tuple[Term, ...]
    forbidden: tuple[tuple[str, Term], ...]  # name, when


@dataclass(slots=True)
class RefineModel(Model):
    """`copy` tells the symbols of one strategy of B from those of another in one table of terms;
    A's are the same in all."""

    strategy: Strategy = Strategy(())  # noqa: RUF009  # frozen
    copy: str = ""
    choices: dict[str, Choices] = field(default_factory=dict)  # by the name of the event
    _tested: list[Term] = field(default_factory=list)
    _name: str = ""

    def initial_state(self) -> State:
        """As of any problem: nothing is chosen before the first packet."""
        for executor in self.executors:
            executor.chooser = None
        return super(RefineModel, self).initial_state()

    def packet_event(self, state: State, name: str) -> Event:
        """As of any problem, with the facts of A's choices."""
        self._begin(name)
        return self._settled(super(RefineModel, self).packet_event(state, name))

    def tick_event(self, state: State, period: int, name: str) -> Event:
        self._begin(name)
        return self._settled(super(RefineModel, self).tick_event(state, period, name))

    def _begin(self, name: str) -> None:
        a, b = self.executors
        self._tested, self._name = [], name
        first = a.choices

        def free(choice: Choice) -> tuple[Term, Term]:
            label = f"{name} a choice {choice.number - first}"
            value = self.terms.var(label, choice.low.width)
            return value, self.terms.var(f"{label} none", 0)

        a.chooser, b.chooser = free, None

    def between(
        self,
        before: State,
        after: State,
        sent: Sequence[Emission],
        packet: SymbolicPacket | None,
    ) -> None:
        """B's turn: its witnesses are terms over what A did."""
        a, b = self.executors
        number = int(self._name[1:]) if self._name[0] == "p" and self._name[1:].isdigit() else None
        seen = Seen(before, after, tuple(a.chosen), tuple(sent), packet, number)

        if packet is not None:
            seen = replace(seen, matching=self._matching(seen, packet))

        def witness(choice: Choice) -> tuple[Term, Term]:
            value, none = self._witness(seen, choice)
            self._tested.append(value)
            return value, none

        b.chooser = witness

    def _witness(self, seen: Seen, choice: Choice) -> tuple[Term, Term]:
        at = self.strategy.at((choice.instance, choice.node.name))
        value = witness_term(self.terms, at, seen, choice)
        return value, self.terms.not_(choice.fits(value))

    def _matching(self, seen: Seen, packet: SymbolicPacket) -> dict[Place, Term]:
        """The first values, of those that the strategy tries, with which B sends the same: B runs
        with each, and then once more."""
        terms = self.terms
        found: dict[Place, Term] = {}
        b = self.executors[1]
        widths = {p: width(n.type) for p, n in places(self.problem.b.network).items()}
        for values in reversed(matchings(self.strategy)):
            trial = replace(seen, matching={})

            def take(
                choice: Choice, values: dict[Place, int] = values, trial: Seen = trial
            ) -> tuple[Term, Term]:
                place = (choice.instance, choice.node.name)
                if place not in values:
                    return self._witness(trial, choice)
                value = terms.const(values[place], choice.low.width)
                return value, terms.not_(choice.fits(value))

            b.chooser = take
            post, sent = b.packet_step(seen.after, packet, self.executors[0].now)
            event = Event("", packet, b.now, (), post, tuple(seen.sent), tuple(sent))
            fit = [terms.or_(terms.not_(c.choice.guard), terms.not_(c.none)) for c in b.chosen]
            works = terms.all([*fit, terms.not_(self.outputs_differ(event))])
            for place, number in values.items():
                value = terms.const(number, widths[place])
                found[place] = terms.ite(works, value, found[place]) if place in found else value
        return found

    def _settled(self, event: Event) -> Event:
        terms = self.terms
        a, b = self.executors
        forbidden = []
        for n, one in enumerate(b.chosen):
            other = terms.var(f"{event.name} b other {n}{self.copy}", one.value.width)
            self._tested.append(other)
            fails = terms.all((one.choice.guard, one.none, one.choice.fits(other)))
            name = f"b's choice {one.choice.node.name} is allowed at {event.name}"
            if fails is not terms.false:
                forbidden.append((name, fails))
        facts = [terms.or_(one.none, one.choice.fits(one.value)) for one in a.chosen]
        for one in a.chosen:
            tested = dict.fromkeys((*self._tested, *_samples(terms, one)))
            facts += [self.nothing_fits(one, value) for value in tested]
        self.choices[event.name] = Choices(
            tuple(a.chosen), len(b.chosen), tuple(facts), tuple(forbidden)
        )
        return replace(event, facts=(*event.facts, *facts))

    def nothing_fits(self, one: Chosen, value: Term) -> Term:
        """True of every choice: if it came to none, this value doesn't fit."""
        terms, type_ = self.terms, one.choice.node.type
        assert isinstance(type_, ir.Bits)
        fitted = terms.resize(value, type_.width, False)
        return terms.implies(one.none, terms.not_(one.choice.fits(fitted)))


def _samples(terms: Terms, one: Chosen) -> Iterator[Term]:
    """Values at which "nothing fits" is said of A, whatever B asks: the ends of the range, or all
    of a small one."""
    yield one.choice.low
    yield one.choice.high
    low, high, size = one.choice.low, one.choice.high, one.choice.low.width
    if low.is_const and high.is_const and 0 < high.data - low.data < SMALL_RANGE:
        yield from (terms.const(value, size) for value in range(low.data + 1, high.data))


def step_by(strategy: Strategy) -> Callable[[Problem, Terms, Callable[[Term], bool]], Step]:
    """The step that induction and the certificate are about, with B's choices by a strategy."""

    def build(problem: Problem, terms: Terms, feasible: Callable[[Term], bool]) -> Step:
        model = RefineModel(problem, terms, feasible, strategy=strategy)
        pre, base = model.arbitrary_state()
        events = [model.packet_event(pre, "packet")]
        events += [model.tick_event(pre, p, f"tick {p} ns") for p in problem.periods()]
        differences = [("equal outputs", model.outputs_differ(events[0]), 0)]
        differences += [
            (name, fails, number)
            for number, event in enumerate(events)
            for name, fails in model.choices[event.name].forbidden
        ]
        roots = [d for _, d, _ in differences]
        roots += [fact for event in events for fact in model.choices[event.name].facts]
        relevant, presence = cone(model, events, roots)
        return Step(
            model, pre, base, tuple(events), tuple(differences), frozenset(relevant),
            frozenset(presence),
        )  # fmt: skip

    return build
