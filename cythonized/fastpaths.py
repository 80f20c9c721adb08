"""Classes of a plan as straight-line code: residual tests, state functions, header, verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nfverify.cythonized.body import Body
from nfverify.cythonized.ctypes_of import variable
from nfverify.cythonized.expressions import expression
from nfverify.cythonized.fastlayout import IMAGE, ClassLayout, FastLayout, fixed
from nfverify.cythonized.fastwrites import Prepared, commit, prepare
from nfverify.cythonized.fold import expression as folded
from nfverify.cythonized.fold import expressions
from nfverify.cythonized.function import FIXED, INDENT, Function
from nfverify.cythonized.names import Names, comment
from nfverify.cythonized.network import covers
from nfverify.cythonized.plan import NARROW_FLOW, Plan
from nfverify.cythonized.resources import Resources
from nfverify.fastpath.plan import Path, StateFunction
from nfverify.smat.ir import And, Bits, Cast, Conditional, Const, Delete, Expr, Write

_NAMES = (*FIXED, "r", "m", "rewrite", "frame", "kept_ip4", "kept_l4", "original", "watch")
INLINE = 3  # classes that are so few are compiled into the loop over packets


def fast_function(signature: str) -> Function:
    """A function of a fast path: packets are plain, and read as they arrived."""
    function = Function(signature, names=Names(set(_NAMES)))
    function.declarations.append("cdef u32 fast = 1")
    return function


def fast_body(plan: Plan, layout: FastLayout, resources: Resources, function: Function) -> Body:
    """Of expressions of the plan, whatever instances they are about."""
    arriving = replace(plan, written=())
    return Body(arriving, layout.whole, function, resources, expression)


def classes(plan: Plan, layout: FastLayout, resources: Resources) -> str:
    """A function for each class: the port of the packet, NF_DROPPED, or NF_FAST_SLOW; and
    `fast_serve`, which calls the one of a record."""
    inline = "inline " if len(layout.classes) <= INLINE and plan.simple else ""
    parts = [_class(plan, layout, c, resources, inline) for c in layout.classes]
    lines = [
        "cdef inline i32 fast_serve("
        "State* S, nf_head* h, nf_mat_head* r, u64 now, u32 original) noexcept nogil:"
    ]
    for place, c in enumerate(layout.classes):
        call = f"fast_serve_{c.number}(S, h, <{c.struct}*>r, now, original)"
        test = "elif" if place else "if"
        lines.append(f"{INDENT}{test} r.number == {c.number}:  # {comment(c.plan.name)}")
        lines.append(f"{INDENT * 2}return {call}")
    lines.append(f"{INDENT}return NF_FAST_SLOW")
    return "\n\n".join([*parts, "\n".join(lines) + "\n"])


def _class(
    plan: Plan, layout: FastLayout, c: ClassLayout, resources: Resources, inline: str
) -> str:
    function = fast_function(
        f"cdef {inline}i32 fast_serve_{c.number}("
        f"State* S, nf_head* h, {c.struct}* r, u64 now, u32 original) noexcept nogil:"
    )
    body = fast_body(plan, layout, resources, function)
    body.locals = {name: member.text for name, member in c.values.items()}
    body.hints = {at: f"r.hint[{number}]" for number, at in enumerate(c.hints)}
    for path in c.paths:
        body.emit(f"# {comment(path.name)}")
        test = body.value(folded(And(path.residual)))
        with function.block(f"if {test}:"), body.branch():
            _path(plan, body, c, path)
    body.emit("return NF_FAST_SLOW")
    return function.text()


def _path(plan: Plan, body: Body, c: ClassLayout, path: Path) -> None:
    """All is read in the state and packet on arrival, but for functions of one parallel group."""
    grouped = {member for group in path.parallel if len(group) > 1 for member in group}
    read: dict[int, list[Prepared]] = {
        number: prepare(body, _folded(function))
        for number, function in enumerate(path.functions)
        if number not in grouped
    }
    image = c.image if path.outputs and fixed(path) == c.image else None
    modify: dict[str, str] = {}
    for name, value in path.header.modify if path.outputs else ():
        if not (image and name in IMAGE and (name, value) in image.values) and name != "size":
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
    if not _is_port(output, plan.ports):
        with body.function.block(f"if {port} < 0 or {port} >= {plan.ports}:"):
            body.emit("S.core.counters[NF_BAD_PORT] += 1", "return NF_DROPPED")
    _leave(plan, body, port)
    _header(plan, body, path, image is not None, modify)
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


def _leave(plan: Plan, body: Body, port: str) -> None:
    """Where the frame is rewritten: in place, or in a copy that comes out."""
    if plan.simple:
        return
    body.function.declarations.append("cdef u8* frame")
    body.emit(
        f"frame = nf_sent_add(&S.core, S.core.now, <u32>{port}, h.frame, h.length, S.cause,"
        " S.cause, original)"
    )
    with body.function.block("if frame == NULL:"):
        body.emit("return NF_DROPPED")


def _header(plan: Plan, body: Body, path: Path, image: bool, modify: Mapping[str, str]) -> None:
    """The fields written; sums follow those that the path says."""
    if not image and not modify:
        return
    frame = "h.frame" if plan.simple else "frame"
    declare = "cdef nf_rewrite rewrite"
    if declare not in body.function.declarations:
        body.function.declarations.append(declare)
    body.emit(f"nf_rewrite_begin(&rewrite, {frame}, h, 1)")
    if image:
        body.emit("rewrite.ip4 = r.head.ip", "rewrite.l4 = r.head.l4")
        body.emit(f"nf_put_image({frame}, &r.image)")
    for name, text in modify.items():
        if name not in path.header.summed:
            kept = body.temporary("u64", "kept", "rewrite.ip4")
            kept_l4 = body.temporary("u64", "kept", "rewrite.l4")
        if name in NARROW_FLOW:
            body.emit(f"nf_set_{name}(h, 1, {text})")
            body.emit(f"nf_put_flow(&rewrite, {frame}, h, 1, NF_W_{name.upper()})")
        else:
            body.emit(f"nf_put_{name}(&rewrite, {frame}, h, 1, {text})")
        if name not in path.header.summed:
            body.emit(f"rewrite.ip4 = {kept}", f"rewrite.l4 = {kept_l4}")
    written = [name for name, _ in path.header.modify]
    body.emit(f"nf_rewrite_end(&rewrite, {frame}, h, 1, {covers(written)})")
