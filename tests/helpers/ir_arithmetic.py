"""A network that does all arithmetic on all classes of types: each operation, each comparison and
each conversion, of the two addresses of an IPv6 packet; and traffic with their edges."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import get_args

from nfverify.oracles.frames import Frames
from nfverify.oracles.trace import Event
from nfverify.smat import ir

TYPES: tuple[ir.Bits, ...] = (
    *(ir.Bits(width) for width in (1, 5, 8, 12, 16, 17, 32, 48, 64, 65, 100, 128)),
    *(ir.Bits(width, signed=True) for width in (1, 5, 8, 13, 16, 31, 32, 33, 64, 65, 127, 128)),
)
SUM = ir.Bits(32)


def program(type_: ir.Bits, number: int) -> ir.Program:
    """All results of one type, hashed into three variables; at once and by way of locals."""
    left, right = ir.Local("left", type_), ir.Local("right", type_)
    results = [ir.Arithmetic(op, left, right, type_) for op in get_args(ir.ArithmeticOp)]
    small = ir.Cast(ir.Arithmetic("&", ir.Field("dip6"), _number(255), ir.IP6), type_)
    results += [ir.Arithmetic(op, left, small, type_) for op in ("<<", ">>", "/", "%", "*")]
    compared = [ir.Compare(op, left, right) for op in get_args(ir.CompareOp)]
    direct = [
        ir.Compare(op, ir.Cast(ir.Field("sip6"), type_), ir.Const(edge, type_))
        for op in get_args(ir.CompareOp)
        for edge in (0, ir.wrap(-1, type_), ir.wrap(1 << type_.width - 1, type_))
    ]
    casts = [ir.Cast(left, to) for to in (*TYPES, ir.BOOL)]
    casts += [ir.Cast(ir.Cast(c, type_), type_) for c in compared]
    body: list[ir.Stmt] = [
        ir.Let("left", ir.Cast(ir.Field("sip6"), type_)),
        ir.Let("right", ir.Cast(ir.Field("dip6"), type_)),
        _fold("results", results),
        _fold("compared", [*compared, *direct]),
        _fold("casts", casts),
    ]
    state = [ir.StateVar(n, (), (SUM,), (0,), "plain") for n in ("results", "compared", "casts")]
    state.append(ir.StateVar("seen", (type_,), (type_,), (0,), "map", capacity=4))
    body.append(ir.Write("seen", (left,), (results[2],)))
    return ir.Program(f"a{number}", (), (), tuple(state), (), (), tuple(body))


def _number(value: int) -> ir.Const:
    return ir.Const(value, ir.IP6)


def _fold(name: str, parts: list[ir.Expr]) -> ir.Stmt:
    known = ir.Read(name, (), 0, SUM)
    return ir.Write(name, (), (ir.Apply("hash", (known, *parts), SUM),))


def arithmetic_network() -> ir.Network:
    programs = [program(type_, number) for number, type_ in enumerate(TYPES)]
    return ir.Network(
        "arithmetic",
        ("left", "right"),
        tuple(ir.Instance(p.name, p) for p in programs),
        tuple(ir.Wire(k, None, k + 1) for k in range(len(programs) - 1)),
    )


def operands(rng: Random) -> Iterator[Event]:
    """Frames whose addresses are at the edges of all widths."""
    frames = Frames(rng, plain=1.0)
    while True:
        pair = [_operand(rng), _operand(rng)]
        if rng.random() < 0.1:
            pair[1] = pair[0]
        yield Event(0, 0, frames.frame({"sip6": pair[0], "dip6": pair[1]}, b""))


def _operand(rng: Random) -> int:
    width = rng.choice((1, 5, 8, 13, 16, 31, 32, 33, 63, 64, 65, 127, 128))
    edges = (0, 1, 2, 1 << width - 1, (1 << width - 1) - 1, (1 << width) - 1, width, width - 1)
    edge = rng.choice((*edges, rng.getrandbits(width), rng.getrandbits(128)))
    return (edge * rng.choice((1, 1, 1, -1))) & (1 << 128) - 1
