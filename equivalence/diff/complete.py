"""A proof that no packet outside known classes is treated otherwise, whatever came before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from nfverify.equivalence.certificate import certify
from nfverify.equivalence.constants import Constants
from nfverify.equivalence.diff.grouping import Grouping, Key
from nfverify.equivalence.induction import Effort, Failed, Induction
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.prove import relate
from nfverify.equivalence.relation import Candidate
from nfverify.equivalence.simulate import Snapshot
from nfverify.equivalence.solver import OutOfTime, Solver, Translator
from nfverify.equivalence.step import Step, build_step, cone
from nfverify.equivalence.symbolic import Taken
from nfverify.equivalence.terms import Term, Terms

LISTED = 12
RLIMIT = 5_000_000
EFFORT = Effort(1_000_000, 0, 60)
"""Of a proof that nothing else fares otherwise: mostly there is one soon, or none."""
OTHER = "no other difference"


def build(
    grouping: Grouping,
    known: Sequence[Key],
    problem: Problem,
    terms: Terms,
    feasible: Callable[[Term], bool],
) -> Step:
    """The step of an equivalence in which only differences outside the known classes must be
    impossible."""
    step = build_step(problem, terms, feasible)
    packet, *ticks = step.events
    packet = replace(packet, facts=(*packet.facts, *grouping.facts(terms, packet)))
    events = (packet, *ticks)
    outside = [terms.not_(grouping.holds(terms, packet, key)) for key in known]
    differences = tuple(
        (OTHER if n == 0 else f"{OTHER}, {n}", terms.all([differs, *outside]), event)
        for n, (_, differs, event) in enumerate(step.differences)
    )
    roots = [term for _, term, _ in differences]
    relevant, presence = cone(step.model, events, roots)
    return Step(
        step.model, step.pre, step.base, events, differences, frozenset(relevant),
        frozenset(presence),
    )  # fmt: skip


@dataclass(slots=True)
class Completeness:
    """Tries the proof for ever more classes, each time for at most `seconds`."""

    problem: Problem
    constants: Constants
    grouping: Grouping
    deadline: float
    seconds: float
    notify: Callable[[str], None]
    claims: Sequence[Candidate] = ()
    snapshots: Sequence[Snapshot] = ()

    def settled(self, known: Sequence[Key]) -> str:
        """How it was proved that there are no others; "" if it was not."""
        deadline = min(self.deadline, time.monotonic() + self.seconds)
        for quotient, thrifty in ((True, True), (False, False)):
            with suppress(OutOfTime):
                how = self._attempt(tuple(known), deadline, quotient, thrifty)
                if how:
                    return how
        return ""

    def _attempt(
        self, known: tuple[Key, ...], deadline: float, quotient: bool, thrifty: bool
    ) -> str:
        made = partial(build, self.grouping, known)
        induction = Induction(
            self.problem, self.snapshots, deadline=deadline, thrifty=thrifty, notify=self.notify,
            build=made, effort=EFFORT,
        )  # fmt: skip
        outcome = relate(
            self.problem, self.constants, induction, self.snapshots, quotient, self.claims
        )
        if isinstance(outcome, Failed):
            return ""
        obligations = certify(
            self.problem, outcome.relation, deadline, lambda n: f"({n + 1})", self.notify,
            build=made,
        )  # fmt: skip
        if any(o.result != "proved" for o in obligations):
            return ""
        count = len(obligations)
        kind = "induction over one event" if outcome.relation else "one event"
        by = sorted({o.confirmed for o in obligations if o.confirmed})
        confirmed = f", confirmed by {by[0]}" if by else ""
        return f"{kind}, {count} obligation{'s' if count > 1 else ''}{confirmed}"

    def whole(self, known: Sequence[Key]) -> frozenset[Key]:
        """The classes in which every packet that their rules decide (where no ruleset changed,
        their entries) fares as the class does, in any state. Raises OutOfTime."""
        terms, translator = Terms(), Translator()
        solver = Solver(translator, "", deadline=self.deadline, rlimit=RLIMIT)
        step = build_step(self.problem, terms, solver.feasible)
        event = step.events[0]
        assert event.packet is not None
        solver.add(*event.facts, *self.grouping.facts(terms, event))
        (differs,) = [d for _, d, n in step.differences if n == 0][:1]
        if self.problem.options.assume is not None:
            return frozenset()
        found = set()
        for key in known:
            here = [
                changed.holds(terms, event.packet, changed.diff.pairs[number])
                for changed, number in zip(self.grouping.lists, key.pairs, strict=True)
                if number is not None
            ]
            if not self.grouping.lists:
                here = [self.grouping.decided(terms, event, key)]
            fares = terms.and_(differs, self.grouping.fares(terms, event, key.kind))
            alike = terms.all([*here, terms.not_(fares)])
            if len(here) == 1 and not solver.feasible(alike):
                found.add(key)
        return frozenset(found)

    def open(self, known: Sequence[Key]) -> tuple[str, ...]:
        """What was not excluded, in words: other pairs of entries that may treat a packet
        otherwise in some state."""
        made = partial(build, self.grouping, tuple(known))
        try:
            induction = Induction(
                self.problem, self.snapshots, deadline=self.deadline, thrifty=True,
                notify=self.notify, build=made,
            )  # fmt: skip
            return tuple(self._pairs(induction)) or ("other differences",)
        except OutOfTime:
            return ("other differences",)

    def _pairs(self, induction: Induction) -> list[str]:
        event = induction.step.events[0]
        other = [term for _, term, number in induction.step.differences if number == 0]
        found: dict[str, None] = {}
        for one in event.taken_a:
            for two in event.taken_b:
                terms = induction.terms
                both = terms.all([one.guard, two.guard, terms.any(other)])
                if both is not terms.false and induction.possible([both]):
                    found[f"{_name(one)} before, {_name(two)} now"] = None
                if len(found) > LISTED:
                    return [*list(found)[:LISTED], "and more"]
        return list(found)


def _name(taken: Taken) -> str:
    return f"{taken.instance}: {taken.title if taken.entry else 'no entry'}"
