"""Mutants of a ruleset: rules left out, turned round or swapped, and their bounds moved by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from nfverify.smat.ruleset import Row, Ruleset, full

MAX_RULES = 16
"""Of a longer list so many rules are changed, spread evenly."""


def ruleset_changes(ruleset: Ruleset) -> Iterator[tuple[str, str, Ruleset]]:
    """Operator, description and the changed ruleset."""
    rows = ruleset.rows
    step = max(1, -(-len(rows) // MAX_RULES))
    for i in range(0, len(rows), step):
        row, name = rows[i], f"rule {i + 1}"
        before, after = rows[:i], rows[i + 1 :]
        yield "rule", f"without {name}", _with(ruleset, before + after)
        yield (
            "rule",
            f"{name} with the other verdict",
            _with(ruleset, (*before, replace(row, accept=not row.accept), *after)),
        )
        if after and after[0].accept != row.accept:
            yield (
                "rule",
                f"{name} after the next",
                _with(ruleset, (*before, after[0], row, *after[1:])),
            )
        for text, other in _bounds(ruleset, row):
            yield "rule-bound", f"{name}: {text}", _with(ruleset, (*before, other, *after))


def _with(ruleset: Ruleset, rows: tuple[Row, ...]) -> Ruleset:
    return Ruleset(ruleset.name, ruleset.columns, rows)


def _bounds(ruleset: Ruleset, row: Row) -> Iterator[tuple[str, Row]]:
    for i, (column, (low, high)) in enumerate(zip(ruleset.columns, row.bounds, strict=True)):
        least, most = full(column)
        if (low, high) == (least, most):
            continue
        wanted = ((low - 1, high), (low + 1, high), (low, high - 1), (low, high + 1))
        for a, b in wanted:
            if least <= a <= b <= most:
                bounds = (*row.bounds[:i], (a, b), *row.bounds[i + 1 :])
                yield f"{column} {low}-{high} -> {a}-{b}", replace(row, bounds=bounds)
