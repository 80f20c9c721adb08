"""Bounded search that goes on past differences: one trace for each class of packets that fare
otherwise, a class being the entries (and changed rules) that decide the last packet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nfverify.equivalence.diff.rulesets import ChangedList
from nfverify.equivalence.problem import Event
from nfverify.equivalence.search import Found, NotFound, Search
from nfverify.equivalence.simulate import Pair as Machines
from nfverify.equivalence.simulate import Trace
from nfverify.equivalence.terms import Term, Terms
from nfverify.semantics.tracing import Visit

Taking = frozenset[tuple[str, str, str]]  # side, instance, entry


@dataclass(frozen=True, slots=True)
class Key:
    """What decides the last packet of a trace: the entries that it takes on both sides and, of each
    changed ruleset, the number of the pair of rules that decide it otherwise."""

    taken: Taking
    pairs: tuple[int | None, ...]


def key_of(machines: Machines, lists: Sequence[ChangedList], trace: Trace) -> Key | None:
    """What decides the last packet on the reference semantics; None if it fares alike."""
    run = machines.clone()
    for arrival in trace[:-1]:
        run.step(arrival)
    visits: list[list[Visit]] = [[], []]
    for machine, seen in zip(run.machines, visits, strict=True):
        machine.trace = seen.append
    differs, _ = run.step(trace[-1])
    if not differs:
        return None
    taken = frozenset(
        (side.letter, visit.instance, entry)
        for side, seen in zip(run.problem.sides, visits, strict=True)
        for visit in seen
        if not visit.dummy
        for entry in visit.entries
    )
    return Key(taken, tuple(changed.pair_of(trace[-1]) for changed in lists))


def holds(terms: Terms, event: Event, lists: Sequence[ChangedList], key: Key) -> Term:
    """Is the packet of a symbolic event decided by just this?"""
    guards: dict[tuple[str, str, str], list[Term]] = {}
    for letter, taken in (("a", event.taken_a), ("b", event.taken_b)):
        for one in taken:
            if one.entry is not None:
                guards.setdefault((letter, one.instance, one.title), []).append(one.guard)
    parts = [
        terms.any(found) if place in key.taken else terms.not_(terms.any(found))
        for place, found in guards.items()
    ]
    parts += [terms.false for place in key.taken if place not in guards]
    assert event.packet is not None
    for changed, number in zip(lists, key.pairs, strict=True):
        if number is not None:
            parts.append(changed.holds(terms, event.packet, changed.diff.pairs[number]))
        else:
            parts += [terms.not_(changed.holds(terms, event.packet, p)) for p in changed.diff.pairs]
    return terms.all(parts)


@dataclass(slots=True)
class Explorer(Search):
    """The unrolled pair of networks, in which earlier packets may fare otherwise, too."""

    event: Event | None = None
    differs: Term | None = None

    def one_more(self) -> None:
        """One more packet."""
        self.event, self.differs = self.extend()

    @property
    def length(self) -> int:
        return len(self._packets)

    def find(
        self, lists: Sequence[ChangedList], known: Sequence[Key], within: Term | None = None
    ) -> Found | NotFound | None:
        """A trace whose last packet fares otherwise, decided by nothing that is known; None if
        there is none of this length."""
        assert self.event is not None
        assert self.differs is not None
        terms, event = self.terms, self.event
        goal = terms.all(
            [
                self.differs,
                within or terms.true,
                *(terms.not_(holds(terms, event, lists, key)) for key in known),
            ]
        )
        self._roots.append(goal)
        return None if goal is terms.false else self._ask(goal)

    def _tells(self, trace: Trace) -> bool:
        run = self.pair.clone()
        return [run.step(arrival)[0] for arrival in trace][-1]
