"""Goals of rulesets: each rule that decides, and the ends of its ranges."""

from __future__ import annotations

from collections.abc import Callable

from nfverify.oracles.coverage.conditions import conjunction, negation
from nfverify.smat import ir
from nfverify.smat.ruleset import Bounds, Row, full

MAX_ROWS = 64  # rules of one ruleset that are goals
MAX_EDGED = 16  # rules whose ends are goals, too

Ask = Callable[[str, ir.Expr], list[ir.Stmt]]
"""The statements of one goal: its text, and when it is reached."""


def rules(
    test: ir.Match, ask: Ask, let: Callable[[ir.Expr, list[ir.Stmt]], ir.Expr]
) -> list[ir.Stmt]:
    """Each of the first rules is the one that decides, at the ends of its ranges; or none is."""
    found: list[ir.Stmt] = []
    columns, kept = test.ruleset.columns, test.ruleset.rows[:MAX_ROWS]
    free: ir.Expr = ir.TRUE  # no earlier rule matches
    for number, row in enumerate(kept, 1):
        parts = [_within(row, columns, test.args, i) for i in range(len(columns))]
        name = f"rule {number} of {test.ruleset.name}"
        here = let(conjunction(parts), found)
        found += ask(f"{name} decides", conjunction([free, here]))
        if number <= MAX_EDGED:
            for i, column in enumerate(columns):
                others = conjunction([free, *parts[:i], *parts[i + 1 :]])
                for text, value in edges(column, row.bounds[i]):
                    at = _is(test.args[i], value)
                    found += ask(f"{name}: {column} {text}", conjunction([at, others]))
        free = let(conjunction([free, negation(here)]), found)
    if len(kept) == len(test.ruleset.rows) and free != ir.FALSE:
        found += ask(f"no rule of {test.ruleset.name} matches", free)
    return found


def _within(row: Row, columns: tuple[str, ...], args: tuple[ir.Expr, ...], i: int) -> ir.Expr:
    low, high = row.bounds[i]
    least, most = full(columns[i])
    if low > high:
        return ir.FALSE
    if low == high:
        return _is(args[i], low)
    parts: list[ir.Expr] = []
    if low > least:
        parts.append(ir.Compare("<=", _constant(args[i], low), args[i]))
    if high < most:
        parts.append(ir.Compare("<=", args[i], _constant(args[i], high)))
    return conjunction(parts)


def edges(column: str, bounds: Bounds) -> list[tuple[str, int]]:
    """The ends of a rule's range and what lies beside them, where it constrains the column."""
    low, high = bounds
    least, most = full(column)
    if low > high or (low, high) == (least, most):
        return []
    places = [("just below", low - 1), ("at its first", low)]
    places += [("at its last", high)] if high > low else []
    places += [("just above", high + 1)]
    return [(text, at) for text, at in places if least <= at <= most]


def _is(arg: ir.Expr, value: int) -> ir.Expr:
    return ir.Compare("==", arg, _constant(arg, value))


def _constant(arg: ir.Expr, value: int) -> ir.Const:
    return ir.Const(value, arg.type)
