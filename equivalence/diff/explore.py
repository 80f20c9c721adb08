"""Bounded search that goes on past differences: one trace for each class of packets that fare
otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nfverify.equivalence.diff.grouping import Grouping, Key
from nfverify.equivalence.problem import Event
from nfverify.equivalence.search import Found, NotFound, Search
from nfverify.equivalence.simulate import Trace
from nfverify.equivalence.terms import Term


@dataclass(slots=True)
class Explorer(Search):
    """The unrolled pair of networks, in which earlier packets may fare otherwise, too."""

    grouping: Grouping | None = None
    event: Event | None = None
    differs: Term | None = None

    def one_more(self) -> None:
        """One more packet."""
        self.event, self.differs = self.extend()
        assert self.grouping is not None
        self.constrain(*self.grouping.facts(self.terms, self.event))

    @property
    def length(self) -> int:
        return len(self._packets)

    def find(self, known: Sequence[Key], within: Term | None = None) -> Found | NotFound | None:
        """A trace whose last packet fares otherwise, in no class that is known; None if there is
        none of this length."""
        assert self.grouping is not None
        assert self.event is not None
        assert self.differs is not None
        terms, event = self.terms, self.event
        goal = terms.all(
            [
                self.differs,
                within or terms.true,
                *(terms.not_(self.grouping.holds(terms, event, key)) for key in known),
            ]
        )
        self._roots.append(goal)
        return None if goal is terms.false else self._ask(goal)

    def _tells(self, trace: Trace) -> bool:
        run = self.pair.clone()
        return [run.step(arrival)[0] for arrival in trace][-1]
