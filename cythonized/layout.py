"""Where the state of a network lies: packed keys, slots, and maps that share a table.

Maps of one program whose keys have the same types and are used alike (`packets[f]`, `octets[f]`)
share one table with several values, found by one look-up; a bit for each says if it is present.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nfverify.cythonized.names import Names
from nfverify.smat.ir import (
    BOOL,
    Bits,
    Bool,
    Bytes,
    Delete,
    Expr,
    Has,
    Network,
    Program,
    Read,
    StateVar,
    Touch,
    Type,
    Write,
    walk,
)

TAG_SHIFT = 63  # the last word of a key is never 0: an empty slot has 0 there
WORD = 64
LINE = 64  # bytes of a cache line


def size(type_: Type) -> int:
    """Bytes of the C type that carries a value; a string of bytes is kept as a u32 in state."""
    match type_:
        case Bool():
            return 1
        case Bits(width=width):
            return next(n for n in (1, 2, 4, 8, 16) if width <= 8 * n)
        case Bytes():
            return 4


def width_of(type_: Type) -> int:
    """Bits of a scalar in a packed key."""
    match type_:
        case Bool():
            return 1
        case Bits(width=width):
            return width
        case Bytes():
            return 32


@dataclass(frozen=True, slots=True)
class Part:
    """A scalar of a packed key: `shift` bits into `word`; over 64 bits: two whole words, low
    first. `net`: in network order, as it comes off the wire. `word` None: left out (it is 0)."""

    type: Type
    word: int | None
    shift: int = 0
    net: bool = False

    @property
    def width(self) -> int:
        return width_of(self.type)


@dataclass(frozen=True, slots=True)
class KeyLayout:
    parts: tuple[Part, ...]
    words: int


def pack(types: tuple[Type, ...], *, wide: bool) -> KeyLayout:
    """The scalars one behind the other, none over two words but those of more than 64 bits, and
    the tag bit. Without `wide`, those of more than 64 bits are left out."""
    parts: list[Part] = []
    word, used = 0, 0
    for type_ in types:
        width = width_of(type_)
        if width > WORD:
            if wide:
                if used:
                    word, used = word + 1, 0
                parts.append(Part(type_, word))
                word += 2
            else:
                parts.append(Part(type_, None))
            continue
        if used + width > WORD:
            word, used = word + 1, 0
        net = width in (16, 32) and isinstance(type_, Bits) and not type_.signed
        parts.append(Part(type_, word, used, net))
        used += width
    if used >= WORD:
        word += 1
    return KeyLayout(tuple(parts), word + 1)


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of a variable in the value part of its table or in the state: a struct member."""

    name: str
    type: Type
    at: int


@dataclass(frozen=True, slots=True)
class Member:
    """One variable of a table. `presence` is its bit; None: the slot itself says it."""

    variable: StateVar
    cells: tuple[Cell, ...]
    presence: int | None


@dataclass(frozen=True, slots=True)
class TableLayout:
    """One table (a second one for keys with a 128-bit part that isn't 0) and what it holds."""

    name: str
    members: tuple[Member, ...]
    key: KeyLayout
    wide: KeyLayout | None
    value_bytes: int
    presence: Cell | None  # the byte of bits, if there is more than one member
    aged: bool
    owner: str  # the identifier of its instance

    @property
    def id(self) -> str:
        """What nothing else in the network is called."""
        return f"{self.owner}_{self.name}"

    @property
    def types(self) -> tuple[Type, ...]:
        return self.members[0].variable.keys

    @property
    def constant(self) -> bool:
        return self.members[0].variable.constant

    def slot(self, key: KeyLayout) -> int:
        return slot_bytes(8 * key.words + self.value_bytes)


def slot_bytes(least: int) -> int:
    """The size of a slot that holds `least` bytes: none straddles a line that needn't."""
    for whole in (8, 16, 32, LINE):
        if least <= whole:
            return whole
    return -(-least // 16) * 16


@dataclass(frozen=True, slots=True)
class Plain:
    """A variable without keys: members of the instance's struct."""

    variable: StateVar
    cells: tuple[Cell, ...]
    value_bytes: int
    owner: str


@dataclass(frozen=True, slots=True)
class InstanceLayout:
    """The state of one NF of the network; `name` is its identifier, `title` what people call it."""

    name: str
    title: str
    program: Program
    plains: tuple[Plain, ...]
    tables: tuple[TableLayout, ...]

    def home(self, variable: str) -> tuple[TableLayout, Member] | Plain:
        """Where a variable lies."""
        for table in self.tables:
            for member in table.members:
                if member.variable.name == variable:
                    return table, member
        return next(p for p in self.plains if p.variable.name == variable)


def layouts(network: Network) -> tuple[InstanceLayout, ...]:
    """The layout of every instance, in order."""
    names, ids = Names(), set[str]()
    return tuple(_instance(names.new(i.name), i.name, i.program, ids) for i in network.instances)


def _instance(name: str, title: str, program: Program, ids: set[str]) -> InstanceLayout:
    names = Names()
    plains = []
    for variable in program.state:
        if not variable.keys:
            cells, end = _cells(names, (variable,), 0)
            plains.append(Plain(variable, cells[0], end, name))
    tables = [_table(name, names, group, ids) for group in _groups(program)]
    return InstanceLayout(name, title, program, tuple(plains), tuple(tables))


def _table(owner: str, names: Names, group: tuple[StateVar, ...], ids: set[str]) -> TableLayout:
    wanted = group[0].name if len(group) == 1 else "_and_".join(v.name for v in group)
    table = names.new(wanted)
    while f"{owner}_{table}" in ids:  # table b_c of a, and c of a_b
        table = names.new(wanted)
    ids.add(f"{owner}_{table}")
    inner = Names()
    cells, end = _cells(inner, group, 0)
    presence = None
    if len(group) > 1:
        presence, end = Cell(inner.new("present"), BOOL, end), end + 1
    wide_values = any(size(c.type) == 16 for row in cells for c in row)
    end = -(-end // 16) * 16 if wide_values else end
    first = group[0]
    aged = first.timeout is not None or first.capacity is not None
    # A capacity is of the whole map, so such a map isn't split.
    has_wide = not aged and any(width_of(t) > WORD for t in first.keys)
    key, wide = pack(first.keys, wide=aged), pack(first.keys, wide=True)
    if wide_values:  # the value part begins at a multiple of 16
        key, wide = _even(key), _even(wide)
    members = tuple(
        Member(variable, row, bit if len(group) > 1 else None)
        for bit, (variable, row) in enumerate(zip(group, cells, strict=True))
    )
    split = wide if has_wide else None
    return TableLayout(table, members, key, split, end, presence, aged, owner)


def _even(key: KeyLayout) -> KeyLayout:
    return KeyLayout(key.parts, key.words + key.words % 2)


def _cells(
    names: Names, variables: tuple[StateVar, ...], at: int
) -> tuple[tuple[tuple[Cell, ...], ...], int]:
    """A member for each value, the largest first, so that nothing is lost to alignment."""
    wanted = [(v, i, t) for v in variables for i, t in enumerate(v.values)]
    placed: dict[tuple[str, int], Cell] = {}
    for variable, index, type_ in sorted(wanted, key=lambda w: -size(w[2])):
        text = variable.name if len(variable.values) == 1 else f"{variable.name}_{index}"
        placed[variable.name, index] = Cell(names.new(text), type_, at)
        at += size(type_)
    rows = tuple(tuple(placed[v.name, i] for i in range(len(v.values))) for v in variables)
    return rows, at


def _groups(program: Program) -> Iterator[tuple[StateVar, ...]]:
    """Maps that share a table: the same types of keys, and at least one key used with all."""
    used: dict[str, set[tuple[Expr, ...]]] = {v.name: set() for v in program.state}
    for node in walk(program.init + program.body):
        if isinstance(node, Read | Has | Write | Delete | Touch) and node.keys:
            used[node.var].add(node.keys)
    left = [v for v in program.state if v.keys]
    while left:
        first = left.pop(0)
        group = [first]
        if _fusible(first):
            for other in list(left):
                if (
                    _fusible(other)
                    and first.keys == other.keys
                    and used[first.name] & used[other.name]
                    and len(group) < 8
                ):
                    group.append(other)
                    left.remove(other)
        yield tuple(group)


def _fusible(variable: StateVar) -> bool:
    return variable.timeout is None and variable.capacity is None and not variable.constant
