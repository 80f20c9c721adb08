"""Random programs and networks over small domains, that use every construct the engines execute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from nfverify.oracles.programs.expressions import DEFAULT, KEY_TYPES, Expressions, Options
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir

Kind = Literal["plain", "map", "set", "granular"]
Values = tuple[ir.Value, ...]
MakeStatement = Callable[[int], ir.Stmt]  # so deep


@dataclass(slots=True)
class Maker(Expressions):
    """Makes programs; `rng` decides everything."""

    headers: bool = False

    # Statements ---------------------------------------------------------------------------

    def body(self, count: int, depth: int) -> tuple[ir.Stmt, ...]:
        """Statements in a scope of their own."""
        scope = len(self.locals)
        found = tuple(self.statement(depth) for _ in range(count))
        del self.locals[scope:]
        return found

    def statement(self, depth: int) -> ir.Stmt:
        rng, options = self.rng, self.options
        makers: list[MakeStatement] = [
            self._set_field,
            self._set_field,
            self._set_tag,
            self._output,
        ]
        makers += [self._let]
        if self.state:
            makers += [self._write] * 4
        if (options.timeouts or options.capacities) and any(v.keys for v in self.state):
            makers += [self._touch] * 2
        if self.headers:
            makers += [self._push, self._pop]
        if options.choose:
            makers.append(self._choose)
        if depth > 0:
            makers += [self._if, self._table]
            makers += [self._while] if options.loops else []
        return rng.choice(makers)(depth)

    def _set_field(self, depth: int) -> ir.Stmt:
        names = [n for n in self.options.fields if FIELDS[n].writable]
        names = names if self.options.payload else [n for n in names if n != "payload"]
        name = self.rng.choice(names)
        if name == "payload" and self.rng.random() < 0.5:
            return ir.SetField(name, ir.Const(b"HELLO", ir.BYTES))
        return ir.SetField(name, self.expression(ir.field_type(name)))

    def _set_tag(self, depth: int) -> ir.Stmt:
        return ir.SetTag(self.rng.choice("xy"), self.expression(ir.INT))

    def _push(self, depth: int) -> ir.Stmt:
        kind = self.rng.choice(tuple(ir.PUSHED))
        return ir.Push(kind, tuple(self.expression(type_, 1) for type_ in ir.PUSHED[kind]))

    def _pop(self, depth: int) -> ir.Stmt:
        return ir.Pop(self.rng.choice(tuple(ir.PUSHED)))

    def _output(self, depth: int) -> ir.Stmt:
        rng, options = self.rng, self.options
        roll = rng.random()
        if roll < 0.3:
            return ir.SetOutput(ir.Drop())
        if roll < 0.5:
            return ir.SetOutput(ir.Forward())
        if roll < 0.6 and options.resubmit:
            return ir.SetOutput(ir.Resubmit())
        if roll < 0.7 and options.timers:
            wait = ir.Const(rng.choice((3, 50, 1000)), ir.TIME)
            return ir.SetOutput(ir.Delay(wait if roll < 0.67 else self.expression(ir.TIME)))
        if roll < 0.75 and options.ports > 2:
            return ir.SetOutput(ir.Ports((self.expression(ir.PORT, 1),)))
        ports = [rng.randrange(options.ports) for _ in range(rng.randrange(3))]
        return ir.SetOutput(ir.Ports(tuple(ir.Const(p, ir.PORT) for p in ports)))

    def _let(self, depth: int) -> ir.Stmt:
        self.made += 1
        type_ = self.any_type()
        value = self.expression(type_)
        name = f"l{self.made}"
        self.locals.append(ir.Local(name, type_))
        return ir.Let(name, value)

    def _write(self, depth: int) -> ir.Stmt:
        variable = self.rng.choice(self.state)
        keys = tuple(self.expression(t, 1) for t in variable.keys)
        if variable.keys and self.rng.random() < 0.25:
            return ir.Delete(variable.name, keys)
        return ir.Write(variable.name, keys, tuple(self.expression(t) for t in variable.values))

    def _touch(self, depth: int) -> ir.Stmt:
        variable = self.rng.choice([v for v in self.state if v.keys])
        return ir.Touch(variable.name, tuple(self.expression(t, 1) for t in variable.keys))

    def _choose(self, depth: int) -> ir.Stmt:
        """Over few candidates, and none if the upper bound wraps."""
        self.made += 1
        type_ = self.rng.choice(self.options.numbers)
        low = self.expression(type_, 1)
        high = ir.Arithmetic("+", low, self.number(type_), type_)
        if self.rng.random() < 0.9:
            few = ir.Const(ir.wrap(self.rng.randrange(5), type_), type_)
            high = ir.Arithmetic("+", low, few, type_)
        local = ir.Local(f"l{self.made}", type_)
        self.locals.append(local)
        return ir.Choose(local.name, type_, low, high, self.expression(ir.BOOL, 2))

    def _if(self, depth: int) -> ir.Stmt:
        test = self.expression(ir.BOOL)
        then = self.body(self.rng.randrange(3), depth - 1)
        return ir.If(test, then, self.body(self.rng.randrange(3), depth - 1))

    def _while(self, depth: int) -> ir.Stmt:
        test = self.expression(ir.BOOL)
        body = self.body(self.rng.randrange(3), depth - 1)
        return ir.While(test, self.rng.randrange(1, 4), body)

    def _table(self, depth: int) -> ir.Stmt:
        return self.table(self.rng.randrange(1, 4), depth)

    def table(self, entries: int, depth: int) -> ir.Table:
        found = []
        for _ in range(entries):
            flow = tuple(self.expression(ir.BOOL) for _ in range(self.rng.randrange(3)))
            state = tuple(self.expression(ir.BOOL, 1) for _ in range(self.rng.randrange(2)))
            self.made += 1
            body = self.body(self.rng.randrange(self.options.statements), depth - 1)
            found.append(ir.Entry(f"e{self.made}", flow, state, body))
        return ir.Table(tuple(found))

    # Programs -----------------------------------------------------------------------------

    def variable(self, name: str) -> ir.StateVar:
        rng = self.rng
        kind: Kind = rng.choice(("plain", "map", "set", "granular"))
        keys: tuple[ir.Type, ...] = ()
        if kind != "plain":
            keys = tuple(rng.choice(KEY_TYPES) for _ in range(rng.randrange(1, 3)))
        width = 0 if kind == "set" else rng.randrange(1, 3) if kind == "map" else 1
        values = tuple(self.any_type() for _ in range(width))
        default = tuple(self.constant(t).value for t in values)
        entries: tuple[tuple[Values, Values], ...] = ()
        if keys and rng.random() < 0.5:
            key = tuple(self.constant(t).value for t in keys)
            entries = ((key, tuple(self.constant(t).value for t in values)),)
        timeout = capacity = None
        if keys and self.options.timeouts and rng.random() < 0.4:
            timeout = rng.choice((1, 40, 60, 61, 1000))
        if keys and self.options.capacities and rng.random() < 0.4:
            capacity = rng.randrange(1, 4)
        return ir.StateVar(
            name,
            keys,
            values,
            default,
            kind,
            entries,
            timeout=timeout,
            capacity=capacity,
            overflow=rng.choice(("reject", "evict oldest")) if capacity else "reject",
        )

    def program(self, name: str, ports: tuple[int, ...] = ()) -> ir.Program:
        options = self.options
        self.state.clear()
        self.locals.clear()
        self.state.extend(
            self.variable(f"s{i}") for i in range(self.rng.randrange(options.variables + 1))
        )
        init = tuple(self._write(0) for _ in range(self.rng.randrange(3))) if self.state else ()
        body = [self.table(self.rng.randrange(1, 4), 2)]
        timers: tuple[ir.InitTimer, ...] = ()
        if options.timers and self.rng.random() < 0.5:
            first, period = self.rng.choice((5, 100)), self.rng.choice((40, 300))
            timers = (ir.InitTimer((("hidden", 1),), first),)
            tick = ir.Compare("==", ir.Tag("hidden"), ir.Const(1, ir.INT))
            again = ir.SetOutput(ir.Delay(ir.Const(period, ir.TIME)))
            row = ir.Entry("tick", (tick,), (), (*self.body(2, 1), again))
            body = [ir.Table((row, *body[0].entries))]
        stack: list[ir.Stmt] = [*body, *self.body(self.rng.randrange(options.statements), 2)]
        return ir.Program(name, ports, (), tuple(self.state), init, timers, tuple(stack))


def random_network(rng: Random, options: Options = DEFAULT) -> ir.Network:
    """One to three NFs: a pipeline, or a graph whose NFs branch by port."""
    maker = Maker(rng, options, headers=options.headers and rng.random() < 0.25)
    count = rng.choice((1, 1, 2, 3))
    declared = tuple(range(options.ports))
    programs = [maker.program(f"p{i}", rng.choice(((), declared))) for i in range(count)]
    wires = []
    for source in range(count - 1):
        if rng.random() < 0.7:
            wires.append(ir.Wire(source, None, source + 1))
        wires += [
            ir.Wire(source, port, rng.randrange(source + 1, count))
            for port in declared
            if rng.random() < 0.3
        ]
    instances = tuple(ir.Instance(f"i{k}", p) for k, p in enumerate(programs))
    ports = tuple(f"port{p}" for p in declared)
    return ir.Network("random", ports, instances, tuple(wires))
