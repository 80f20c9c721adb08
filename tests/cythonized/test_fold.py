"""Constants evaluated before code is generated: what it does, and that it changes nothing."""

from dataclasses import replace
from random import Random

import pytest
from agreement import Maker, check, reference
from ir_build import DROP, F, entry, field_is, i, out, program, put, table
from ir_flows import flow_chain
from ir_wide import FUNCTIONS, wide_network

from nfverify.cythonized.fold import expression, folded, statements
from nfverify.oracles.programs.expressions import Options
from nfverify.smat import ir

U8, S8 = ir.Bits(8), ir.Bits(8, signed=True)
TTL = F("ttl")


def c(value: int, type_: ir.Bits = U8) -> ir.Const:
    return ir.Const(value, type_)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ir.Arithmetic("-", c(0), c(1), U8), c(255)),
        (ir.Arithmetic("*", c(127, S8), c(2, S8), S8), c(-2, S8)),
        (ir.Arithmetic("/", c(7), c(0), U8), c(0)),
        (ir.Cast(c(255), S8), c(-1, S8)),
        (ir.Cast(c(7), ir.BOOL), ir.TRUE),
        (ir.Conditional(ir.FALSE, TTL, c(3), U8), c(3)),
        (ir.Not(ir.Compare("==", c(1), c(1))), ir.FALSE),
        (ir.And((ir.TRUE, field_is("ttl", 1))), field_is("ttl", 1)),
        (ir.And((field_is("ttl", 1), ir.FALSE)), ir.FALSE),
        (ir.And(()), ir.TRUE),
        (ir.Or((field_is("ttl", 1), ir.TRUE, field_is("ttl", 2))), ir.TRUE),
        (ir.Or(()), ir.FALSE),
        (ir.Compare("<", TTL, c(0)), ir.FALSE),
        (ir.Compare("<=", c(0), TTL), ir.TRUE),
        (ir.Compare("<=", TTL, c(255)), ir.TRUE),
        (ir.Compare("==", ir.Cast(TTL, ir.INT), i(300)), ir.FALSE),
        (ir.Compare("!=", ir.Cast(TTL, ir.INT), i(-1)), ir.TRUE),
        (ir.Compare("==", ir.Arithmetic("&", TTL, c(3), U8), c(4)), ir.FALSE),
        (ir.Compare("==", ir.Cast(TTL, S8), c(-1, S8)), None),
        (ir.Compare("<", ir.Cast(F("sport"), U8), c(255)), None),
        (ir.Compare("==", ir.Cast(ir.Cast(TTL, S8), ir.INT), i(-1)), None),
        (ir.Compare("<", TTL, c(255)), None),
    ],
)
def test_expressions(before: ir.Expr, after: ir.Expr | None) -> None:
    assert expression(before) == (before if after is None else after)


def test_calls_of_users_functions_stay() -> None:
    """They may raise."""
    call = ir.Apply("odd", (ir.Field("sip6"),), ir.BOOL)
    assert expression(ir.And((call, ir.FALSE))) == ir.And((call, ir.FALSE))
    assert expression(ir.And((ir.FALSE, call))) == ir.FALSE


def test_statements() -> None:
    never = ir.If(ir.Not(ir.TRUE), (DROP,), (out(0),))
    loop = ir.While(ir.FALSE, 3, (DROP,))
    assert statements((never, loop)) == (out(0),)
    rows = table(entry(on=(ir.TRUE,)), entry(on=(field_is("ttl", 1), ir.FALSE)))
    assert statements((rows,)) == (table(entry(), entry(on=(ir.FALSE,))),)


def test_what_the_machine_asks_of_a_program_stays() -> None:
    """Whether it sees frames that are no IP, which tags there are, whether it reads the clock."""
    now = ir.Compare("<", ir.Now(), ir.Const(5, ir.TIME))
    dead = (ir.SetField("vlan", ir.Const(1, ir.Bits(12))), ir.SetTag("t", i(1)), ir.If(now, (), ()))
    made = folded(program(ir.If(ir.FALSE, dead, ())))
    assert made.sees_non_ip
    nodes = list(ir.walk(made.body))
    assert any(isinstance(n, ir.SetTag) for n in nodes)
    assert any(isinstance(n, ir.Now) for n in nodes)
    alive = program(put("n", i(1)))
    assert folded(alive) == alive


def on_folded() -> Maker:
    """The reference, on the network with its constants evaluated."""
    judge = reference()

    def make(network: ir.Network, *rest: object) -> object:
        instances = tuple(replace(i, program=folded(i.program)) for i in network.instances)
        return judge(replace(network, instances=instances), *rest)  # type: ignore[arg-type]

    return make  # type: ignore[return-value]  # a Maker


@pytest.mark.parametrize("seed", [n for n in range(40) if n != 31])  # 31 runs for minutes
def test_nothing_changes(seed: int) -> None:
    rng = Random(seed)
    check(wide_network(rng, Options(ports=4), 4), on_folded(), rng, 60, operators=FUNCTIONS)
    check(flow_chain(rng, 2), on_folded(), rng, 100)
