"""Expressions rebuilt bottom-up, constants folded; nothing here needs a solver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nfverify.semantics.values import arithmetic, cast, compare
from nfverify.smat import ir

Replace = Callable[[ir.Expr, tuple[ir.Expr, ...]], ir.Expr]


def transform(root: ir.Expr, visit: Replace) -> ir.Expr:
    """Each node, arguments first, becomes what `visit` makes of it and its new arguments."""
    done: dict[int, ir.Expr] = {}
    stack: list[tuple[ir.Expr, bool]] = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        parts = parts_of(node)
        if ready or not parts:
            done[id(node)] = visit(node, tuple(done[id(p)] for p in parts))
        else:
            stack.append((node, True))
            stack.extend((part, False) for part in parts)
    return done[id(root)]


def parts_of(node: ir.Expr) -> tuple[ir.Expr, ...]:
    """The arguments of an expression."""
    return tuple(c for c in ir.children(node) if isinstance(c, ir.Expr))


def size(root: ir.Expr, limit: int) -> int:
    """Nodes of the expression as a tree; counting stops past `limit`."""
    count = 0
    for _ in ir.walk((root,)):
        count += 1
        if count > limit:
            break
    return count


def depth(root: ir.Expr) -> int:
    """Levels of the expression."""
    deepest = 0
    stack = [(root, 1)]
    while stack:
        node, level = stack.pop()
        deepest = max(deepest, level)
        stack.extend((part, level + 1) for part in parts_of(node))
    return deepest


def rebuild(node: ir.Expr, parts: tuple[ir.Expr, ...]) -> ir.Expr:
    """The same node over other arguments, folded."""
    match node:
        case ir.Read() | ir.Has():
            return replace(node, keys=parts)
        case ir.Not():
            return negation(parts[0])
        case ir.And():
            return conjunction(parts)
        case ir.Or():
            return disjunction(parts)
        case ir.Arithmetic(op=op, type=type_):
            return _arithmetic(replace(node, left=parts[0], right=parts[1]), op, type_)
        case ir.Compare(op=op):
            return comparison(op, parts[0], parts[1])
        case ir.Conditional():
            return conditional(*parts)
        case ir.Cast(type=type_):
            return convert(parts[0], type_)
        case ir.Match(ruleset=ruleset):
            if all(isinstance(p, ir.Const) for p in parts):
                values = [int(p.value) for p in parts if isinstance(p, ir.Const)]
                return truth(ruleset.accepts(values))
            return replace(node, args=parts)
        case ir.Apply():
            return replace(node, args=parts)
        case ir.Post() | ir.Since() | ir.Total():
            raise AssertionError("a property's term in a program")
        case _:
            return node


def truth(value: bool) -> ir.Const:
    return ir.TRUE if value else ir.FALSE


def negation(a: ir.Expr) -> ir.Expr:
    match a:
        case ir.Const(value=value):
            return truth(not value)
        case ir.Not(operand=operand):
            return operand
        case ir.Compare(op="==", left=left, right=right):
            return ir.Compare("!=", left, right)
        case ir.Compare(op="!=", left=left, right=right):
            return ir.Compare("==", left, right)
        case _:
            return ir.Not(a)


def conjuncts(a: ir.Expr) -> tuple[ir.Expr, ...]:
    """What must hold for `a` to hold: its parts if it is a conjunction."""
    found: list[ir.Expr] = []
    stack = [a]
    while stack:
        node = stack.pop()
        if isinstance(node, ir.And):
            stack.extend(reversed(node.operands))
        else:
            found.append(node)
    return tuple(found)


def conjunction(operands: tuple[ir.Expr, ...]) -> ir.Expr:
    kept: dict[ir.Expr, None] = {}
    for operand in operands:
        for part in conjuncts(operand):
            if part == ir.FALSE:
                return ir.FALSE
            if part != ir.TRUE:
                kept[part] = None
    if len(kept) == 1:
        return next(iter(kept))
    return ir.And(tuple(kept)) if kept else ir.TRUE


def disjunction(operands: tuple[ir.Expr, ...]) -> ir.Expr:
    kept: dict[ir.Expr, None] = {}
    for operand in operands:
        for part in operand.operands if isinstance(operand, ir.Or) else (operand,):
            if part == ir.TRUE:
                return ir.TRUE
            if part != ir.FALSE:
                kept[part] = None
    if len(kept) == 1:
        return next(iter(kept))
    return ir.Or(tuple(kept)) if kept else ir.FALSE


def conditional(condition: ir.Expr, then: ir.Expr, otherwise: ir.Expr) -> ir.Expr:
    if isinstance(condition, ir.Const):
        return then if condition.value else otherwise
    if then == otherwise:
        return then
    if isinstance(then.type, ir.Bool):
        if isinstance(then, ir.Const):
            if then.value:
                return disjunction((condition, otherwise))
            return conjunction((negation(condition), otherwise))
        if isinstance(otherwise, ir.Const):
            if otherwise.value:
                return disjunction((negation(condition), then))
            return conjunction((condition, then))
    return ir.Conditional(condition, then, otherwise, then.type)


def comparison(op: ir.CompareOp, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    if isinstance(left, ir.Const) and isinstance(right, ir.Const):
        return truth(compare(op, left.value, right.value))
    if left == right:
        return truth(op in ("==", "<="))
    for this, other, swapped in ((left, right, False), (right, left, True)):
        if isinstance(this, ir.Conditional) and isinstance(other, ir.Const):
            # (c ? x : 0) == 5 is c && x == 5
            branches = [
                comparison(op, other, b) if swapped else comparison(op, b, other)
                for b in (this.then, this.otherwise)
            ]
            if any(isinstance(b, ir.Const) for b in branches):
                return conditional(this.condition, branches[0], branches[1])
    return ir.Compare(op, left, right)


def convert(operand: ir.Expr, type_: ir.Type) -> ir.Expr:
    """`operand` as a value of `type_`."""
    source = operand.type
    if source == type_:
        return operand
    match operand:
        case ir.Const(value=value, name=name):
            result = cast(value, type_)
            return ir.Const(result, type_, name if result == value else "")
        case ir.Conditional(condition=condition, then=then, otherwise=otherwise) if isinstance(
            then, ir.Const
        ) or isinstance(otherwise, ir.Const):
            return conditional(condition, convert(then, type_), convert(otherwise, type_))
        case ir.Cast(operand=inner) if _one_cast_does(inner.type, source, type_):
            return convert(inner, type_)
        case _:
            return ir.Cast(operand, type_)


def _one_cast_does(first: ir.Type, middle: ir.Type, last: ir.Type) -> bool:
    """Is converting first -> middle -> last the same as first -> last, for every value?"""
    match first, middle, last:
        case ir.Bool(), ir.Bits(), _:
            return middle.width > 1 or not middle.signed
        case ir.Bits(), ir.Bits(), ir.Bool():
            return first.width <= middle.width
        case ir.Bits(), ir.Bits(), ir.Bits():
            if first.width > middle.width:
                return last.width <= middle.width
            return (
                last.width <= middle.width
                or first.signed == middle.signed
                or (first.width < middle.width and not first.signed)
            )
        case _:
            return False


def _arithmetic(node: ir.Arithmetic, op: ir.ArithmeticOp, type_: ir.Type) -> ir.Expr:
    left, right = node.left, node.right
    assert isinstance(type_, ir.Bits)
    if isinstance(left, ir.Const) and isinstance(right, ir.Const):
        return ir.Const(arithmetic(op, int(left.value), int(right.value), type_), type_)
    if isinstance(right, ir.Const) and right.value == 0 and op in ("+", "-", "|", "^", "<<", ">>"):
        return left
    if isinstance(left, ir.Const) and left.value == 0 and op in ("+", "|", "^"):
        return right
    return node
