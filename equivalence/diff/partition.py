"""The points that each pair of entries decides, of two tables that look at addresses, ports,
protocol and interface only: exact, as boxes.

A condition is atoms: is a column within bounds? A box of points is halved at the bounds of atoms
until it is known which entry of either table takes all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nfverify.equivalence.diff.lists import size, whole
from nfverify.equivalence.rulesets.ranks import Problem, Ranked, guards_of
from nfverify.smat import ir
from nfverify.smat.ruleset import COLUMNS, Bounds, Ruleset, full

MAX_CELLS = 20_000
MAX_ROWS = 200  # of a ruleset that is looked through
UNREAL = -2  # what no packet can be

Answer = bool | None  # None: true of some points of a cell and false of others


class NotBoxes(Exception):
    """A condition that isn't about boxes of points, or too many of them."""


@dataclass(frozen=True, slots=True)
class Atom:
    """low <= column <= high."""

    column: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Rows:
    """A first-match list: bounds by column, and what the row says."""

    rows: tuple[tuple[tuple[Atom, ...], bool], ...]


@dataclass(frozen=True, slots=True)
class Junction:
    """All or any of some conditions."""

    all: bool
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    part: Condition


Condition = Atom | Rows | Junction | Negation
Pair = tuple[int, int]  # places of the entries from 0, -1 where none takes the packet


@dataclass(frozen=True, slots=True)
class Partition:
    """For each pair of entries the cells that they decide, over the ranks of `task`."""

    task: Problem
    cells: dict[Pair, list[Ranked]]

    def count(self, pair: Pair) -> int:
        """How many points a pair decides."""
        return sum(size(self.task, cell) for cell in self.cells.get(pair, ()))


def partition(old: ir.Network, new: ir.Network, ports: int) -> Partition | None:
    """All points that a packet can have, by the entries that take them before and after; None if
    the tables look at more than such points."""
    try:
        tables = [_table(network) for network in (old, new)]
        conditions = [[_entry(e) for e in table.entries] for table in tables]
        columns = _columns(conditions)
        unreal = [
            Junction(True, tuple(_atoms(columns, row.bounds))) for row in guards_of(columns, ports)
        ]
        task = _task(columns, [*unreal, *conditions[0], *conditions[1]])
        return Partition(task, _Cutting(task, unreal, conditions).run())
    except NotBoxes:
        return None


def _table(network: ir.Network) -> ir.Table:
    """The only table of a network."""
    match [i.program.body for i in network.instances]:
        case [(ir.Table() as table,)]:
            return table
        case _:
            raise NotBoxes


# Conditions -------------------------------------------------------------------------------


def _entry(entry: ir.Entry) -> Condition:
    return Junction(True, tuple(map(_condition, (*entry.match_flow, *entry.match_state))))


def _condition(expr: ir.Expr) -> Condition:
    match expr:
        case ir.Const(value=bool(value)):
            return Junction(value, ())
        case ir.Not(operand=operand):
            return Negation(_condition(operand))
        case ir.And(operands=operands):
            return Junction(True, tuple(map(_condition, operands)))
        case ir.Or(operands=operands):
            return Junction(False, tuple(map(_condition, operands)))
        case ir.Match(ruleset=ruleset, args=args):
            return _rows(ruleset, args)
        case ir.Compare(op="!=", left=left, right=right):
            return Negation(_condition(ir.Compare("==", left, right)))
        case ir.Compare(op=op, left=ir.Const(value=int(value)), right=right) if op != "==":
            column, top = _column(right)
            first = value + 1 if op == "<" else value
            return _atom(column, max(first, 0), top)
        case ir.Compare(op=op, left=left, right=ir.Const(value=int(value))) if op != "==":
            column, top = _column(left)
            return _atom(column, 0, min(value - 1 if op == "<" else value, top))
        case ir.Compare(left=ir.Const() as left, right=right) if not isinstance(right, ir.Const):
            return _condition(ir.Compare("==", right, left))
        case ir.Compare(left=left, right=ir.Const(value=int(value))):
            return _equal(left, value)
        case _:
            raise NotBoxes


def _equal(expr: ir.Expr, value: int) -> Condition:
    """A column, or its first bits, is the value."""
    match expr:
        case ir.Arithmetic(op="&", left=left, right=ir.Const(value=int(mask))):
            column, top = _column(left)
            rest = top & ~mask
            if rest & (rest + 1) or mask & ~top:
                raise NotBoxes
            return Junction(False, ()) if value & ~mask else _atom(column, value, value | rest)
        case _:
            column, top = _column(expr)
            return _atom(column, value, value) if 0 <= value <= top else Junction(False, ())


def _column(expr: ir.Expr) -> tuple[str, int]:
    """A column, also as a wider number, and its greatest value."""
    match expr:
        case ir.Field(name=name) if name in COLUMNS:
            return name, full(name)[1]
        case ir.Cast(operand=ir.Field(name=name), type=ir.Bits(width=width, signed=signed)):
            column, top = _column(ir.Field(name))
            if top >= 1 << (width - signed):
                raise NotBoxes
            return column, top
        case _:
            raise NotBoxes


def _atom(column: str, low: int, high: int) -> Condition:
    return Atom(column, low, high) if low <= high else Junction(False, ())


def _rows(ruleset: Ruleset, args: Sequence[ir.Expr]) -> Condition:
    named = [arg.name for arg in args if isinstance(arg, ir.Field)]
    if len(ruleset.rows) > MAX_ROWS or named != list(ruleset.columns):
        raise NotBoxes
    return Rows(
        tuple((tuple(_atoms(ruleset.columns, row.bounds)), row.accept) for row in ruleset.rows)
    )


def _atoms(columns: Sequence[str], bounds: Sequence[Bounds]) -> Iterator[Atom]:
    for column, (low, high) in zip(columns, bounds, strict=True):
        if (low, high) != full(column):
            yield Atom(column, low, high)


def atoms_of(condition: Condition) -> Iterator[Atom]:
    """Every atom in a condition."""
    match condition:
        case Atom():
            yield condition
        case Rows(rows=rows):
            for atoms, _ in rows:
                yield from atoms
        case Junction(parts=parts):
            for part in parts:
                yield from atoms_of(part)
        case Negation(part=part):
            yield from atoms_of(part)


def _columns(conditions: Sequence[Sequence[Condition]]) -> tuple[str, ...]:
    used = {atom.column for side in conditions for c in side for atom in atoms_of(c)}
    return tuple(c for c in COLUMNS if c in used) or ("proto",)


def _task(columns: tuple[str, ...], conditions: Sequence[Condition]) -> Problem:
    ends = {column: {0, full(column)[1] + 1} for column in columns}
    for condition in conditions:
        for atom in atoms_of(condition):
            if atom.low <= atom.high:
                ends[atom.column] |= {atom.low, atom.high + 1}
    return Problem(columns, tuple(sorted(ends[c]) for c in columns), [], [], [])


# Cutting ----------------------------------------------------------------------------------


class _Cutting:
    def __init__(
        self,
        task: Problem,
        unreal: Sequence[Condition],
        sides: Sequence[Sequence[Condition]],
    ) -> None:
        self.task, self.unreal, self.sides = task, unreal, sides
        self.place = {column: n for n, column in enumerate(task.columns)}
        self.rank = [{value: n for n, value in enumerate(values)} for values in task.values]

    def run(self) -> dict[Pair, list[Ranked]]:
        found: dict[Pair, list[Ranked]] = {}
        pending = [whole(self.task)]
        steps = 0
        while pending:
            cell = pending.pop()
            steps += 1
            if steps > MAX_CELLS:
                raise NotBoxes
            pair = self.decided(cell)
            if isinstance(pair, Atom):
                pending += self.halves(cell, pair)
            elif pair[0] != UNREAL:
                found.setdefault(pair, []).append(cell)
        return found

    def decided(self, cell: Ranked) -> Pair | Atom:
        """The entries that take all of a cell, else an atom to cut it by."""
        for condition in self.unreal:
            answer, cut = self.holds(condition, cell)
            if cut is not None:
                return cut
            if answer:
                return UNREAL, UNREAL
        places = []
        for side in self.sides:
            taken = -1
            for number, condition in enumerate(side):
                answer, cut = self.holds(condition, cell)
                if cut is not None:
                    return cut
                if answer:
                    taken = number
                    break
            places.append(taken)
        return places[0], places[1]

    def holds(self, condition: Condition, cell: Ranked) -> tuple[bool, Atom | None]:
        """Does it hold in all of a cell, or in none; else an atom that tells."""
        match condition:
            case Atom():
                inside = self.inside(condition, cell)
                return inside is True, condition if inside is None else None
            case Negation(part=part):
                answer, cut = self.holds(part, cell)
                return not answer, cut
            case Junction(all=all_, parts=parts):
                first: Atom | None = None
                for part in parts:
                    answer, cut = self.holds(part, cell)
                    if cut is None and answer != all_:
                        return answer, None
                    first = first or cut
                return all_, first
            case Rows(rows=rows):
                for atoms, accept in rows:
                    answer, cut = self.holds(Junction(True, atoms), cell)
                    if cut is not None:
                        return False, cut
                    if answer:
                        return accept, None
                return False, None

    def inside(self, atom: Atom, cell: Ranked) -> Answer:
        g = self.place[atom.column]
        rank = self.rank[g]
        low, high = rank[atom.low], rank[atom.high + 1]
        if low <= cell[2 * g] and cell[2 * g + 1] <= high:
            return True
        return None if low < cell[2 * g + 1] and cell[2 * g] < high else False

    def halves(self, cell: Ranked, atom: Atom) -> Iterator[Ranked]:
        g = self.place[atom.column]
        for value in (atom.low, atom.high + 1):
            cut = self.rank[g][value]
            if cell[2 * g] < cut < cell[2 * g + 1]:
                yield (*cell[: 2 * g + 1], cut, *cell[2 * g + 2 :])
                yield (*cell[: 2 * g], cut, *cell[2 * g + 1 :])
                return
        raise AssertionError("an atom that tells nothing")
