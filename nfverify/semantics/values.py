"""Arithmetic on values, exactly as the docstrings of `smat.ir` say (language.md, Numbers)."""

from __future__ import annotations

from typing import assert_never

from nfverify.smat.ir import ArithmeticOp, Bits, Bool, Bytes, CompareOp, Type, Value, wrap


def divide(left: int, right: int) -> int:
    """Toward zero; x / 0 = 0."""
    if right == 0:
        return 0
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def remainder(left: int, right: int) -> int:
    """Of `divide`, with the sign of the dividend; x % 0 = 0."""
    if right == 0:
        return 0
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def shift_left(value: int, amount: int, width: int) -> int:
    """Not yet wrapped; the amount is read as unsigned, by the width or more gives 0."""
    amount &= (1 << width) - 1
    return value << amount if amount < width else 0


def shift_right(value: int, amount: int, width: int) -> int:
    """Arithmetic on negative values; by the width or more gives 0, also then."""
    amount &= (1 << width) - 1
    return value >> amount if amount < width else 0


def arithmetic(op: ArithmeticOp, left: int, right: int, type_: Bits) -> int:
    """`left op right`, wrapped to the type that both have."""
    match op:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case "/":
            result = divide(left, right)
        case "%":
            result = remainder(left, right)
        case "&":
            result = left & right
        case "|":
            result = left | right
        case "^":
            result = left ^ right
        case "<<":
            result = shift_left(left, right, type_.width)
        case ">>":
            result = shift_right(left, right, type_.width)
        case _:
            assert_never(op)
    return wrap(result, type_)


def compare(op: CompareOp, left: Value, right: Value) -> bool:
    """Values of one type; the order is that of the numbers."""
    match op:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return number(left) < number(right)
        case "<=":
            return number(left) <= number(right)


def cast(value: Value, target: Type) -> Value:
    """By value, as in C: a bool is 0 or 1, to bool is `!= 0`."""
    match target:
        case Bool():
            return value if isinstance(value, bool) else number(value) != 0
        case Bits():
            return wrap(int(number(value)), target)
        case Bytes():
            if not isinstance(value, bytes):
                raise TypeError(f"no conversion of {value!r} to bytes")
            return value


def number(value: Value) -> int:
    """A value of a `Bits` or bool type."""
    if isinstance(value, bytes):
        raise TypeError(f"not a number: {value!r}")
    return value


def truth(value: Value) -> bool:
    """A value of type bool."""
    if not isinstance(value, bool):
        raise TypeError(f"not a bool: {value!r}")
    return value


def bits(type_: Type) -> Bits:
    """The type of a number."""
    if not isinstance(type_, Bits):
        raise TypeError(f"not a type of numbers: {type_}")
    return type_
