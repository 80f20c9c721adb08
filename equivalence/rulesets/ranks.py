"""Two rulesets over common ranks: columns united, values replaced by the order of all bounds.

Ranks don't know how wide a field is, so IPv6 costs no more than ports. What no packet can be
(decisions 9, 10, 19) is cut out by guards: the same rules at the head of both lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from nfverify.smat.ruleset import COLUMNS, Bounds, Row, Ruleset, full

Ranked = tuple[int, ...]  # half-open ranks lo, hi per column, then the action


@dataclass(frozen=True, slots=True)
class Problem:
    """Both lists as ranks; `values[c]` gives the least value of each rank of column c."""

    columns: tuple[str, ...]
    values: tuple[list[int], ...]
    guards: list[Ranked]
    a: list[Ranked]
    b: list[Ranked]

    @property
    def dims(self) -> list[int]:
        return [len(values) - 1 for values in self.values]

    def point(self, ranks: Sequence[int]) -> dict[str, int]:
        """The least point of a cell of ranks."""
        triples = zip(self.columns, self.values, ranks, strict=True)
        return {column: values[rank] for column, values, rank in triples}

    def bounds(self, cell: Sequence[int]) -> dict[str, Bounds]:
        """Inclusive values of a cell of half-open ranks."""
        pairs = zip(self.columns, self.values, cell[::2], cell[1::2], strict=False)
        return {column: (values[lo], values[hi] - 1) for column, values, lo, hi in pairs}


def problem(
    a: Ruleset,
    b: Ruleset,
    realisable: bool,
    columns: tuple[str, ...] | None = None,
    ports: int = 0,
) -> Problem:
    """The common problem of two rulesets, over these columns (None: those that either constrains).
    If packets arrive by so many `ports`, no other is realisable."""
    if columns is None:
        columns = tuple(c for c in COLUMNS if _constrained(a, c) or _constrained(b, c))
        columns = columns or ("proto",)
    guards = guards_of(columns, ports) if realisable else []
    values, tables = [], []
    positions = [[_position(r, c) for r in (a, b)] for c in columns]
    for i, column in enumerate(columns):
        bounds = {full(column), *(guard.bounds[i] for guard in guards)}
        for ruleset, position in zip((a, b), positions[i], strict=True):
            if position is not None:
                bounds.update([row.bounds[position] for row in ruleset.rows])
        bounds = {(lo, hi) for lo, hi in bounds if lo <= hi}
        ends = sorted({lo for lo, _ in bounds} | {hi + 1 for _, hi in bounds})
        rank = {end: number for number, end in enumerate(ends)}
        values.append(ends)
        tables.append({(lo, hi): (rank[lo], rank[hi + 1]) for lo, hi in bounds})
    ranked = [
        _ranked(rows, where, tables, columns)
        for rows, where in (
            (guards, range(len(columns))),
            (a.rows, [p[0] for p in positions]),
            (b.rows, [p[1] for p in positions]),
        )
    ]
    return Problem(columns, tuple(values), *ranked)


def _position(ruleset: Ruleset, column: str) -> int | None:
    return ruleset.columns.index(column) if column in ruleset.columns else None


def _constrained(ruleset: Ruleset, column: str) -> bool:
    position, whole = _position(ruleset, column), full(column)
    return position is not None and any(row.bounds[position] != whole for row in ruleset.rows)


def _ranked(
    rows: Sequence[Row],
    where: Sequence[int | None],
    tables: Sequence[dict[Bounds, tuple[int, int]]],
    columns: Sequence[str],
) -> list[Ranked]:
    """Rows over ranks; a row with an empty range is left out."""
    wholes = [table[full(column)] for table, column in zip(tables, columns, strict=True)]
    parts = []
    for position, table, whole in zip(where, tables, wholes, strict=True):
        if position is None:
            parts.append([whole] * len(rows))
        else:
            get = table.get
            parts.append([get(row.bounds[position], (-1, -1)) for row in rows])
    actions = [(int(row.accept),) for row in rows]
    ranked = [tuple(chain.from_iterable(row)) for row in zip(*parts, actions, strict=True)]
    return [rule for rule in ranked if -1 not in rule]


def guards_of(columns: Sequence[str], ifaces: int) -> list[Row]:
    """Rules that hold every point that is no packet: both families at once, ports without a
    protocol that has them, or another than the first `ifaces` interfaces (0: any). Both lists say
    the same of them, so that no difference is seen there."""
    v4 = [c for c in ("sip", "dip") if c in columns]
    v6 = [c for c in ("sip6", "dip6") if c in columns]
    boxes = [{x: (1, full(x)[1]), y: (1, full(y)[1])} for x in v4 for y in v6]
    if "proto" in columns:
        boxes += [
            {"proto": protos, port: (1, 65535)}
            for port in ("sport", "dport")
            if port in columns
            for protos in ((0, 5), (7, 16), (18, 255))
        ]
    if ifaces and "iface" in columns:
        boxes.append({"iface": (ifaces, full("iface")[1])})
    return [Row(True, tuple(box.get(c, full(c)) for c in columns)) for box in boxes]
