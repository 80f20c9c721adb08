"""Rows of the binary form of states (state_binary.py): components one behind the other.

Columns are converted at once, not row by row: there may be millions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import starmap
from struct import Struct
from struct import error as struct_error
from typing import Any

from nfverify.semantics.engine import Key, Values
from nfverify.smat.ir import Bits, Bool, Bytes, StateVar, Type, Value, wrap

_U8, _U32, _U64 = Struct("<B"), Struct("<I"), Struct("<Q")
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}

Row = tuple[Value, ...]  # keys, values and, if it is aged, its stamp


def types_of(variable: StateVar) -> tuple[Type, ...]:
    """Of the components of its rows."""
    return variable.keys + variable.values


def rows(variable: StateVar, entries: Iterable[tuple[Key, Values]]) -> bytes:
    """The rows of a variable; of an aged one, with stamps if `entries` have them. TypeError."""
    found = [key + values for key, values in entries]
    if not found:
        return b""
    stamped = len(found[0]) > len(types_of(variable))
    try:
        fixed = _Fixed.of(variable, stamped)
        return fixed.pack(found) if fixed else b"".join(_packed(variable, r) for r in found)
    except (struct_error, OverflowError, AttributeError, ValueError) as error:
        raise TypeError(f"a row of {variable.name} is not of its types: {error}") from error


def fixed_rows(variable: StateVar) -> tuple[int, Callable[[bytes], Sequence[Row]]] | None:
    """The bytes of a row, and what reads many (ValueError); None: rows hold byte strings."""
    fixed = _Fixed.of(variable, variable.aged)
    return None if fixed is None else (fixed.struct.size, fixed.unpack)


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Rows of one size."""

    struct: Struct
    types: tuple[Type, ...]

    @classmethod
    def of(cls, variable: StateVar, stamped: bool) -> _Fixed | None:
        types = types_of(variable)
        if any(isinstance(type_, Bytes) for type_ in types):
            return None
        types += (Bits(64),) * stamped
        return cls(Struct("<" + "".join(map(_code, types))), types)

    def pack(self, found: Sequence[Row]) -> bytes:
        columns = zip(zip(*found, strict=True), self.types, strict=True)
        encoded = [_encoded(column, type_) for column, type_ in columns]
        return b"".join(starmap(self.struct.pack, zip(*encoded, strict=True)))

    def unpack(self, data: bytes) -> Sequence[Row]:
        found = list(self.struct.iter_unpack(data))
        if not found or all(isinstance(t, Bits) and _code(t)[-1] != "s" for t in self.types):
            return found
        columns = zip(zip(*found, strict=True), self.types, strict=True)
        return list(zip(*(_decoded(c, t) for c, t in columns), strict=True))


def _code(type_: Type) -> str:
    """The struct code of a component of fixed size; one of "Ns" takes bytes."""
    if not isinstance(type_, Bits):
        return "B"
    size = (type_.width + 7) // 8
    code = _CODES.get(size, "") if type_.width % 8 == 0 else ""
    return (code.lower() if type_.signed else code) or f"{size}s"


def _encoded(column: Sequence[Any], type_: Type) -> Sequence[object]:
    if isinstance(type_, Bits) and _code(type_)[-1] == "s":
        size, signed = (type_.width + 7) // 8, type_.signed
        return [value.to_bytes(size, "little", signed=signed) for value in column]
    return column


def _decoded(column: Sequence[Any], type_: Type) -> Sequence[Value]:
    if isinstance(type_, Bool):
        if max(column) > 1:
            raise ValueError(f"{max(column)} is no truth value (0 or 1)")
        return list(map(bool, column))
    if not isinstance(type_, Bits) or _code(type_)[-1] != "s":
        return column
    return numbers(column, type_)


def numbers(column: Sequence[bytes], type_: Bits) -> list[int]:
    """Integers out of their bytes. ValueError for one that doesn't fit its type."""
    signed = type_.signed
    values = [int.from_bytes(data, "little", signed=signed) for data in column]
    for value in (min(values), max(values)):
        if wrap(value, type_) != value:
            raise ValueError(f"{value} does not fit {type_.width} bits")
    return values


def _packed(variable: StateVar, row: Row) -> bytes:
    """A row with byte strings."""
    found = bytearray()
    types = types_of(variable)
    for value, type_ in zip(row, types, strict=False):
        match type_, value:
            case Bytes(), bytes():
                found += _U32.pack(len(value)) + value
            case Bits(), int():
                size = (type_.width + 7) // 8
                found += value.to_bytes(size, "little", signed=type_.signed)
            case Bool(), bool():
                found += _U8.pack(value)
            case _:
                raise ValueError(f"{value!r} is not of type {type_}")
    for stamp in row[len(types) :]:
        found += _U64.pack(stamp)
    return bytes(found)
