"""Both sides of an atom of a condition, at its bound and next to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nfverify.oracles.coverage.conditions import conjunction, negation
from nfverify.smat import ir

Side = tuple[str, ir.Expr]
"""What it is called, and when it is reached."""


def sides(atom: ir.Expr) -> list[Side]:
    """The sides of an atom that can be told apart; a value that its type can't have is left out."""
    match atom:
        case ir.Compare(op="==" | "!=", left=left, right=right) if isinstance(left.type, ir.Bits):
            if isinstance(left, ir.Const):
                left, right = right, left
            return _masked(left, right) or _around(left, right)
        case ir.Compare(op="<" | "<=" as op, left=left, right=right):
            return _ordered(op, left, right)
        case ir.Compare(op=op, left=left, right=right):
            same = ir.Compare("==", left, right)
            return [("equal", same), ("different", negation(same))]
        case _:
            return [("true", atom), ("false", negation(atom))]


def _around(left: ir.Expr, right: ir.Expr) -> list[Side]:
    same = ir.Compare("==", left, right)
    found: list[Side] = [("equal", same)]
    low, high = bounds(left)
    if low + 1 == high:  # of one bit: the value beside the bound is the other one
        return [*found, ("different", negation(same))]
    for name, offset in (("one below", -1), ("one above", 1)):
        condition = offset_by(left, right, offset)
        if condition is not None:
            found.append((name, condition))
    return [*found, ("different", negation(same))] if _computed(left, right) else found


def _ordered(op: ir.CompareOp, left: ir.Expr, right: ir.Expr) -> list[Side]:
    below, above = ("one below", "one above")
    if isinstance(left, ir.Const):  # and so said of the right side
        below, above = above, below
    test = ir.Compare(op, left, right)
    inside, outside = (-1, 0) if op == "<" else (0, 1)
    names = {-1: below, 0: "at the bound", 1: above}
    found: list[Side] = []
    for holds, offset in (("true", inside), ("false", outside)):
        condition = offset_by(left, right, offset)
        if condition is not None:
            found.append((f"{holds}, {names[offset]}", condition))
    if _computed(left, right):
        found += [("true", test), ("false", negation(test))]
    return found


def _computed(left: ir.Expr, right: ir.Expr) -> bool:
    """May it step over its bound, as a packet's field doesn't?"""
    return any(isinstance(n, ir.Read | ir.Arithmetic | ir.Apply) for n in ir.walk((left, right)))


def offset_by(left: ir.Expr, right: ir.Expr, offset: int) -> ir.Expr | None:
    """left == right + offset (-1, 0 or 1) without wrapping; None if that can't be."""
    type_ = left.type
    assert isinstance(type_, ir.Bits)
    for one, other, change in ((left, right, offset), (right, left, -offset)):
        if isinstance(other, ir.Const):
            assert isinstance(other.value, int)
            value = other.value + change
            low, high = bounds(one)
            if not low <= value <= high or (value >= 0 and value & ~_bits(one)):
                return None
            return ir.Compare("==", one, ir.Const(value, type_))
    if offset == 0:
        return ir.Compare("==", left, right)
    moved = ir.Arithmetic("+" if offset > 0 else "-", right, ir.Const(1, type_), type_)
    order = (right, left) if offset > 0 else (left, right)
    return conjunction([ir.Compare("==", left, moved), ir.Compare("<", *order)])


def _masked(left: ir.Expr, right: ir.Expr) -> list[Side]:
    """`x & mask == c` with a prefix mask: first and last of the range, and what lies beside it."""
    match left, right:
        case (
            ir.Arithmetic(op="&", left=value, right=ir.Const(value=int() as mask), type=type_),
            ir.Const(value=int() as first),
        ):
            pass
        case _:
            return []
    assert isinstance(type_, ir.Bits)
    whole = (1 << type_.width) - 1
    rest = whole & ~mask
    if type_.signed or rest & (rest + 1) or not rest or first & rest or rest == whole:
        return []
    last = first | rest
    places = (("below", first - 1), ("first", first), ("last", last), ("above", last + 1))
    low, high = bounds(value)
    return [
        (f"{name} of the range" if low_ else f"just {name} the range",
         ir.Compare("==", value, ir.Const(at, type_)))
        for (name, at), low_ in zip(places, (False, True, True, False), strict=True)
        if low <= at <= high
    ]  # fmt: skip


def bounds(expr: ir.Expr) -> tuple[int, int]:
    """A range that holds every value of an expression."""
    type_ = expr.type
    assert isinstance(type_, ir.Bits)
    whole = _whole(type_)
    match expr:
        case ir.Const(value=int() as value):
            return value, value
        case ir.Cast(operand=operand):
            if not isinstance(operand.type, ir.Bits):
                return 0, 1
            low, high = bounds(operand)
            return (low, high) if whole[0] <= low and high <= whole[1] else whole
        case ir.Conditional(then=then, otherwise=otherwise):
            (a, b), (c, d) = bounds(then), bounds(otherwise)
            return min(a, c), max(b, d)
        case ir.Arithmetic(op="&", left=left, right=right):
            known = [high for low, high in (bounds(left), bounds(right)) if low >= 0]
            return (0, min(known)) if known else whole
        case ir.Arithmetic(op="%", left=left, right=ir.Const(value=int() as modulus)):
            if modulus > 0 and bounds(left)[0] >= 0:
                return 0, min(modulus - 1, bounds(left)[1])
            return whole
        case _:
            return whole


def _bits(expr: ir.Expr) -> int:
    """A mask of the bits that a value can have, if it is not negative."""
    match expr:
        case ir.Arithmetic(op="&", right=ir.Const(value=int() as mask)) if mask >= 0:
            return mask
        case _:
            return -1


def _whole(type_: ir.Bits) -> tuple[int, int]:
    if type_.signed:
        return -(1 << (type_.width - 1)), (1 << (type_.width - 1)) - 1
    return 0, (1 << type_.width) - 1


def tests(nodes: Sequence[ir.Expr | ir.Stmt]) -> Iterator[ir.Expr]:
    """The conditions of every `?:` below a value, each once, the outermost first."""
    seen: dict[ir.Expr, None] = {}
    for part in ir.walk(tuple(nodes)):
        if isinstance(part, ir.Conditional):
            seen.setdefault(part.condition)
    yield from seen
