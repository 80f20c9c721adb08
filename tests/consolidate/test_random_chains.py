"""Random NFs of every construct, chained: the table does the same, variable by variable."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from nfverify.equivalence.consolidate import NotConsolidatable, consolidate, table_text
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir
from nfverify.smat.load import load_text
from nfverify.smat.ruleset import Row, Ruleset

SEED = int(os.environ.get("NFVERIFY_SEED", "0"))
CHAINS = 40

VALUES = {
    "sip": (0x0A000001, 0x0A000002, 0x08080808),
    "dip": (0x08080808, 0x0A000001),
    "sip6": (1, 2),
    "sport": (0, 80, 1000),
    "dport": (0, 80, 22),
    "proto": (1, 6, 17),
    "ttl": (1, 64),
    "flag_syn": (0, 1),
    "icmp_id": (0, 7),
    "ethertype": (0x0800, 0x88B5),
    "vlan": (0, 5),
    "L4": (0, 1),
    "FRAG": (0, 1),
    "IP4": (0, 1),
    "iface": (0, 1),
}
MARK = ("mark", "hint")


class Generator:
    """One random NF. `state` is a plain int, a map, a set and a map with two values."""

    def __init__(self, rng: random.Random, *, link: bool, timer: bool, loops: bool) -> None:
        self.rng = rng
        self.loops = loops
        self.timer = timer
        drop = set() if link else {"ethertype", "vlan"}
        self.fields = [n for n in VALUES if n not in drop]
        self.lets: list[str] = []
        self.count = 0
        self.state = (
            ir.StateVar("n", (), (ir.INT,), (rng.randrange(3),), "plain"),
            ir.StateVar("m", (ir.INT,), (ir.INT,), (rng.choice((0, 0, 5)),), "map"),
            ir.StateVar("s", (ir.IP, ir.PORT), (), (), "set"),
            ir.StateVar("pair", (ir.INT,), (ir.PORT, ir.IP), (0, 7), "map"),
            ir.StateVar(
                "t", (ir.INT,), (ir.INT,), (0,), "map", (((0,), (3,)), ((1,), (80,))), (), True
            ),
        )

    def program(self, name: str) -> ir.Program:
        body: list[ir.Stmt] = []
        for _ in range(self.rng.choice((1, 1, 1, 2))):
            body += [self.table() for _ in range(self.rng.choice((0, 1, 1)))]
            body += self.statements(self.rng.choice((0, 0, 1, 2)), 1)
        timers = ()
        if self.timer:
            tick = ir.Entry("tick", (self.tag_is("tick", 1),), (), (*self.tick(),))
            body.insert(0, ir.Table((tick, *self.table().entries)))
            timers = (ir.InitTimer((("tick", 1),), 10**7),)
        init = (ir.Write("m", (self.int(1),), (self.int(2),)),)
        return ir.Program(name, (), (), self.state, init, timers, tuple(body))

    def tick(self) -> tuple[ir.Stmt, ...]:
        more = self.statements(2, 2)
        return (*more, ir.SetOutput(ir.Delay(ir.Const(10**7, ir.TIME))))

    def tag_is(self, name: str, value: int) -> ir.Expr:
        return ir.Compare("==", ir.Tag(name), self.int(value))

    def int(self, value: int) -> ir.Const:
        return ir.Const(value, ir.INT)

    def table(self) -> ir.Table:
        return ir.Table(
            tuple(
                ir.Entry(
                    self.rng.choice(("", f"row{k}")),
                    tuple(self.condition(1) for _ in range(self.rng.choice((0, 1, 1, 2)))),
                    tuple(self.state_test() for _ in range(self.rng.choice((0, 0, 1)))),
                    self.statements(self.rng.randrange(5), 2),
                )
                for k in range(self.rng.choice((1, 2, 3)))
            )
        )

    def condition(self, depth: int) -> ir.Expr:
        match self.rng.randrange(9 if depth else 6):
            case 0 | 1 | 2 | 3:
                name = self.rng.choice(self.fields)
                type_ = ir.field_type(name)
                value = ir.Const(self.rng.choice(VALUES[name]), type_)
                return ir.Compare(self.rng.choice(("==", "==", "!=", "<=")), ir.Field(name), value)
            case 4:
                return ir.Compare(self.rng.choice(("<", "==")), self.value(2), self.value(1))
            case 5:
                number = self.rng.randrange(4)
                rows = (Row(self.rng.random() < 0.6, self.bounds()) for _ in range(number))
                ruleset = Ruleset("R", ("sip", "dport"), tuple(rows))
                return ir.Match(ruleset, (ir.Field("sip"), ir.Field("dport")))
            case 6:
                return ir.Not(self.condition(depth - 1))
            case 7:
                return ir.Or((self.condition(depth - 1), self.state_test()))
            case _:
                return ir.And((self.condition(depth - 1), self.condition(depth - 1)))

    def bounds(self) -> tuple[tuple[int, int], ...]:
        low = self.rng.choice(VALUES["sip"])
        port = self.rng.choice(VALUES["dport"])
        return self.rng.choice(((low, low), (0, 0xFFFFFFFF))), (port, max(port, 80))

    def state_test(self) -> ir.Expr:
        match self.rng.randrange(3):
            case 0:
                return ir.Has("s", (ir.Field("sip"), ir.Field("sport")))
            case 1:
                return ir.Has("m", (self.value(1),))
            case _:
                return ir.Compare("<", ir.Read("n", (), 0, ir.INT), self.int(self.rng.randrange(6)))

    def value(self, depth: int) -> ir.Expr:
        """An int."""
        match self.rng.randrange(10 if depth else 4):
            case 0 | 1:
                return self.int(self.rng.choice((0, 1, 2, 3, 80, 1000)))
            case 2:
                name = self.rng.choice([n for n in self.fields if n not in ("sip6",)])
                return ir.Cast(ir.Field(name), ir.INT)
            case 3:
                if self.lets and self.rng.random() < 0.5:
                    return ir.Local(self.rng.choice(self.lets), ir.INT)
                return ir.Tag(self.rng.choice(MARK))
            case 4:
                return ir.Read("n", (), 0, ir.INT)
            case 5:
                return ir.Read(self.rng.choice(("m", "t")), (self.value(depth - 1),), 0, ir.INT)
            case 6:
                return ir.Cast(ir.Read("pair", (self.value(depth - 1),), 0, ir.PORT), ir.INT)
            case 7:
                op = self.rng.choice(("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"))
                return ir.Arithmetic(op, self.value(depth - 1), self.value(depth - 1), ir.INT)
            case 8:
                then, otherwise = self.value(depth - 1), self.value(depth - 1)
                return ir.Conditional(self.condition(0), then, otherwise, ir.INT)
            case _:
                return ir.Cast(ir.Apply("hash", (ir.Field("sip"),), ir.Bits(32)), ir.INT)

    def statements(self, number: int, depth: int) -> tuple[ir.Stmt, ...]:
        before = list(self.lets)
        found = tuple(self.statement(depth) for _ in range(number))
        self.lets = before  # a let lives to the end of its block
        return found

    def statement(self, depth: int) -> ir.Stmt:
        rng = self.rng
        match rng.randrange(16 if depth > 1 else 12):
            case 0 | 1 | 2:
                name = rng.choice([n for n in self.fields if FIELDS[n].writable])
                return ir.SetField(name, ir.Cast(self.value(1), ir.field_type(name)))
            case 3:
                return ir.SetTag(rng.choice(MARK), self.value(1))
            case 4:
                return ir.Write("n", (), (self.value(2),))
            case 5 | 6:
                return ir.Write("m", (self.value(1),), (self.value(2),))
            case 7:
                return ir.Write("s", (ir.Field("sip"), ir.Field("sport")), ())
            case 8:
                values = (ir.Cast(self.value(1), ir.PORT), ir.Field("dip"))
                return ir.Write("pair", (self.value(1),), values)
            case 9:
                return ir.Delete("m", (self.value(1),))
            case 10:
                self.count += 1
                statement = ir.Let(f"x{self.count}", self.value(2))
                self.lets.append(statement.name)
                return statement
            case 11:
                return ir.SetOutput(self.output())
            case 12 | 13:
                then, other = self.statements(2, depth - 1), self.statements(1, depth - 1)
                return ir.If(self.condition(1), then, other)
            case 14 if self.loops:
                test = ir.Compare("<", ir.Read("n", (), 0, ir.INT), self.int(rng.randrange(4)))
                step = ir.Arithmetic("+", ir.Read("n", (), 0, ir.INT), self.int(1), ir.INT)
                body = (ir.Write("n", (), (step,)), *self.statements(1, 1))
                return ir.While(test, rng.choice((1, 2, 3)), body)
            case _:
                return ir.SetOutput(self.output())

    def output(self) -> ir.Output:
        match self.rng.randrange(8):
            case 0 | 1:
                return ir.Drop()
            case 2:
                return ir.Ports((ir.Const(self.rng.randrange(2), ir.PORT),))
            case 3:
                return ir.Ports((ir.Cast(self.value(1), ir.PORT),))
            case 4 if self.loops:
                return ir.Resubmit()
            case _:
                return ir.Forward()


def random_chain(seed: int) -> ir.Network:
    rng = random.Random(seed)
    length = rng.choice((1, 2, 2, 2, 3))
    programs = [
        Generator(
            rng, link=rng.random() < 0.3, timer=rng.random() < 0.25, loops=rng.random() < 0.3
        ).program(f"p{k}")
        for k in range(length)
    ]
    return ir.Network(
        "chain",
        ("0", "1"),
        tuple(ir.Instance(f"n{k}", p) for k, p in enumerate(programs)),
        tuple(ir.Wire(k, None, k + 1) for k in range(length - 1)),
    )


@pytest.mark.parametrize("seed", range(SEED, SEED + CHAINS))
def test_random_chain(seed: int, compare: Callable[..., object]) -> None:
    chain = random_chain(seed)
    try:
        merged = consolidate(chain, max_rows=200, seconds=5)
    except NotConsolidatable as refusal:
        pytest.skip(str(refusal))
    assert compare(chain, merged, packets=400, seed=seed, lap=100) is None


@pytest.mark.parametrize("seed", range(SEED + CHAINS, SEED + CHAINS + 10))
def test_random_chain_as_text(seed: int, compare: Callable[..., object]) -> None:
    chain = random_chain(seed)
    try:
        merged = consolidate(chain, max_rows=60, seconds=5, distinct_lets=False)
    except NotConsolidatable as refusal:
        pytest.skip(str(refusal))
    (again,) = load_text(table_text(merged, chain, None).model).instances
    assert compare(chain, again.program, packets=200, seed=seed, lap=50) is None
