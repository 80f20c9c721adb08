"""Statements of action blocks, `init` and general programs to statements of the IR."""

from __future__ import annotations

from collections.abc import Iterable

from nfverify.lang import ast
from nfverify.lang.source import Span
from nfverify.packet.fields import FIELDS, FLOW_FIELDS, PROTOCOL_BITS
from nfverify.smat import ir, nat, values
from nfverify.smat.expressions import (
    Place,
    condition,
    duration,
    expression,
    names_state,
    place,
    typed,
)
from nfverify.smat.scope import RESERVED, Context, Port, Variable, check_field
from nfverify.smat.sets import is_set
from nfverify.smat.types import FLOW, Flow, Map, Set, Tuple, layout, show
from nfverify.smat.values import Value, components, scalar

FORWARD = ir.Forward()
DROP = ir.Drop()
RESUBMIT = ir.Resubmit()


def statements(cx: Context, nodes: Iterable[ast.Statement], product: int = 1) -> list[ir.Stmt]:
    """A block, in order; an error in one statement leaves it out and goes on with the next.

    `product` is how often the loops around it run at most.
    """
    found: list[ir.Stmt] = []
    for node in nodes:
        declared = (node.name,) if isinstance(node, ast.Let | ast.Choose) else ()
        with cx.recovering(*declared):
            new = [*nat.before(cx, node), *_statement(cx, node, product)]
            for statement in new:
                cx.charge(statement, node.span)
            found.extend(new)
    return found


def _statement(cx: Context, node: ast.Statement, product: int) -> list[ir.Stmt]:
    span = node.span
    match node:
        case ast.Pass():
            return [ir.SetOutput(FORWARD, span=_here(cx, span))]
        case ast.Drop():
            return [ir.SetOutput(DROP, span=_here(cx, span))]
        case ast.Resubmit():
            return [ir.SetOutput(RESUBMIT, span=_here(cx, span))]
        case ast.Assign():
            return _assign(cx, node)
        case ast.ExprStatement(expr=expr):
            return _bare(cx, expr)
        case ast.Let():
            return _let(cx, node)
        case ast.Choose():
            return _choose(cx, node)
        case ast.Delete(target=target):
            where = _whole_key(cx, target, "delete")
            return [ir.Delete(where.state.name, where.keys, span=span)]
        case ast.Touch(target=target):
            where = _whole_key(cx, target, "touch")
            if not where.state.aged:
                message = f"`{where.state.name}` has no time-out and no capacity: nothing to touch"
                cx.warn(span, "no-effect", message, "add `timeout 30s` to its declaration")
            return [ir.Touch(where.state.name, where.keys, span=span)]
        case ast.Push():
            return [_push(cx, node)]
        case ast.Pop(kind=kind):
            return [ir.Pop(kind, span=_here(cx, span))]
        case ast.If():
            test = condition(cx, node.condition)
            with cx.block():
                then = statements(cx, node.then, product)
            with cx.block():
                otherwise = statements(cx, node.otherwise, product)
            return [ir.If(test, tuple(then), tuple(otherwise), span=span)]
        case ast.While(bound=bound):
            if not 1 <= bound <= ir.MAX_LOOP_BOUND:
                message = f"a loop's bound is from 1 to {ir.MAX_LOOP_BOUND}, not {bound}"
                cx.report.error(span, "bound", message)
            elif product * bound > ir.MAX_LOOP_PRODUCT:
                message = f"the bounds of nested loops multiply to over {ir.MAX_LOOP_PRODUCT}"
                cx.report.error(span, "bound", message)
            test = condition(cx, node.condition)
            with cx.block():
                body = statements(cx, node.body, product * max(1, min(bound, ir.MAX_LOOP_BOUND)))
            return [ir.While(test, bound, tuple(body), span=span)]


def _here(cx: Context, span: Span) -> Span:
    if cx.mode == "init":
        raise cx.fail(span, "no-packet", "there is no packet in `init`", "a dummy is written f_dmy")
    return span


# What the values of pushed headers are, for people.
_VALUES: dict[ir.HeaderKind, tuple[str, ...]] = {
    "vlan": ("the VLAN ID",),
    "ipip": ("the source address", "the destination address"),
    "vxlan": ("the source address", "the destination address", "the VNI"),
}


def _push(cx: Context, node: ast.Push) -> ir.Stmt:
    _here(cx, node.span)
    names, types = _VALUES[node.kind], ir.PUSHED[node.kind]
    if len(node.args) != len(names):
        message = f"`push {node.kind}` takes {len(names)}, not {len(node.args)} values"
        raise cx.fail(node.span, "arity", message, ", ".join(names))
    args = [
        typed(cx, arg, type_, name).parts[0]
        for arg, type_, name in zip(node.args, types, names, strict=True)
    ]
    return ir.Push(node.kind, tuple(args), span=node.span)


# Assignment -------------------------------------------------------------------------------


def _assign(cx: Context, node: ast.Assign) -> list[ir.Stmt]:
    target, span = node.target, node.span
    match target:
        case ast.FieldRef(packet="f'"):
            raise cx.fail(target.span, "primed", "`f'` stands in properties only")
        case ast.FieldRef(packet="f_dmy"):
            message = "f_dmy is assigned in `init` only, outside `if` and `while`"
            raise cx.fail(target.span, "dummy", message)
        case ast.FieldRef(name=name):
            _here(cx, span)
            if name == "output" or node.value == ast.Keyword("DROP"):
                if name not in FIELDS and name != "output":
                    check_field(cx, target, assigned=True)
                return [ir.SetOutput(output(cx, node.value), span=span)]
            return [_set_field(cx, target, node.value, span)]
        case ast.Name(name="f", primed=False):
            _here(cx, span)
            return _set_flow(cx, typed(cx, node.value, FLOW, "`f`"), span)
        case ast.Name() | ast.Index() if names_state(cx, target):
            return _set_state(cx, target, node)
        case ast.Name(name=name) if name in cx.locals:
            raise cx.fail(
                target.span, "assign", f"`{name}` is a `let`, which is never assigned again"
            )
        case ast.Name(name=name) if name in cx.symbols:
            match cx.symbols[name]:
                case Variable():
                    hint = "declare it inside the program, so that it is state of that program"
                    message = f"`{name}` is declared outside the program: it is configuration"
                    raise cx.fail(target.span, "assign", message, hint)
                case _:
                    raise cx.fail(target.span, "assign", f"`{name}` is no variable")
        case ast.Name(name=name) if name not in RESERVED:
            raise cx.unknown(target.span, name)
        case ast.Index(base=base):
            while isinstance(base, ast.Index):
                base = base.base
            if isinstance(base, ast.Name) and base.name not in {*cx.symbols, *cx.locals, "f"}:
                raise cx.unknown(base.span, base.name)
            raise cx.fail(target.span, "assign", "this can't be assigned", "maps and f[field] can")
        case _:
            raise cx.fail(
                target.span, "assign", "this can't be assigned", "f[field] and variables can"
            )


def _set_field(cx: Context, target: ast.FieldRef, value: ast.Expr, span: Span) -> ir.Stmt:
    name = target.name
    if name in PROTOCOL_BITS:
        hint = f"write f[proto] = {PROTOCOL_BITS[name][0]}"
        raise cx.fail(target.span, "assign", f"f[{name}] can't be assigned", hint)
    if name not in FIELDS:
        check_field(cx, target, assigned=True)
        (expr,) = typed(cx, value, ir.INT, f"the tag `{name}`").parts
        return ir.SetTag(name, expr, span=span)
    info = FIELDS[name]
    if not info.writable:
        raise cx.fail(target.span, "assign", f"f[{name}] can't be assigned")
    if name == "size":
        message = "f[size] is seen by later reads, and never written to the wire"
        cx.warn(target.span, "size", message)
    (expr,) = typed(cx, value, ir.field_type(name), f"f[{name}]").parts
    return ir.SetField(name, expr, span=span)


def _set_flow(cx: Context, value: Value, span: Span) -> list[ir.Stmt]:
    """All fields of the flow at once; those that are already so are left out."""
    changed = [
        (name, part)
        for name, part in zip(FLOW_FIELDS, value.parts, strict=True)
        if not (isinstance(part, ir.Field) and part.name == name)
    ]
    found: list[ir.Stmt] = []
    writes: list[ir.Stmt] = []
    for name, part in changed:
        if isinstance(part, ir.Const | ir.Local) or len(changed) == 1:
            held: ir.Expr = part
        else:
            unique = cx.fresh(f"new_{name}")
            found.append(ir.Let(unique, part, span=span))
            held = ir.Local(unique, part.type, span=span)
        writes.append(ir.SetField(name, held, span=span))
    return found + writes


def output(cx: Context, node: ast.Expr) -> ir.Output:
    """What is assigned to f[output]."""
    match node:
        case ast.Keyword(name="DROP") | ast.SetLiteral(items=()):
            return DROP
        case ast.Keyword(name="IFACE"):
            return FORWARD
        case ast.Keyword(name="resubmit"):
            return RESUBMIT
        case ast.Call(name="timer", args=args):
            if len(args) != 1:
                raise cx.fail(
                    node.span, "arity", "`timer` takes one argument, the delay", "timer(10ms)"
                )
            return ir.Delay(_delay(cx, args[0]))
        case ast.SetLiteral(items=items):
            return ir.Ports(tuple([_port(cx, item) for item in items]))
        case _:
            return ir.Ports((_port(cx, node),))


def _delay(cx: Context, node: ast.Expr) -> ir.Expr:
    if isinstance(node, ast.Number):
        nanoseconds = duration(cx, node)
        if nanoseconds == 0:
            raise cx.fail(node.span, "range", "a timer of 0 would fire for ever at one moment")
        return ir.Const(nanoseconds, ir.TIME, span=node.span)
    (expr,) = typed(cx, node, ir.TIME, "a delay").parts
    if isinstance(expr, ir.Const) and expr.value == 0:
        raise cx.fail(node.span, "range", "a timer of 0 would fire for ever at one moment")
    return expr


def _port(cx: Context, node: ast.Expr) -> ir.Expr:
    if isinstance(node, ast.Number):
        if cx.ports and any(isinstance(s, Port) for s in cx.symbols.values()):
            known = ", ".join(n for n, s in cx.symbols.items() if isinstance(s, Port))
            raise cx.fail(
                node.span, "port", "ports are named once they are declared", f"ports: {known}"
            )
        if node.value > 1 or node.unit:
            hint = "declare more by `iface in, out1, out2;`"
            raise cx.fail(node.span, "port", f"there is no port {node.value}, only 0 and 1", hint)
    if (
        isinstance(node, ast.Name)
        and node.name not in {*cx.symbols, *cx.locals}
        and node.name not in {"f", "now", *cx.broken}
    ):
        from nfverify.smat.report import did_you_mean

        names = [n for n, s in cx.symbols.items() if isinstance(s, Port)]
        message = f"unknown port `{node.name}`{did_you_mean(node.name, names)}"
        raise cx.fail(node.span, "unknown-name", message, "declare ports by `iface in, out;`")
    (expr,) = typed(cx, node, ir.PORT, "an output").parts
    return expr


def _set_state(cx: Context, target: ast.Expr, node: ast.Assign) -> list[ir.Stmt]:
    if is_set(cx, target):
        return _set_set(cx, target, node)
    where = place(cx, target)
    name = where.state.name
    if where.primed:
        raise cx.fail(target.span, "primed", f"`{name}'` stands in properties only")
    if where.state.constant:
        message = f"`{name}` is declared outside the program: it is configuration"
        raise cx.fail(target.span, "assign", message, "declare it inside the program")
    if not where.rest:
        value = typed(cx, node.value, where.missing, f"`{name}`")
        return [ir.Write(name, where.keys, value.parts, span=node.span)]
    return [_set_component(cx, where, node)]


def _set_component(cx: Context, where: Place, node: ast.Assign) -> ir.Stmt:
    """m[k][0] = v: the other items stay."""
    whole = Value(
        where.missing,
        tuple(
            [
                ir.Read(where.state.name, where.keys, index, type_, span=node.span)
                for index, type_ in enumerate(layout(where.missing))
            ]
        ),
    )
    start, value = 0, whole
    for index in where.rest:
        match value.type, index:
            case Tuple(items=items), ast.Number(value=number, unit="") if number < len(items):
                start += sum(len(layout(item)) for item in items[:number])
                value = components(value)[number]
            case Flow(), ast.Name(name=name) if name in FLOW_FIELDS:
                start += FLOW_FIELDS.index(name)
                value = scalar(value.parts[FLOW_FIELDS.index(name)])
            case type_, _:
                raise cx.fail(index.span, "type", f"{show(type_)} has no such item")
    new = typed(cx, node.value, value.type, "the item")
    parts = list(whole.parts)
    parts[start : start + len(new.parts)] = new.parts
    return ir.Write(where.state.name, where.keys, tuple(parts), span=node.span)


def _set_set(cx: Context, target: ast.Expr, node: ast.Assign) -> list[ir.Stmt]:
    """s = s | {a, b} and s = s \\ {a}, also one after the other."""
    where = place(cx, target)
    name = where.state.name
    if where.state.constant:
        message = f"`{name}` is declared outside the program: it is configuration"
        raise cx.fail(target.span, "assign", message, "declare it inside the program")
    if not isinstance(where.missing, Set):
        hint = f"assign one key, `{name}[…] = …`"
        raise cx.fail(node.span, "type", "a whole map can't be assigned", hint)
    changes: list[tuple[str, ast.SetLiteral]] = []
    rest = node.value
    while isinstance(rest, ast.Binary) and rest.op in ("|", "\\"):
        op: str = rest.op
        left, right = rest.left, rest.right
        if op == "|" and isinstance(left, ast.SetLiteral) and not isinstance(right, ast.SetLiteral):
            left, right = right, left  # {a} | s
        if not isinstance(right, ast.SetLiteral):
            break
        changes.append((op, right))
        rest = left
    if rest != target:
        hint = f"write `{name} = {name} | {{…}}` or `{name} = {name} \\ {{…}}`"
        raise cx.fail(node.value.span, "type", "a whole set can't be assigned", hint)
    found: list[ir.Stmt] = []
    for op, items in reversed(changes):
        for item in items.items:
            element = typed(cx, item, where.missing.element, f"an element of `{name}`")
            if op == "|":
                found.append(ir.Write(name, element.parts, (), span=node.span))
            else:
                found.append(ir.Delete(name, element.parts, span=node.span))
    if not found:
        cx.warn(node.span, "no-effect", "this assignment changes nothing")
    if len(found) > 1 and _reads(found, name):
        return _simultaneous(cx, found, node.span)
    return found


def _reads(nodes: Iterable[ir.Stmt], name: str) -> bool:
    return any(isinstance(n, ir.Read | ir.Has) and n.var == name for n in ir.walk(tuple(nodes)))


def _simultaneous(cx: Context, changes: list[ir.Stmt], span: Span) -> list[ir.Stmt]:
    """The same changes, with all elements computed before the first."""
    lets: list[ir.Stmt] = []
    writes: list[ir.Stmt] = []
    for change in changes:
        assert isinstance(change, ir.Write | ir.Delete)
        keys: list[ir.Expr] = []
        for key in change.keys:
            unique = cx.fresh("element")
            lets.append(ir.Let(unique, key, span=span))
            keys.append(ir.Local(unique, key.type, span=span))
        match change:
            case ir.Write(var=var):
                writes.append(ir.Write(var, tuple(keys), (), span=span))
            case ir.Delete(var=var):
                writes.append(ir.Delete(var, tuple(keys), span=span))
    return lets + writes


def _whole_key(cx: Context, target: ast.Expr, word: str) -> Place:
    """A key of a map, or an instance of a granular variable."""
    if not names_state(cx, target):
        if isinstance(target, ast.Name) and target.name not in cx.symbols:
            raise cx.unknown(target.span, target.name)
        raise cx.fail(target.span, "type", f"`{word}` takes a key of a map", f"{word} m[k];")
    where = place(cx, target)
    if where.state.constant:
        message = f"`{where.state.name}` is declared outside the program: it is configuration"
        raise cx.fail(target.span, "assign", message, "declare it inside the program")
    if isinstance(where.missing, Set | Map) or where.rest or where.state.kind == "plain":
        hint = f"{word} m[k]; with all keys"
        if isinstance(where.missing, Set):
            hint = "s = s \\ {x};" if word == "delete" else "touch is for keys of maps"
        raise cx.fail(target.span, "type", f"`{word}` takes a key of a map", hint)
    if where.primed:
        raise cx.fail(target.span, "primed", "a primed name stands in properties only")
    return where


# Bare expressions, let, choose ------------------------------------------------------------


def _bare(cx: Context, expr: ast.Expr) -> list[ir.Stmt]:
    """No effect, but it must make sense; `f[x] == DROP` is let through (decision 3)."""
    hint = ""
    if isinstance(expr, ast.Binary) and expr.op == "==":
        hint = "an assignment is written `=`"
    dropping = isinstance(expr, ast.Binary) and expr.right == ast.Keyword("DROP")
    if not dropping:
        expression(cx, expr)
    elif isinstance(expr, ast.Binary) and not isinstance(expr.left, ast.FieldRef):
        raise cx.fail(expr.span, "type", "`DROP` is a value for `f[output]` only")
    cx.warn(expr.span, "no-effect", "this statement has no effect", hint)
    return []


def declare_local(cx: Context, name: str, span: Span) -> str:
    """The unique name of a new local."""
    if name in RESERVED:
        raise cx.fail(span, "reserved", f"`{name}` can't be a name of your own")
    if name in cx.locals:
        raise cx.fail(
            span, "duplicate", f"`{name}` has been declared already", "choose another name"
        )
    return cx.fresh(name)


def _let(cx: Context, node: ast.Let) -> list[ir.Stmt]:
    value = expression(cx, node.value)
    if isinstance(value.type, Set | Map):
        raise cx.fail(node.value.span, "type", "a `let` holds no set or map")
    if value.literal is not None:
        value = Value(value.type, value.parts)
    if len(value.parts) == 1:
        names = [declare_local(cx, node.name, node.span)]
    else:
        if node.name in cx.locals or node.name in RESERVED:
            declare_local(cx, node.name, node.span)
        suffixes = FLOW_FIELDS if isinstance(value.type, Flow) else range(len(value.parts))
        names = [cx.fresh(f"{node.name}_{suffix}") for suffix in suffixes]
        cx.taken.add(node.name)
    lets: list[ir.Stmt] = [
        ir.Let(name, part, span=node.span) for name, part in zip(names, value.parts, strict=True)
    ]
    held = [
        ir.Local(name, part.type, span=node.span)
        for name, part in zip(names, value.parts, strict=True)
    ]
    cx.locals[node.name] = Value(value.type, tuple(held))
    return lets


def _choose(cx: Context, node: ast.Choose) -> list[ir.Stmt]:
    low, high = expression(cx, node.low), expression(cx, node.high)
    if not isinstance(low.type, ir.Bits) or not isinstance(high.type, ir.Bits):
        raise cx.fail(node.span, "type", "the bounds of `choose` are numbers")
    try:
        first, last, type_ = values.balance(low, high)
    except values.Misfit:
        raise cx.fail(node.span, "range", "the bounds of `choose` have no type in common") from None
    if isinstance(first, ir.Const) and isinstance(last, ir.Const):
        count = int(last.value) - int(first.value) + 1
        if count < 1:
            raise cx.fail(node.span, "range", "the range of `choose` is empty")
        if count > ir.MAX_CHOICES:
            message = f"`choose` tries at most {ir.MAX_CHOICES:,} values; these are {count:,}"
            raise cx.fail(node.span, "range", message, "choose in a narrower range")
    name = declare_local(cx, node.name, node.span)
    cx.locals[node.name] = scalar(ir.Local(name, type_, span=node.span))
    where = condition(cx, node.where) if node.where is not None else ir.TRUE
    return [ir.Choose(name, type_, first, last, where, span=node.span)]
