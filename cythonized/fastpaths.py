"""Codes of a plan, straight-line: residual tests, state functions, header, verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nfverify.cythonized.body import Body
from nfverify.cythonized.ctypes_of import variable
from nfverify.cythonized.expressions import YES, expression
from nfverify.cythonized.fastcodes import IMAGE, CodePath
from nfverify.cythonized.fastlayout import Code, FastLayout
from nfverify.cythonized.fastwrites import Prepared, commit, prepare
from nfverify.cythonized.fold import expression as folded
from nfverify.cythonized.fold import expressions
from nfverify.cythonized.function import FIXED, INDENT, Function
from nfverify.cythonized.names import Names, comment
from nfverify.cythonized.network import covers
from nfverify.cythonized.plan import NARROW_FLOW, Plan
from nfverify.cythonized.resources import Resources
from nfverify.cythonized.tables import TableCode
from nfverify.fastpath.plan import StateFunction
from nfverify.smat.ir import (
    And,
    Bits,
    Cast,
    Compare,
    Conditional,
    Const,
    Delete,
    Expr,
    Not,
    Write,
)

_NAMES = (*FIXED, "r", "m", "rewrite", "frame", "kept_ip4", "kept_l4", "original", "watch")
INLINE = 3  # codes that are so few are compiled into the loop over packets


def fast_function(signature: str) -> Function:
    """A function of a fast path: packets are plain, and read as they arrived."""
    function = Function(signature, names=Names(set(_NAMES)))
    function.declarations.append("cdef u32 fast = 1")
    return function


def fast_body(plan: Plan, layout: FastLayout, resources: Resources, function: Function) -> Body:
    """Of expressions of the plan, whatever instances they are about."""
    arriving = replace(plan, written=())
    return Body(arriving, layout.whole, function, resources, expression)


def codes(plan: Plan, layout: FastLayout, resources: Resources) -> str:
    """A function for each code: the port of the packet, NF_DROPPED, or NF_FAST_SLOW; and
    `fast_serve`, which calls the one of a record."""
    inline = "inline " if len(layout.codes) <= INLINE and plan.simple else ""
    parts = [_code(plan, layout, code, resources, inline) for code in layout.codes]
    lines = [
        "cdef inline i32 fast_serve("
        "State* S, nf_head* h, nf_mat_head* r, u64 now, u32 original) noexcept nogil:"
    ]
    for place, code in enumerate(layout.codes):
        last = place == len(layout.codes) - 1
        test = "else:" if last else f"{'elif' if place else 'if'} r.number == {code.number}:"
        indent = INDENT
        if not (last and place == 0):
            lines.append(INDENT + test)
            indent = INDENT * 2
        call = f"fast_serve_{code.number}(S, h, <{code.struct}*>r, now, original)"
        lines.append(f"{indent}return {call}")
    return "\n\n".join([*parts, "\n".join(lines) + "\n"])


def _code(plan: Plan, layout: FastLayout, code: Code, resources: Resources, inline: str) -> str:
    function = fast_function(
        f"cdef {inline}i32 fast_serve_{code.number}("
        f"State* S, nf_head* h, {code.struct}* r, u64 now, u32 original) noexcept nogil:"
    )
    body = fast_body(plan, layout, resources, function)
    body.locals = {name: value.text for name, value in code.values.items()}
    body.hints = {at: f"r.hint[{number}]" for number, at in enumerate(code.hints)}
    flows = {table.id for table in layout.whole.tables if TableCode.of(table).flow_like}
    body.packed = {at: "<const u64*>&r.image" for at in code.packed if at[0] in flows}
    body.emit(f"# {comment(', '.join(draft.plan.name for draft in code.group.drafts))}")
    _paths(plan, body, code, [(path, path.residual) for path in code.group.paths])
    return function.text()


def _paths(
    plan: Plan, body: Body, code: Code, paths: Sequence[tuple[CodePath, tuple[Expr, ...]]]
) -> None:
    """Paths with what is left of their residuals, which exclude each other: first a condition that
    all of them test, one way or the other, so that it is evaluated once."""
    if len(paths) > 1:
        for test in paths[0][1]:
            yes = [(path, _without(rest, test)) for path, rest in paths if test in rest]
            other = _negated(test)
            no = [(path, _without(rest, other)) for path, rest in paths if other in rest]
            if no and len(yes) + len(no) == len(paths):
                with body.function.block(f"if {body.value(folded(test))}:"), body.branch():
                    _paths(plan, body, code, yes)
                _paths(plan, body, code, no)
                return
    for path, rest in paths:
        text = body.value(folded(And(rest)))
        if text == YES:
            _path(plan, body, code, path)
            return
        with body.function.block(f"if {text}:"), body.branch():
            _path(plan, body, code, path)
    body.emit("return NF_FAST_SLOW")


def _without(residual: tuple[Expr, ...], test: Expr) -> tuple[Expr, ...]:
    return tuple(conjunct for conjunct in residual if conjunct != test)


def _negated(test: Expr) -> Expr:
    match test:
        case Not(operand):
            return operand
        case Compare("==", left, right):
            return Compare("!=", left, right)
        case Compare("!=", left, right):
            return Compare("==", left, right)
        case Compare("<", left, right):
            return Compare("<=", right, left)
        case Compare("<=", left, right):
            return Compare("<", right, left)
        case _:
            return Not(test)


def _path(plan: Plan, body: Body, code: Code, path: CodePath) -> None:
    """All is read in the state and packet on arrival, but for functions of one parallel group."""
    grouped = {member for group in path.parallel for member in group}
    read: dict[int, list[Prepared]] = {
        number: prepare(body, _folded(function))
        for number, function in enumerate(path.functions)
        if number not in grouped
    }
    modify: dict[str, str] = {}
    for name, value in path.modify:
        if name != "size":
            text = body.value(folded(value))
            modify[name] = body.temporary(variable(value.type), f"new_{name}", text)
    port = ""
    if path.outputs:
        output = folded(path.outputs[0])
        port = body.temporary("i32", "port", f"<i32>({body.value(output)})")
    moved: set[str] = set()
    done: set[int] = set()
    for number in range(len(path.functions)):
        for member in path.group_of(number) if number not in done else ():
            done.add(member)
            ready = read.get(member)
            if ready is None:
                ready = prepare(body, _folded(path.functions[member]))
            commit(body, ready, moved)
    if not port:
        body.emit("return NF_DROPPED")
        return
    chosen = code.group.chosen
    sure = _is_port(output, plan.ports)
    if chosen and (not plan.simple or not sure):
        with body.function.block("if not nf_goes_out(&r.head):"):
            body.emit("return NF_DROPPED")
        chosen = False
    if not sure:
        with body.function.block(f"if {port} < 0 or {port} >= {plan.ports}:"):
            body.emit("S.core.counters[NF_BAD_PORT] += 1", "return NF_DROPPED")
    image = path.image and code.group.written
    if image or modify or not plan.simple:
        _leave(plan, body, port, chosen)
    if image and not modify:
        body.emit("nf_put_record(frame, &r.head, &r.image)")
    elif modify:
        _header(body, path, image, modify)
    if chosen:
        port = f"nf_choose(nf_goes_out(&r.head), {port}, NF_DROPPED)"
    body.emit(f"return {port}")


def _folded(function: StateFunction) -> StateFunction:
    return replace(function, writes=tuple(map(_folded_write, function.writes)))


def _folded_write(node: Write | Delete) -> Write | Delete:
    keys = expressions(node.keys)
    if isinstance(node, Delete):
        return replace(node, keys=keys)
    return replace(node, keys=keys, values=expressions(node.values))


def _is_port(node: Expr, ports: int) -> bool:
    """Is it surely the number of a port?"""
    match node:
        case Const(value=int(value)):
            return 0 <= value < ports
        case Conditional(then=then, otherwise=otherwise):
            return _is_port(then, ports) and _is_port(otherwise, ports)
        case Cast(operand=operand, type=Bits(width=width)) if width >= 16:
            return _is_port(operand, ports)
    return False


# The frame --------------------------------------------------------------------------------------


def _leave(plan: Plan, body: Body, port: str, chosen: bool) -> None:
    """Where the frame is rewritten: in place, or in a copy that comes out. If it is the record that
    says whether it does, that costs no branch: what is dropped is rewritten where nobody looks."""
    if "cdef u8* frame" not in body.function.declarations:
        body.function.declarations.append("cdef u8* frame")
    if plan.simple:
        place = "nf_either(nf_goes_out(&r.head), h.frame, S.nowhere)" if chosen else "h.frame"
        body.emit(f"frame = {place}")
        return
    body.emit(
        f"frame = nf_sent_add(&S.core, S.core.now, <u32>{port}, h.frame, h.length, S.cause,"
        " S.cause, original)"
    )
    with body.function.block("if frame == NULL:"):
        body.emit("return NF_DROPPED")


def _header(body: Body, path: CodePath, image: bool, modify: Mapping[str, str]) -> None:
    """The fields written; sums follow those that the path says."""
    declare = "cdef nf_rewrite rewrite"
    if declare not in body.function.declarations:
        body.function.declarations.append(declare)
    body.emit("nf_rewrite_begin(&rewrite, frame, h, 1)")
    if image:
        body.emit("rewrite.ip4 = r.head.ip", "rewrite.l4 = r.head.l4")
        body.emit("nf_put_image(frame, &r.image)")
    for name, text in modify.items():
        kept: tuple[str, str] | None = None
        if name not in path.summed:
            ip4 = body.temporary("u64", "kept", "rewrite.ip4")
            kept = ip4, body.temporary("u64", "kept", "rewrite.l4")
        if name in NARROW_FLOW:
            body.emit(f"nf_set_{name}(h, 1, {text})")
            body.emit(f"nf_put_flow(&rewrite, frame, h, 1, NF_W_{name.upper()})")
        else:
            body.emit(f"nf_put_{name}(&rewrite, frame, h, 1, {text})")
        if kept:
            body.emit(f"rewrite.ip4 = {kept[0]}", f"rewrite.l4 = {kept[1]}")
    under = covers((*(IMAGE if image else ()), *modify))
    body.emit(f"nf_rewrite_end(&rewrite, frame, h, 1, {under})")
