"""Membership in sets and maps, and matches of flows against rules, rulesets and prefixes."""

from __future__ import annotations

from nfverify.lang import ast
from nfverify.lang.source import Span
from nfverify.packet.fields import FLOW_FIELDS
from nfverify.smat import expressions, ir, rules, values
from nfverify.smat.report import Failed, did_you_mean
from nfverify.smat.scope import Context, Rule, Rules, Variable
from nfverify.smat.types import FLOW, Flow, Map, Set, Tuple, show
from nfverify.smat.values import Misfit, Value


def is_set(cx: Context, node: ast.Expr) -> bool:
    """Is it set-valued (or a map, as the right side of `in`)? By its leftmost operand."""
    while isinstance(node, ast.Binary) and node.op in ("|", "&", "\\"):
        if isinstance(node.right, ast.SetLiteral):
            return True
        node = node.left
    if isinstance(node, ast.SetLiteral | ast.MapLiteral):
        return True
    if not expressions.names_state(cx, node):
        return False
    depth = 0
    while isinstance(node, ast.Index):
        depth += 1
        node = node.base
    assert isinstance(node, ast.Name)
    variable = cx.symbols[node.name]
    assert isinstance(variable, Variable)
    type_ = variable.type
    while isinstance(type_, Map) and depth:
        type_, depth = type_.value, depth - 1
    return isinstance(type_, Set | Map)


def member(cx: Context, value: Value, node: ast.Expr, span: Span) -> ir.Expr:
    """Is `value` in the set (or assigned in the map) that `node` stands for?"""
    match node:
        case ast.SetLiteral(items=items):
            tests = []
            for item in items:
                try:
                    tests.append(
                        values.compare("==", value, expressions.expression(cx, item), item.span)
                    )
                except Misfit:
                    message = f"a set of this can't hold {show(value.type)}"
                    raise cx.fail(item.span, "type", message) from None
            return values.disjunction(tests, node.span)
        case ast.Binary(op=("|" | "&" | "\\") as op, left=left, right=right):
            a, b = member(cx, value, left, span), member(cx, value, right, span)
            if op == "|":
                return values.disjunction((a, b), node.span)
            return values.conjunction((a, values.negation(b) if op == "\\" else b), node.span)
        case ast.Name() | ast.Index() if expressions.names_state(cx, node):
            return _has(cx, value, expressions.place(cx, node), span)
        case ast.Name(name=name) if isinstance(cx.symbols.get(name), Rule | Rules):
            hint = f"write `f matches {name}`"
            raise cx.fail(node.span, "type", "`in` takes a set or a map", hint)
        case ast.Address4() | ast.Address6() if is_prefix(node):
            raise cx.fail(node.span, "type", "`in` takes a set or a map", "write `matches`")
        case _:
            other = expressions.expression(cx, node)
            raise cx.fail(node.span, "type", f"`in` takes a set or a map, not {show(other.type)}")


def _has(cx: Context, value: Value, where: expressions.Place, span: Span) -> ir.Expr:
    name = where.state.name
    match where.missing:
        case Set(element=element):
            keys = expressions.convert(cx, value, element, span, f"an element of `{name}`").parts
        case Map(key=key, value=Map()):
            hint = f"test `k in {name}[…]` with all keys but the last"
            raise cx.fail(where.span, "type", f"`{name}` has more than one key", hint)
        case Map(key=key):
            keys = expressions.convert(cx, value, key, span, f"a key of `{name}`").parts
        case type_:
            raise cx.fail(where.span, "type", f"`in` takes a set or a map, not {show(type_)}")
    found: ir.Expr = ir.Has(name, where.keys + keys, span=where.span)
    return ir.Post(found, span=where.span) if where.primed else found


def matches(cx: Context, left: ast.Expr, right: ast.Expr) -> ir.Expr:
    """f, a flow value or an address against a rule, a ruleset or a prefix."""
    subject = expressions.expression(cx, left)
    match right:
        case ast.Address4() | ast.Address6():
            four = isinstance(right, ast.Address4)
            wanted = ir.IP if four else ir.IP6
            if subject.type != wanted or subject.literal is not None:
                hint = "write `f[sip] matches …`" if isinstance(subject.type, Flow) else ""
                message = f"a prefix of {show(wanted)} can't match {show(subject.type)}"
                raise cx.fail(left.span, "type", message, hint)
            low, high = rules.prefix(cx, right.value, right.length, wanted.width, right)
            (operand,) = subject.parts
            shown = ir.Bits(wanted.width, shown=wanted.shown)
            return _in_prefix(operand, low, high, shown)
        case ast.RuleLiteral():
            return rules.rule_expr(cx, right, _fields(cx, subject, left))
        case ast.Name(name=name) if name in cx.symbols and name not in cx.locals:
            cx.used.add(name)
            match cx.symbols[name]:
                case Rule(node=rule):
                    return rules.rule_expr(cx, rule.value, _fields(cx, subject, left))
                case Rules() as declared:
                    return rules.ruleset_expr(cx, declared, _fields(cx, subject, left))
                case _:
                    hint = "it takes a rule, a ruleset or a prefix"
                    raise cx.fail(right.span, "type", f"`{name}` can't be matched against", hint)
        case ast.Name(name=name):
            if name in cx.broken:
                raise Failed
            known = [n for n, s in cx.symbols.items() if isinstance(s, Rule | Rules)]
            message = f"unknown rule `{name}`{did_you_mean(name, known)}"
            raise cx.fail(right.span, "unknown-name", message)
        case _:
            hint = "it takes a rule, a ruleset or a prefix"
            raise cx.fail(right.span, "type", "this can't be matched against", hint)


def _in_prefix(operand: ir.Expr, low: int, high: int, shown: ir.Bits) -> ir.Expr:
    """in_bounds for an address whatever its type says about being shown."""
    if low == high:
        return ir.Compare("==", operand, ir.Const(low, shown), span=operand.span)
    size = high - low + 1
    if size >> shown.width:
        return ir.TRUE
    mask = ir.Const((1 << shown.width) - size, shown)
    masked = ir.Arithmetic("&", operand, mask, operand.type, span=operand.span)
    return ir.Compare("==", masked, ir.Const(low, shown), span=operand.span)


def _fields(cx: Context, subject: Value, node: ast.Expr) -> dict[str, ir.Expr]:
    """What to take for the fields of a rule on the left side of `matches`."""
    if isinstance(node, ast.Name) and node.name == "f" and not node.primed:
        return {}
    if isinstance(subject.type, Tuple) and len(subject.type.items) in (5, 7):
        subject = expressions.convert(cx, subject, FLOW, node.span, "the left side of `matches`")
    if not isinstance(subject.type, Flow):
        message = f"a rule matches a flow, not {show(subject.type)}"
        raise cx.fail(node.span, "type", message, "write `f matches …`")
    return dict(zip(FLOW_FIELDS, subject.parts, strict=True))


def is_prefix(node: ast.Expr) -> bool:
    match node:
        case ast.Address4(length=length) if length not in (None, 32):
            return True
        case ast.Address6(length=length) if length not in (None, 128):
            return True
        case _:
            return False
