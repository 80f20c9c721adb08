"""Expressions of the text to typed scalars of the IR."""

from __future__ import annotations

from dataclasses import dataclass

from nfverify.lang import ast
from nfverify.lang.source import Span
from nfverify.packet.fields import FIELDS, FLOW_FIELDS, PROTOCOL_BITS
from nfverify.smat import calls, ir, operators, values
from nfverify.smat.report import did_you_mean
from nfverify.smat.scope import (
    MAX_DEPTH,
    Context,
    Function,
    Operator,
    Port,
    Rule,
    Rules,
    Symbol,
    Variable,
    check_field,
)
from nfverify.smat.types import (
    FLOW,
    FLOW_LAYOUT,
    Flow,
    Map,
    Set,
    Tuple,
    Type,
    layout,
    show,
)
from nfverify.smat.values import Misfit, Value, coerce, components, literal, scalar


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the state: a variable, its keys so far, what of its type is still to be indexed,
    and the indices behind the last key."""

    variable: Variable
    keys: tuple[ir.Expr, ...]
    missing: Type
    rest: tuple[ast.Expr, ...]
    primed: bool
    span: Span

    @property
    def state(self) -> ir.StateVar:
        assert self.variable.state is not None
        return self.variable.state


def expression(cx: Context, node: ast.Expr) -> Value:
    """The value of an expression; fails with a diagnostic if it has none."""
    cx.depth += 1
    if cx.depth > MAX_DEPTH:
        raise cx.fail(node.span, "too-deep", "the expression is nested too deep", "use `let`")
    value = _expression(cx, node)
    cx.depth -= 1
    return value


def condition(cx: Context, node: ast.Expr) -> ir.Expr:
    """A bool (decision 6)."""
    value = expression(cx, node)
    if value.type != ir.BOOL:
        hint = ""
        if isinstance(value.type, ir.Bits):
            hint = "compare it: `… == 1`" if value.type.width == 1 else "compare it: `… != 0`"
        raise cx.fail(node.span, "type", f"a condition is bool, not {show(value.type)}", hint)
    return value.parts[0]


def convert(cx: Context, value: Value, to: Type, span: Span, what: str) -> Value:
    """`value` as it is assigned to something of type `to`; `what` names that for people."""
    try:
        converted = coerce(value, to)
    except Misfit:
        if value.literal is not None and isinstance(to, ir.Bits):
            low, high = limits(to)
            hint = f"{show(to)} is from {low} to {high}"
            raise cx.fail(span, "range", f"{value.literal} does not fit {what}", hint) from None
        hint = ""
        if value.type == ir.BOOL and isinstance(to, ir.Bits) and to.shown == "int":
            hint = "write `… ? 1 : 0`"
        elif to == ir.BOOL and isinstance(value.type, ir.Bits):
            hint = "write `… != 0`"
        message = f"{what} is {show(to)}, and this is {show(value.type)}"
        raise cx.fail(span, "type", message, hint) from None
    operators.warn_mixed(cx, value, to, span)
    return converted


def limits(type_: ir.Bits) -> tuple[int, int]:
    half = 1 << (type_.width - 1)
    return (-half, half - 1) if type_.signed else (0, 2 * half - 1)


def typed(cx: Context, node: ast.Expr, to: Type, what: str) -> Value:
    """An expression converted to a type; the items of a tuple each to their own."""
    if isinstance(node, ast.TupleLiteral):
        wanted: tuple[Type, ...] = ()
        match to:
            case Tuple(items=items):
                wanted = items
            case Flow() if len(node.items) == len(FLOW_LAYOUT):
                wanted = FLOW_LAYOUT
            case Flow() if len(node.items) == 5:  # an IPv4 flow (decision 8)
                wanted = FLOW_LAYOUT[:2] + FLOW_LAYOUT[4:]
            case _:
                pass
        if len(wanted) == len(node.items):
            pairs = zip(node.items, wanted, strict=True)
            parts = [part for item, type_ in pairs for part in typed(cx, item, type_, what).parts]
            return coerce(Value(Tuple(wanted), tuple(parts)), to)
    return convert(cx, expression(cx, node), to, node.span, what)


def _expression(cx: Context, node: ast.Expr) -> Value:
    span = node.span
    match node:
        case ast.Number(unit=""):
            return literal(node.value, loose=node.hexadecimal, span=span)
        case ast.Number():
            return scalar(ir.Const(duration(cx, node), ir.TIME, span=span))
        case ast.Boolean(value=truth):
            return scalar(ir.Const(truth, ir.BOOL, span=span))
        case ast.Address4(value=number, length=None | 32):
            return scalar(ir.Const(number, ir.IP, span=span))
        case ast.Address6(value=number, length=None | 128):
            return scalar(ir.Const(number, ir.IP6, span=span))
        case ast.Address4() | ast.Address6():
            hint = "write `f[sip] matches 10.0.0.0/8`"
            raise cx.fail(
                span, "type", "a prefix is no value, only something to match against", hint
            )
        case ast.MacAddress(value=number):
            return scalar(ir.Const(number, ir.MAC, span=span))
        case ast.String(value=text):
            data = text.encode("utf-8", "surrogateescape")
            return scalar(ir.Const(data, ir.BYTES, span=span))
        case ast.Name():
            return _name(cx, node)
        case ast.FieldRef():
            return _field(cx, node)
        case ast.Index():
            return _index(cx, node)
        case ast.TupleLiteral(items=items):
            found = [expression(cx, item) for item in items]
            for item, value in zip(items, found, strict=True):
                if isinstance(value.type, Set | Map):
                    raise cx.fail(item.span, "type", f"{show(value.type)} can't be in a tuple")
            parts = tuple([part for value in found for part in value.parts])
            return Value(Tuple(tuple([value.type for value in found])), parts)
        case ast.Unary():
            return operators.unary(cx, node)
        case ast.Binary():
            return operators.binary(cx, node)
        case ast.Logical(op="->", operands=operands):
            if cx.mode not in ("property", "invariant"):
                raise cx.fail(span, "type", "`->` stands in properties only", "write `!a || b`")
            if_, then = [condition(cx, operand) for operand in operands]
            return scalar(values.disjunction((values.negation(if_, if_.span), then), span))
        case ast.Logical(op=op, operands=operands):
            join = values.conjunction if op == "&&" else values.disjunction
            return scalar(join([condition(cx, operand) for operand in operands], span))
        case ast.Conditional():
            test = condition(cx, node.condition)
            chosen, other = expression(cx, node.then), expression(cx, node.otherwise)
            try:
                return values.choice(test, chosen, other, span)
            except Misfit:
                message = f"`?:` between {show(chosen.type)} and {show(other.type)}"
                raise cx.fail(span, "type", message, "both arms need one type") from None
        case ast.Call():
            return calls.call(cx, node)
        case ast.Keyword(name=word):
            hint = "write `f[output] = …`" if cx.mode == "action" else ""
            raise cx.fail(span, "type", f"`{word}` is a value for `f[output]` only", hint)
        case ast.SetLiteral() | ast.MapLiteral():
            what = "set" if isinstance(node, ast.SetLiteral) else "map"
            hint = "test `x in {…}`, or assign `s = s | {…}`" if what == "set" else ""
            raise cx.fail(span, "type", f"a literal {what} has no value here", hint)
        case ast.RuleLiteral():
            raise cx.fail(span, "type", "a rule is no value", "write `f matches (…)`")


def duration(cx: Context, node: ast.Number) -> int:
    """Nanoseconds; a bare number is ns, which is warned about (decision 6)."""
    scale = {"": 1, "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
    scale["h"] = 60 * scale["m"]
    if not node.unit and node.value:
        message = f"{node.value} without a unit is in nanoseconds"
        cx.warn(node.span, "duration", message, f"write {node.value}ns, or another unit")
    nanoseconds = node.value * scale[node.unit]
    if nanoseconds >> 62:
        raise cx.fail(node.span, "range", "the duration is over 146 years (2^62 ns)")
    return nanoseconds


# Names, fields, places --------------------------------------------------------------------


def flow_value(span: Span, *, primed: bool = False) -> Value:
    """The flow of the current packet."""
    fields: list[ir.Expr] = [ir.Field(name, span=span) for name in FLOW_FIELDS]
    return Value(FLOW, tuple([ir.Post(part, span=span) for part in fields] if primed else fields))


def _need_packet(cx: Context, span: Span) -> None:
    if cx.mode == "init":
        raise cx.fail(span, "no-packet", "there is no packet in `init`", "a dummy is written f_dmy")
    if cx.mode == "constant":
        raise cx.fail(span, "not-constant", "the packet is not constant", "assign in an action")


def _name(cx: Context, node: ast.Name) -> Value:
    name, span = node.name, node.span
    if node.primed and cx.mode != "property":
        raise cx.fail(span, "primed", f"`{name}'` stands in properties only")
    if name in cx.locals and not node.primed:
        cx.used.add(name)
        return cx.locals[name]
    symbol = cx.symbols.get(name)
    if symbol is None:
        return _builtin_name(cx, node)
    cx.used.add(name)
    match symbol:
        case Variable(value=Value() as value):
            return value
        case Variable():
            return read(cx, place(cx, node))
        case Port(number=number):
            return scalar(ir.Const(number, ir.PORT, name, span=span))
        case Rule() | Rules():
            what = "rule" if isinstance(symbol, Rule) else "ruleset"
            raise cx.fail(
                span, "type", f"`{name}` is a {what}, no value", f"write `f matches {name}`"
            )
        case Function() | Operator():
            raise cx.fail(span, "type", f"`{name}` is a function", f"write `{name}(…)`")


def _builtin_name(cx: Context, node: ast.Name) -> Value:
    span = node.span
    match node.name:
        case "f":
            _need_packet(cx, span)
            return flow_value(span, primed=node.primed)
        case "now":
            _need_packet(cx, span)
            return scalar(ir.Now(span=span))
        case "dropped" if cx.mode == "property":
            return scalar(ir.Dropped(span=span))
        case "output" if cx.mode == "property":
            return scalar(ir.OutputPort(span=span))
        case "out_of_bounds" if cx.mode == "property":
            return scalar(ir.OutOfBounds(span=span))
        case ("dropped" | "output" | "out_of_bounds") as word:
            raise cx.fail(span, "unknown-name", f"`{word}` stands in properties only")
        case "f_dmy":
            raise cx.fail(span, "dummy", "a dummy packet is written to, never read")
        case name:
            if cx.mode == "match" and any(name == n for n in cx.taken):
                hint = "a `let` is known after it, in the actions of its entry"
                raise cx.fail(span, "unknown-name", f"unknown name `{name}`", hint)
            raise cx.unknown(span, name)


def _field(cx: Context, node: ast.FieldRef) -> Value:
    name, span = node.name, node.span
    if node.packet == "f_dmy":
        raise cx.fail(span, "dummy", "a dummy packet is written to, never read")
    primed = node.packet == "f'"
    if primed and cx.mode != "property":
        raise cx.fail(span, "primed", "`f'` stands in properties only")
    _need_packet(cx, span)
    expr: ir.Expr
    if name == "output":
        if cx.mode == "property":
            return scalar(ir.OutputPort(span=span))
        raise cx.fail(span, "output", "f[output] is assigned, never read")
    if name in PROTOCOL_BITS:
        proto: ir.Expr = ir.Field("proto", span=span)
        proto = ir.Post(proto, span=span) if primed else proto
        type_ = ir.field_type("proto")
        tests = [
            ir.Compare("==", proto, ir.Const(number, type_), span=span)
            for number in PROTOCOL_BITS[name]
        ]
        return scalar(ir.Cast(values.disjunction(tests, span), ir.Bits(1), span=span))
    if name in FIELDS:
        expr = ir.Field(name, span=span)
    else:
        check_field(cx, node, assigned=False)
        cx.tags_read.setdefault(name, span)
        expr = ir.Tag(name, span=span)
    return scalar(ir.Post(expr, span=span) if primed else expr)


def place(cx: Context, node: ast.Expr) -> Place:
    """The part of the state that a name or an indexed name stands for; the caller knows that it
    is one (`names_state`)."""
    indices: list[ast.Expr] = []
    base = node
    while isinstance(base, ast.Index):
        indices.append(base.index)
        base = base.base
    assert isinstance(base, ast.Name)
    if base.primed and cx.mode != "property":
        raise cx.fail(base.span, "primed", f"`{base.name}'` stands in properties only")
    if cx.mode == "constant":
        raise cx.fail(node.span, "not-constant", f"`{base.name}` is state, not a constant")
    variable = cx.symbols[base.name]
    assert isinstance(variable, Variable)
    assert variable.state is not None
    cx.used.add(base.name)
    indices.reverse()
    type_ = variable.type
    keys: list[ir.Expr] = []
    if variable.state.kind == "granular":
        keys.extend(_instance(cx, variable.state, indices, base.span))
    while isinstance(type_, Map) and indices:
        keys.extend(typed(cx, indices.pop(0), type_.key, f"a key of `{base.name}`").parts)
        type_ = type_.value
    if isinstance(type_, Set) and indices:
        message = f"`{base.name}` is a set and has no values"
        raise cx.fail(indices[0].span, "type", message, f"test `x in {base.name}`")
    return Place(variable, tuple(keys), type_, tuple(indices), base.primed, node.span)


def _instance(
    cx: Context, state: ir.StateVar, indices: list[ast.Expr], span: Span
) -> tuple[ir.Expr, ...]:
    """The key of a granular variable: the packet's own, or that of the first index."""
    if not indices:
        _need_packet(cx, span)
        return tuple([ir.Field(name, span=span) for name in state.granularity])
    node = indices.pop(0)
    value = expression(cx, node)
    what = f"an instance of `{state.name}`"
    if isinstance(value.type, Flow):
        named = dict(zip(FLOW_FIELDS, components(value), strict=True))
        missing = [name for name in state.granularity if name not in named]
        if missing:
            message = f"{what} needs {', '.join(missing)}, which a flow does not have"
            raise cx.fail(node.span, "type", message, "give a tuple")
        return tuple([named[name].parts[0] for name in state.granularity])
    given = components(value)
    if len(given) != len(state.keys):
        message = f"{what} is named by {len(state.keys)} values, not {len(given)}"
        raise cx.fail(node.span, "arity", message, f"({', '.join(state.granularity)})")
    found: list[ir.Expr] = []
    for item, type_ in zip(given, state.keys, strict=True):
        found.extend(convert(cx, item, type_, node.span, what).parts)
    return tuple(found)


def names_state(cx: Context, node: ast.Expr) -> bool:
    """Is the root of an indexed name a state variable or constant table?"""
    while isinstance(node, ast.Index):
        node = node.base
    if not isinstance(node, ast.Name) or (node.name in cx.locals and not node.primed):
        return False
    symbol = cx.symbols.get(node.name)
    return isinstance(symbol, Variable) and symbol.state is not None


def read(cx: Context, where: Place) -> Value:
    """The value at a place."""
    if isinstance(where.missing, Set | Map):
        name = where.state.name
        hint = f"give all its keys, or test `x in {name}`"
        if isinstance(where.missing, Set):
            hint = f"test `x in {name}`"
        raise cx.fail(where.span, "type", f"{show(where.missing)} is no value of its own", hint)
    parts: list[ir.Expr] = [
        ir.Read(where.state.name, where.keys, index, type_, span=where.span)
        for index, type_ in enumerate(layout(where.missing))
    ]
    if where.primed:
        parts = [ir.Post(part, span=where.span) for part in parts]
    value = Value(where.missing, tuple(parts))
    for index in where.rest:
        value = component(cx, value, index)
    return value


def _index(cx: Context, node: ast.Index) -> Value:
    if names_state(cx, node):
        return read(cx, place(cx, node))
    if isinstance(node.base, ast.Name) and node.base.name not in cx.locals:
        symbol: Symbol | None = cx.symbols.get(node.base.name)
        if isinstance(symbol, Function | Operator):
            raise cx.fail(node.span, "type", f"`{node.base.name}` is a function, not a map")
    return component(cx, expression(cx, node.base), node.index)


def component(cx: Context, value: Value, index: ast.Expr) -> Value:
    """e[0] of a tuple, e[sip] of a flow."""
    match value.type, index:
        case Tuple(items=items), ast.Number(value=number, unit=""):
            if number >= len(items):
                raise cx.fail(index.span, "arity", f"{show(value.type)} has no item {number}")
            return components(value)[number]
        case Flow(), ast.Name(name=name) if name in FLOW_FIELDS:
            return scalar(value.parts[FLOW_FIELDS.index(name)])
        case Flow(), ast.Number(value=number, unit="") if number < len(FLOW_FIELDS):
            return scalar(value.parts[number])
        case Flow(), _:
            known = " ".join(FLOW_FIELDS)
            suggestion = did_you_mean(index.name, FLOW_FIELDS) if type(index) is ast.Name else ""
            raise cx.fail(
                index.span, "type", f"no field of a flow{suggestion}", f"a flow has {known}"
            )
        case Tuple(), _:
            raise cx.fail(index.span, "type", "an item of a tuple is named by its number, from 0")
        case _:
            message = f"{show(value.type)} can't be indexed"
            raise cx.fail(index.span, "type", message, "maps, tuples and flows can")
