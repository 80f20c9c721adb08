"""Comparing two rulesets, layer by layer; each layer is exact, only the last can say unknown."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from time import monotonic

from nfverify.equivalence.rulesets import kernel
from nfverify.equivalence.rulesets.matching import regions
from nfverify.equivalence.rulesets.ranks import Problem, Ranked, problem
from nfverify.equivalence.rulesets.verdict import (
    Box,
    Budget,
    Different,
    Equal,
    InternalError,
    Layers,
    Unknown,
    Verdict,
)
from nfverify.smat.ruleset import Row, Ruleset

DEFAULT = Budget()
ALL = Layers()
REGIONS = 256  # boxes searched one by one, above which the whole space is searched at once
BOX_CELLS = 64  # cells that may be noted per box wanted, before they are joined

Solve = Callable[..., kernel.Outcome]


def solver(compiled: bool = True) -> Solve:
    """The compiled kernel if it was built, else its Python twin."""
    if compiled:
        try:
            from nfverify.equivalence.rulesets import _kernel
        except ImportError:  # no compiler when this was installed
            return kernel.solve
        return _kernel.solve
    return kernel.solve


def compare(
    a: Ruleset,
    b: Ruleset,
    budget: Budget = DEFAULT,
    *,
    realisable: bool = True,
    layers: Layers = ALL,
) -> Verdict:
    """Whether both accept the same packets.

    With `realisable`, only points that a packet on the wire can have count (one IP version; ports
    in TCP and UDP only). Not for a packet whose `proto` was written before it is matched.
    """
    deadline = monotonic() + budget.seconds
    if a.columns == b.columns and a.rows == b.rows:
        return Equal("the same rules")
    task = problem(a, b, realisable)
    if task.a == task.b:
        return Equal("the same rules")
    boxes = regions(task.a, task.b, REGIONS) if layers.match else None
    if boxes == []:
        return Equal("the same rules, in an order that makes no difference")
    whole: list[Ranked] = [tuple(x for dim in task.dims for x in (0, dim))]
    solve, spent = solver(layers.compiled), 0
    for cell in whole if boxes is None else boxes:
        outcome = _solve_in(cell, task, solve, budget, deadline, spent, layers=layers)
        spent += outcome.nodes
        match outcome.status:
            case "equal":
                continue
            case "different":
                return _replayed(task.point(outcome.point), a, b, realisable)
            case _:
                return Unknown(_reason(outcome.status, budget))
    if boxes is None:
        return Equal(f"search of {spent:,} cells")
    return Equal(f"the same rules outside {len(boxes)} boxes, search of {spent:,} cells inside")


def difference_boxes(
    a: Ruleset, b: Ruleset, budget: Budget = DEFAULT, cap: int = 64, *, realisable: bool = True
) -> list[Box] | None:
    """Disjoint boxes that hold every point where the two differ and no other, at most `cap`; None
    if there are more, or the budget ran out. With `realisable` they hold packets only."""
    task = problem(a, b, realisable)
    cells, status = difference_cells(task, budget, cap * BOX_CELLS)
    if status != "equal" or len(cells) == cap * BOX_CELLS:
        return None
    cells = joined(cells)
    if len(cells) > cap:
        return None
    return [Box(task.bounds(cell), bool(cell[-2]), bool(cell[-1])) for cell in cells]


def difference_cells(
    task: Problem, budget: Budget, most: int
) -> tuple[list[Ranked], kernel.Status]:
    """Disjoint cells (half-open ranks, then both actions) where the two differ, at most `most`.
    They are all of them if the status is `equal`; else it says what ran out."""
    deadline = monotonic() + budget.seconds
    boxes = regions(task.a, task.b, REGIONS)
    if boxes is None:
        boxes = [tuple(x for dim in task.dims for x in (0, dim))]
    solve, spent = solver(), 0
    cells: list[Ranked] = []
    for number, cell in enumerate(boxes):
        # What an earlier box held is noted already: there, both lists are made to say the same.
        done = [(*box, 1) for box in boxes[:number]]
        # A search for no cells at all is another one: it stops at the first difference.
        room = max(1, most - len(cells))
        outcome = _solve_in(cell, task, solve, budget, deadline, spent, done, cells=room)
        spent += outcome.nodes
        cells += outcome.cells
        if outcome.status != "equal":
            return cells, outcome.status
        if len(cells) > most:
            return cells[:most], "cells"
    return cells, "equal"


def _solve_in(
    cell: Sequence[int],
    task: Problem,
    solve: Solve,
    budget: Budget,
    deadline: float,
    spent: int,
    done: Sequence[Ranked] = (),
    *,
    layers: Layers = ALL,
    cells: int = 0,
) -> kernel.Outcome:
    """The kernel's outcome for one box, whose ranks it gets numbered from 0."""
    sides = [_clipped([*done, *task.guards, *rules], cell) for rules in (task.a, task.b)]
    dims = [hi - lo for lo, hi in zip(cell[::2], cell[1::2], strict=True)]
    outcome = solve(
        dims,
        sides[0],
        False,
        sides[1],
        False,
        nodes=max(0, budget.nodes - spent),
        memory=budget.memory,
        deadline=deadline,
        sieve=layers.sieve,
        tidy=layers.tidy,
        cells=cells,
    )
    starts = cell[::2]
    point = tuple(lo + rank for lo, rank in zip(starts, outcome.point, strict=False))
    shift = [lo for lo in starts for _ in "ab"] + [0, 0]
    found = [tuple(x + y for x, y in zip(c, shift, strict=True)) for c in outcome.cells]
    return kernel.Outcome(outcome.status, point, outcome.nodes, found)


def _clipped(rules: Sequence[Ranked], cell: Sequence[int]) -> array[int]:
    """The rules inside a cell, its least corner at 0."""
    flat: list[int] = []
    spans = list(zip(range(0, len(cell), 2), cell[::2], cell[1::2], strict=True))
    for rule in rules:
        clipped = []
        for g, lo, hi in spans:
            first, last = rule[g], rule[g + 1]
            if first >= hi or last <= lo:
                break
            clipped.append((first if first > lo else lo) - lo)
            clipped.append((last if last < hi else hi) - lo)
        else:
            flat += clipped
            flat.append(rule[-1])
    return array("i", flat)


def joined(cells: list[Ranked]) -> list[Ranked]:
    """Cells of one verdict that touch in one field and agree in all others, made one."""
    before = -1
    while len(cells) != before:
        before = len(cells)
        for g in range(0, len(cells[0]) - 2 if cells else 0, 2):
            groups: dict[Ranked, list[Ranked]] = {}
            for cell in sorted(cells):
                group = groups.setdefault((*cell[:g], *cell[g + 2 :]), [])
                if group and group[-1][g + 1] == cell[g]:
                    group[-1] = (*group[-1][: g + 1], *cell[g + 1 :])
                else:
                    group.append(cell)
            cells = [cell for group in groups.values() for cell in group]
    return sorted(cells)


def _replayed(point: dict[str, int], a: Ruleset, b: Ruleset, realisable: bool) -> Different:
    """The verdict, after both original lists were read through at the point."""
    rule_a, rule_b = first_match(a, point), first_match(b, point)
    if (rule_a is not None and rule_a.accept) == (rule_b is not None and rule_b.accept):
        raise InternalError(f"the lists agree at {point}")
    if realisable and not is_realisable(point):
        raise InternalError(f"no packet is {point}")
    return Different(point, rule_a, rule_b)


def first_match(ruleset: Ruleset, point: dict[str, int]) -> Row | None:
    """The first row that holds the point, by reading them all; absent columns are 0."""
    for row in ruleset.rows:
        pairs = zip(ruleset.columns, row.bounds, strict=True)
        if all(lo <= point.get(column, 0) <= hi for column, (lo, hi) in pairs):
            return row
    return None


def is_realisable(point: dict[str, int]) -> bool:
    """Whether a packet can have these values, those left out being 0."""
    v4 = point.get("sip", 0) or point.get("dip", 0)
    v6 = point.get("sip6", 0) or point.get("dip6", 0)
    ports = point.get("sport", 0) or point.get("dport", 0)
    return not (v4 and v6) and not (ports and point.get("proto", 6) not in (6, 17))


def _reason(status: kernel.Status, budget: Budget) -> str:
    match status:
        case "nodes":
            return f"comparing two rulesets took over {budget.nodes:,} cells"
        case "memory":
            return f"comparing two rulesets took over {budget.memory:,} bytes"
        case _:
            return f"comparing two rulesets took over {budget.seconds:g} s"
