"""Random programs over tiny domains: two flows, two-bit values, a few states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from random import Random
from typing import Any

from tiny_explore import Arriving

from nfverify.equivalence.simulate import START
from nfverify.packet.codec import Malformed, build, parse
from nfverify.packet.fields import Header
from nfverify.smat import ir

BIT2 = ir.Bits(2)
TICK = "hidden"
FLOWS = (0x0A000001, 0x0A000002)
KEYS: dict[str, ir.Expr] = {
    "sip": ir.Field("sip"),
    "dip": ir.Field("dip"),
    "tos": ir.Cast(ir.Field("tos"), BIT2),
}


@dataclass(frozen=True, slots=True)
class World:
    """The packets that arrive, by the values of some fields, and the stamps that they may have."""

    fields: tuple[tuple[str, tuple[int, ...]], ...]
    times: tuple[int, ...] = (START,)

    @property
    def assumption(self) -> ir.Expr:
        """That a packet is one of this world, as far as a program can see."""
        tests: list[ir.Expr] = []
        for name, values in self.fields:
            of = ir.field_type(name)
            tests.append(
                ir.Or(tuple(ir.Compare("==", ir.Field(name), ir.Const(v, of)) for v in values))
            )
        if len(self.times) > 1:
            low, high = (ir.Const(t, ir.TIME) for t in (self.times[0], self.times[-1]))
            tests += [ir.Compare("<=", low, ir.Now()), ir.Compare("<=", ir.Now(), high)]
        return ir.And(tuple(tests))

    @property
    def events(self) -> list[Arriving]:
        """Every packet at every time."""
        found = []
        for time in self.times:
            for values in product(*(v for _, v in self.fields)):
                chosen = dict(zip((n for n, _ in self.fields), values, strict=True))
                port = chosen.pop("iface", 0)
                packet = parse(build(Header.LINK | Header.IP4 | Header.UDP, chosen))
                assert not isinstance(packet, Malformed)
                found.append(Arriving(time, port, packet))
        return found


def conj(*tests: ir.Expr) -> ir.Expr:
    return tests[0] if len(tests) == 1 else ir.And(tests)


def number(value: int, type_: ir.Type) -> ir.Const:
    assert isinstance(type_, ir.Bits)
    return ir.Const(ir.wrap(value, type_), type_)


@dataclass(slots=True)
class Maker:
    """Makes one program for a world; `rng` decides everything."""

    rng: Random
    world: World
    timed: bool
    state: list[ir.StateVar] = field(default_factory=list)
    sites: dict[str, tuple[str, ...]] = field(default_factory=dict)  # key fields of each map

    def of_world(self, name: str) -> tuple[int, ...]:
        return dict(self.world.fields).get(name, (0,))

    def field_names(self) -> list[str]:
        """The fields of packets that take more than one value."""
        return [n for n, values in self.world.fields if n != "iface" and len(values) > 1]

    def declare(self, name: str) -> None:
        rng = self.rng
        kind = rng.choice(("plain", "plain", "map", "map", "set"))
        keys: tuple[ir.Type, ...] = ()
        if kind != "plain":
            varied = self.field_names()
            names = rng.sample(varied, min(rng.choice((1, 1, 2)), len(varied)))
            self.sites[name] = tuple(names)
            keys = tuple(KEYS[n].type for n in names)
        values: tuple[ir.Type, ...] = ()
        if kind != "set":
            values = (rng.choice((BIT2, BIT2, ir.BOOL, ir.INT)),)
        default = tuple(
            self.rng.random() < 0.3 if t == ir.BOOL else rng.choice((0, 0, 1)) for t in values
        )
        entries: tuple[Any, ...] = ()
        if kind == "map" and rng.random() < 0.15:
            key = tuple(rng.choice(self.of_world(n)) for n in self.sites[name])
            entries = ((key, tuple(self.value_of(t) for t in values)),)
        self.state.append(ir.StateVar(name, keys, values, default, kind, entries))

    def value_of(self, type_: ir.Type) -> ir.Value:
        return self.rng.random() < 0.5 if type_ == ir.BOOL else self.rng.randrange(3)

    def key(self, variable: ir.StateVar) -> tuple[ir.Expr, ...]:
        """The usual key of a map; now and then a reversed one, or a constant in it."""
        names = list(self.sites.get(variable.name, ()))
        if self.rng.random() < 0.12:
            swap = {"sip": "dip", "dip": "sip"}
            names = [swap.get(n, n) if swap.get(n, n) in self.field_names() else n for n in names]
        keys: list[ir.Expr] = [KEYS[n] for n in names]
        if keys and self.rng.random() < 0.06:
            at = self.rng.randrange(len(keys))
            keys[at] = number(self.rng.choice(self.of_world(names[at])), keys[at].type)
        return tuple(keys)

    def flow_test(self) -> ir.Expr:
        name, values = self.rng.choice([f for f in self.world.fields if len(f[1]) > 1])
        of = ir.field_type(name)
        op = self.rng.choice(("==", "==", "!=", "<=")) if len(values) > 2 else "=="
        return ir.Compare(op, ir.Field(name), number(self.rng.choice(values), of))  # type: ignore[arg-type]  # a CompareOp

    def read(self, variable: ir.StateVar) -> ir.Expr:
        keys = self.key(variable)
        return ir.Read(variable.name, keys, 0, variable.values[0])

    def state_test(self) -> ir.Expr:
        rng = self.rng
        variable = rng.choice(self.state)
        if not variable.values or (variable.keys and rng.random() < 0.2):
            test: ir.Expr = ir.Has(variable.name, self.key(variable))
        elif variable.values[0] == ir.BOOL:
            test = self.read(variable)
        else:
            op = rng.choice(("==", "==", "!=", "<", "<="))
            limit = number(rng.randrange(4), variable.values[0])
            return ir.Compare(op, self.read(variable), limit)
        return ir.Not(test) if rng.random() < 0.4 else test

    def write(self) -> ir.Stmt:
        rng = self.rng
        variable = rng.choice(self.state)
        keys = self.key(variable)
        if variable.keys and rng.random() < (0.35 if not variable.values else 0.12):
            return ir.Delete(variable.name, keys)
        if not variable.values:
            return ir.Write(variable.name, keys, ())
        type_ = variable.values[0]
        old = ir.Read(variable.name, keys, 0, type_)
        if type_ == ir.BOOL:
            value: ir.Expr = rng.choice((ir.TRUE, ir.TRUE, ir.FALSE, ir.Not(old)))
            return ir.Write(variable.name, keys, (value,))
        step = ir.Arithmetic(rng.choice(("+", "+", "-")), old, number(1, type_), type_)
        if type_ == ir.INT:
            up = step.op == "+"
            edge = number(rng.randrange(2, 5) if up else -rng.randrange(3), type_)
            inside = ir.Compare("<", old, edge) if up else ir.Compare("<", edge, old)
            write = ir.Write(variable.name, keys, (step,))
            return ir.If(inside, (write,), ())
        values = [step, step, number(rng.randrange(4), type_)]
        if "tos" in self.field_names():
            values.append(ir.Cast(ir.Field("tos"), type_))
        others = [v for v in self.state if v.values and v.values[0] == type_]
        values.append(self.read(rng.choice(others)))
        return ir.Write(variable.name, keys, (rng.choice(values),))

    def rewrite_field(self) -> ir.Stmt:
        tos = ir.field_type("tos")
        numbers = [v for v in self.state if v.values and v.values[0] != ir.BOOL]
        if self.rng.random() < 0.3 or not numbers:
            return ir.SetField("tos", number(self.rng.randrange(4), tos))
        read = ir.Cast(self.read(self.rng.choice(numbers)), tos)
        if self.rng.random() < 0.3:
            op = self.rng.choice(("+", "*", "/", "%", "<<", ">>"))
            read_type = ir.Field("tos")
            return ir.SetField("tos", ir.Arithmetic(op, read, read_type, tos))  # type: ignore[arg-type]  # an ArithmeticOp
        return ir.SetField("tos", read)

    def statement(self) -> ir.Stmt:
        rng = self.rng
        dice = rng.random()
        if dice < 0.55 and self.state:
            return self.write()
        if dice < 0.70:
            return self.rewrite_field()
        if dice < 0.85:
            return ir.SetOutput(ir.Drop())
        if dice < 0.95:
            return ir.SetOutput(ir.Ports((number(rng.randrange(2), ir.PORT),)))
        test = self.state_test() if self.state else self.flow_test()
        return ir.If(test, (self.statement(),), ())

    def entry(self, name: str) -> ir.Entry:
        rng = self.rng
        flow = tuple(self.flow_test() for _ in range(rng.choice((0, 0, 1, 1, 2))))
        state = tuple(
            self.state_test() for _ in range(rng.choice((0, 1, 1, 2)) if self.state else 0)
        )
        body = tuple(self.statement() for _ in range(rng.randrange(1, 4)))
        return ir.Entry(name, flow, state, body)

    def loop(self) -> ir.Stmt | None:
        numbers = [v for v in self.state if v.values and v.values[0] in (BIT2, ir.INT)]
        if not numbers:
            return None
        variable = self.rng.choice(numbers)
        keys = self.key(variable)
        old = ir.Read(variable.name, keys, 0, variable.values[0])
        less = ir.Compare("<", old, number(self.rng.randrange(1, 4), old.type))
        up = ir.Arithmetic("+", old, number(1, old.type), old.type)
        return ir.While(less, self.rng.randrange(1, 4), (ir.Write(variable.name, keys, (up,)),))

    def program(self, name: str) -> ir.Program:
        rng = self.rng
        self.state.clear()
        self.sites.clear()
        for i in range(rng.choice((0, 1, 1, 2, 2, 3))):
            self.declare(f"{name}{'xyz'[i]}")
        entries = [self.entry(f"e{i}") for i in range(rng.randrange(2, 5))]
        body: list[ir.Stmt] = []
        if rng.random() < 0.12:
            # Two passes: the first marks the packet, the second goes on.
            tag, one = ir.Tag("seen"), number(1, ir.INT)
            before = tuple(self.write() for _ in range(1)) if self.state else ()
            again = (*before, ir.SetTag("seen", one), ir.SetOutput(ir.Resubmit()))
            first = ir.Entry("mark", (ir.Compare("!=", tag, one), self.flow_test()), (), again)
            entries.insert(0, first)
        elif rng.random() < 0.1 and (loop := self.loop()) is not None:
            body.append(loop)
        timers: tuple[ir.InitTimer, ...] = ()
        if self.timed and self.state:
            period = rng.randrange(2, 4)
            timers = (ir.InitTimer(((TICK, 1),), period),)
            ticks = ir.Compare("==", ir.Tag(TICK), number(1, ir.INT))
            variable = rng.choice(self.state)
            reset: ir.Stmt
            if variable.keys:
                key = tuple(
                    number(rng.choice(self.of_world(n)), KEYS[n].type)
                    for n in self.sites[variable.name]
                )
                reset = ir.Delete(variable.name, key)
            else:
                reset = ir.Write(
                    variable.name, (), (ir.Const(variable.default[0], variable.values[0]),)
                )
            rearm = ir.SetOutput(ir.Delay(ir.Const(period, ir.TIME)))
            entries.insert(0, ir.Entry("tick", (ticks,), (), (reset, rearm)))
        init: tuple[ir.Stmt, ...] = ()
        plain = [v for v in self.state if not v.keys]
        if plain and rng.random() < 0.1:
            variable = rng.choice(plain)
            value = ir.Const(self.value_of(variable.values[0]), variable.values[0])
            init = (ir.Write(variable.name, (), (value,)),)
        table = ir.Table(tuple(entries))
        return ir.Program(name, (), (), tuple(self.state), init, timers, (*body, table))


def random_world(rng: Random, timed: bool) -> World:
    """Two flows at least; a two-bit field, or two ports, or both. All else that a program may
    look at has one value."""
    values: dict[str, tuple[int, ...]] = {"sip": FLOWS, "dip": (0,), "tos": (0,), "iface": (0,)}
    if timed:
        if rng.random() < 0.5:
            values["tos"] = (0, 1)
        return World(tuple(values.items()), tuple(range(START, START + 7)))
    if rng.random() < 0.35:
        values["dip"] = FLOWS
    if rng.random() < 0.6:
        values["tos"] = (0, 1, 2, 3) if rng.random() < 0.6 else (0, 1)
    if rng.random() < 0.3:
        values["iface"] = (0, 1)
    return World(tuple(values.items()))


def network(programs: Sequence[ir.Program]) -> ir.Network:
    """One NF, or a chain."""
    return ir.Network(
        "tiny",
        ("in", "out"),
        tuple(ir.Instance(p.name, p) for p in programs),
        tuple(ir.Wire(k, None, k + 1) for k in range(len(programs) - 1)),
    )


def random_programs(rng: Random, world: World, timed: bool) -> list[ir.Program]:
    """One program, now and then two in a chain."""
    maker = Maker(rng, world, timed)
    programs = [maker.program("p")]
    if rng.random() < 0.15:
        programs.append(replace(Maker(rng, world, False).program("q"), timers=()))
    return programs
