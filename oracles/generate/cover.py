"""Few traces that together reach all goals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from nfverify.equivalence.reach.script import Script, length

START_COST = 2
"""What a further trace costs, in packets."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A script from the initial state, all the goals that it reaches, and how it was found."""

    script: Script
    goals: frozenset[int]
    method: str


def greedy(candidates: Iterable[Candidate]) -> list[tuple[Candidate, frozenset[int]]]:
    """The candidate with most new goals a packet, again and again; with each the goals for which
    it was taken."""
    found = list(candidates)
    heap = [(-_worth(c, c.goals), n) for n, c in enumerate(found)]
    heapify(heap)
    open_ = frozenset().union(*(c.goals for c in found)) if found else frozenset()
    chosen: list[tuple[Candidate, frozenset[int]]] = []
    while open_ and heap:
        worth, number = heappop(heap)
        candidate = found[number]
        new = candidate.goals & open_
        now = -_worth(candidate, new)
        if not new:
            continue
        if now > worth and heap and (now, number) > heap[0]:
            heappush(heap, (now, number))
            continue
        chosen.append((candidate, new))
        open_ -= new
    return chosen


def needed(
    chosen: Sequence[tuple[Candidate, frozenset[int]]],
) -> list[tuple[Candidate, frozenset[int]]]:
    """Without those whose goals others reach anyway, the longest first; the goals are shared out
    anew, in the order of the rest."""
    count: dict[int, int] = {}
    for candidate, _ in chosen:
        for goal in candidate.goals:
            count[goal] = count.get(goal, 0) + 1
    kept = list(chosen)
    for pair in sorted(chosen, key=lambda pair: -length(pair[0].script)):
        if all(count[goal] > 1 for goal in pair[0].goals):
            kept = [other for other in kept if other is not pair]
            for goal in pair[0].goals:
                count[goal] -= 1
    seen: set[int] = set()
    result = []
    for candidate, _ in kept:
        mine = candidate.goals - seen
        seen |= mine
        result.append((candidate, mine))
    return result


def _worth(candidate: Candidate, goals: frozenset[int]) -> float:
    return len(goals) / (START_COST + length(candidate.script))
