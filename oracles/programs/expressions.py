"""Random expressions over small domains, of every kind that the engines execute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from nfverify.packet.fields import FIELDS
from nfverify.smat import ir
from nfverify.smat.ruleset import Row, Ruleset

BIT2 = ir.Bits(2)
KEY_TYPES: tuple[ir.Bits, ...] = (BIT2, ir.INT, ir.IP, ir.Bits(8))
NUMBERS: tuple[ir.Bits, ...] = (
    BIT2,
    ir.INT,
    ir.IP,
    ir.Bits(8),
    ir.PORT,
    ir.TIME,
    ir.MAC,
    ir.IP6,
    ir.Bits(1),
    ir.Bits(5, signed=True),
)
VALUES: tuple[ir.Type, ...] = (*NUMBERS, ir.BOOL)


@dataclass(frozen=True, slots=True)
class Options:
    """What may occur. `fields` are read and, where they can be, written. The prover does without
    `choose`, `timeouts`, `capacities` and `headers`."""

    fields: tuple[str, ...] = tuple(FIELDS)
    numbers: tuple[ir.Bits, ...] = NUMBERS
    depth: int = 3
    statements: int = 4
    variables: int = 4
    loops: bool = True
    timers: bool = True
    clock: bool = True
    resubmit: bool = True
    payload: bool = True
    operators: bool = True
    rulesets: bool = True
    choose: bool = True
    timeouts: bool = True
    capacities: bool = True
    headers: bool = True  # pushed and popped, by one network in four
    ports: int = 3
    constants: int = 4  # numbers are mostly below


DEFAULT = Options()
Make = Callable[[Any, int], ir.Expr]  # of a type, so deep


@dataclass(slots=True)
class Expressions:
    """Random expressions over what is in scope; `rng` decides everything."""

    rng: Random
    options: Options = DEFAULT
    state: list[ir.StateVar] = field(default_factory=list)
    locals: list[ir.Local] = field(default_factory=list)
    made: int = 0

    # Expressions --------------------------------------------------------------------------

    def number(self, type_: ir.Bits) -> ir.Const:
        """Small, or at an edge of the type."""
        rng = self.rng
        if rng.random() < 0.8:
            value = rng.randrange(self.options.constants)
        else:
            value = rng.choice((-1, 1 << (type_.width - 1), rng.getrandbits(type_.width)))
        return ir.Const(ir.wrap(value, type_), type_)

    def constant(self, type_: ir.Type) -> ir.Const:
        match type_:
            case ir.Bool():
                return ir.Const(self.rng.random() < 0.5, type_)
            case ir.Bits():
                return self.number(type_)
            case ir.Bytes():
                return ir.Const(self.rng.randbytes(self.rng.choice((0, 1, 2, 5))), type_)

    def expression(self, type_: ir.Type, depth: int | None = None) -> ir.Expr:
        depth = self.options.depth if depth is None else depth
        choices = [self.leaf] if depth <= 0 else [self.leaf, *self._makers(type_)]
        return self.rng.choice(choices)(type_, depth)

    def leaf(self, type_: ir.Type, depth: int) -> ir.Expr:
        rng, options = self.rng, self.options
        found: list[ir.Expr] = [self.constant(type_)]
        fields = [f for f in options.fields if ir.field_type(f) == type_]
        found += [ir.Field(rng.choice(fields))] if fields else []
        if isinstance(type_, ir.Bits):
            name = rng.choice(options.fields)
            if isinstance(ir.field_type(name), ir.Bits):
                found += [ir.Cast(ir.Field(name), type_)] * 2
        if type_ == ir.INT:
            found.append(ir.Tag(rng.choice("xy")))
        if type_ == ir.TIME and options.clock:
            found.append(ir.Now())
        found += [v for v in self.locals if v.type == type_]
        plain = [v for v in self.state if type_ in v.values and (depth >= 0 or not v.keys)]
        found += [self._read(rng.choice(plain), type_, depth)] * 2 if plain else []
        return rng.choice(found)

    def _read(self, variable: ir.StateVar, type_: ir.Type, depth: int) -> ir.Expr:
        index = self.rng.choice([i for i, t in enumerate(variable.values) if t == type_])
        keys = tuple(self.expression(t, min(depth, 1) - 1) for t in variable.keys)
        return ir.Read(variable.name, keys, index, type_)

    def _makers(self, type_: ir.Type) -> list[Make]:
        """What an expression of a type may be made by, beside a leaf."""
        makers: list[Make] = [self._conditional]
        match type_:
            case ir.Bool():
                makers += [self._compare, self._compare, self._junction, self._not, self._has]
                makers += [self._to_bool]
                makers += [self._match] if self.options.rulesets else []
                makers += [self._pattern] if self.options.operators else []
            case ir.Bits():
                makers += [self._arithmetic] * 3 + [self._cast] * 2
                if type_ == ir.IP and self.options.operators:
                    makers.append(self._hash)
            case ir.Bytes():
                pass
        return makers

    def any_type(self) -> ir.Type:
        types: tuple[ir.Type, ...] = (*self.options.numbers, ir.BOOL)
        return self.rng.choice(types)

    def _conditional(self, type_: ir.Type, depth: int) -> ir.Expr:
        test = self.expression(ir.BOOL, depth - 1)
        then, other = self.expression(type_, depth - 1), self.expression(type_, depth - 1)
        return ir.Conditional(test, then, other, type_)

    def _compare(self, type_: ir.Type, depth: int) -> ir.Expr:
        of = self.any_type()
        if self.options.payload and self.rng.random() < 0.1:
            of = ir.BYTES
        left, right = self.expression(of, depth - 1), self.expression(of, depth - 1)
        ordered = isinstance(of, ir.Bits)
        op = self.rng.choice(("==", "!=", "<", "<=") if ordered else ("==", "!="))
        return ir.Compare(op, left, right)  # type: ignore[arg-type]  # one of CompareOp

    def _junction(self, type_: ir.Type, depth: int) -> ir.Expr:
        operands = tuple(self.expression(ir.BOOL, depth - 1) for _ in range(self.rng.randrange(4)))
        return self.rng.choice((ir.And, ir.Or))(operands)

    def _not(self, type_: ir.Type, depth: int) -> ir.Expr:
        return ir.Not(self.expression(ir.BOOL, depth - 1))

    def _has(self, type_: ir.Type, depth: int) -> ir.Expr:
        maps = [v for v in self.state if v.keys]
        if not maps:
            return self.constant(type_)
        variable = self.rng.choice(maps)
        keys = tuple(self.expression(t, min(depth - 1, 1)) for t in variable.keys)
        return ir.Has(variable.name, keys)

    def _to_bool(self, type_: ir.Type, depth: int) -> ir.Expr:
        return ir.Cast(self.expression(self.any_type(), depth - 1), ir.BOOL)

    def _cast(self, type_: ir.Type, depth: int) -> ir.Expr:
        return ir.Cast(self.expression(self.any_type(), depth - 1), type_)

    def _arithmetic(self, type_: ir.Bits, depth: int) -> ir.Expr:
        op = self.rng.choice(("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"))
        left, right = self.expression(type_, depth - 1), self.expression(type_, depth - 1)
        return ir.Arithmetic(op, left, right, type_)  # type: ignore[arg-type]  # an ArithmeticOp

    def _hash(self, type_: ir.Type, depth: int) -> ir.Expr:
        args = tuple(
            self.expression(self.any_type(), depth - 1) for _ in range(self.rng.randrange(1, 4))
        )
        return ir.Apply("hash", args, ir.IP)

    def _pattern(self, type_: ir.Type, depth: int) -> ir.Expr:
        patterns = (self.constant(ir.BYTES), ir.Const(b"lo", ir.BYTES))
        return ir.Apply("PatternMatch", (self.expression(ir.BYTES, 0), *patterns), ir.BOOL)

    def _match(self, type_: ir.Type, depth: int) -> ir.Expr:
        columns = tuple(self.rng.sample(("sip", "dport", "proto"), self.rng.randrange(1, 4)))
        rows = []
        for _ in range(self.rng.randrange(4)):
            lows = [self.rng.randrange(4) for _ in columns]
            bounds = tuple((low, low + self.rng.randrange(20)) for low in lows)
            rows.append(Row(self.rng.random() < 0.5, bounds))
        args = tuple(ir.Field(column) for column in columns)
        return ir.Match(Ruleset("r", columns, tuple(rows)), args)
