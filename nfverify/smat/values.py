"""Typed values in the making: conversions, arithmetic and comparisons, constants folded.

These functions decide which IR an operator becomes. They report nothing, so that the unparser can
ask them what a text would be read as.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nfverify.lang.source import NOWHERE, Span
from nfverify.smat import ir
from nfverify.smat.types import FLOW, FLOW_LAYOUT, Flow, Tuple, Type, common, layout, promote


@dataclass(frozen=True, slots=True)
class Value:
    """An expression with its type, as scalars (`types.layout`).

    `literal` is the number of a literal that still takes the type of the other operand; `loose`
    says that it was written in hex and may fill all bits of an int.
    """

    type: Type
    parts: tuple[ir.Expr, ...]
    literal: int | None = None
    loose: bool = False


class Misfit(Exception):
    """A literal that its type can't hold, or a value of an altogether different type."""


def scalar(expr: ir.Expr) -> Value:
    return Value(expr.type, (expr,))


def literal(number: int, *, loose: bool = False, span: Span = NOWHERE) -> Value:
    """A number as written: int if it can be, else as many bits as it needs."""
    if -(1 << 31) <= number < 1 << 31 or (loose and 0 <= number < 1 << 32):
        type_ = ir.INT
    else:
        width = next((w for w in (32, 64, 128) if number.bit_length() <= w), 0)
        if number < 0 or not width:
            raise Misfit(f"{number} is beyond all types")
        type_ = ir.Bits(width)
    const = ir.Const(ir.wrap(number, type_), type_, span=span)
    return Value(type_, (const,), number, loose)


def fits(number: int, type_: ir.Bits, *, loose: bool) -> bool:
    """May a literal be written where this type is wanted? Negative ones are two's complement."""
    if number < 0:
        return -number <= 1 << (type_.width - 1)
    return number < 1 << (type_.width - (type_.signed and not loose))


# Conversions ------------------------------------------------------------------------------


def coerce(value: Value, to: Type) -> Value:
    """By value, as in an assignment; raises Misfit if the types have nothing in common."""
    if value.type == to and value.literal is None:
        return value
    match value.type, to:
        case ir.Bits(), ir.Bits():
            if value.literal is not None and not fits(value.literal, to, loose=value.loose):
                raise Misfit(f"{value.literal} does not fit")
            return Value(to, (as_type(value, to),))
        case (ir.Bool(), ir.Bool()) | (ir.Bytes(), ir.Bytes()) | (Flow(), Flow()):
            return value
        case Tuple(items=items), Tuple(items=wanted) if len(items) == len(wanted):
            return Value(to, _each(components(value), wanted))
        case Tuple(items=items), Flow() if len(items) in (5, 7):
            parts = list(components(value))
            if len(items) == 5:  # an IPv4 flow (decision 8)
                absent = scalar(ir.Const(0, ir.IP6))
                parts[2:2] = [absent, absent]
            return Value(FLOW, _each(parts, FLOW_LAYOUT))
        case Flow(), Tuple(items=wanted) if len(wanted) == 7:
            return Value(to, _each(components(value), wanted))
        case _:
            raise Misfit("the types differ")


def _each(values: Sequence[Value], to: Sequence[Type]) -> tuple[ir.Expr, ...]:
    return tuple([p for v, t in zip(values, to, strict=True) for p in coerce(v, t).parts])


def components(value: Value) -> tuple[Value, ...]:
    """The items of a tuple or the fields of a flow; anything else is its own only item."""
    match value.type:
        case Tuple(items=items):
            found, position = [], 0
            for item in items:
                width = len(layout(item))
                found.append(Value(item, value.parts[position : position + width]))
                position += width
            return tuple(found)
        case Flow():
            return tuple([scalar(part) for part in value.parts])
        case _:
            return (value,)


def as_type(value: Value, to: ir.Bits) -> ir.Expr:
    """The number at another width: a literal takes the type, anything else is cast."""
    (expr,) = value.parts
    if value.literal is not None:
        assert isinstance(expr, ir.Const)
        return ir.Const(ir.wrap(value.literal, to), to, expr.name, span=expr.span)
    return cast(expr, to)


def cast(expr: ir.Expr, to: ir.Type) -> ir.Expr:
    """A Cast, unless it changes nothing or its operand is a constant."""
    if expr.type == to:
        return expr
    if isinstance(expr, ir.Const) and not isinstance(to, ir.Bytes):
        assert not isinstance(expr.value, bytes)
        number = int(expr.value)
        value = ir.wrap(number, to) if isinstance(to, ir.Bits) else bool(number)
        return ir.Const(value, to, expr.name, span=expr.span)
    return ir.Cast(expr, to, span=expr.span)


def balance(left: Value, right: Value) -> tuple[ir.Expr, ir.Expr, ir.Bits]:
    """Two numbers at the type of an operation on them. Raises Misfit for a literal out of range."""
    assert isinstance(left.type, ir.Bits)
    assert isinstance(right.type, ir.Bits)
    match left.literal, right.literal:
        case None, int() as number:
            type_ = promote(left.type)
            loose = right.loose
        case int() as number, None:
            type_ = promote(right.type)
            loose = left.loose
        case _:
            type_ = common(left.type, right.type)
            return as_type(left, type_), as_type(right, type_), type_
    if not fits(number, type_, loose=loose):
        raise Misfit(f"{number} does not fit")
    return as_type(left, type_), as_type(right, type_), type_


# Operators --------------------------------------------------------------------------------


def arithmetic(op: ir.ArithmeticOp, left: Value, right: Value, span: Span = NOWHERE) -> Value:
    """Two numbers; the result of two literals is a literal."""
    a, b, type_ = balance(left, right)
    if isinstance(a, ir.Const) and isinstance(b, ir.Const):
        assert not isinstance(a.value, bytes)
        assert not isinstance(b.value, bytes)
        return scalar(ir.Const(compute(op, int(a.value), int(b.value), type_), type_, span=span))
    return scalar(ir.Arithmetic(op, a, b, type_, span=span))


def compute(op: ir.ArithmeticOp, a: int, b: int, type_: ir.Bits) -> int:
    """The value of an operation on two values of one type (ir.Arithmetic)."""
    shift = b & ((1 << type_.width) - 1)
    match op:
        case "+":
            result = a + b
        case "-":
            result = a - b
        case "*":
            result = a * b
        case "/" | "%":
            quotient = 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
            result = quotient if op == "/" else (a - quotient * b if b else 0)
        case "&":
            result = a & b
        case "|":
            result = a | b
        case "^":
            result = a ^ b
        case "<<":
            result = a << shift if shift < type_.width else 0
        case ">>":
            result = a >> shift if shift < type_.width else 0
    return ir.wrap(result, type_)


def negate(value: Value, span: Span = NOWHERE) -> Value:
    if value.literal is not None:
        return literal(-value.literal, loose=value.loose, span=span)
    return arithmetic("-", literal(0), value, span)


def invert(value: Value, span: Span = NOWHERE) -> Value:
    """~ of a number, at its type after promotion."""
    return arithmetic("^", value, literal(-1), span)


Comparison = Literal["==", "!=", "<", "<=", ">", ">="]


def compare(op: Comparison, left: Value, right: Value, span: Span = NOWHERE) -> ir.Expr:
    """Scalars or tuples of the same shape; raises Misfit for others."""
    if op == ">":
        return compare("<", right, left, span)
    if op == ">=":
        return compare("<=", right, left, span)
    if isinstance(left.type, ir.Bits) and isinstance(right.type, ir.Bits):
        a, b, _ = balance(left, right)
        return _compare(op, a, b, span)
    if op in ("<", "<="):
        raise Misfit("only numbers have an order")
    if isinstance(left.type, ir.Bool | ir.Bytes):
        if left.type != right.type:
            raise Misfit("the types differ")
        return _compare(op, left.parts[0], right.parts[0], span)
    if isinstance(left.type, Tuple) and isinstance(right.type, Flow):
        left = coerce(left, FLOW)
    if isinstance(right.type, Tuple) and isinstance(left.type, Flow):
        right = coerce(right, FLOW)
    ours, theirs = components(left), components(right)
    if not isinstance(left.type, Tuple | Flow) or len(ours) != len(theirs):
        raise Misfit("the types differ")
    parts = tuple([compare(op, a, b, span) for a, b in zip(ours, theirs, strict=True)])
    return conjunction(parts, span) if op == "==" else disjunction(parts, span)


def _compare(op: ir.CompareOp, a: ir.Expr, b: ir.Expr, span: Span) -> ir.Expr:
    """At the narrowest type that says the same: f[proto] == 6 needs 8 bits, not an int's 32."""
    if isinstance(a, ir.Const) and isinstance(b, ir.Const):
        return ir.Const(_holds(op, a.value, b.value), ir.BOOL, span=span)
    narrow = _narrow(a) or _narrow(b)
    if narrow is not None:
        x, y = _narrowed(a, narrow), _narrowed(b, narrow)
        if x is not None and y is not None:
            return _compare(op, x, y, span)
    for one, other in ((a, b), (b, a)):
        truth = isinstance(one, ir.Cast) and one.operand.type == ir.BOOL and op in ("==", "!=")
        if truth and isinstance(other, ir.Const) and other.value in (0, 1):
            assert isinstance(one, ir.Cast)
            same = (op == "==") == (other.value == 1)
            return one.operand if same else negation(one.operand, span)
    return ir.Compare(op, a, b, span=span)


def _holds(op: ir.CompareOp, a: ir.Value, b: ir.Value) -> bool:
    if op == "==":
        return a == b
    if op == "!=":
        return a != b
    assert not isinstance(a, bytes)
    assert not isinstance(b, bytes)
    return a < b if op == "<" else a <= b


def _narrow(expr: ir.Expr) -> ir.Bits | None:
    """The unsigned type that a value-preserving cast widens."""
    if isinstance(expr, ir.Cast) and isinstance(expr.type, ir.Bits):
        inner = expr.operand.type
        if isinstance(inner, ir.Bits) and not inner.signed and inner.width < expr.type.width:
            return inner
    return None


def _narrowed(expr: ir.Expr, to: ir.Bits) -> ir.Expr | None:
    match expr:
        case ir.Cast(operand=operand) if operand.type == to and _narrow(expr) is not None:
            return operand
        case ir.Const(value=int() as number) if 0 <= number < 1 << to.width:
            return ir.Const(number, to, expr.name, span=expr.span)
        case _:
            return None


def negation(expr: ir.Expr, span: Span = NOWHERE) -> ir.Expr:
    if isinstance(expr, ir.Const):
        return ir.Const(not expr.value, ir.BOOL, span=span)
    if isinstance(expr, ir.Not):
        return expr.operand
    return ir.Not(expr, span=span)


def conjunction(parts: Sequence[ir.Expr], span: Span = NOWHERE) -> ir.Expr:
    """And, flat and without what is true anyway; FALSE if a conjunct is."""
    return _junction(ir.And, parts, True, span)


def disjunction(parts: Sequence[ir.Expr], span: Span = NOWHERE) -> ir.Expr:
    return _junction(ir.Or, parts, False, span)


def _junction(
    kind: type[ir.And] | type[ir.Or], parts: Sequence[ir.Expr], neutral: bool, span: Span
) -> ir.Expr:
    flat: list[ir.Expr] = []
    for part in parts:
        if isinstance(part, ir.Const):
            if part.value is not neutral:
                return ir.Const(not neutral, ir.BOOL, span=span)
        elif isinstance(part, kind):
            flat.extend(part.operands)
        else:
            flat.append(part)
    if not flat:
        return ir.Const(neutral, ir.BOOL, span=span)
    return flat[0] if len(flat) == 1 else kind(tuple(flat), span=span)


def choice(condition: ir.Expr, then: Value, otherwise: Value, span: Span = NOWHERE) -> Value:
    """condition ? then : otherwise; two numbers of different types meet at their common one."""
    type_ = then.type
    if isinstance(then.type, ir.Bits) and isinstance(otherwise.type, ir.Bits):
        same = then.type == otherwise.type and then.literal is None and otherwise.literal is None
        if not same:
            a, b, type_ = balance(then, otherwise)
            then, otherwise = scalar(a), scalar(b)
    elif isinstance(otherwise.type, Flow) and isinstance(then.type, Tuple):
        then, type_ = coerce(then, FLOW), FLOW
    else:
        otherwise = coerce(otherwise, then.type)
    if isinstance(condition, ir.Const):
        return Value(type_, then.parts if condition.value else otherwise.parts)
    return Value(
        type_,
        tuple(
            [
                ir.Conditional(condition, a, b, a.type, span=span)
                for a, b in zip(then.parts, otherwise.parts, strict=True)
            ]
        ),
    )
