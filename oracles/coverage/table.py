"""Goals as a table: a row for each entry of each NF, a column for each kind of goal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nfverify.oracles.coverage.goals import KINDS, Goal, Kind

PLURAL: dict[Kind, str] = {
    "entry": "entries",
    "gap": "gaps",
    "boundary": "boundaries",
    "value": "values",
    "overlap": "overlaps",
    "pair": "pairs",
}
LEFT = 2  # columns of names


def grid(goals: Sequence[Goal], cell: Callable[[Sequence[Goal]], str]) -> list[list[str]]:
    """Headings, rows in the order of the model, and the sums; `cell` is told the goals of one cell,
    never none."""
    kinds = [kind for kind in KINDS if any(goal.kind == kind for goal in goals)]
    places: dict[tuple[str, str], list[Goal]] = {}
    for goal in goals:
        places.setdefault((goal.instance, goal.entry), []).append(goal)

    def cells(some: Sequence[Goal]) -> list[str]:
        by_kind = ([goal for goal in some if goal.kind == kind] for kind in kinds)
        return [cell(found) if found else "" for found in by_kind]

    rows = [
        [instance, entry or "(no entry)", *cells(here)]
        for (instance, entry), here in places.items()
    ]
    head = ["instance", "entry", *(PLURAL[kind] for kind in kinds)]
    return [head, *rows, ["all", "", *cells(goals)]]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """The rows as text, with names to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            text.ljust(width) if place < LEFT else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def line(goal: Goal) -> str:
    """A goal in words."""
    where = f"{goal.instance}: {goal.entry}" if goal.entry else goal.instance
    return f"{where}: {goal.kind}: {goal.text}"
