"""State functions of a fast path: everything is read first, then everything is written."""

from __future__ import annotations

from dataclasses import dataclass

from nfverify.cythonized import access
from nfverify.cythonized.body import Body
from nfverify.cythonized.ctypes_of import stored
from nfverify.cythonized.layout import Plain, TableLayout
from nfverify.cythonized.tables import TableCode, stored_constant
from nfverify.fastpath.plan import StateFunction
from nfverify.smat.ir import Bytes, Delete, Write


@dataclass(slots=True)
class Prepared:
    """A write whose key is packed and looked up, and whose values are in variables; None: delete.
    `found` is the pointer to the value part, NULL if the key isn't there."""

    node: Write | Delete
    values: list[str] | None
    key: str = ""
    found: str = ""


def prepare(body: Body, function: StateFunction) -> list[Prepared]:
    """Reads all that a state function needs."""
    made: list[Prepared] = []
    for node in function.writes:
        home = body.instance.home(node.var)
        values: list[str] | None = None
        if isinstance(node, Write):
            texts = [access.kept(body.value(v), v.type) for v in node.values]
            cells = home.cells if isinstance(home, Plain) else home[1].cells
            values = [
                body.temporary(stored(cell.type), "v", text)
                for text, cell in zip(texts, cells, strict=True)
            ]
        made.append(Prepared(node, values))
    for each in made:
        home = body.instance.home(each.node.var)
        if isinstance(home, Plain):
            continue
        table, keys = home[0], each.node.keys
        if any(isinstance(t, Bytes) for t in table.types):
            each.key = access.pack(body, table, keys, intern=each.values is not None)
        else:
            cursor = access.find(body, table, keys)
            each.key, each.found = cursor.key, cursor.pointer
    return made


def commit(body: Body, prepared: list[Prepared], moved: set[str]) -> None:
    """The writes in order; `moved` are tables whose slots are no longer where they were found."""
    for each in prepared:
        home = body.instance.home(each.node.var)
        if isinstance(home, Plain):
            for cell, value in zip(home.cells, each.values or (), strict=True):
                body.emit(f"S.{home.owner}.{cell.name} = {value}")
        elif each.values is None:
            _delete(body, home[0], each, moved)
        else:
            _assign(body, home[0], each, moved)
        body.state_written(each.node.var)


def _assign(body: Body, table: TableLayout, each: Prepared, moved: set[str]) -> None:
    code = TableCode.of(table)
    member = next(m for m in table.members if m.variable.name == _name(each.node.var))
    now = ", now" if table.aged else ""
    put = f"{code.prefix}_put(S, &{each.key}{now})"
    pointer = each.found
    if not pointer or table.aged or table.id in moved:
        access.hash_key(body, table, each.key)
        pointer = body.function.declare(f"{code.value}*", "e", "NULL")
        body.emit(f"{pointer} = {put}")
    else:
        hint = body.hints.get((table.id, each.node.keys))
        if hint is not None:
            _, made = code.out_of_line(body.resources)
            with body.function.block(f"if nf_unlikely({pointer} == NULL):"):
                body.emit(f"{pointer} = {made}(S, {each.key}, &{hint})")
        else:
            with body.function.block(f"if {pointer} == NULL:"):
                access.hash_key(body, table, each.key)
                body.emit(f"{pointer} = {put}")
    if table.aged:
        moved.add(table.id)
    lines = [
        f"{pointer}.{cell.name} = {value}"
        for cell, value in zip(member.cells, each.values or (), strict=True)
    ]
    if table.presence is not None:
        lines.append(f"{pointer}.{table.presence.name} |= {1 << (member.presence or 0)}U")
    if table.aged and lines:
        with body.function.block(f"if {pointer} != NULL:"):
            body.emit(*lines)
    else:
        body.emit(*lines)
    body.slots_moved(table.id, None if table.id in moved else each.node.keys)


def _delete(body: Body, table: TableLayout, each: Prepared, moved: set[str]) -> None:
    code = TableCode.of(table)
    member = next(m for m in table.members if m.variable.name == _name(each.node.var))
    access.hash_key(body, table, each.key)
    if member.presence is None or table.presence is None:
        body.emit(f"{code.prefix}_del(S, &{each.key})")
    else:
        pointer = each.found
        if not pointer or table.id in moved:
            pointer = body.function.declare(f"{code.value}*", "e", "NULL")
            body.emit(f"{pointer} = {code.find(each.key)}")
        place = f"{pointer}.{table.presence.name}"
        with body.function.block(f"if {pointer} != NULL:"):
            body.emit(f"{place} &= {~(1 << member.presence) & 0xFF}U")
            for cell, default in zip(member.cells, member.variable.default, strict=True):
                value = stored_constant(default, cell.type, body.resources)
                body.emit(f"{pointer}.{cell.name} = {value}")
            with body.function.block(f"if {place} == 0:"):
                body.emit(f"{code.prefix}_del(S, &{each.key})")
    moved.add(table.id)
    body.slots_moved(table.id)


def _name(variable: str) -> str:
    return variable.rpartition(".")[2]
