"""Statements of the IR as Cython: what an NF does to its packet, its output and its state."""

from __future__ import annotations

from typing import assert_never

from nfverify.cythonized import access
from nfverify.cythonized.body import Body
from nfverify.cythonized.ctypes_of import carrier, literal, variable
from nfverify.cythonized.expressions import cast
from nfverify.cythonized.names import comment
from nfverify.cythonized.plan import NARROW_FLOW, wrap
from nfverify.packet.fields import FIELDS
from nfverify.smat.ir import (
    INT,
    TIME,
    Bits,
    Bytes,
    Choose,
    Const,
    Delay,
    Delete,
    Drop,
    Expr,
    Forward,
    If,
    Let,
    Output,
    Pop,
    Ports,
    Push,
    Resubmit,
    SetField,
    SetOutput,
    SetTag,
    Stmt,
    Table,
    Touch,
    While,
    Write,
)

MAX_CHOICES = 65536  # candidates that a `choose` tries


def statements(body: Body, nodes: tuple[Stmt, ...]) -> None:
    for node in nodes:
        body.plan.visitor.visit_action(body, node)


def statement(body: Body, node: Stmt) -> None:
    match node:
        case SetField():
            _set_field(body, node)
        case SetTag(name=name, value=value):
            number = cast(body.value(value), value.type, INT)
            body.emit(f"p.tags[{body.plan.tags[name]}] = {number}")
            body.tag_written(name)
        case SetOutput(output=output):
            _set_output(body, output)
        case Write():
            access.write(body, node)
        case Delete():
            access.delete(body, node)
        case Touch():
            access.touch(body, node)
        case Push() | Pop():
            _wrap(body, node)
        case Let(name=name, value=value):
            body.local_written(name)
            _bind(body, name, body.value(value), value)
        case Choose():
            _choose(body, node)
        case If():
            _if(body, node)
        case While():
            _while(body, node)
        case Table():
            body.plan.visitor.visit_table(body, node)
        case _:
            assert_never(node)


def _bind(body: Body, name: str, text: str, value: Expr) -> None:
    if name not in body.locals:
        body.locals[name] = body.function.declare(variable(value.type), name)
    body.emit(f"{body.locals[name]} = {text}")


def _fail(body: Body, counter: str) -> None:
    body.emit("failed = 1", f"S.core.counters[{counter}] += 1")


# Fields and outputs -------------------------------------------------------------------------


def _set_field(body: Body, node: SetField) -> None:
    name, text = node.name, body.value(node.value)
    if name in NARROW_FLOW:
        body.emit(f"nf_set_{name}(h, fast, {text})")
    else:
        place = f"p.f_{name}"
        with body.function.block(f"if nf_has(h, fast, {FIELDS[name].headers.value}):"):
            if isinstance(node.value.type, Bytes):
                new = body.temporary("nf_slice", "bytes", text)
                with body.function.block(f"if {new}.length == {place}.length:"):
                    body.emit(f"{place} = {new}")
                with body.function.block("else:"):
                    _fail(body, "NF_PAYLOAD_LENGTH")
            else:
                body.emit(f"{place} = {text}")
    body.field_written(name)


def _wrap(body: Body, node: Push | Pop) -> None:
    """The functions are those of `wrapping`."""
    given = [] if node.kind == "vlan" else [f"NF_{node.kind.upper()}"]
    if isinstance(node, Push):
        given += map(body.value, node.args)
        given += ["0"] if node.kind == "ipip" else []  # no VNI
    call = f"{wrap(node)}({', '.join(['S', 'p', *given])})"
    with body.function.block(f"if {call}:"):
        body.emit("failed = 1")
    body.header_changed()


def _set_output(body: Body, output: Output) -> None:
    match output:
        case Forward():
            body.emit("out = NF_FORWARD")
        case Drop() | Ports(ports=()):
            body.emit("out = NF_DROP")
        case Ports(ports=ports):
            _set_ports(body, ports)
        case Resubmit():
            body.emit("out = NF_RESUBMIT")
        case Delay(delay=delay):
            body.emit(f"p.delay = {cast(body.value(delay), delay.type, TIME)}", "out = NF_DELAY")
        case _:
            assert_never(output)


def _set_ports(body: Body, ports: tuple[Expr, ...]) -> None:
    count = body.plan.ports
    names: list[str] = []
    tests: list[str] = []
    for port in ports:
        if isinstance(port, Const) and isinstance(port.value, int) and 0 <= port.value < count:
            names.append(str(int(port.value)))
            continue
        type_ = port.type
        assert isinstance(type_, Bits)
        name = body.temporary(carrier(type_), "port", body.value(port))
        names.append(f"<i32>{name}")
        if type_.signed:
            tests.append(f"{name} < 0")
        if (1 << type_.width - type_.signed) > count:
            tests.append(f"{name} >= {literal(count, type_)}")
    if tests:
        with body.function.block(f"if {' or '.join(tests)}:"):
            _fail(body, "NF_BAD_PORT")
            body.emit("out = NF_DROP")
        with body.function.block("else:"):
            _ports(body, names)
    else:
        _ports(body, names)


def _ports(body: Body, names: list[str]) -> None:
    if len(names) == 1:
        body.emit(f"out = {names[0]}")
        return
    body.emit(f"p.copies = {len(names)}")
    body.emit(*(f"p.ports[{i}] = {name}" for i, name in enumerate(names)), "out = NF_SEVERAL")


# Control ------------------------------------------------------------------------------------


def _if(body: Body, node: If) -> None:
    with body.function.block(f"if {body.value(node.condition)}:"), body.branch():
        statements(body, node.then)
    if node.otherwise:
        with body.function.block("else:"), body.branch():
            statements(body, node.otherwise)


def _while(body: Body, node: While) -> None:
    rounds = body.temporary("u32", "rounds", "0")
    body.everything_moved()
    with body.function.block("while True:"), body.branch():
        condition = body.value(node.condition)
        with body.function.block(f"if not {condition}:"):
            body.emit("break")
        with body.function.block(f"if {rounds} == {node.bound}:"):
            _fail(body, "NF_LOOP_LIMIT")
            body.emit("break")
        body.emit(f"{rounds} += 1")
        statements(body, node.body)
    body.everything_moved()


def _choose(body: Body, node: Choose) -> None:
    """The first that fits, in the order of the type, of the first 65,536 candidates."""
    assert isinstance(node.type, Bits)
    ctype = carrier(node.type)
    low = body.temporary(ctype, "low", body.value(node.low))
    high = body.temporary(ctype, "high", body.value(node.high))
    body.local_written(node.name)
    if node.name not in body.locals:
        body.locals[node.name] = body.function.declare(ctype, node.name)
    name = body.locals[node.name]
    tries, found = body.temporary("u32", "tries", "0"), body.temporary("u32", "found", "0")
    body.emit(f"{name} = {low}")
    body.everything_moved()
    with (
        body.function.block(f"while {name} <= {high} and {tries} < {MAX_CHOICES}U:"),
        body.branch(),
    ):
        with body.function.block(f"if {body.value(node.where)}:"):
            body.emit(f"{found} = 1", "break")
        with body.function.block(f"if {name} == {high}:"):
            body.emit("break")
        body.emit(f"{name} += 1", f"{tries} += 1")
    body.everything_moved()
    with body.function.block(f"if not {found}:"):
        body.emit(f"{name} = {low}")
        _fail(body, "NF_NO_CHOICE")


def where(node: Stmt) -> str:
    """A comment that names the line of a statement."""
    return comment(f"line {node.span.line}") if node.span.source.text else ""
