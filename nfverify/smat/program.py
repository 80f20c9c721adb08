"""A program of the text, with the declarations of its files around it, to a program of the IR."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nfverify.lang import ast
from nfverify.lang.files import DISK, Files, beside
from nfverify.lang.source import ModelError, Source, Span
from nfverify.packet.fields import FIELDS, PROTOCOL_BITS
from nfverify.smat import ir, rules, values, variables
from nfverify.smat.expressions import condition, duration, typed
from nfverify.smat.promises import promise
from nfverify.smat.report import Failed, Report, did_you_mean
from nfverify.smat.ruleset import load_csv
from nfverify.smat.scope import (
    BUILTIN_CALLS,
    RESERVED,
    Context,
    Function,
    Operator,
    Port,
    Rule,
    Rules,
    Symbol,
    Variable,
)
from nfverify.smat.statements import output, statements
from nfverify.smat.types import Set, Type, layout, resolve, show
from nfverify.smat.values import Value

Item = ast.Declaration | ast.Entry | ast.Statement


@dataclass(frozen=True, slots=True)
class Scope:
    """What a program is lowered in: the declarations around it, and the tags of all files."""

    declarations: tuple[ast.Declaration, ...]
    tags: frozenset[str]
    folder: Path | None
    places: Mapping[Source, str]
    files: Files = DISK


@dataclass(frozen=True, slots=True)
class Lowered:
    """A program, and what `check` wants to know about how it came about."""

    program: ir.Program
    node: ast.Program
    used: frozenset[str]
    tags_read: Mapping[str, Span]


def lower(
    report: Report,
    node: ast.Program,
    scope: Scope,
    ports: Mapping[str, int],
    overrides: Mapping[str, tuple[ast.Expr, Value]],
) -> Lowered:
    """The program with port numbers of its network and values of its configuration.

    Errors go to the report; the program is of use only if there were none.
    """
    cx = Context(
        report, scope.folder, ports, tags=scope.tags, places=scope.places, files=scope.files
    )
    around, inside = scope.declarations, node.items
    everything = (*around, *inside)
    assigned = set(assigned_names(everything))
    own_ports = port_names(scope, node)
    if len(own_ports) == 1:
        message = "one port is not enough: a packet leaves by another than it came in by"
        report.error(next(iter(own_ports.values())), "ports", message, "iface in, out;")
    for name, span in own_ports.items():
        _declare(cx, name, Port(name, ports[name], span), span)
    config = _names(cx, around, inside, assigned, overrides)
    for name in overrides:
        _check_override(cx, node, name, overrides[name][0].span)
    state = [s.state for s in cx.symbols.values() if isinstance(s, Variable) and s.state]
    cx.taken = {*cx.symbols, *RESERVED, *BUILTIN_CALLS}
    init: list[ir.Stmt] = []
    timers: list[ir.InitTimer] = []
    for item in everything:
        if isinstance(item, ast.Init):
            with cx.reading("init"), cx.block():
                init.extend(_init(cx, item, timers))
    body = _body(cx, inside)
    body = _every(cx, [i for i in everything if isinstance(i, ast.Every)], body, timers)
    invariants, properties = _claims(cx, everything)
    operators = tuple(
        [
            ir.Operator(
                s.node.name,
                tuple([scalar for type_ in s.parameters for scalar in layout(type_)]),
                s.result,
                span=s.node.span,
            )
            for s in cx.symbols.values()
            if isinstance(s, Operator)
        ]
    )
    program = ir.Program(
        node.name,
        tuple([ports[name] for name in own_ports]),
        config,
        (*state, *cx.hidden),
        tuple(init),
        tuple(timers),
        tuple(body),
        invariants,
        properties,
        operators,
        span=node.span,
    )
    return Lowered(program, node, frozenset(cx.used), dict(cx.tags_read))


# Names ------------------------------------------------------------------------------------


def port_names(scope: Scope, node: ast.Program) -> dict[str, Span]:
    """The ports that a program declares, else those declared around it, in order."""
    for items in (node.items, scope.declarations):
        found = {
            name: item.span
            for item in items
            if isinstance(item, ast.Interfaces)
            for name in item.names
        }
        if found:
            return found
    return {}


def _declare(cx: Context, name: str, symbol: Symbol, span: Span) -> None:
    if name in RESERVED - {"in"} or (
        name in BUILTIN_CALLS and not isinstance(symbol, Port | Variable)
    ):
        message = f"`{name}` can't be a name of your own"
        cx.report.error(span, "reserved", message, "it is built in")
    cx.symbols[name] = symbol


def _names(
    cx: Context,
    around: Iterable[ast.Declaration],
    inside: Iterable[Item],
    assigned: set[str],
    overrides: Mapping[str, tuple[ast.Expr, Value]],
) -> tuple[ir.Config, ...]:
    """Fill the table of names; the values of the configuration."""
    inner = {name for item in inside for name in declared(item)}
    levels: tuple[tuple[list[Item], set[str], Mapping[str, tuple[ast.Expr, Value]]], ...] = (
        ([item for item in around if not inner & set(declared(item))], set(), {}),
        (list(inside), assigned, overrides),
    )
    seen: set[str] = set()
    for items, _, _ in levels:
        for item in items:
            for name in declared(item):
                if name in seen:
                    message = f"`{name}` is declared twice"
                    cx.report.error(item.span, "duplicate", message, "choose another name")
                seen.add(name)
    config: list[ir.Config] = []
    for outside, (items, changing, given) in zip((True, False), levels, strict=True):
        for item in items:
            if isinstance(item, ast.Variable):
                with cx.recovering(item.name), cx.reading("constant"):
                    if outside:
                        variables.check_outside(cx, item)
                    variable = variables.declare(cx, item, item.name in changing, given)
                    _declare(cx, item.name, variable, item.span)
                    config.extend(variables.configuration(variable))
    for items, _, _ in levels:
        for item in items:
            with cx.recovering(*declared(item)):
                _declaration(cx, item)
    for items, _, _ in levels:
        for item in items:
            if isinstance(item, ast.Ruleset):
                with cx.recovering(item.name):
                    _declare(cx, item.name, _ruleset(cx, item), item.span)
    return tuple(config)


def declared(item: Item) -> tuple[str, ...]:
    """The names that an item adds to the scope."""
    match item:
        case ast.Variable(name=name) | ast.Rule(name=name) | ast.Ruleset(name=name):
            return (name,)
        case ast.Operator(name=name) | ast.Function(name=name):
            return (name,)
        case ast.Interfaces(names=names):
            return names
        case _:
            return ()


def _declaration(cx: Context, item: Item) -> None:
    match item:
        case ast.Rule():
            _declare(cx, item.name, Rule(item), item.span)
            rules.tests(cx, item.value)
        case ast.Operator():
            parameters = tuple([resolve(type_, cx.report.fail) for type_ in item.parameters])
            result = resolve(item.result, cx.report.fail)
            for type_ in (*parameters, result):
                _need_value(cx, type_, item.span)
            if not isinstance(result, ir.Bool | ir.Bits | ir.Bytes):
                raise cx.fail(item.result.span, "type", f"an operator can't give {show(result)}")
            _declare(cx, item.name, Operator(item, parameters, result), item.span)
        case ast.Function():
            _declare(cx, item.name, Function(item), item.span)
            names = [name for _, name in item.parameters]
            if len(set(names)) < len(names):
                raise cx.fail(item.span, "duplicate", "two parameters have one name")
            for type_node in (*[type_ for type_, _ in item.parameters], item.result):
                _need_value(cx, resolve(type_node, cx.report.fail), type_node.span)
        case ast.Tag(names=names):
            for name in names:
                if name in FIELDS or name in PROTOCOL_BITS or name == "output":
                    message = f"`{name}` is a header field, no tag"
                    cx.report.error(item.span, "duplicate", message, "choose another name")
        case _:
            pass


def _need_value(cx: Context, type_: Type, span: Span) -> None:
    if isinstance(type_, Set) or show(type_).startswith("map"):
        raise cx.fail(span, "type", f"{show(type_)} can't be passed around")


def _ruleset(cx: Context, item: ast.Ruleset) -> Rules:
    if item.file is None:
        return rules.declared_ruleset(cx, item)
    if cx.folder is None:
        raise cx.fail(item.span, "load", "a model that is no file can't load one")
    try:
        named = {name: s.number for name, s in cx.symbols.items() if isinstance(s, Port)}
        loaded = load_csv(
            cx.beside(item.file, item.span),
            cx.folder,
            named or {"0": 0, "1": 1},
            item.span,
            name=item.name,
            warnings=cx.report.warnings,
            files=cx.files,
            title=beside(item.span.source.name, item.file),
        )
    except ModelError as error:
        cx.report.include(error)
        raise Failed from None
    return Rules(item, loaded)


def _check_override(cx: Context, node: ast.Program, name: str, span: Span) -> None:
    symbol = cx.symbols.get(name)
    if name in cx.broken:
        return
    if isinstance(symbol, Variable):
        if symbol.value is None and symbol.state is not None and not symbol.state.constant:
            message = f"`{name}` is state of `{node.name}`, which its actions assign"
            cx.report.error(span, "override", message, "only configuration can be set here")
        return
    known = [n for n, s in cx.symbols.items() if isinstance(s, Variable)]
    message = f"`{node.name}` has no configuration `{name}`{did_you_mean(name, known)}"
    cx.report.error(span, "override", message)


# What is assigned -------------------------------------------------------------------------


def assigned_names(
    items: Iterable[Item],
) -> Iterator[str]:
    """Names whose variable some statement assigns (or deletes from, or touches)."""
    for node in all_statements(items):
        match node:
            case ast.Assign(target=target) | ast.Delete(target=target) | ast.Touch(target=target):
                while isinstance(target, ast.Index):
                    target = target.base
                if isinstance(target, ast.Name):
                    yield target.name
            case _:
                pass


def assigned_tags(
    items: Iterable[Item],
) -> Iterator[str]:
    """Tags that some statement assigns, and declared ones."""
    everything = list(items)
    for item in everything:
        if isinstance(item, ast.Tag):
            yield from item.names
    for node in all_statements(everything):
        match node:
            case ast.Assign(target=ast.FieldRef(name=name), value=value):
                if name not in FIELDS and value != ast.Keyword("DROP"):
                    yield name
            case _:
                pass


def all_statements(
    items: Iterable[Item],
) -> Iterator[ast.Statement]:
    """Every statement, inner ones included."""
    stack: list[object] = list(items)
    while stack:
        node = stack.pop()
        match node:
            case ast.Entry(blocks=blocks):
                stack.extend(blocks)
            case ast.ActionBlock(body=body) | ast.Init(body=body) | ast.Every(body=body):
                stack.extend(body)
            case ast.If(then=then, otherwise=otherwise):
                stack.extend((*then, *otherwise))
                yield node
            case ast.While(body=body):
                stack.extend(body)
                yield node
            case (
                ast.Assign() | ast.Pass() | ast.Drop() | ast.Resubmit() | ast.ExprStatement()
                | ast.Let() | ast.Choose() | ast.Delete() | ast.Touch() | ast.Push() | ast.Pop()
            ):  # fmt: skip
                yield node
            case _:
                pass


# Entries, init, every ---------------------------------------------------------------------


def _body(cx: Context, items: Iterable[Item]) -> list[ir.Stmt]:
    """Adjacent entries form one table, statements stand between tables (decision 14)."""
    body: list[ir.Stmt] = []
    table: list[ir.Entry] = []
    for item in items:
        match item:
            case ast.Entry():
                with cx.block():
                    table.append(_entry(cx, item))
            case (
                ast.Assign() | ast.Pass() | ast.Drop() | ast.Resubmit() | ast.ExprStatement()
                | ast.Let() | ast.Choose() | ast.Delete() | ast.Touch() | ast.Push() | ast.Pop()
                | ast.If() | ast.While()
            ):  # fmt: skip
                if table:
                    body.append(_table(table))
                    table = []
                body.extend(statements(cx, [item]))
            case _:
                pass
    if table:
        body.append(_table(table))
    return body


def _table(entries: list[ir.Entry]) -> ir.Table:
    return ir.Table(tuple(entries), span=entries[0].span.to(entries[-1].span))


def _entry(cx: Context, node: ast.Entry) -> ir.Entry:
    flow: list[ir.Expr] = []
    state: list[ir.Expr] = []
    body: list[ir.Stmt] = []
    with cx.reading("match"):
        for block in node.blocks:
            if isinstance(block, ast.MatchBlock) and block.condition is not None:
                with cx.recovering():
                    test = condition(cx, block.condition)
                    cx.charge(test, block.span)
                    for part in conjuncts(test):
                        (state if reads_state(part) else flow).append(part)
    for block in node.blocks:
        if isinstance(block, ast.ActionBlock):
            body.extend(statements(cx, block.body))
    return ir.Entry(node.name or "", tuple(flow), tuple(state), tuple(body), span=node.span)


def conjuncts(test: ir.Expr) -> tuple[ir.Expr, ...]:
    """The parts of a conjunction; none of one that is true."""
    match test:
        case ir.And(operands=operands):
            return operands
        case ir.Const(value=True):
            return ()
        case _:
            return (test,)


def reads_state(expr: ir.Expr) -> bool:
    return any(isinstance(node, ir.Read | ir.Has) for node in ir.walk((expr,)))


def _init(cx: Context, node: ast.Init, timers: list[ir.InitTimer]) -> list[ir.Stmt]:
    found: list[ir.Stmt] = []
    tags: dict[str, int] = {}
    for statement in node.body:
        match statement:
            case ast.Assign(target=ast.FieldRef(packet="f_dmy", name="output"), value=value):
                with cx.recovering():
                    timers.append(_first_timer(cx, value, tags, statement.span))
            case ast.Assign(target=ast.FieldRef(packet="f_dmy", name=name) as target, value=value):
                with cx.recovering():
                    if name in FIELDS or name in PROTOCOL_BITS:
                        message = "all fields of a dummy are 0; only tags can be set"
                        raise cx.fail(target.span, "dummy", message)
                    (part,) = typed(cx, value, ir.INT, f"the tag `{name}`").parts
                    if not isinstance(part, ir.Const) or not isinstance(part.value, int):
                        raise cx.fail(value.span, "not-constant", "a tag of a dummy is constant")
                    tags[name] = part.value
            case _:
                found.extend(statements(cx, [statement]))
    return found


def _first_timer(cx: Context, value: ast.Expr, tags: Mapping[str, int], span: Span) -> ir.InitTimer:
    if not isinstance(value, ast.Call) or value.name != "timer":
        message = "a dummy can only be started by a timer"
        raise cx.fail(value.span, "dummy", message, "f_dmy[output] = timer(10ms);")
    delay = output(cx, value)
    assert isinstance(delay, ir.Delay)
    if not isinstance(delay.delay, ir.Const) or not isinstance(delay.delay.value, int):
        raise cx.fail(value.span, "not-constant", "the delay of a timer in `init` is constant")
    return ir.InitTimer(tuple(tags.items()), delay.delay.value, span=span)


def _every(
    cx: Context, nodes: list[ast.Every], body: list[ir.Stmt], timers: list[ir.InitTimer]
) -> list[ir.Stmt]:
    """For each, a dummy with a hidden tag, a timer in init, and a first entry that runs the block
    and arms it again; nothing else of the program is for those dummies (decision 17)."""
    mine: list[ir.Entry] = []
    others: list[ir.Expr] = []
    skip: list[ir.Entry] = []
    for number, node in enumerate(nodes, 1):
        tag = f"every_{number}"
        while tag in cx.tags:
            tag += "_"
        with cx.recovering():
            span = node.span
            period = duration(cx, node.period)
            if period == 0:
                raise cx.fail(
                    node.period.span, "range", "`every 0` would fire for ever at one moment"
                )
            timers.append(ir.InitTimer(((tag, 1),), period, span=span))
            test = ir.Compare("==", ir.Tag(tag, span=span), ir.Const(1, ir.INT), span=span)
            with cx.block():
                inner = statements(cx, node.body)
            again = ir.SetOutput(ir.Delay(ir.Const(period, ir.TIME, span=span)), span=span)
            mine.append(ir.Entry(tag, (test,), (), (*inner, again), span=span))
            skip.append(ir.Entry(f"{tag}_done", (test,), (), (), span=span))
            others.append(ir.Compare("!=", test.left, test.right, span=span))
    if not mine:
        return body
    rest = body
    if body and isinstance(body[0], ir.Table):
        mine, rest = [*mine, *body[0].entries], body[1:]
    found: list[ir.Stmt] = [ir.Table(tuple(mine), span=nodes[0].span)]
    for statement in rest:
        match statement:
            case ir.Table(entries=entries):
                found.append(ir.Table((*skip, *entries), span=statement.span))
            case ir.Let():  # pure, and known to what follows
                found.append(statement)
            case _:
                guard = values.conjunction(others, statement.span)
                found.append(ir.If(guard, (statement,), (), span=statement.span))
    return found


def _claims(
    cx: Context, items: Iterable[Item]
) -> tuple[tuple[ir.Invariant, ...], tuple[ir.Property, ...]]:
    invariants: list[ir.Invariant] = []
    properties: list[ir.Property] = []
    for item in items:
        with cx.recovering():
            match item:
                case ast.Invariant(expr=expr):
                    with cx.reading("invariant"):
                        invariants.append(ir.Invariant(condition(cx, expr), span=item.span))
                case ast.Property() | ast.ReadyMade():
                    found = promise(cx, item)
                    if any(p.name == found.name for p in properties):
                        message = f"`{found.title or found.name}` is declared twice"
                        raise cx.fail(item.span, "duplicate", message)
                    properties.append(found)
                case _:
                    pass
    return tuple(invariants), tuple(properties)
