"""Calls: operators built in and declared, functions written out, conversions."""

from __future__ import annotations

from nfverify.lang import ast
from nfverify.smat import expressions, history, ir, values
from nfverify.smat.report import Failed, did_you_mean
from nfverify.smat.scope import Context, Function, Operator
from nfverify.smat.types import FLOW, NAMED, Map, Set, resolve, show
from nfverify.smat.values import Value, scalar

CASTS = frozenset(NAMED) - {"bytes"}


def call(cx: Context, node: ast.Call) -> Value:
    name, span, args = node.name, node.span, node.args
    symbol = cx.symbols.get(name)
    if isinstance(symbol, Function):
        return _inline(cx, node, symbol.node)
    if isinstance(symbol, Operator):
        cx.used.add(name)
        need(cx, node, len(symbol.parameters))
        parts: list[ir.Expr] = []
        for arg, type_ in zip(args, symbol.parameters, strict=True):
            parts.extend(expressions.typed(cx, arg, type_, f"an argument of `{name}`").parts)
        return scalar(ir.Apply(name, tuple(parts), symbol.result, span=span))
    match name:
        case "hash":
            if not args:
                raise cx.fail(span, "arity", "`hash` takes at least one argument")
            parts = [part for arg in args for part in _hashed(cx, arg).parts]
            return scalar(ir.Apply(name, tuple(parts), ir.Bits(32), span=span))
        case "PatternMatch":
            need(cx, node, 2)
            data = expressions.typed(cx, args[0], ir.BYTES, "what is searched")
            found = (*data.parts, *_patterns(cx, args[1]))
            return scalar(ir.Apply(name, found, ir.BOOL, span=span))
        case "Encrypt" | "Decrypt":
            need(cx, node, 3, f"{name}(bytes, key, iv)")
            data = expressions.typed(cx, args[0], ir.BYTES, f"what `{name}` takes")
            key = expressions.typed(cx, args[1], ir.BYTES, f"the key of `{name}`")
            if isinstance(key.parts[0], ir.Const) and len(_bytes(key.parts[0])) != 16:
                raise cx.fail(args[1].span, "range", "the key of AES-128 has 16 bytes")
            vector = expressions.expression(cx, args[2])
            if not isinstance(vector.type, ir.Bits | ir.Bytes):
                message = f"an iv is a number or bytes, not {show(vector.type)}"
                raise cx.fail(args[2].span, "type", message)
            both = (*data.parts, *key.parts, *vector.parts)
            return scalar(ir.Apply(name, both, ir.BYTES, span=span))
        case "reverse":
            need(cx, node, 1)
            flow = expressions.typed(cx, args[0], FLOW, "what is reversed")
            sip, dip, sip6, dip6, sport, dport, proto = flow.parts
            return Value(FLOW, (dip, sip, dip6, sip6, dport, sport, proto))
        case "timer":
            raise cx.fail(
                span, "type", "`timer` is a value for `f[output]` only", "f[output] = timer(…)"
            )
        case "load":
            raise cx.fail(span, "type", "`load` stands in declarations only")
        case "NAT":
            return _nat(cx, node)
        case _ if name in history.FORMS:
            return history.call(cx, node)
    if name in CASTS or (name.startswith("bit") and name[3:].isdecimal()):
        return _cast(cx, node)
    if name in cx.broken:
        raise Failed
    known = [n for n, s in cx.symbols.items() if isinstance(s, Function | Operator)]
    known += history.FORMS if cx.mode == "property" else ()
    hint = did_you_mean(name, (*known, "hash", "reverse", "PatternMatch", "Encrypt", "Decrypt"))
    message = f"unknown function `{name}`{hint}"
    raise cx.fail(span, "unknown-name", message, "declare one by `func` or `op`")


def need(cx: Context, node: ast.Call, count: int, form: str = "") -> None:
    if len(node.args) != count:
        plural = "" if count == 1 else "s"
        message = f"`{node.name}` takes {count} argument{plural}, not {len(node.args)}"
        raise cx.fail(node.span, "arity", message, f"write {form}" if form else "")


def _hashed(cx: Context, node: ast.Expr) -> Value:
    value = expressions.expression(cx, node)
    if isinstance(value.type, Set | Map) or any(part.type == ir.BYTES for part in value.parts):
        raise cx.fail(
            node.span, "type", f"{show(value.type)} can't be hashed", "numbers and tuples can"
        )
    return value


def _bytes(const: ir.Const) -> bytes:
    assert isinstance(const.value, bytes)
    return const.value


def _patterns(cx: Context, node: ast.Expr) -> tuple[ir.Expr, ...]:
    """Literal byte strings, or a constant set of them."""
    if isinstance(node, ast.Name) and expressions.names_state(cx, node):
        where = expressions.place(cx, node)
        if where.missing == Set(ir.BYTES) and where.state.constant:
            keys = [key for (key,), _ in where.state.entries]
            return tuple([ir.Const(key, ir.BYTES, span=node.span) for key in keys])
        raise cx.fail(
            node.span, "type", "the patterns are a constant set<bytes>", 'write {"…", "…"}'
        )
    if not isinstance(node, ast.SetLiteral):
        raise cx.fail(node.span, "type", "the patterns are a set of strings", 'write {"…", "…"}')
    found = []
    for item in node.items:
        (part,) = expressions.typed(cx, item, ir.BYTES, "a pattern").parts
        if not isinstance(part, ir.Const):
            raise cx.fail(item.span, "not-constant", "a pattern is constant")
        found.append(part)
    return tuple(found)


def _cast(cx: Context, node: ast.Call) -> Value:
    """int(e), bool(e), bit16(e), …: a conversion by value."""
    need(cx, node, 1)
    name = node.name
    width = int(name[3:]) if name not in CASTS and len(name) < 7 else 0
    bits = ast.BitType(width, span=node.span)
    to = NAMED[name] if name in CASTS else resolve(bits, cx.report.fail)
    value = expressions.expression(cx, node.args[0])
    if not isinstance(value.type, ir.Bits | ir.Bool) or not isinstance(to, ir.Bits | ir.Bool):
        raise cx.fail(node.span, "type", f"{show(value.type)} can't become {show(to)}")
    (expr,) = value.parts
    if value.literal is not None and isinstance(to, ir.Bits):
        return scalar(values.as_type(value, to))
    return scalar(values.cast(expr, to))


def _inline(cx: Context, node: ast.Call, function: ast.Function) -> Value:
    """The body of a `func` with its arguments in place of the parameters."""
    name = function.name
    cx.used.add(name)
    need(cx, node, len(function.parameters))
    if name in cx.inlining:
        cycle = " -> ".join((*cx.inlining[cx.inlining.index(name) :], name))
        hint = "a func is written out at each call"
        raise cx.fail(node.span, "recursion", f"`{name}` calls itself: {cycle}", hint)
    bound: dict[str, Value] = {}
    for arg, (type_, parameter) in zip(node.args, function.parameters, strict=True):
        wanted = resolve(type_, cx.report.fail)
        bound[parameter] = expressions.typed(cx, arg, wanted, f"`{parameter}` of `{name}`")
    outer, inlining = cx.locals, cx.inlining
    cx.locals, cx.inlining = bound, (*inlining, name)
    try:
        result = resolve(function.result, cx.report.fail)
        value = expressions.typed(cx, function.body, result, f"the result of `{name}`")
    finally:
        cx.locals, cx.inlining = outer, inlining
    cx.nodes += 32  # calls that are written out by the thousand cost more than they leave
    for part in value.parts:
        cx.charge(part, node.span)
    return value


def _nat(cx: Context, node: ast.Call) -> Value:
    """NAT(f), after `statements` has made sure that the flow has an address of the pool."""
    need(cx, node, 1)
    if cx.mode != "action":
        hint = "write it in an action"
        raise cx.fail(node.span, "nat", "`NAT` takes from its pool, and a test can't do that", hint)
    if cx.inlining or not cx.hidden:
        hint = "write it in an assignment"
        raise cx.fail(node.span, "nat", "`NAT` can't stand here", hint)
    flow = expressions.typed(cx, node.args[0], FLOW, "the argument of `NAT`")
    given = ir.Read("NAT_given", flow.parts, 0, ir.IP, span=node.span)
    return Value(FLOW, (given, *flow.parts[1:]))
