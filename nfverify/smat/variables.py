"""Variables: configuration folded into constants, state and constant tables with their contents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from nfverify.lang import ast
from nfverify.lang.source import ModelError, Source, Span
from nfverify.packet.fields import FIELDS, PROTOCOL_BITS
from nfverify.smat import ir
from nfverify.smat.expressions import convert, duration, expression, typed
from nfverify.smat.report import Failed, did_you_mean
from nfverify.smat.ruleset import read_cells
from nfverify.smat.scope import Context, Variable
from nfverify.smat.types import Map, Set, Type, key_layout, layout, resolve, show
from nfverify.smat.values import Value

Constants = tuple[ir.Value, ...]
Contents = dict[Constants, Constants]

MAX_CAPACITY = 1 << 32


def declare(
    cx: Context,
    node: ast.Variable,
    assigned: bool,
    overrides: Mapping[str, tuple[ast.Expr, Value]],
) -> Variable:
    """The variable of a declaration: state if something assigns it, else configuration."""
    type_ = resolve(node.type, cx.report.fail)
    _check_limits(cx, node, type_)
    if node.granularity:
        return Variable(node, type_, state=_granular(cx, node, type_, assigned))
    if isinstance(type_, Set | Map):
        return Variable(node, type_, state=_table(cx, node, type_, assigned, overrides))
    if node.name in overrides and not assigned:
        expr, given = overrides[node.name]
        value = convert(cx, given, type_, expr.span, f"`{node.name}`")
        parts = constants(cx, value, expr.span)
    else:
        parts = _initial(cx, node, type_)
    if assigned:
        state = ir.StateVar(node.name, (), layout(type_), parts, "plain", span=node.span)
        return Variable(node, type_, state=state)
    held = tuple(
        [
            ir.Const(part, scalar, node.name, span=node.span)
            for part, scalar in zip(parts, layout(type_), strict=True)
        ]
    )
    return Variable(node, type_, value=Value(type_, held))


def check_outside(cx: Context, node: ast.Variable) -> None:
    """What no program assigns has no use for a time-out or a capacity."""
    if node.timeout is not None or node.capacity is not None:
        message = f"`{node.name}` is declared outside the program: it is configuration"
        hint = "declare it inside the program, for it to have a time-out or a capacity"
        raise cx.fail(node.span, "type", message, hint)


def configuration(variable: Variable) -> Iterator[ir.Config]:
    """What people see of a configuration variable: one value for each scalar."""
    if variable.value is None:
        return
    name = variable.node.name
    parts = variable.value.parts
    for index, part in enumerate(parts):
        assert isinstance(part, ir.Const)
        own = name if len(parts) == 1 else f"{name}_{index}"
        yield ir.Config(own, part.type, part.value, span=variable.node.span)


def constants(cx: Context, value: Value, span: Span) -> Constants:
    """The values of constant scalars."""
    found = []
    for part in value.parts:
        if not isinstance(part, ir.Const):
            raise cx.fail(
                span, "not-constant", "an initial value is constant", "assign it in `init`"
            )
        found.append(part.value)
    return tuple(found)


def _initial(cx: Context, node: ast.Variable, type_: Type) -> Constants:
    if node.value is None:
        return tuple([ir.zero(scalar) for scalar in layout(type_)])
    value = typed(cx, node.value, type_, f"`{node.name}`")
    return constants(cx, value, node.value.span)


def _check_limits(cx: Context, node: ast.Variable, type_: Type) -> None:
    """Time-outs and capacities (decision 16)."""
    keyed = bool(node.granularity) or isinstance(type_, Set | Map)
    if not keyed and (node.timeout or node.capacity is not None or node.overflow):
        message = "only maps, sets and granular variables have a time-out or a capacity"
        raise cx.fail(node.span, "type", message)
    if node.capacity is not None and node.capacity < 1:
        raise cx.fail(node.span, "range", "a capacity is at least 1")
    if node.capacity is not None and node.capacity > MAX_CAPACITY:
        message = f"a capacity is at most {MAX_CAPACITY:,}"
        raise cx.fail(node.span, "range", message, "without `max` there is no bound")
    if node.overflow and node.capacity is None:
        raise cx.fail(
            node.span, "type", f"`{node.overflow}` says what happens beyond `max`", "add max N"
        )
    if node.timeout is not None and node.timeout.value == 0:
        raise cx.fail(node.timeout.span, "range", "a time-out of 0 forgets at once")


def _granular(cx: Context, node: ast.Variable, type_: Type, assigned: bool) -> ir.StateVar:
    if isinstance(type_, Set | Map):
        message = f"{show(type_)} can't have a granularity"
        raise cx.fail(node.span, "type", message, "put the fields into the key")
    for name in node.granularity:
        if name in PROTOCOL_BITS or name not in FIELDS or FIELDS[name].shown == "bytes":
            message = f"unknown field `{name}` in a granularity{did_you_mean(name, FIELDS)}"
            raise cx.fail(node.span, "unknown-field", message)
    if len(set(node.granularity)) < len(node.granularity):
        raise cx.fail(node.span, "duplicate", "a field stands twice in the granularity")
    keys = tuple([ir.field_type(name) for name in node.granularity])
    return _state(cx, node, keys, type_, _initial(cx, node, type_), {}, "granular", not assigned)


def _state(
    cx: Context,
    node: ast.Variable,
    keys: tuple[ir.Type, ...],
    type_: Type,
    default: Constants,
    contents: Contents,
    kind: str,
    constant: bool,
) -> ir.StateVar:
    assert kind in ("map", "set", "granular")
    if node.capacity is not None and len(contents) > node.capacity:
        raise cx.fail(
            node.span, "range", f"{len(contents)} entries are more than max {node.capacity}"
        )
    return ir.StateVar(
        node.name,
        keys,
        layout(type_),
        default,
        kind,  # type: ignore[arg-type]
        tuple(contents.items()),
        node.granularity,
        constant and node.timeout is None and node.capacity is None,
        duration(cx, node.timeout) if node.timeout is not None else None,
        node.capacity,
        node.overflow or "reject",
        span=node.span,
    )


# Tables -----------------------------------------------------------------------------------


def _table(
    cx: Context,
    node: ast.Variable,
    type_: Set | Map,
    assigned: bool,
    overrides: Mapping[str, tuple[ast.Expr, Value]],
) -> ir.StateVar:
    """A map or set with its contents: {k: v, …}, load("file.csv"), or the default of a map."""
    if node.name in overrides:
        span = overrides[node.name][0].span
        raise cx.fail(
            span, "override", f"`{node.name}` is {show(type_)}", "only scalars can be set here"
        )
    keys = key_layout(type_)
    default = tuple([ir.zero(scalar) for scalar in layout(type_)])
    contents: Contents = {}
    match node.value:
        case None | ast.SetLiteral(items=()):
            pass
        case ast.SetLiteral(items=items) if isinstance(type_, Set):
            for item in items:
                key = _constant(cx, item, type_.element, f"an element of `{node.name}`")
                _add(cx, contents, key, (), item.span)
        case ast.MapLiteral() as literal if isinstance(type_, Map):
            _collect(cx, node.name, literal, type_, (), contents)
        case ast.Call(name="load", args=(ast.String(value=file),)):
            contents = _load(cx, file, type_, node.value.span)
        case ast.SetLiteral() | ast.MapLiteral():
            other = "map" if isinstance(node.value, ast.MapLiteral) else "set"
            raise cx.fail(node.value.span, "type", f"a literal {other} for {show(type_)}")
        case value if isinstance(type_, Map):
            innermost: Type = type_
            while isinstance(innermost, Map):
                innermost = innermost.value
            default = _constant(cx, value, innermost, f"the default of `{node.name}`")
        case value:
            expression(cx, value)
            raise cx.fail(value.span, "type", f"`{node.name}` is {show(type_)}", "write {a, b, …}")
    kind = "set" if isinstance(type_, Set) else "map"
    return _state(cx, node, keys, type_, default, contents, kind, not assigned)


def _constant(cx: Context, node: ast.Expr, to: Type, what: str) -> Constants:
    return constants(cx, typed(cx, node, to, what), node.span)


def _collect(
    cx: Context,
    name: str,
    literal: ast.MapLiteral,
    type_: Map,
    prefix: Constants,
    contents: Contents,
) -> None:
    """The entries of a literal, nested ones under the keys of all levels."""
    for key_node, value_node in literal.items:
        with cx.recovering():
            key = prefix + _constant(cx, key_node, type_.key, f"a key of `{name}`")
            if isinstance(type_.value, Map):
                if not isinstance(value_node, ast.MapLiteral):
                    raise cx.fail(value_node.span, "type", f"this is to be {show(type_.value)}")
                _collect(cx, name, value_node, type_.value, key, contents)
            else:
                value = _constant(cx, value_node, type_.value, f"a value of `{name}`")
                _add(cx, contents, key, value, key_node.span)


def _add(cx: Context, contents: Contents, key: Constants, value: Constants, span: Span) -> None:
    if key in contents:
        raise cx.fail(span, "duplicate", "this key stands twice")
    contents[key] = value


def _load(cx: Context, file: str, type_: Set | Map, span: Span) -> Contents:
    """A line for each entry, the keys first; a first line of names is skipped."""
    if cx.folder is None:
        raise cx.fail(span, "load", "a model that is no file can't load one")
    try:
        rows = read_cells(cx.beside(file, span), cx.folder, span, cx.files)
    except ModelError as error:
        cx.report.include(error)
        raise Failed from None
    keys = key_layout(type_)
    columns = keys + layout(type_)
    if all(re.fullmatch(r"[A-Za-z_]\w*", text) for text, _ in rows[0]) and any(
        parse_cell(text, t) is None for (text, _), t in zip(rows[0], columns, strict=False)
    ):
        rows = rows[1:]
    contents: Contents = {}
    for cells in rows:
        with cx.recovering():
            if len(cells) != len(columns):
                place = cells[0][1].to(cells[-1][1])
                message = f"{len(cells)} cells where {show(type_)} needs {len(columns)}"
                raise cx.fail(place, "csv-cells", message)
            found = []
            for (text, place), scalar in zip(cells, columns, strict=True):
                value = parse_cell(text, scalar)
                if value is None:
                    message = f"{text[:40]!a} is not {show(scalar)}"
                    raise cx.fail(place, "csv-value", message)
                found.append(value)
            _add(cx, contents, tuple(found[: len(keys)]), tuple(found[len(keys) :]), cells[0][1])
    return contents


def parse_cell(text: str, type_: ir.Type) -> ir.Value | None:
    """A constant of a CSV as a model spells it, in the range of its type; None if it is none."""
    from nfverify.lang.faults import Fault, Faults
    from nfverify.lang.literals import literal as parse_literal
    from nfverify.lang.tokens import tokenise
    from nfverify.smat.values import Misfit, coerce, literal, scalar

    if isinstance(type_, ir.Bytes):
        return text.encode()
    if isinstance(type_, ir.Bool):
        return {"true": True, "false": False}.get(text)
    if re.fullmatch(r"-?[0-9]{1,40}", text):
        try:
            number = coerce(literal(int(text)), type_).parts[0]
        except Misfit:
            return None
        assert isinstance(number, ir.Const)
        return number.value
    source = Source("<cell>", text)
    try:
        node = parse_literal(tokenise(source, Faults(source)), 0)
    except (Fault, ModelError):
        return None
    if node.span.end != len(text):
        return None
    match node:
        case ast.Address4(value=value, length=None):
            found = ir.Const(value, ir.IP)
        case ast.Address6(value=value, length=None):
            found = ir.Const(value, ir.IP6)
        case ast.MacAddress(value=value):
            found = ir.Const(value, ir.MAC)
        case ast.Number(value=value, unit="", hexadecimal=True):
            return value if value >> type_.width == 0 else None
        case _:
            return None
    return found.value if scalar(found).type == type_ else None
