"""Guards taken apart: the atoms of a condition, and when one of them decides it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nfverify.smat import ir

MAX_LIFTED = 16  # comparisons that one `?:` under a comparison may turn into


def conjunction(parts: Sequence[ir.Expr]) -> ir.Expr:
    """All of them, without what is known."""
    kept: list[ir.Expr] = []
    for part in parts:
        if part == ir.FALSE:
            return ir.FALSE
        if isinstance(part, ir.And):
            kept += [p for p in part.operands if p not in kept]
        elif part != ir.TRUE and part not in kept:
            kept.append(part)
    if not kept:
        return ir.TRUE
    return kept[0] if len(kept) == 1 else ir.And(tuple(kept))


def disjunction(parts: Sequence[ir.Expr]) -> ir.Expr:
    """Any of them, without what is known."""
    return negation(conjunction([negation(part) for part in parts])) if parts else ir.FALSE


def negation(part: ir.Expr) -> ir.Expr:
    """The opposite, with `!` inside."""
    match part:
        case ir.Const(value=value):
            return ir.FALSE if value else ir.TRUE
        case ir.Not(operand=operand):
            return operand
        case ir.And(operands=operands):
            return ir.Or(tuple([negation(o) for o in operands]))
        case ir.Or(operands=operands):
            return conjunction([negation(o) for o in operands])
        case _:
            return ir.Not(part)


def choice(condition: ir.Expr, then: ir.Expr, otherwise: ir.Expr) -> ir.Expr:
    """`?:` of booleans."""
    if condition == ir.TRUE or then == otherwise:
        return then
    if condition == ir.FALSE:
        return otherwise
    if then == ir.TRUE and otherwise == ir.FALSE:
        return condition
    if then == ir.FALSE and otherwise == ir.TRUE:
        return negation(condition)
    return ir.Conditional(condition, then, otherwise, ir.BOOL)


def differ(left: ir.Expr, right: ir.Expr) -> ir.Expr:
    """Exclusive or of booleans."""
    for a, b in ((left, right), (right, left)):
        if a == ir.FALSE:
            return b
        if a == ir.TRUE:
            return negation(b)
    return ir.FALSE if left == right else ir.Compare("!=", left, right)


def plain(expr: ir.Expr) -> ir.Expr:
    """The same condition with every `?:` and conversion under a comparison taken out of it, so that
    what it tests are atoms."""
    match expr:
        case ir.Not(operand=operand):
            return negation(plain(operand))
        case ir.And(operands=operands):
            return conjunction([plain(o) for o in operands])
        case ir.Or(operands=operands):
            return disjunction([plain(o) for o in operands])
        case ir.Conditional(condition=condition, then=then, otherwise=otherwise, type=ir.Bool()):
            return choice(plain(condition), plain(then), plain(otherwise))
        case ir.Cast(operand=operand, type=ir.Bool()):
            if isinstance(operand.type, ir.Bits):
                zero = ir.Const(0, operand.type)
                return plain(ir.Compare("!=", operand, zero, span=expr.span))
            return plain(operand)
        case ir.Compare():
            lifted = _lift(expr, [MAX_LIFTED])
            return expr if lifted is None else lifted
        case _:
            return expr


def _lift(test: ir.Compare, room: list[int]) -> ir.Expr | None:
    """The comparison under the conditions of its operands; None if there are too many."""
    room[0] -= 1
    if room[0] < 0:
        return None
    left, right = test.left, test.right
    if isinstance(left, ir.Const) and isinstance(right, ir.Const):
        return _known(test.op, left, right)
    for side in (left, right):
        split = _split(side)
        if split is not None:
            condition, then, otherwise = split
            parts: list[ir.Expr] = []
            for part in (then, otherwise):
                a, b = (part, right) if side is left else (left, part)
                lifted = _lift(ir.Compare(test.op, a, b, span=test.span), room)
                if lifted is None:
                    return None
                parts.append(lifted)
            return choice(plain(condition), *parts)
    return test


def _split(side: ir.Expr) -> tuple[ir.Expr, ir.Expr, ir.Expr] | None:
    """Condition and both values of an operand that is a `?:` or a boolean as a number."""
    match side:
        case ir.Conditional(condition=condition, then=then, otherwise=otherwise):
            return condition, then, otherwise
        case ir.Cast(operand=operand, type=ir.Bits() as type_) if operand.type == ir.BOOL:
            return operand, ir.Const(ir.wrap(1, type_), type_), ir.Const(0, type_)
        case ir.Cast(operand=operand, type=ir.Bits() as type_):
            inner = _split(operand)
            if inner is None:
                return None
            condition, then, otherwise = inner
            return condition, _cast(then, type_), _cast(otherwise, type_)
        case _:
            return None


def _cast(value: ir.Expr, type_: ir.Bits) -> ir.Expr:
    if isinstance(value, ir.Const) and isinstance(value.value, int):
        return ir.Const(ir.wrap(int(value.value), type_), type_)
    return ir.Cast(value, type_)


def _known(op: ir.CompareOp, left: ir.Const, right: ir.Const) -> ir.Expr:
    a, b = left.value, right.value
    if op in ("==", "!="):
        return ir.TRUE if (a == b) == (op == "==") else ir.FALSE
    assert isinstance(a, int)
    assert isinstance(b, int)
    return ir.TRUE if (a < b or (op == "<=" and a == b)) else ir.FALSE


def atoms(condition: ir.Expr) -> list[ir.Expr]:
    """What a plain condition tests, each once, in textual order."""
    found: dict[ir.Expr, None] = {}
    for atom in _occurrences(condition):
        found.setdefault(atom)
    return list(found)


def _occurrences(condition: ir.Expr) -> Iterator[ir.Expr]:
    stack = [condition]
    while stack:
        node = stack.pop()
        match node:
            case ir.Const():
                pass
            case ir.Not(operand=operand):
                stack.append(operand)
            case ir.And(operands=operands) | ir.Or(operands=operands):
                stack.extend(reversed(operands))
            case ir.Conditional(condition=test, then=then, otherwise=otherwise):
                stack.extend((otherwise, then, test))
            case _:
                yield node


def replaced(condition: ir.Expr, atom: ir.Expr, by: ir.Expr) -> ir.Expr:
    """A plain condition with an atom replaced, simplified."""
    if condition == atom:
        return by
    match condition:
        case ir.Not(operand=operand):
            return negation(replaced(operand, atom, by))
        case ir.And(operands=operands):
            return conjunction([replaced(o, atom, by) for o in operands])
        case ir.Or(operands=operands):
            return disjunction([replaced(o, atom, by) for o in operands])
        case ir.Conditional(condition=test, then=then, otherwise=otherwise, type=ir.Bool()):
            return choice(*[replaced(part, atom, by) for part in (test, then, otherwise)])
        case _:
            return condition


def decides(condition: ir.Expr, atom: ir.Expr) -> ir.Expr:
    """When a plain condition is true or false by this atom alone."""
    return differ(replaced(condition, atom, ir.TRUE), replaced(condition, atom, ir.FALSE))
