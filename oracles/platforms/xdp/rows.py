"""Rows of a table in a BPF map: keys and values as bytes, and as the model's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nfverify.cythonized.layout import WORD, Cell, TableLayout, width_of
from nfverify.oracles.platforms.xdp.btf import Array, Layout, Scalar, Struct
from nfverify.semantics.engine import Key, Values
from nfverify.smat.ir import Bits, Bool, Type, Value

PAD = "pad"  # how members of a key that mean nothing begin
STAMP, ORDER = "stamp", "order"  # of an aged key: when, and as which, it was assigned last
_BYTES = 8


@dataclass(frozen=True, slots=True)
class Place:
    """An integer in a row: its offset, size, and order of bytes."""

    at: int
    size: int
    order: Literal["little", "big"]
    type: Type

    def read(self, data: bytes | memoryview) -> Value:
        signed = isinstance(self.type, Bits) and self.type.signed
        raw = data[self.at : self.at + self.size]
        value = int.from_bytes(raw, self.order, signed=signed)
        return bool(value) if isinstance(self.type, Bool) else value

    def write(self, data: bytearray, value: Value) -> None:
        number = int(value) if isinstance(value, int) else 0
        raw = number.to_bytes(self.size, self.order, signed=number < 0)
        data[self.at : self.at + self.size] = raw


def place(at: int, layout: Layout, type_: Type) -> Place:
    """Where an integer lies: a scalar, bytes in network order, or words, low first. ValueError."""
    match layout:
        case Scalar(size=size, big=big):
            return Place(at, size, "big" if big else "little", type_)
        case Array(element=Scalar(size=1), count=count):
            return Place(at, count, "big", type_)
        case Array(element=Scalar(size=8, big=False), count=count):
            return Place(at, _BYTES * count, "little", type_)
    raise ValueError("no layout of an integer")


def cell(layout: Layout, name: str, type_: Type, base: int = 0) -> Place:
    """A member of a struct by name. ValueError if it has none."""
    if not isinstance(layout, Struct) or name not in layout.members:
        raise ValueError(f"the object has no member {name!a}")
    at, inner = layout.members[name]
    return place(base + at, inner, type_)


@dataclass(frozen=True, slots=True)
class Rows:
    """How one map holds the rows of a table."""

    table: TableLayout
    key_size: int
    value_size: int
    keys: tuple[Place | None, ...]  # None: it isn't there, for it is 0
    cells: Mapping[str, Place]
    present: Place | None
    stamp: Place | None
    order: Place | None

    @classmethod
    def of(cls, table: TableLayout, key: Layout, value: Layout, *, wide: bool) -> Rows:
        """ValueError if the map isn't one of that table."""
        left_out = table.wide is not None and not wide
        members = _members(key)
        keys: list[Place | None] = []
        for type_ in table.types:
            if left_out and width_of(type_) > WORD:
                keys.append(None)
            else:
                at, inner = members.pop(0)
                keys.append(place(at, inner, type_))
        if members:
            raise ValueError(f"keys of {table.id} have other components")
        cells: list[Cell] = [c for member in table.members for c in member.cells]
        places = {c.name: cell(value, c.name, c.type) for c in cells}
        mark = table.presence
        present = None if mark is None else cell(value, mark.name, Bits(8))
        stamp = cell(value, STAMP, Bits(64)) if table.aged else None
        order = cell(value, ORDER, Bits(64)) if table.aged else None
        return cls(table, key.size, value.size, tuple(keys), places, present, stamp, order)

    def key(self, data: bytes) -> Key:
        return tuple(0 if p is None else p.read(data) for p in self.keys)

    def pack(self, key: Key) -> bytes | None:
        """The bytes of a key; None: it has 128-bit parts, and belongs to the other map."""
        data = bytearray(self.key_size)
        for where, value in zip(self.keys, key, strict=True):
            if where is not None:
                where.write(data, value)
            elif value:
                return None
        return bytes(data)

    def values(self, data: bytes) -> Mapping[str, Values]:
        """What a row says of each variable of the table that has the key."""
        found: dict[str, Values] = {}
        bits = self.present.read(data) if self.present is not None else 0
        for member in self.table.members:
            if member.presence is None or int(bits) >> member.presence & 1:
                row = tuple(self.cells[c.name].read(data) for c in member.cells)
                found[member.variable.name] = row + self._aged(data)
        return found

    def _aged(self, data: bytes) -> Values:
        return () if self.stamp is None else (self.stamp.read(data),)

    def age(self, data: bytes) -> tuple[Value, Value]:
        """By what aged rows stand oldest first."""
        return (
            (0, 0)
            if not self.stamp or not self.order
            else (
                self.stamp.read(data),
                self.order.read(data),
            )
        )

    def pack_values(self, rows: Mapping[str, Values], order: int) -> bytes:
        """The bytes of a row: what each variable that has the key says, the others' defaults."""
        data = bytearray(self.value_size)
        bits = 0
        for member in self.table.members:
            row = rows.get(member.variable.name, member.variable.default)
            for where, value in zip(member.cells, row, strict=False):
                self.cells[where.name].write(data, value)
            if member.presence is not None and member.variable.name in rows:
                bits |= 1 << member.presence
            if self.stamp is not None and self.order is not None:
                self.stamp.write(data, row[-1])
                self.order.write(data, order)
        if self.present is not None:
            self.present.write(data, bits)
        return bytes(data)


def _members(layout: Layout) -> list[tuple[int, Layout]]:
    """The members of a key without padding; of one that is no struct, itself."""
    if not isinstance(layout, Struct):
        return [(0, layout)]
    return [found for name, found in layout.members.items() if not name.startswith(PAD)]
