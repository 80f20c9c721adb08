"""The keys of BPF maps as structs: addresses are bytes in network order, all other numbers stand in
host order, so that people read them in what bpftool shows."""

from __future__ import annotations

from dataclasses import dataclass

from nfverify.cythonized.ctypes_of import stored
from nfverify.cythonized.layout import KeyLayout, TableLayout
from nfverify.smat.ir import Bits, Type

_FLOW = ("sip", "dip", "sip6", "dip6", "sport", "dport", "proto")
_ADDRESSES = {("ip", 32): 4, ("ip6", 128): 16, ("mac", 48): 6}


@dataclass(frozen=True, slots=True)
class Part:
    """A member of a key; `argument` is the number of the scalar, None: padding."""

    name: str
    ctype: str
    count: int  # of an array; 0: none
    at: int
    argument: int | None
    type: Type | None

    @property
    def declared(self) -> str:
        return f"{self.ctype} {self.name}{f'[{self.count}]' if self.count else ''};"


def key_parts(table: TableLayout, key: KeyLayout) -> tuple[list[Part], int]:
    """The members of a key's struct in order, with padding, and its size."""
    parts: list[Part] = []
    at = pads = 0

    def pad(to: int) -> None:
        nonlocal at, pads
        if at % to:
            parts.append(Part(f"pad{pads}", "u8", to - at % to, at, None, None))
            pads += 1
            at += to - at % to

    for number, (type_, part) in enumerate(zip(table.types, key.parts, strict=True)):
        if part.word is None:
            continue
        ctype, count, size, align = _member(type_)
        pad(align)
        parts.append(Part(_names(table)[number], ctype, count, at, number, type_))
        at += size
    pad(8)
    if not parts:  # a key of IPv6 parts only
        parts, at = [Part("pad0", "u8", 8, 0, None, None)], 8
    return parts, at


def _member(type_: Type) -> tuple[str, int, int, int]:
    """C type, length of an array, size, alignment."""
    if isinstance(type_, Bits):
        count = 0 if type_.signed else _ADDRESSES.get((type_.shown, type_.width), 0)
        if count:
            return "u8", count, count, {4: 4, 6: 2, 16: 8}[count]
        if type_.width > 64:
            return "u64", 2, 16, 8
    ctype = stored(type_)
    size = int(ctype[1:]) // 8
    return ctype, 0, size, size


def _names(table: TableLayout) -> tuple[str, ...]:
    variable = table.members[0].variable
    if variable.granularity and len(variable.granularity) == len(table.types):
        return variable.granularity
    widths = tuple(t.width if isinstance(t, Bits) else 1 for t in table.types)
    if widths == (32, 32, 128, 128, 16, 16, 8):
        return _FLOW
    return tuple(f"k{i}" for i in range(len(table.types)))
