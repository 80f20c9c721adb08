"""Classes: the conditions of fast ways that a flow can satisfy at once.

Several ways serve one flow: they part on what varies from packet to packet. A record's class must
have all of them, so that the set of conditions is closed under conjunction, the most special first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.fastpath.shape import Shaper
from nfverify.equivalence.terms import Term
from nfverify.smat import ir

MAX_CLASSES = 256
MAX_PATHS = 512  # of all classes


@dataclass(frozen=True, slots=True)
class Fast:
    """A way that a record can stand for: `number` among all ways, what its flow must satisfy, and
    what each of its packets must."""

    number: int
    flow: tuple[ir.Expr, ...]
    packet: tuple[ir.Expr, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Flows that satisfy `condition` can take the ways of `members`, by number."""

    condition: tuple[ir.Expr, ...]
    members: tuple[int, ...]


@dataclass(slots=True)
class _Closure:
    shaper: Shaper
    conditions: list[tuple[ir.Expr, ...]]  # of each base
    terms: list[tuple[Term, ...]]
    ways: list[int]  # of each base, how many
    found: dict[frozenset[int], tuple[ir.Expr, ...]] = field(default_factory=dict)

    def implied(self, given: Sequence[Term]) -> frozenset[int]:
        """The bases that hold where `given` does."""
        ids = {t.id for t in given}
        return frozenset(
            i
            for i, terms in enumerate(self.terms)
            if all(t.id in ids or self._holds(given, ids, t) for t in terms)
        )

    def _holds(self, given: Sequence[Term], ids: set[int], term: Term) -> bool:
        not_ = self.shaper.world.terms.not_(term)
        return not_.id not in ids and self.shaper.holds(given, term)

    def possible(self, given: Sequence[Term]) -> bool:
        ids = {t.id for t in given}
        not_ = self.shaper.world.terms.not_
        return all(not_(t).id not in ids for t in given) and self.shaper.world.possible(given)

    @property
    def paths(self) -> int:
        return sum(self.ways[i] for members in self.found for i in members)

    def add(self, number: int) -> bool:
        """All conjunctions with one more base; False if there are too many."""
        before = dict(self.found)
        todo = [(frozenset((number,)), self.conditions[number])]
        todo += [
            (members | {number}, (*condition, *self.conditions[number]))
            for members, condition in before.items()
        ]
        for members, condition in todo:
            if members in self.found:
                continue
            given = [self.shaper.world.term(c) for c in condition]
            if self.possible(given):
                whole = self.implied(given) | members
                if whole not in self.found:
                    self.found[whole] = self.shaper.shortened(condition)
            if len(self.found) > MAX_CLASSES or self.paths > MAX_PATHS:
                self.found = before
                return False
        return True

    def leave(self, bases: frozenset[int]) -> None:
        """Goes on without these."""
        before, self.found = self.found, {}
        for members, condition in before.items():
            if members - bases:
                self.found.setdefault(members - bases, condition)


def close(shaper: Shaper, ways: Iterable[Fast]) -> tuple[list[Group], list[int]]:
    """The classes in the order in which a record tries them, and the ways that were too many."""
    bases: dict[frozenset[int], tuple[tuple[ir.Expr, ...], list[int]]] = {}
    for way in ways:
        key = frozenset(shaper.world.term(c).id for c in way.flow)
        bases.setdefault(key, (way.flow, []))[1].append(way.number)
    conditions = [condition for condition, _ in bases.values()]
    numbers = [tuple(found) for _, found in bases.values()]
    terms = [tuple(map(shaper.world.term, condition)) for condition in conditions]
    closure = _Closure(shaper, conditions, terms, [len(n) for n in numbers])
    left = frozenset(i for i in range(len(conditions)) if not closure.add(i))
    closure.leave(left)
    order = sorted(closure.found, key=lambda members: (-len(members), sorted(members)))
    groups = [
        Group(closure.found[m], tuple(sorted(n for i in m for n in numbers[i])))
        for m in order
        if not _covered(shaper, closure, m)
    ]
    return groups, [n for i in sorted(left) for n in numbers[i]]


def _covered(shaper: Shaper, closure: _Closure, members: frozenset[int]) -> bool:
    """Do all flows of the class satisfy a more special one, too?"""
    world = shaper.world
    special = [
        world.terms.not_(world.terms.all(map(world.term, condition)))
        for other, condition in closure.found.items()
        if members < other
    ]
    own = [world.term(c) for c in closure.found[members]]
    return bool(special) and not world.possible((*own, *special))
