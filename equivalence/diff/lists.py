"""Where two first-match lists differ: for each pair of rules that decide before and after, which
points they decide differently, and how many.

The kernel finds disjoint cells in which each list says one thing and the other the other. A cell is
cut until one rule of each list decides all of it: a pair's cells are then exactly its points.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from math import prod
from time import monotonic

from nfverify.equivalence.canonical import DEFAULTS
from nfverify.equivalence.rulesets.comparing import difference_cells, is_realisable, joined
from nfverify.equivalence.rulesets.matching import Overlaps
from nfverify.equivalence.rulesets.ranks import Problem, Ranked, problem
from nfverify.equivalence.rulesets.verdict import Budget, InternalError
from nfverify.smat.ruleset import COLUMNS, Bounds, Row, Ruleset

CELLS = 400_000
"""Cells beyond which counts are no longer exact."""

JOINED = 20_000
"""Cells of one pair up to which those that touch are joined before they are shown."""

PROTOCOLS = (6, 17, 1, 58)  # of example packets, rather than others


@dataclass(frozen=True, slots=True)
class Pair:
    """What row `old` decided and row `new` decides now, otherwise (None: no row, so drop).

    `cells` are disjoint, half-open ranks of the columns; `count` is of their points.
    """

    old: int | None
    new: int | None
    count: int
    cells: tuple[Ranked, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListDiff:
    """All points that two lists treat differently, by the rows that decide, most points first.

    `stopped` says what ran out: then there are more, and counts are only of what was found.
    """

    old: Ruleset
    new: Ruleset
    task: Problem
    kept: tuple[list[int], list[int]]  # rows that the ranked rules come from
    overlaps: tuple[Overlaps, Overlaps] = field(repr=False)
    pairs: tuple[Pair, ...]
    stopped: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return self.task.columns

    def row(self, pair: Pair) -> tuple[Row | None, Row | None]:
        """The rows that decide, before and after."""
        return (
            None if pair.old is None else self.old.rows[pair.old],
            None if pair.new is None else self.new.rows[pair.new],
        )

    def region(self, pair: Pair) -> dict[str, Bounds]:
        """The box that both rows hold."""
        return self.task.bounds(self._ranks(pair))

    def _ranks(self, pair: Pair) -> Ranked:
        box = whole(self.task)
        sides = ((pair.old, self.task.a), (pair.new, self.task.b))
        for (index, ranked), kept in zip(sides, self.kept, strict=True):
            if index is not None:
                met = meet(box, ranked[bisect_left(kept, index)])
                assert met is not None
                box = met
        return box

    def earlier(self, pair: Pair) -> tuple[list[int], list[int]]:
        """Rows before those that decide that take a part of their region, of either list."""
        box = (*self._ranks(pair), 0)
        found = []
        for index, overlaps, kept in zip(
            (pair.old, pair.new), self.overlaps, self.kept, strict=True
        ):
            rows = (kept[n] for n in overlaps.meeting(box))
            found.append(list(takewhile(lambda row, i=index: i is None or row < i, rows)))  # type: ignore[misc]  # mypy can't infer it
        return found[0], found[1]

    def boxes(self, pair: Pair) -> list[dict[str, Bounds]]:
        """Disjoint boxes that hold just the pair's points."""
        return [self.task.bounds(cell) for cell in joined_cells(pair.cells)]

    def point(self, pair: Pair) -> dict[str, int]:
        """The plainest point of the pair's largest cell, read again in both lists as written."""
        largest = min(pair.cells, key=lambda cell: (-size(self.task, cell), cell))
        found = {c: plainest(c, b) for c, b in self.task.bounds(largest).items()}
        for ruleset, index in ((self.old, pair.old), (self.new, pair.new)):
            if ruleset.first_match([found[c] for c in ruleset.columns]) != index:
                raise InternalError(f"another rule of {ruleset.name} decides {found}")
        return found


def plainest(column: str, bounds: Bounds) -> int:
    """A value in these bounds that people know, else the least one."""
    low, high = bounds
    wanted = PROTOCOLS if column == "proto" else (DEFAULTS.get(column, 0),)
    return next((value for value in wanted if low <= value <= high), low)


def compare_lists(
    old: Ruleset,
    new: Ruleset,
    budget: Budget,
    *,
    realisable: bool = True,
    ports: int = 0,
    most: int = CELLS,
) -> ListDiff:
    """All that two lists decide differently, over the columns of both.

    With `realisable`, of the points that a packet can have; packets arrive by so many `ports` (0:
    by any number).
    """
    columns = tuple(c for c in COLUMNS if c in old.columns or c in new.columns) or ("proto",)
    deadline = monotonic() + budget.seconds
    task = problem(old, new, realisable, columns, ports)
    kept = _kept(old), _kept(new)
    cells, status = difference_cells(task, budget, most)
    found: dict[tuple[int | None, int | None], list[Ranked]] = {}
    overlaps = Overlaps.of(task.a), Overlaps.of(task.b)
    for number, cell in enumerate(cells):
        if number % 256 == 0 and monotonic() > deadline:
            status = "seconds"
            break
        for part, first in decided(cell[:-2], task.a, overlaps[0]):
            for piece, second in decided(part, task.b, overlaps[1]):
                found.setdefault((first, second), []).append(piece)
    pairs = []
    for (first, second), pieces in found.items():
        rows = _original(first, kept[0]), _original(second, kept[1])
        count = sum(size(task, piece) for piece in pieces)
        pairs.append(Pair(*rows, count, tuple(sorted(pieces))))
    last = len(old.rows), len(new.rows)
    pairs.sort(
        key=lambda p: (-p.count, *(m if r is None else r for r, m in zip((p.old, p.new), last)))  # noqa: B905
    )
    diff = ListDiff(
        old, new, task, kept, overlaps, tuple(pairs), "" if status == "equal" else status
    )
    for pair in pairs[:1]:
        if realisable and not is_realisable(diff.point(pair)):
            raise InternalError("a difference at what no packet is")
    return diff


def _kept(ruleset: Ruleset) -> list[int]:
    """The rows without an empty range: `problem` leaves the others out."""
    return [n for n, row in enumerate(ruleset.rows) if all(lo <= hi for lo, hi in row.bounds)]


def _original(number: int | None, kept: Sequence[int]) -> int | None:
    return None if number is None else kept[number]


# Boxes of ranks ---------------------------------------------------------------------------


def whole(task: Problem) -> Ranked:
    """The box of all points."""
    return tuple(x for dim in task.dims for x in (0, dim))


def joined_cells(cells: Sequence[Ranked]) -> list[Ranked]:
    """Disjoint cells of the same points, those that touch made one."""
    if len(cells) > JOINED:
        return list(cells)
    return [cell[:-2] for cell in joined([(*cell, 0, 1) for cell in cells])]


def size(task: Problem, cell: Ranked) -> int:
    """How many points a cell holds."""
    pairs = zip(task.values, cell[::2], cell[1::2], strict=False)
    return prod(values[hi] - values[lo] for values, lo, hi in pairs)


def meet(box: Ranked, other: Ranked) -> Ranked | None:
    """The points of both; the other box may be a rule."""
    met = []
    for g in range(0, len(box), 2):
        lo, hi = max(box[g], other[g]), min(box[g + 1], other[g + 1])
        if lo >= hi:
            return None
        met += [lo, hi]
    return tuple(met)


def without(box: Ranked, hole: Ranked) -> Iterator[Ranked]:
    """Disjoint boxes that hold what is in the box but not in a hole that lies in it."""
    rest = list(box)
    for g in range(0, len(box), 2):
        if rest[g] < hole[g]:
            yield (*rest[: g + 1], hole[g], *rest[g + 2 :])
        if hole[g + 1] < rest[g + 1]:
            yield (*rest[:g], hole[g + 1], *rest[g + 1 :])
        rest[g], rest[g + 1] = hole[g], hole[g + 1]


def decided(
    box: Ranked, rules: Sequence[Ranked], overlaps: Overlaps
) -> Iterator[tuple[Ranked, int | None]]:
    """The box in pieces, each with the number of the first rule that holds it, None if none."""
    pieces: list[Ranked] = [box]
    for number in overlaps.meeting((*box, 0)):
        left: list[Ranked] = []
        for piece in pieces:
            met = meet(piece, rules[number])
            if met is None:
                left.append(piece)
            else:
                yield met, number
                left += without(piece, met)
        pieces = left
        if not pieces:
            return
    yield from ((piece, None) for piece in pieces)
