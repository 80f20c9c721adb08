"""Of `equivalent`: which lines of both sides do the same, because the same packets take them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nfverify.equivalence.explain.answer import Line, Pairing, Together
from nfverify.equivalence.induction import Induction, Proved
from nfverify.equivalence.prove import Run
from nfverify.equivalence.relation import relation_text
from nfverify.equivalence.simulate import Trace
from nfverify.equivalence.terms import Term
from nfverify.semantics.tracing import Visit

MAX_PAIRS = 20_000
TRACES = 12  # simulated ones that are looked through before the solver is asked
BATCH = 400  # pairs that are asked for at once

NONE = "no entry of table"

Where = tuple[str, int]  # side, and the number of the row


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry of one side: when it is taken, and its table's number. `none` stands for a table of
    which no entry is."""

    number: int
    line: Line
    table: int
    guard: Term
    none: bool = False


def together(run: Run, induction: Induction, proved: Proved) -> Together:
    """Which entries packets take together, in related states."""
    rows = {side.letter: _rows(induction, n) for n, side in enumerate(run.problem.sides)}
    seen = _seen(run, rows["a"], rows["b"])
    notes: list[str] = []
    decided = _decide(induction, rows["a"], rows["b"], seen, notes)
    texts = tuple(relation_text(c, run.problem.variables()) for c in proved.relation)
    lonely = {where for pair in seen for where in pair}
    alone = [row for row in (*rows["a"], *rows["b"]) if _where(row) not in lonely and not row.none]
    unreached = [row.line for row in alone if not induction.possible([row.guard])]
    pairings = [*_pairings(rows["a"], rows["b"], seen), *_pairings(rows["b"], rows["a"], seen)]
    if not decided:
        pairings = [replace(pairing, always=False) for pairing in pairings]
    return Together(tuple(pairings), tuple(unreached), texts, decided, tuple(notes))


def _rows(induction: Induction, number: int) -> list[_Row]:
    event = induction.step.events[0]
    taken = (event.taken_a, event.taken_b)[number]
    terms = induction.terms
    letter: Literal["a", "b"] = "a" if number == 0 else "b"
    tables: dict[tuple[str, int], int] = {}
    found: dict[tuple[int, int], tuple[Line, list[Term]]] = {}
    for one in taken:
        table = tables.setdefault((one.instance, id(one.table)), len(tables))
        if one.entry is not None:
            line = Line(letter, one.instance, one.title, one.entry.span)
            found.setdefault((table, id(one.entry)), (line, []))[1].append(one.guard)
    rows = [
        _Row(n, line, table, terms.any(guards))
        for n, ((table, _), (line, guards)) in enumerate(found.items())
    ]
    for (instance, _), table in tables.items():
        entries = [row for row in rows if row.table == table]
        none = terms.not_(terms.any(row.guard for row in entries))
        if none is not terms.false and entries:
            line = Line(letter, instance, f"{NONE} {table + 1}", entries[0].line.span)
            rows.append(_Row(len(rows), line, table, none, none=True))
    return rows


def _where(row: _Row) -> Where:
    return row.line.side, row.number


# Which pairs occur ------------------------------------------------------------------------------


def _seen(run: Run, a: Sequence[_Row], b: Sequence[_Row]) -> set[tuple[Where, Where]]:
    """Pairs that one packet of a simulated trace took; of entries that go by one title (two in one
    line) nothing is known."""
    places = (_places(a), _places(b))
    found: set[tuple[Where, Where]] = set()
    traces: Sequence[Trace] = () if run.simulation is None else run.simulation.traces[:TRACES]
    for trace in traces:
        pair = run.pair.clone()
        visits: tuple[list[Visit], list[Visit]] = ([], [])
        for machine, into in zip(pair.machines, visits, strict=True):
            machine.trace = into.append
        for arrival in trace:
            for machine, into in zip(pair.machines, visits, strict=True):
                into.clear()
                machine.process(arrival.packet, arrival.time, arrival.port)
            first, second = (_taken(w, into) for w, into in zip(places, visits, strict=True))
            found.update((x, y) for x in first for y in second)
    return found


def _places(rows: Sequence[_Row]) -> dict[tuple[str, str], Where]:
    """Rows by instance and title, where that names one."""
    titles = Counter((row.line.instance, row.line.entry) for row in rows)
    names = {(row.line.instance, row.line.entry): _where(row) for row in rows}
    return {name: where for name, where in names.items() if titles[name] == 1}


def _taken(places: Mapping[tuple[str, str], Where], visits: Iterable[Visit]) -> set[Where]:
    names = {(v.instance, entry) for v in visits if not v.dummy for entry in v.entries}
    return {places[name] for name in names if name in places}


def _decide(
    induction: Induction,
    a: Sequence[_Row],
    b: Sequence[_Row],
    seen: set[tuple[Where, Where]],
    notes: list[str],
) -> bool:
    """Adds the pairs that the solver doesn't exclude; False if they are too many to be asked."""
    if len(a) * len(b) > MAX_PAIRS:
        notes.append(
            f"over {MAX_PAIRS:,} pairs of lines: shown is what was seen, nothing is proved"
        )
        return False
    terms, solver = induction.terms, induction.solver
    open_ = {
        (_where(x), _where(y)): terms.and_(x.guard, y.guard)
        for x in a
        for y in b
        if (_where(x), _where(y)) not in seen
    }
    undecided = 0
    while open_:
        batch = dict(list(open_.items())[:BATCH])
        if not induction.possible(list(batch.values())):
            held: list[tuple[Where, Where]] = []
            gone = list(batch)
        else:
            held = [p for p, g in open_.items() if solver.has_model and solver.value(g)]
            gone = held
        if not gone:  # it could not say
            held = gone = [p for p, guard in batch.items() if induction.possible([guard])]
            undecided += len(held)
            gone = list(batch)
        seen.update(held)
        for pair in gone:
            del open_[pair]
    if undecided:
        notes.append(f"{undecided} pairs that the solver could not exclude are shown as well")
    return True


# What that says -----------------------------------------------------------------------------------


def _pairings(
    own: Sequence[_Row], others: Sequence[_Row], seen: set[tuple[Where, Where]]
) -> list[Pairing]:
    """For each entry, those of the other side's tables in which it leaves the least choice."""

    def met(row: _Row, other: _Row) -> bool:
        pair = _where(row), _where(other)
        return pair in seen or pair[::-1] in seen

    tables: dict[int, list[_Row]] = {}
    for row in others:
        tables.setdefault(row.table, []).append(row)
    found = []
    for row in own:
        if row.none:
            continue
        partners: list[_Row] = []
        for table in tables.values():
            with_it = [other for other in table if met(row, other)]
            reached = [other for other in table if any(met(one, other) for one in own)]
            # A table in which everything may happen says nothing of this entry.
            if with_it and len(with_it) < max(len(reached), 2):
                partners += with_it
        if partners:
            same = [one for one in own if one.table == row.table and one is not row]
            always = not any(met(one, other) for one in same for other in partners)
            found.append(Pairing(row.line, tuple(p.line for p in partners), always))
    return found
