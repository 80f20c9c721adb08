"""What only properties may say: the past, sums over intervals, where packets come from and go."""

from __future__ import annotations

from nfverify.lang import ast
from nfverify.smat import expressions, ir, sets, values
from nfverify.smat.rebuild import mapped_expr
from nfverify.smat.scope import Context, Port, Rule, Rules
from nfverify.smat.values import Value, scalar

FORMS = {
    "before": "before(condition)",
    "since": "since(held, begun)",
    "total": "total(amount, 10ms)",
    "comes_from": "comes_from(PORT), of a rule, a ruleset or a prefix",
    "goes_to": "goes_to(PORT), of a rule, a ruleset or a prefix",
}
_COUNTS = {"since": 2, "total": 2}


def call(cx: Context, node: ast.Call) -> Value:
    """One of FORMS, in a property."""
    name, span, args = node.name, node.span, node.args
    if cx.mode != "property":
        raise cx.fail(span, "unknown-name", f"`{name}` stands in properties only")
    wanted = _COUNTS.get(name, 1)
    if len(args) != wanted:
        message = f"`{name}` takes {wanted} argument{'s' * (wanted > 1)}, not {len(args)}"
        raise cx.fail(span, "arity", message, f"write {FORMS[name]}")
    match name:
        case "before":
            return scalar(ir.Since(ir.TRUE, expressions.condition(cx, args[0]), span=span))
        case "since":
            held, begun = (expressions.condition(cx, arg) for arg in args)
            return scalar(ir.Since(held, begun, span=span))
        case "total":
            return _total(cx, node)
        case "comes_from":
            return scalar(_side(cx, args[0], "sip"))
        case _:
            there = _side(cx, args[0], "dip")
            return scalar(values.conjunction((values.negation(ir.Dropped(), span), there), span))


def _total(cx: Context, node: ast.Call) -> Value:
    amount, period = node.args
    part = expressions.typed(cx, amount, ir.Bits(64), "what is summed up").parts[0]
    if not isinstance(period, ast.Number):
        raise cx.fail(period.span, "type", "the interval of `total` is a duration", "write 10ms")
    length = expressions.duration(cx, period)
    if length == 0:
        raise cx.fail(period.span, "range", "an interval of no time holds nothing")
    return scalar(ir.Total(part, length, span=node.span))


def _side(cx: Context, node: ast.Expr, end: str) -> ir.Expr:
    """Does the packet come from there (its end is `sip`), or what came out go there (`dip`)?"""
    out, span = end == "dip", node.span
    match node:
        case ast.Name(name=name) if isinstance(port := cx.symbols.get(name), Port):
            cx.used.add(name)
            number = port.number
        case ast.Number(value=number, unit="") if str(number) in cx.ports:
            number = cx.ports[str(number)]
        case ast.Name(name=name) if isinstance(cx.symbols.get(name), Rule | Rules):
            test = sets.matches(cx, ast.Name("f", span=span), node)
            return _after(test) if out else test
        case ast.Address4() | ast.Address6():
            four = isinstance(node, ast.Address4)
            field = ast.FieldRef(end if four else f"{end}6", "f", span=span)
            there = ir.Compare("==", ir.Field("IP4" if four else "IP6"), ir.Const(1, ir.Bits(1)))
            test = values.conjunction((there, sets.matches(cx, field, node)), span)
            return _after(test) if out else test
        case ast.Name(name=name) if name not in cx.symbols:
            raise cx.unknown(span, name)
        case _:
            message = "a side of the network is a port, a rule, a ruleset or a prefix"
            raise cx.fail(span, "type", message, "for example 10.0.0.0/8")
    place: ir.Expr = ir.OutputPort(span=span) if out else ir.Field("iface", span=span)
    return ir.Compare("==", place, ir.Const(number, ir.PORT), span=span)


def _after(test: ir.Expr) -> ir.Expr:
    """The same of the packet that came out."""
    return mapped_expr(test, lambda e: ir.Post(e, span=e.span) if isinstance(e, ir.Field) else e)
