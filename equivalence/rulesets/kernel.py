"""Do two first-match lists of boxes over ranks agree everywhere? The search, in plain Python.

A rule is a tuple: half-open bounds `lo, hi` of each field, then its action (0 or 1). The search
halves the space (a cell is a box) until the lists, clipped to a cell, are the same or constant;
and it sieves: a slice of one field on which both lists read the same, or that is a copy of another
slice, is deleted. `_kernel.pyx` is this in C, step for step; without a compiler this is used.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

TIDY = 48  # rules in a list up to which pairs are compared
SIEVE_MIN = 48  # rules in both lists from which sieving pays
SIEVE_WORK = 300  # rules (or words of 64) per rule that sieving one field may look at
ARENA = 1 << 22  # ints of slices kept to find copies

Rule = tuple[int, ...]
Cell = tuple[int, ...]
Status = Literal["equal", "different", "nodes", "memory", "seconds", "cells"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict or the budget that ran out, a point where the lists differ, the work done.

    `cells`, if asked for, are disjoint boxes with the action of each list at the end.
    """

    status: Status
    point: tuple[int, ...]
    nodes: int
    cells: list[Cell]


@dataclass(slots=True)
class Side:
    """A list of rules, and the action of what none of them holds."""

    rules: list[Rule]
    rest: int


class _Stop(Exception):
    def __init__(self, status: Status) -> None:
        self.status = status


def solve(
    dims: Sequence[int],
    a: Sequence[int],
    rest_a: bool,
    b: Sequence[int],
    rest_b: bool,
    *,
    nodes: int,
    memory: int,
    deadline: float,
    sieve: int = SIEVE_MIN,
    tidy: int = TIDY,
    cells: int = 0,
) -> Outcome:
    """Compare two lists, given flat, over the fields' ranks 0..dims (1 to 8 fields).

    `nodes`, `memory` (bytes) and `deadline` (of time.monotonic) bound the search; with `cells` it
    goes on past differences and notes that many at most. `sieve` 0 is never.
    """
    search = Search(len(dims), nodes, memory, deadline, 0 if cells else sieve, tidy, cells)
    return search.run(dims, _unflatten(a, len(dims)), rest_a, _unflatten(b, len(dims)), rest_b)


def _unflatten(flat: Sequence[int], fields: int) -> list[Rule]:
    stride = 2 * fields + 1
    return [tuple(flat[i : i + stride]) for i in range(0, len(flat), stride)]


@dataclass(slots=True)
class Search:
    """One search: its budget and what it found. Each method is one step, for tests to break."""

    fields: int
    max_nodes: int
    memory: int
    deadline: float
    sieve_min: int = SIEVE_MIN
    tidy_max: int = TIDY
    max_cells: int = 0
    nodes: int = 0
    used: int = 0
    cells: list[Cell] = field(default_factory=list)

    def run(
        self, dims: Sequence[int], a: list[Rule], rest_a: int, b: list[Rule], rest_b: int
    ) -> Outcome:
        cell = tuple(bound for dim in dims for bound in (0, dim))
        side_a, side_b = Side(a, int(rest_a)), Side(b, int(rest_b))
        try:
            self.cut_covering(cell, side_a)
            self.cut_covering(cell, side_b)
            point = self.search(cell, side_a, side_b, 1 << 62)
        except _Stop as stop:
            return Outcome(stop.status, (), self.nodes, self.cells)
        status: Status = "equal" if point is None else "different"
        return Outcome(status, point or (), self.nodes, self.cells)

    def search(self, cell: Cell, a: Side, b: Side, last: int) -> tuple[int, ...] | None:
        """A point of the cell where the sides differ, or None. `last` is the size last sieved."""
        self.count()
        self.tidy(a)
        self.tidy(b)
        if a.rest == b.rest and a.rules == b.rules:
            return None
        if not a.rules and not b.rules:
            if not self.max_cells:
                return cell[::2]
            if len(self.cells) == self.max_cells:
                raise _Stop("cells")
            self.cells.append((*cell, a.rest, b.rest))
            return None
        if not self.max_cells:  # the first rule of a list holds its own corner
            for constant, other in ((a, b), (b, a)):
                if not constant.rules and other.rules[0][-1] != constant.rest:
                    return other.rules[0][:-1:2]
        size = len(a.rules) + len(b.rules)
        if self.sieve_min and size >= self.sieve_min and 2 * size <= last:
            return self.sieved(cell, a, b)
        f, cut = self.choose(cell, a, b)
        for lo, hi in ((cell[2 * f], cut), (cut, cell[2 * f + 1])):
            child = (*cell[: 2 * f], lo, hi, *cell[2 * f + 2 :])
            held = 4 * len(cell) * size
            self.used += held
            if self.used > self.memory:
                raise _Stop("memory")
            point = self.search(child, self.clip(a, f, child), self.clip(b, f, child), last)
            self.used -= held
            if point is not None:
                return point
        return None

    def count(self) -> None:
        self.nodes += 1
        if self.nodes > self.max_nodes:
            raise _Stop("nodes")
        if self.nodes % 64 == 0 and monotonic() > self.deadline:
            raise _Stop("seconds")

    def cut_covering(self, cell: Cell, side: Side) -> None:
        """A rule that covers the cell ends the list; then strip what does as `rest` at the end."""
        for i, rule in enumerate(side.rules):
            if covers(rule, cell):
                side.rest = rule[-1]
                side.rules = side.rules[:i]
                break
        self.strip(side)

    def strip(self, side: Side) -> None:
        while side.rules and side.rules[-1][-1] == side.rest:
            side.rules.pop()

    def clip(self, side: Side, f: int, cell: Cell) -> Side:
        """The side inside a child cell that differs from its parent's in field f only."""
        lo, hi = cell[2 * f], cell[2 * f + 1]
        clipped = [
            (*r[: 2 * f], max(r[2 * f], lo), min(r[2 * f + 1], hi), *r[2 * f + 2 :])
            for r in side.rules
            if r[2 * f] < hi and r[2 * f + 1] > lo
        ]
        child = Side(clipped, side.rest)
        self.cut_covering(cell, child)
        return child

    def tidy(self, side: Side) -> None:
        """In short lists: drop rules inside an earlier one, and those with action `rest` that no
        later opposite rule overlaps."""
        if len(side.rules) > self.tidy_max:
            return
        kept: list[Rule] = []
        for rule in side.rules:
            if not any(covers(earlier, rule) for earlier in kept):
                kept.append(rule)
        side.rules = [
            rule
            for i, rule in enumerate(kept)
            if rule[-1] != side.rest
            or any(r[-1] != side.rest and overlap(rule, r) for r in kept[i + 1 :])
        ]

    def choose(self, cell: Cell, a: Side, b: Side) -> tuple[int, int]:
        """(field, cut): per field the median endpoint; the field that leaves least constrained."""
        rules = [*a.rules, *b.rules]
        loose = [
            sum(r[g] > cell[g] or r[g + 1] < cell[g + 1] for g in range(0, 2 * self.fields, 2))
            for r in rules
        ]
        best: tuple[int, int, int] | None = None
        for f in range(self.fields):
            lo, hi = cell[2 * f], cell[2 * f + 1]
            ends = [r[2 * f] for r in rules if r[2 * f] > lo]
            ends += [r[2 * f + 1] for r in rules if r[2 * f + 1] < hi]
            if not ends:
                continue
            cut = sorted(ends)[len(ends) // 2]
            cost = 0
            for r, q in zip(rules, loose, strict=True):
                first, last = r[2 * f], r[2 * f + 1]
                q -= first > lo or last < hi
                if first < cut:
                    cost += q + (first > lo or last < cut)
                if last > cut:
                    cost += q + (first > cut or last < hi)
            if best is None or cost < best[0]:
                best = cost, f, cut
        assert best is not None, "a list that is not constant has an end inside the cell"
        return best[1], best[2]

    def sieved(self, cell: Cell, a: Side, b: Side) -> tuple[int, ...] | None:
        """Sieve each field, then search what remains."""
        origins: dict[int, list[int]] = {}
        for f in range(self.fields):
            ends, kept = self.sieve(f, cell, a, b)
            if not kept:
                return None
            if len(kept) < len(ends) - 1:
                origins[f] = [ends[v] for v in kept]
                cell = (*cell[: 2 * f], 0, len(kept), *cell[2 * f + 2 :])
                for side in (a, b):
                    self.renumber(side, f, ends, kept)
                    self.cut_covering(cell, side)
        point = self.search(cell, a, b, len(a.rules) + len(b.rules))
        if point is None:
            return None
        return tuple(origins[f][v] if f in origins else v for f, v in enumerate(point))

    def sieve(self, f: int, cell: Cell, a: Side, b: Side) -> tuple[list[int], list[int]]:
        """The ends of the slices of field f, and which slices to keep: those on which the sides
        read differently, and in a way not seen in an earlier one."""
        rules = [*a.rules, *b.rules]
        ends = sorted(
            {cell[2 * f], cell[2 * f + 1], *(x for r in rules for x in r[2 * f : 2 * f + 2])}
        )
        slices = len(ends) - 1
        number = {end: i for i, end in enumerate(ends)}
        spans = [(number[r[2 * f]], number[r[2 * f + 1]]) for r in rules]
        work = slices * (-(-len(a.rules) // 64) + -(-len(b.rules) // 64))
        work += sum(last - first for first, last in spans)
        if slices < 2 or work > SIEVE_WORK * len(rules):
            return ends, list(range(slices))
        boxes: dict[Rule, int] = {}
        outer = (*cell[: 2 * f], *cell[2 * f + 2 :])
        alive: list[list[list[tuple[int, int, bool]]]] = []
        for side in (a, b):
            per_slice: list[list[tuple[int, int, bool]]] = [[] for _ in range(slices)]
            for r in side.rules:
                rest = (*r[: 2 * f], *r[2 * f + 2 : -1])
                entry = self.box_number(boxes, rest), r[-1], rest == outer
                for v in range(number[r[2 * f]], number[r[2 * f + 1]]):
                    per_slice[v].append(entry)
            alive.append(per_slice)
        seen: set[tuple[int, ...]] = set()
        used, cap = 0, min(ARENA, 256 * len(rules))
        kept = []
        for v in range(slices):
            if monotonic() > self.deadline:
                raise _Stop("seconds")
            read_a = self.read(alive[0][v], a.rest)
            read_b = self.read(alive[1][v], b.rest)
            if read_a == read_b:
                continue
            key = (read_a[0] + 2 * len(read_a), *read_a[1:], *read_b)
            if key in seen:
                continue
            kept.append(v)
            if used + len(key) + 1 <= cap:
                seen.add(key)
                used += len(key) + 1
        return ends, kept

    def box_number(self, boxes: dict[Rule, int], box: Rule) -> int:
        return boxes.setdefault(box, len(boxes))

    def read(self, alive: Iterable[tuple[int, int, bool]], rest: int) -> list[int]:
        """One slice as a list: its `rest`, then 2 * box + action of each rule."""
        read, seen = [rest], set()
        for box, action, whole in alive:
            if whole:
                read[0] = action
                break
            if box not in seen:
                seen.add(box)
                read.append(2 * box + action)
        while len(read) > 1 and read[-1] & 1 == read[0]:
            read.pop()
        return read

    def renumber(self, side: Side, f: int, ends: list[int], kept: list[int]) -> None:
        """Bounds of field f as numbers of kept slices; rules that hold none of them go."""
        number = {end: bisect_left(kept, i) for i, end in enumerate(ends)}
        moved = [
            (*r[: 2 * f], number[r[2 * f]], number[r[2 * f + 1]], *r[2 * f + 2 :])
            for r in side.rules
        ]
        side.rules = [r for r in moved if r[2 * f] < r[2 * f + 1]]


def covers(outer: Rule, inner: Rule) -> bool:
    """Whether the first box holds the second (a cell or a rule)."""
    fields = range(0, len(outer) - len(outer) % 2, 2)
    return all(outer[g] <= inner[g] and inner[g + 1] <= outer[g + 1] for g in fields)


def overlap(x: Rule, y: Rule) -> bool:
    """Whether two rules' boxes meet."""
    return all(x[g] < y[g + 1] and y[g] < x[g + 1] for g in range(0, len(x) - 1, 2))
