"""BTF: how the types of an object lie in memory, as the compiler tells the kernel and bpftool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import unpack_from

_MAGIC = 0xEB9F
_INT, _POINTER, _ARRAY, _STRUCT, _UNION, _ENUM, _FORWARD, _TYPEDEF = range(1, 9)
_VOLATILE, _CONST, _RESTRICT, _FUNCTION, _PROTOTYPE, _VARIABLE, _SECTION = range(9, 16)
_FLOAT, _DECLARATION_TAG, _TYPE_TAG, _ENUM64 = range(16, 20)
_NAMED = {_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG}
# Bytes behind the common part of a type: all at once, and for each of its `vlen` members.
_ONCE = {_INT: 4, _ARRAY: 12, _VARIABLE: 4, _DECLARATION_TAG: 4}
_EACH = {_STRUCT: 12, _UNION: 12, _ENUM: 8, _PROTOTYPE: 8, _SECTION: 12, _ENUM64: 12}
_BIG = {"be16", "be32", "be64"}
_LONGEST = 64  # chains of typedef and const


@dataclass(frozen=True, slots=True)
class Scalar:
    """An integer of some bytes; `big`: in network order, for its type is called be16, say."""

    size: int
    big: bool = False


@dataclass(frozen=True, slots=True)
class Array:
    element: Layout
    count: int

    @property
    def size(self) -> int:
        return self.element.size * self.count


@dataclass(frozen=True, slots=True)
class Struct:
    """Members by name: byte offset and layout, in order."""

    size: int
    members: Mapping[str, tuple[int, Layout]]


Layout = Scalar | Array | Struct


@dataclass(frozen=True, slots=True)
class _Type:
    name: str
    kind: int
    count: int
    size: int  # or the number of the type that it names
    at: int  # where its own data begins


class Btf:
    """The types of one object, from its BTF section. ValueError: it is none."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        magic, _, _, header, start, length, texts, _ = unpack_from("<HBBIIIII", data)
        if magic != _MAGIC:
            raise ValueError("no BTF")
        self._texts = header + texts
        self._types = [_Type("void", 0, 0, 0, 0)]
        self._types.extend(self._read(header + start, header + start + length))

    def _read(self, at: int, end: int) -> Iterator[_Type]:
        while at < end:
            name, info, size = unpack_from("<III", self._data, at)
            kind, count = info >> 24 & 31, info & 0xFFFF
            at += 12
            yield _Type(self._text(name), kind, count, size, at)
            at += _ONCE.get(kind, 0) + _EACH.get(kind, 0) * count

    def _text(self, at: int) -> str:
        start = self._texts + at
        return self._data[start : self._data.index(b"\0", start)].decode()

    def layout(self, number: int) -> Layout:
        """The layout of a type. ValueError if values of it are no data."""
        big = False
        for _ in range(_LONGEST):
            type_ = self._types[number]
            if type_.kind not in _NAMED:
                break
            big = big or type_.name.lstrip("_") in _BIG
            number = type_.size
        match type_.kind:
            case 1 | 6 | 19:  # integers, enumerations
                return Scalar(type_.size, big)
            case 3:  # arrays
                element, _, count = unpack_from("<III", self._data, type_.at)
                return Array(self.layout(element), count)
            case 4:  # structs
                return Struct(type_.size, dict(self._members(type_)))
        raise ValueError(f"{type_.name or 'a type'} is no data")

    def _members(self, type_: _Type) -> Iterator[tuple[str, tuple[int, Layout]]]:
        for index in range(type_.count):
            name, member, bits = unpack_from("<III", self._data, type_.at + 12 * index)
            yield self._text(name), (bits >> 3 & 0x1FFFFF, self.layout(member))

    def section(self, name: str) -> Mapping[str, tuple[int, Layout]]:
        """The variables of a data section: offset and layout by name; none if there is none."""
        for type_ in self._types:
            if type_.kind == _SECTION and type_.name == name:
                found = {}
                for index in range(type_.count):
                    number, at, _ = unpack_from("<III", self._data, type_.at + 12 * index)
                    variable = self._types[number]
                    found[variable.name] = (at, self.layout(variable.size))
                return found
        return {}
