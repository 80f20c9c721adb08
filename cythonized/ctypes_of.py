"""The C types and literals that carry the values of the IR."""

from __future__ import annotations

from nfverify.cythonized.layout import size
from nfverify.smat.ir import Bits, Bool, Bytes, Type

_MAX_INT = (1 << 31) - 1


def carrier(type_: Type) -> str:
    """The C type of an expression: the smallest that holds the value; a bool is 0 or 1."""
    match type_:
        case Bool():
            return "u32"
        case Bits(signed=signed):
            return f"{'i' if signed else 'u'}{8 * size(type_)}"
        case Bytes():
            return "nf_slice"


def variable(type_: Type) -> str:
    """The type of a variable for an expression: `and` and `or` take nothing but bint as a bool."""
    return "bint" if isinstance(type_, Bool) else carrier(type_)


def stored(type_: Type) -> str:
    """The C type of a value kept in state: bytes are numbers of the pool."""
    match type_:
        case Bool():
            return "u8"
        case Bits():
            return carrier(type_)
        case Bytes():
            return "u32"


def literal(value: int | bool, type_: Type) -> str:
    """A constant; large ones always with a suffix, or Cython would make Python objects of them."""
    number = int(value)
    match type_:
        case Bits(signed=True) if number < 0:
            if size(type_) > 8:
                return f"(-<i128>{_unsigned(-number)})"
            ctype = carrier(type_)
            return f"<{ctype}>{_unsigned(number & (1 << 8 * size(type_)) - 1)}"
        case Bits(signed=True) if number <= _MAX_INT:
            return str(number)
        case Bits(signed=True) if number < 1 << 63:
            return f"{number:#x}LL"
        case _:
            return _unsigned(number)


def _unsigned(number: int) -> str:
    if number >> 64:
        return f"nf_u128({number >> 64:#x}ULL, {number & (1 << 64) - 1:#x}ULL)"
    if number >> 32:
        return f"{number:#x}ULL"
    return f"{number:#x}U" if number > _MAX_INT else f"{number}U"
