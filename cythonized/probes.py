"""Which keys an NF will look up, found from its match blocks, so that the pipeline can hash them
and prefetch their slots while earlier packets are still at work (NFMorph, §2.1).

A probe is one hash and one prefetch a packet. Entries that exclude each other share one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nfverify.cythonized.body import Body, Keys, reads_packet_only
from nfverify.cythonized.entries import early, flow_condition
from nfverify.cythonized.layout import Plain, TableLayout
from nfverify.smat.ir import (
    And,
    Delete,
    Entry,
    Expr,
    Field,
    Has,
    Not,
    Or,
    Read,
    SetField,
    Stmt,
    Table,
    Touch,
    Write,
    walk,
)

MAX_PROBES = 3
SMALL_KEY = 16  # bits: a table of so few keys stays in the cache


@dataclass(slots=True)
class Alternative:
    """A key of a table, and the places of the entries that use it."""

    table: TableLayout
    keys: Keys
    places: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Probe:
    """Alternatives of which a packet uses at most one; `conditions` has one for each but the
    last."""

    alternatives: list[Alternative]
    conditions: list[Expr] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry, or a statement that stands alone (then without guard)."""

    flow: tuple[Expr, ...]  # conjuncts that are cheap
    decided: bool  # the guard is these conjuncts and nothing else
    nodes: tuple[Expr | Stmt | Entry, ...]


def probes(body: Body) -> list[Probe]:
    """The probes of a program, at its beginning."""
    rows = _rows(body.instance.program.body)
    found: dict[tuple[str, Keys], Alternative] = {}
    for place, row in enumerate(rows):
        for table, keys in _keys(body, row):
            use = found.setdefault((table.id, keys), Alternative(table, keys))
            if not use.places or use.places[-1] != place:
                use.places.append(place)
    result: list[Probe] = []
    for use in found.values():
        for probe in result:
            if all(_exclude(rows, other, use) for other in probe.alternatives):
                probe.alternatives.append(use)
                break
        else:
            if len(result) < MAX_PROBES:
                result.append(Probe([use]))
    for probe in result:
        for use in probe.alternatives[:-1]:
            probe.conditions.append(_condition(rows, use))
    return result


def _rows(body: tuple[Stmt, ...]) -> list[_Row]:
    """What runs first: statements up to the first table, and its entries."""
    rows: list[_Row] = []
    for statement in body:
        if isinstance(statement, Table):
            for entry in statement.entries:
                flow = tuple(c for c in flow_condition(entry) if reads_packet_only((c,)))
                decided = flow == entry.match_flow and not entry.match_state
                rows.append(_Row(flow, decided, (entry,)))
            return rows
        rows.append(_Row((), False, (statement,)))
        if any(isinstance(n, SetField) for n in walk((statement,))):
            return rows
    return rows


def _keys(body: Body, row: _Row) -> list[tuple[TableLayout, Keys]]:
    """Keys that the row looks up in the packet as it comes."""
    found = []
    written: set[str] = set()
    for node in walk(row.nodes):
        if isinstance(node, SetField):
            written.add(node.name)
        if not isinstance(node, Read | Has | Write | Delete | Touch) or not node.keys:
            continue
        if not reads_packet_only(node.keys) or not early(body, node.keys):
            continue
        if any(isinstance(n, Field) and n.name in written for n in walk(node.keys)):
            continue
        home = body.instance.home(node.var)
        assert not isinstance(home, Plain)
        table, _ = home
        if table.wide and not _narrow(table, node.keys):
            continue
        if not table.constant and sum(p.width for p in table.key.parts) > SMALL_KEY:
            found.append((table, node.keys))
    return found


def _narrow(table: TableLayout, keys: Keys) -> bool:
    """Are the parts of more than 64 bits 0 for every plain packet?"""
    return all(
        part.word is not None or (isinstance(key, Field) and key.name in ("sip6", "dip6"))
        for part, key in zip(table.key.parts, keys, strict=True)
    )


def _exclude(rows: list[_Row], one: Alternative, other: Alternative) -> bool:
    """Can no packet use both keys?"""
    return all(_apart(rows, i, j) for i in one.places for j in other.places)


def _apart(rows: list[_Row], i: int, j: int) -> bool:
    """No packet comes to use a key in both rows: their tests are opposite, or what passes the
    tests of the first is decided by a row before the second."""
    if i == j:
        return False
    first, second = rows[min(i, j)], rows[max(i, j)]
    if any(_opposite(a, b) for a in first.flow for b in second.flow):
        return True
    return any(row.decided and set(row.flow) <= set(first.flow) for row in rows[: max(i, j)])


def _opposite(a: Expr, b: Expr) -> bool:
    return a == Not(b) or b == Not(a)


def _condition(rows: list[_Row], use: Alternative) -> Expr:
    """Does the packet as it comes use this alternative rather than a later one?"""
    conditions = tuple(dict.fromkeys(And(rows[place].flow) for place in use.places))
    return Or(conditions) if len(conditions) > 1 else conditions[0]
