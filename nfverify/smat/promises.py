"""Properties of a program: written ones and ready-made ones, as expressions of the IR."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nfverify.lang import ast
from nfverify.lang.printer import print_expr
from nfverify.lang.source import Source, Span
from nfverify.packet.fields import FLOW_FIELDS
from nfverify.smat import ir, values
from nfverify.smat.condition import parsed
from nfverify.smat.expressions import condition
from nfverify.smat.ready import READY, Form
from nfverify.smat.report import did_you_mean
from nfverify.smat.scope import RESERVED, Context, Port, Rule, Rules, Variable
from nfverify.smat.types import Flow, Tuple, Type, layout, resolve
from nfverify.smat.values import Value

MAX_TITLE = 200


def promise(cx: Context, node: ast.Property | ast.ReadyMade) -> ir.Property:
    """A property in the scope of a program."""
    with cx.reading("property"), cx.block():
        if isinstance(node, ast.Property):
            return _written(cx, node.name, node.parameters, node.expr, node.span, "")
        return _ready(cx, node)


def _written(
    cx: Context,
    name: str,
    parameters: Sequence[tuple[ast.Type, str]],
    expr: ast.Expr,
    span: Span,
    title: str,
) -> ir.Property:
    variables: list[tuple[str, ir.Type]] = []
    for type_, parameter in parameters:
        value = _variable(cx, parameter, resolve(type_, cx.report.fail), variables)
        if parameter in cx.locals:
            raise cx.fail(type_.span, "duplicate", f"`{parameter}` is declared twice")
        cx.locals[parameter] = value
    found = condition(cx, expr)
    cx.charge(found, span)
    premise: ir.Expr | None = None
    if isinstance(expr, ast.Logical) and expr.op == "->":
        premise = condition(cx, expr.operands[0])
    return ir.Property(name, found, tuple(variables), title, premise, span=span)


def _variable(cx: Context, name: str, type_: Type, variables: list[tuple[str, ir.Type]]) -> Value:
    """A variable of a property: one local for each scalar of its type."""
    parts = layout(type_)
    match type_:
        case Flow():
            names = [f"{name}_{field}" for field in FLOW_FIELDS]
        case Tuple() if len(parts) > 1:
            names = [f"{name}_{i}" for i in range(len(parts))]
        case _:
            names = [name]
    taken = {*cx.symbols, *RESERVED, *(n for n, _ in variables)}
    for wanted, part in zip(names, parts, strict=True):
        unique, count = wanted, 1
        while unique in taken:
            count += 1
            unique = f"{wanted}_{count}"
        taken.add(unique)
        variables.append((unique, part))
    own = variables[len(variables) - len(parts) :]
    return Value(type_, tuple([ir.Local(n, t) for n, t in own]))


# Ready-made -------------------------------------------------------------------------------


def _ready(cx: Context, node: ast.ReadyMade) -> ir.Property:
    ready = READY.get(node.name)
    if ready is None:
        hint = did_you_mean(node.name, READY)
        message = f"there is no ready-made property `{node.name}`{hint}"
        raise cx.fail(node.span, "unknown-name", message, "write `property NAME: condition;`")
    title = node.name
    if node.arguments:
        title += f"({', '.join(map(print_expr, node.arguments))})"
    title = title[:MAX_TITLE]
    name = re.sub(r"\W+", "_", title).strip("_")
    if node.name == "counter_never_negative":
        return _counters(cx, node, name, title)
    form = next((f for f in ready.forms if len(f.takes) == len(node.arguments)), None)
    if form is None:
        raise cx.fail(node.span, "arity", f"write `{ready.signature}`", ready.means)
    texts: dict[str, str] = {}
    for (kind, letter), argument in zip(form.takes, node.arguments, strict=True):
        _check(cx, kind, argument)
        texts[letter] = print_expr(argument)
    text, types = _filled(form, texts)
    parameters = [(_type(t, node.span), n) for t, n in types]
    return _written(cx, name, parameters, parsed(Source(title, text), "property"), node.span, title)


def _filled(form: Form, texts: dict[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    return form.text.format(**texts), form.variables


def _type(text: str, span: Span) -> ast.Type:
    if text.startswith("bit<"):
        return ast.BitType(int(text[4:-1]), span=span)
    return ast.NamedType(text, span=span)


def _check(cx: Context, kind: str, node: ast.Expr) -> None:
    """Is an argument what a ready-made property takes there?"""
    match kind, node:
        case "bytes", ast.Number(unit="") | ast.Name():
            return
        case "bytes", _:
            raise cx.fail(node.span, "type", "a number of bytes is wanted here")
        case "time", ast.Number(unit=unit) if unit:
            return
        case "time", _:
            raise cx.fail(node.span, "type", "a duration is wanted here", "for example 10ms")
        case "side", ast.Name(name=name) if name not in cx.symbols:
            raise cx.unknown(node.span, name)
        case "side", ast.Name(name=name) if not isinstance(cx.symbols[name], Port | Rule | Rules):
            message = f"`{name}` is no port, rule or ruleset"
            raise cx.fail(node.span, "type", message, "or give a prefix: 10.0.0.0/8")
        case "side", ast.Name() | ast.Address4() | ast.Address6() | ast.Number(unit=""):
            return
        case _:
            message = "a port, a rule, a ruleset or a prefix is wanted here"
            raise cx.fail(node.span, "type", message)


def _counters(cx: Context, node: ast.ReadyMade, name: str, title: str) -> ir.Property:
    """No signed number in the state (of these variables, if any are named) is below 0."""
    known = [s.state for s in cx.symbols.values() if isinstance(s, Variable) and s.state]
    chosen: list[ir.StateVar] = []
    for argument in node.arguments:
        found = [v for v in known if isinstance(argument, ast.Name) and v.name == argument.name]
        if not found:
            names = ", ".join(v.name for v in known) or "none"
            raise cx.fail(argument.span, "type", "a state variable is wanted here", f"of {names}")
        if not any(map(_signed, found[0].values)):
            raise cx.fail(argument.span, "type", "it has no sign, so it is never negative")
        chosen += found
        cx.used.update(v.name for v in found)
    tests: list[ir.Expr] = []
    variables: list[tuple[str, ir.Type]] = []
    for variable in chosen or [v for v in known if not v.constant]:
        signed = [(i, t) for i, t in enumerate(variable.values) if _signed(t)]
        if not signed:
            continue
        parts: list[ir.Expr] = []
        for i, type_ in enumerate(variable.keys):
            parts += _variable(cx, f"{variable.name}_{i}", type_, variables).parts
        for i, type_ in signed:
            value = ir.Read(variable.name, tuple(parts), i, type_, span=node.span)
            tests.append(ir.Compare("<=", ir.Const(0, type_), value, span=node.span))
    if not tests:
        message = "the model has no signed number in its state"
        raise cx.fail(node.span, "type", message)
    expr = values.conjunction(tests, node.span)
    return ir.Property(name, expr, tuple(variables), title, span=node.span)


def _signed(type_: ir.Type) -> bool:
    return isinstance(type_, ir.Bits) and type_.signed
