"""Unary and binary operators: what they take, and warnings of odd operands."""

from __future__ import annotations

from nfverify.lang import ast
from nfverify.lang.source import Span
from nfverify.smat import expressions, ir, rules, sets, values
from nfverify.smat.report import Failed
from nfverify.smat.scope import Context
from nfverify.smat.types import Type, promote, show
from nfverify.smat.values import Misfit, Value, scalar


def unary(cx: Context, node: ast.Unary) -> Value:
    value = expressions.expression(cx, node.operand)
    match node.op, value.type:
        case (("!" | "~"), ir.Bool()):
            return scalar(values.negation(value.parts[0], node.span))
        case "!", ir.Bits():
            hint = "write `… == 0`; for all bits flipped, `~`"
            raise cx.fail(node.span, "type", "`!` and `not` take a bool, not a number", hint)
        case "~", ir.Bits():
            return values.invert(value, node.span)
        case "-", ir.Bits():
            try:
                return values.negate(value, node.span)
            except Misfit:
                raise cx.fail(node.span, "range", "the number is beyond all types") from None
        case op, type_:
            raise cx.fail(node.span, "type", f"`{op}` of {show(type_)}")


def binary(cx: Context, node: ast.Binary) -> Value:
    span = node.span
    match node.op:
        case "in" | "not in":
            negated = node.op == "not in"
            found = sets.member(
                cx, expressions.expression(cx, node.left), node.right, node.left.span
            )
            return scalar(values.negation(found, span) if negated else found)
        case "matches" | "mismatches":
            found = sets.matches(cx, node.left, node.right)
            return scalar(rules.mismatch(found, node.op == "mismatches"))
        case "==" | "!=" | "<" | "<=" | ">" | ">=":
            if node.single_equals:
                cx.warn(span, "single-equals", "`=` in a match is read as `==`", "write `==`")
            return _comparison(cx, node)
        case "\\":
            raise cx.fail(span, "type", "a set has no value here", "test `x in a \\ b`")
        case op:
            if sets.is_set(cx, node.left) or sets.is_set(cx, node.right):
                raise cx.fail(span, "type", "a set has no value here", "test `x in …`")
            left, right = (
                expressions.expression(cx, node.left),
                expressions.expression(cx, node.right),
            )
            if not isinstance(left.type, ir.Bits) or not isinstance(right.type, ir.Bits):
                message = f"`{op}` between {show(left.type)} and {show(right.type)}"
                hint = "use && and || on bool" if left.type == ir.BOOL else "it takes numbers"
                raise cx.fail(span, "type", message, hint)
            _warn_mixed_operands(cx, left, right, node)
            try:
                return values.arithmetic(op, left, right, span)
            except Misfit:
                raise _literal_misfit(cx, node, left, right) from None


def _comparison(cx: Context, node: ast.Binary) -> Value:
    op = node.op
    assert op in ("==", "!=", "<", "<=", ">", ">=")
    for side in (node.left, node.right):
        if sets.is_set(cx, side):
            hint = "test membership: `x in …`"
            raise cx.fail(side.span, "type", "whole sets and maps can't be compared", hint)
        if isinstance(side, ast.Keyword):
            message = f"`{side.name}` can't be compared"
            raise cx.fail(
                side.span, "type", message, f"write `f[output] = {side.name}` in an action"
            )
    prefix = next((n for n in (node.left, node.right) if sets.is_prefix(n)), None)
    if prefix is not None and op in ("==", "!="):
        word = "matches" if op == "==" else "mismatches"
        raise cx.fail(node.span, "type", "a prefix is matched, not compared", f"write `{word}`")
    left, right = expressions.expression(cx, node.left), expressions.expression(cx, node.right)
    _warn_mixed_operands(cx, left, right, node)
    try:
        result = values.compare(op, left, right, node.span)
    except Misfit:
        if isinstance(left.type, ir.Bits) and isinstance(right.type, ir.Bits):
            raise _literal_misfit(cx, node, left, right) from None
        hint = ""
        if ir.BOOL in (left.type, right.type) and ir.Bits(1) in (left.type, right.type):
            hint = "compare a bit with 1 or 0"
        if {left.type, right.type} & {ir.BOOL} and {left.literal, right.literal} & {0, 1}:
            hint = "a bool is tested by itself, or compared with true or false"
        message = f"`{op}` between {show(left.type)} and {show(right.type)}"
        raise cx.fail(node.span, "type", message, hint) from None
    _warn_decided(cx, node, left, right, result)
    return scalar(result)


def _literal_misfit(cx: Context, node: ast.Binary, left: Value, right: Value) -> Failed:
    literal_, other, side = left, right, node.left
    if literal_.literal is None:
        literal_, other, side = right, left, node.right
    assert isinstance(other.type, ir.Bits)
    type_ = promote(other.type)
    low, high = expressions.limits(type_)
    hint = f"{show(type_)} is from {low} to {high}"
    return cx.fail(side.span, "range", f"{literal_.literal} does not fit {show(type_)}", hint)


def _warn_decided(
    cx: Context, node: ast.Binary, left: Value, right: Value, result: ir.Expr
) -> None:
    """A field compared with a number that it can't hold."""
    for value, number in ((left, right.literal), (right, left.literal)):
        if number is None or not isinstance(value.type, ir.Bits) or value.literal is not None:
            continue
        low, high = expressions.limits(value.type)
        if not low <= number <= high and value.type.width < 32 and node.op in ("==", "!="):
            always = "never" if node.op == "==" else "always"
            message = f"{always} true: {show(value.type)} is from {low} to {high}"
            cx.warn(node.span, "decided", message)


def _warn_mixed_operands(cx: Context, left: Value, right: Value, node: ast.Binary) -> None:
    if node.op in ("*", "/", "%", "<<", ">>", "&", "|", "^"):
        return
    for one, other, side in ((left, right, node.right), (right, left, node.left)):
        if isinstance(one.type, ir.Bits) and one.type.shown in ("time", "ip"):
            warn_mixed(cx, other, one.type, side.span)


def warn_mixed(cx: Context, value: Value, to: Type, span: Span) -> None:
    """int where time or IP is meant, and numbers without a unit for times (decision 6)."""
    if not isinstance(to, ir.Bits) or not isinstance(value.type, ir.Bits):
        return
    if to.shown == "time" and value.literal:
        message = f"{value.literal} without a unit is in nanoseconds"
        cx.warn(span, "duration", message, f"write {value.literal}ns, or another unit")
    elif value.literal is not None:
        return
    elif (to.shown in ("time", "ip") and value.type == ir.INT) or (
        value.type.shown in ("time", "ip") and to == ir.INT
    ):
        a, b = show(value.type), show(to)
        cx.warn(span, "mixed", f"{a} is mixed with {b}", "declare both with one type")
