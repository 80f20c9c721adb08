"""Networks with what guards make certain written as constants, and keys without parts that say
nothing. Both behave as the network they are made of; tests hold them to it on random traffic.

Behind `f[dport] == 53` the field reads as 53. A part of a key that is the same constant wherever a
variable is used can go. Where all reads of a variable have the constant c there, what is written
under another one is read by nobody, and is written no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nfverify.smat import ir
from nfverify.smat.rebuild import Part, mapped, with_parts

Known = Mapping[ir.Expr, ir.Const]
Access = ir.Read | ir.Has | ir.Write | ir.Delete | ir.Touch


def reduced(network: ir.Network) -> ir.Network:
    """The network with all of this done."""
    done = {p: _program(p) for p in dict.fromkeys(i.program for i in network.instances)}
    instances = tuple(replace(i, program=done[i.program]) for i in network.instances)
    return replace(network, instances=instances)


def _program(program: ir.Program) -> ir.Program:
    body, _ = _body(_quiet(program.body), {})
    init, _ = _body(program.init, {})
    found = replace(program, init=init, body=body, invariants=(), properties=())
    for variable in program.state:
        found = _unread_writes(found, variable)
        found = _keys(found, variable)
    # Whether frames that are not IP enter it is asked of its text, of what goes nowhere too.
    return found if found.sees_non_ip == program.sees_non_ip else program


def _quiet(body: Sequence[ir.Stmt]) -> tuple[ir.Stmt, ...]:
    """Without each `pass` before which nothing has set the output: a pass begins with it."""
    found: list[ir.Stmt] = []
    for place, node in enumerate(body):
        match node:
            case ir.SetOutput(output=ir.Forward()):
                continue
            case ir.Table(entries=entries):
                node = replace(
                    node, entries=tuple(replace(e, body=_quiet(e.body)) for e in entries)
                )
            case ir.If(then=then, otherwise=otherwise):
                node = replace(node, then=_quiet(then), otherwise=_quiet(otherwise))
            case _:
                pass
        found.append(node)
        if any(isinstance(part, ir.SetOutput) for part in ir.walk((node,))):
            return (*found, *body[place + 1 :])
    return tuple(found)


# What is certain --------------------------------------------------------------------------


def _body(body: Sequence[ir.Stmt], known: Known) -> tuple[tuple[ir.Stmt, ...], Known]:
    """Statements in order; what is written is certain no more."""
    found: list[ir.Stmt] = []
    for node in body:
        found.append(_statement(node, known))
        known = _after(node, known)
    return tuple(found), known


def _statement(node: ir.Stmt, known: Known) -> ir.Stmt:
    match node:
        case ir.Table(entries=entries):
            return replace(node, entries=tuple(_entry(e, known) for e in entries))
        case ir.If(condition=test, then=then, otherwise=otherwise):
            inner = {**known, **_facts((test,))}
            return replace(
                node,
                condition=_value(test, known),
                then=_body(then, inner)[0],
                otherwise=_body(otherwise, known)[0],
            )
        case ir.While():
            return node  # its body may come again
        case ir.Let(value=value) | ir.SetField(value=value) | ir.SetTag(value=value):
            return replace(node, value=_value(value, known))
        case _:
            parts = tuple(_value(p, known) for p in ir.children(node))  # type: ignore[arg-type]
            return with_parts(node, parts)  # type: ignore[return-value]  # a statement stays one


def _entry(entry: ir.Entry, known: Known) -> ir.Entry:
    flow, known = _conjuncts(entry.match_flow, known)
    state, known = _conjuncts(entry.match_state, known)
    return replace(entry, match_flow=flow, match_state=state, body=_body(entry.body, known)[0])


def _conjuncts(parts: Sequence[ir.Expr], known: Known) -> tuple[tuple[ir.Expr, ...], Known]:
    """Each under those before it."""
    found = []
    for part in parts:
        found.append(_value(part, known))
        known = {**known, **_facts((part,))}
    return tuple(found), known


def _facts(parts: Sequence[ir.Expr]) -> Known:
    """What is certain where these hold."""
    found: dict[ir.Expr, ir.Const] = {}
    for part in parts:
        match part:
            case ir.Compare(op="==", left=ir.Field() as name, right=ir.Const() as value):
                found[name] = value
            case ir.Compare(op="==", left=ir.Const() as value, right=ir.Field() as name):
                found[name] = value
            case ir.And(operands=operands):
                found.update(_facts(operands))
            case _:
                pass
    return found


def _value(node: ir.Expr, known: Known) -> ir.Expr:
    """An expression with what is certain put in; a conjunction's parts under those before."""
    if not known and not any(isinstance(part, ir.And) for part in ir.walk((node,))):
        return node
    match node:
        case ir.Field() if node in known:
            return known[node]
        case ir.And(operands=operands):
            return replace(node, operands=_conjuncts(operands, known)[0])
        case ir.Cast(operand=operand):
            inner = _value(operand, known)
            match inner, node.type:
                case ir.Const(value=int() as value, type=ir.Bits()), ir.Bits() as type_:
                    return ir.Const(ir.wrap(value, type_), type_, span=node.span)
            return node if inner is operand else replace(node, operand=inner)
        case ir.Compare(op="==", left=ir.Field() as name, right=ir.Const()) if name in known:
            return node if known[name] != node.right else ir.TRUE
        case _:
            parts = ir.children(node)
            new = tuple(_value(p, known) for p in parts)  # type: ignore[arg-type]  # expressions
            if all(a is b for a, b in zip(parts, new, strict=True)):
                return node
            return with_parts(node, new)  # type: ignore[return-value]


def _after(node: ir.Stmt, known: Known) -> Known:
    """What is certain still holds behind a statement, but for the fields that it may write."""
    if any(isinstance(n, ir.Push | ir.Pop) for n in ir.walk((node,))):
        return {}  # other headers
    written = {n.name for n in ir.walk((node,)) if isinstance(n, ir.SetField)}
    if not written or not known:
        return known
    # `size` and the payload follow from each other; no equality with a length is worth the care.
    if written & {"payload", "size", "iplen", "proto"}:
        return {}
    return {n: v for n, v in known.items() if not (isinstance(n, ir.Field) and n.name in written)}


# Keys -------------------------------------------------------------------------------------


def _accesses(program: ir.Program, name: str) -> list[Access]:
    return [
        node
        for node in ir.walk(program.init + program.body)
        if isinstance(node, ir.Read | ir.Has | ir.Write | ir.Delete | ir.Touch) and node.var == name
    ]


def _unread_writes(program: ir.Program, variable: ir.StateVar) -> ir.Program:
    """Assignments only under keys that somebody reads, where a constant says so."""
    if variable.aged or variable.constant or not variable.keys:
        return program
    reads = [n for n in _accesses(program, variable.name) if isinstance(n, ir.Read | ir.Has)]
    for place in range(len(variable.keys)):
        values = {n.keys[place] for n in reads}
        if len(values) != 1:
            continue
        (wanted,) = values
        if not isinstance(wanted, ir.Const):
            continue
        init = _all_guarded(program.init, variable.name, place, wanted)
        body = _all_guarded(program.body, variable.name, place, wanted)
        program = replace(program, init=init, body=body)
    return program


def _all_guarded(
    body: Sequence[ir.Stmt], name: str, place: int, wanted: ir.Const
) -> tuple[ir.Stmt, ...]:
    return tuple(s for node in body for s in _guarded(node, name, place, wanted))


def _guarded(node: ir.Stmt, name: str, place: int, wanted: ir.Const) -> tuple[ir.Stmt, ...]:
    def inside(body: Sequence[ir.Stmt]) -> tuple[ir.Stmt, ...]:
        return _all_guarded(body, name, place, wanted)

    match node:
        case ir.Write() | ir.Delete() | ir.Touch() if node.var == name:
            key = node.keys[place]
            if isinstance(key, ir.Const):
                return (node,) if key.value == wanted.value else ()
            keys = (*node.keys[:place], wanted, *node.keys[place + 1 :])
            return (ir.If(ir.Compare("==", key, wanted), (replace(node, keys=keys),), ()),)
        case ir.If(then=then, otherwise=otherwise):
            return (replace(node, then=inside(then), otherwise=inside(otherwise)),)
        case ir.While(body=body):
            return (replace(node, body=inside(body)),)
        case ir.Table(entries=entries):
            return (replace(node, entries=tuple(replace(e, body=inside(e.body)) for e in entries)),)
        case _:
            return (node,)


def _keys(program: ir.Program, variable: ir.StateVar) -> ir.Program:
    """Without the parts of its keys that are the same constant everywhere."""
    if variable.constant or variable.entries or len(variable.keys) < 2:
        return program
    used = _accesses(program, variable.name)
    gone = [
        place
        for place in range(len(variable.keys))
        if used
        and isinstance(used[0].keys[place], ir.Const)
        and all(node.keys[place] == used[0].keys[place] for node in used)
    ]
    gone = gone[: len(variable.keys) - 1]  # a map stays one
    if not gone:
        return program

    def shorter(node: Part) -> Part:
        match node:
            case ir.Read() | ir.Has() | ir.Write() | ir.Delete() | ir.Touch():
                if node.var == variable.name:
                    kept = tuple(k for i, k in enumerate(node.keys) if i not in gone)
                    return replace(node, keys=kept)
        return node

    types = tuple(t for i, t in enumerate(variable.keys) if i not in gone)
    state = tuple(replace(v, keys=types) if v.name == variable.name else v for v in program.state)
    init = tuple(mapped(s, shorter) for s in program.init)
    body = tuple(mapped(s, shorter) for s in program.body)
    return replace(program, state=state, init=init, body=body)  # type: ignore[arg-type]
