"""Reads and writes of state: each look-up of a key is made once and then followed as a cursor."""

from __future__ import annotations

from nfverify.cythonized.body import Body, Cursor, Keys
from nfverify.cythonized.ctypes_of import literal, stored
from nfverify.cythonized.layout import Member, Plain, TableLayout
from nfverify.cythonized.tables import TableCode, stored_constant
from nfverify.smat.ir import (
    Bits,
    Bool,
    Bytes,
    Delete,
    Expr,
    Field,
    Has,
    Read,
    Touch,
    Type,
    Value,
    Write,
)

FLOW = ("sip", "dip", "sport", "dport", "proto")
REVERSED = ("dip", "sip", "dport", "sport", "proto")


def read(body: Body, node: Read) -> str:
    """Component `index` of a value; the default where the key is absent."""
    home = body.instance.home(node.var)
    if isinstance(home, Plain):
        cell = home.cells[node.index]
        return loaded(f"S.{home.owner}.{cell.name}", cell.type)
    table, member = home
    cell = member.cells[node.index]
    default = member.variable.default[node.index]
    dense = body.resources.dense(table)
    if dense is not None:
        key = body.value(node.keys[0])
        otherwise = constant(body, default, cell.type)
        return loaded(body.resources.dense_read(dense, node.index, key, otherwise), cell.type)
    cursor = find(body, table, node.keys)
    value = loaded(f"{cursor.pointer}.{cell.name}", cell.type)
    if cursor.present:
        return value
    return f"({value} if {cursor.pointer} != NULL else {constant(body, default, cell.type)})"


def has(body: Body, node: Has) -> str:
    """Is the key present?"""
    home = body.instance.home(node.var)
    if isinstance(home, Plain):
        return "nf_yes()"
    table, member = home
    dense = body.resources.dense(table)
    if dense is not None:
        return f"((<u64>{body.value(node.keys[0])}) < {dense.rows}U)"
    cursor = find(body, table, node.keys)
    if member.presence is None:
        return "nf_yes()" if cursor.present else f"({cursor.pointer} != NULL)"
    bit = _bit(table, member, cursor)
    return bit if cursor.present else f"({cursor.pointer} != NULL and {bit})"


def loaded(text: str, type_: Type) -> str:
    """A stored value as an expression carries it."""
    match type_:
        case Bytes():
            return f"nf_interned(&S.core.pool, {text})"
        case Bool():
            return f"({text} != 0)"
        case Bits():
            return text


def constant(body: Body, value: Value, type_: Type) -> str:
    if isinstance(value, bytes):
        return f"nf_slice_of({body.resources.string(value)}, {len(value)})"
    if isinstance(type_, Bool):
        return "nf_yes()" if value else "nf_no()"
    return literal(value, type_)


def kept(text: str, type_: Type) -> str:
    """An expression as it is stored."""
    match type_:
        case Bytes():
            return f"nf_kept(&S.core, {text})"
        case Bool():
            return f"<u8>({text})"
        case Bits():
            return text


def _bit(table: TableLayout, member: Member, cursor: Cursor) -> str:
    assert table.presence is not None
    assert member.presence is not None
    return f"(({cursor.pointer}.{table.presence.name} & {1 << member.presence}U) != 0)"


# Keys ---------------------------------------------------------------------------------------


def pack(body: Body, table: TableLayout, keys: Keys, *, intern: bool = False) -> str:
    """The variable with the packed key, not hashed yet; `intern` for keys to be written."""
    code = TableCode.of(table)
    arguments = flow_words(body, code, keys)
    if arguments is not None:
        call = f"{code.prefix}_pack_flow"
    else:
        call = f"{code.prefix}_pack"
        arguments = [_part(body, key, intern) for key in keys]
    name = body.function.declare(f"{code.prefix}_key", "k")
    body.emit(f"{call}(&{', '.join([name, *arguments])})")
    return name


def hash_key(body: Body, table: TableLayout, key: str) -> None:
    body.emit(f"{TableCode.of(table).prefix}_hash(&{key})")


def flow_words(body: Body, code: TableCode, keys: Keys) -> list[str] | None:
    """The two words of the packet's flow, if these are the keys in this or the other direction,
    and the IPv6 addresses."""
    if not code.flow_like or not all(isinstance(key, Field) for key in keys):
        return None
    names = tuple(key.name for key in keys if isinstance(key, Field))
    short = tuple(n for n in names if not n.endswith("6"))
    six = tuple(n for n in names if n.endswith("6"))
    if short == FLOW and six in ((), ("sip6", "dip6")):
        words = ["h.a", "h.b"]
    elif short == REVERSED and six in ((), ("dip6", "sip6")):
        words = ["nf_turned(h.a)", "nf_swapped_ports(h.b)"]
    else:
        return None
    return words + [body.value(key) for key in keys if isinstance(key, Field) and key.name in six]


def _part(body: Body, key: Expr, intern: bool) -> str:
    text = body.value(key)
    if not isinstance(key.type, Bytes):
        return text
    return f"nf_kept(&S.core, {text})" if intern else f"nf_interned_id(&S.core.pool, {text})"


def _has_bytes(table: TableLayout) -> bool:
    return any(isinstance(t, Bytes) for t in table.types)


def find(body: Body, table: TableLayout, keys: Keys) -> Cursor:
    """The cursor of a key: the one that is known, else by a new look-up."""
    known = body.cursors.get((table.id, keys))
    if known is not None:
        return known
    if body.shared is not None:
        cursor = body.shared(body, table, keys)
        body.cursors[table.id, keys] = cursor
        return cursor
    if (table.id, keys) in body.hints:
        return _hinted(body, table, keys)
    key = pack(body, table, keys)
    pointer = body.function.declare(f"{TableCode.of(table).value}*", "e", "NULL")
    hashed = look_up(body, table, keys, key, pointer)
    cursor = Cursor(pointer, key, hashed)
    body.cursors[table.id, keys] = cursor
    return cursor


def _hinted(body: Body, table: TableLayout, keys: Keys) -> Cursor:
    """A cursor from where the record says that the slot was; else a look-up out of line."""
    code = TableCode.of(table)
    key = body.packed.get((table.id, keys)) or f"{pack(body, table, keys)}.k"
    again, _ = code.out_of_line(body.resources)
    hint = body.hints[table.id, keys]
    pointer = body.function.declare(f"{code.value}*", "e", "NULL")
    body.emit(f"{pointer} = <{code.value}*>nf_hinted({code.hinted(hint, key)})")
    with body.function.block(f"if nf_unlikely({pointer} == NULL):"):
        body.emit(f"{pointer} = {again}(S, {key}, &{hint})")
    cursor = Cursor(pointer, key, hashed=False)
    body.cursors[table.id, keys] = cursor
    return cursor


def look_up(body: Body, table: TableLayout, keys: Keys, key: str, pointer: str) -> bool:
    """Sets the pointer by a look-up of the packed key, from its home if the pipeline knows it; is
    the key hashed then in any case?"""
    code = TableCode.of(table)
    home = body.homes.get((table.id, keys))
    if home is None:
        hash_key(body, table, key)
        body.emit(f"{pointer} = {code.find(key)}")
        return True
    member, test = home
    with body.function.block(f"if {test}:"):
        body.emit(f"{pointer} = {code.prefix}_at({member}, &{key})")
    with body.function.block("else:"):
        hash_key(body, table, key)
        body.emit(f"{pointer} = {code.find(key)}")
    return False


# Writes -------------------------------------------------------------------------------------


def write(body: Body, node: Write) -> None:
    """Assign all components; keys and values are read before."""
    _touch(body, node.var)
    home = body.instance.home(node.var)
    if isinstance(home, Plain):
        cells = home.cells
        texts = [kept(body.value(v), v.type) for v in node.values]
        if len(texts) > 1:
            texts = [_held(body, t, c.type) for t, c in zip(texts, cells, strict=True)]
        places = [f"S.{home.owner}.{cell.name}" for cell in cells]
        if node.var in body.events:
            texts = [_held(body, t, c.type) for t, c in zip(texts, cells, strict=True)]
            differ = [f"{p} != {t}" for p, t in zip(places, texts, strict=True)]
            changed = body.temporary("bint", "changed", " or ".join(differ))
            with body.function.block(f"if {changed}:"):
                raise_event(body, node.var)
        for place, text in zip(places, texts, strict=True):
            body.emit(f"{place} = {text}")
        body.state_written(node.var)
        return
    table, member = home
    was = ""
    if node.var in body.events and not table.aged:
        was = body.temporary("bint", "was", has(body, Has(node.var, node.keys)))
    values = [kept(body.value(v), v.type) for v in node.values]
    values = [_held(body, t, c.type) for t, c in zip(values, member.cells, strict=True)]
    cursor = _put(body, table, node.keys)
    assignments = [
        f"{cursor.pointer}.{cell.name} = {value}"
        for cell, value in zip(member.cells, values, strict=True)
    ]
    if table.presence is not None:
        place = f"{cursor.pointer}.{table.presence.name}"
        assignments.append(f"{place} |= {1 << (member.presence or 0)}U")
    if was:
        differ = [f"not {was}"] + [
            f"{cursor.pointer}.{cell.name} != {value}"
            for cell, value in zip(member.cells, values, strict=True)
        ]
        with body.function.block(f"if {' or '.join(differ)}:"):
            raise_event(body, node.var, table, cursor)
    elif node.var in body.events:  # an assignment may push another key out
        body.emit("nf_mat_outdate_all(&S.mat)")
    if cursor.present:
        body.emit(*assignments)
    elif assignments:  # an aged map that is full rejects new keys
        with body.function.block(f"if {cursor.pointer} != NULL:"):
            body.emit(*assignments)
    body.state_written(node.var)


def _touch(body: Body, var: str) -> None:
    if var in body.touching:
        body.emit("S.touched[p.verdict - S.first] = 1")


def raise_event(
    body: Body, var: str, table: TableLayout | None = None, cursor: Cursor | None = None
) -> None:
    """The value or presence of a variable changes, of a map at the cursor's key: records of a fast
    path that rest on it are outdated."""
    number = body.events[var]
    if number is None:
        body.emit("nf_mat_outdate_all(&S.mat)")
    elif table is None or cursor is None:
        body.emit(f"nf_mat_event(&S.mat, nf_event_of({number}, 0))")
    else:
        hash_key(body, table, cursor.key)
        body.emit(f"nf_mat_event(&S.mat, nf_event_of({number}, {cursor.key}.hash))")


def _held(body: Body, text: str, type_: Type) -> str:
    """In a variable, if what follows could change what the text reads."""
    if text.rstrip("UL").isalnum():
        return text
    return body.temporary(stored(type_), "v", text)


def _put(body: Body, table: TableLayout, keys: Keys) -> Cursor:
    """A cursor to the slot of a key, made if it isn't there."""
    code = TableCode.of(table)
    at = (table.id, keys)
    if at not in body.cursors and at in body.homes:
        find(body, table, keys)
    known = body.cursors.get(at)
    if known is not None and known.present and not table.aged:
        return known
    if known is None or _has_bytes(table):
        key = pack(body, table, keys, intern=True)
        pointer, hashed = body.function.declare(f"{code.value}*", "e", "NULL"), False
    else:
        key, pointer, hashed = known.key, known.pointer, known.hashed
    now = ", now" if table.aged else ""
    put = f"{pointer} = {code.prefix}_put(S, &{key}{now})"
    if known is not None and not table.aged and pointer == known.pointer:
        with body.function.block(f"if {pointer} == NULL:"):
            if not hashed:
                hash_key(body, table, key)
            body.emit(put)
    else:
        if not hashed:
            hash_key(body, table, key)
            hashed = True
        body.emit(put)
    cursor = Cursor(pointer, key, hashed, present=not table.aged)
    body.slots_moved(table.id)
    body.cursors[at] = cursor
    return cursor


def delete(body: Body, node: Delete) -> None:
    """Make a key absent."""
    _touch(body, node.var)
    home = body.instance.home(node.var)
    assert not isinstance(home, Plain)
    table, member = home
    code = TableCode.of(table)
    if table.aged and node.var in body.events:
        body.emit("nf_mat_outdate_all(&S.mat)")
    elif node.var in body.events:
        cursor = find(body, table, node.keys)
        with body.function.block(f"if {has(body, Has(node.var, node.keys))}:"):
            raise_event(body, node.var, table, cursor)
    if member.presence is None:
        body.emit(f"{code.prefix}_del(S, &{_hashed(body, table, node.keys)})")
    else:
        cursor = find(body, table, node.keys)
        assert table.presence is not None
        place = f"{cursor.pointer}.{table.presence.name}"
        with body.function.block(f"if {cursor.pointer} != NULL:"):
            body.emit(f"{place} &= {~(1 << member.presence) & 0xFF}U")
            for cell, default in zip(member.cells, member.variable.default, strict=True):
                value = stored_constant(default, cell.type, body.resources)
                body.emit(f"{cursor.pointer}.{cell.name} = {value}")
            with body.function.block(f"if {place} == 0:"):
                if not cursor.hashed:
                    hash_key(body, table, cursor.key)
                body.emit(f"{code.prefix}_del(S, &{cursor.key})")
    body.slots_moved(table.id)
    body.state_written(node.var)


def _hashed(body: Body, table: TableLayout, keys: Keys) -> str:
    """The variable with the packed and hashed key."""
    known = body.cursors.get((table.id, keys))
    key = known.key if known is not None else pack(body, table, keys)
    if known is None or not known.hashed:
        hash_key(body, table, key)
    return key


def touch(body: Body, node: Touch) -> None:
    """Refresh a live key."""
    home = body.instance.home(node.var)
    assert not isinstance(home, Plain)
    table, _ = home
    if not table.aged:
        return
    key = _hashed(body, table, node.keys)
    body.emit(f"{TableCode.of(table).prefix}_touch(S, &{key}, now)")
    body.slots_moved(table.id)
