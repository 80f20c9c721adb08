"""Claims about the states of two networks as JSON, and back: what a certificate says is related.

A claim is {"keys": [TYPE, …], "holds": E}: E for all values of its keys. E is a nested list:
["key", 0], ["const", TYPE, 5], ["read", VARIABLE, [E, …], COMPONENT], ["has", VARIABLE, [E, …]],
["not", E], ["and", E, …], ["or", E, …], ["if", E, E, E], ["cast", TYPE, E],
["match", DIGEST, E, …],
[OP, TYPE, E, E] of + - * / % & | ^ << >>, or [OP, E, E] of == != < <=. A TYPE is bool, bytes, u32
(unsigned, 32 bits) or s32; a variable is `a.nat.next`, of a single NF `a.next`, or `clock`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from typing import Any, TypeVar, get_args

from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset

CLOCK = "clock"
T = TypeVar("T")
MAX_CLAIMS, MAX_KEYS, MAX_WIDTH = 4096, 64, 1024


@dataclass(frozen=True, slots=True)
class Claim:
    """`expr` holds for all values of the locals k0, k1, … of the types `keys`."""

    keys: tuple[ir.Type, ...]
    expr: ir.Expr

    def bindings(self, touched: Sequence[tuple[str, tuple[T, ...]]]) -> Iterator[tuple[T, ...]]:
        """Its keys, one by one, with which one of its reads, or two together, are of keys that are
        `touched`, by variable. A key that is converted there may be of another width."""
        nodes = [n for n in ir.walk((self.expr,)) if isinstance(n, ir.Read | ir.Has)]
        reads = [(node.var, [_key_name(key) for key in node.keys]) for node in nodes]
        wanted = {f"k{i}" for i in range(len(self.keys))}
        alone = any(wanted <= set(names) for _, names in reads)
        for some in combinations(reads, 1 if alone else 2):
            names = [name for _, found in some for name in found]
            if wanted <= set(names):
                for keys in product(*([k for n, k in touched if n == var] for var, _ in some)):
                    bound = dict(zip(names, chain(*keys), strict=True))
                    yield tuple(bound[f"k{i}"] for i in range(len(self.keys)))


def _key_name(expr: ir.Expr) -> str:
    """Of the claim's key that stands there, also by a conversion; else empty."""
    while isinstance(expr, ir.Cast):
        expr = expr.operand
    return expr.name if isinstance(expr, ir.Local) else ""


def equality(keys: tuple[ir.Type, ...], values: tuple[ir.Type, ...], a: str, b: str) -> Claim:
    """That two variables hold the same keys, with the same values."""
    at = tuple(ir.Local(f"k{i}", t) for i, t in enumerate(keys))
    absent = ir.Not(ir.Has(a, at))
    pairs = ((ir.Read(a, at, i, t), ir.Read(b, at, i, t)) for i, t in enumerate(values))
    same = (ir.Or((absent, ir.Compare("==", x, y))) for x, y in pairs)
    return Claim(keys, ir.And((ir.Compare("==", ir.Has(a, at), ir.Has(b, at)), *same)))


def prefixes(letter: str, network: ir.Network) -> dict[str, str]:
    """What the names of variables begin with, by instance."""
    return {i.name: prefix(letter, network, i.name) for i in network.instances}


def prefix(letter: str, network: ir.Network, instance: str) -> str:
    """What the names of an instance's variables begin with."""
    return f"{letter}." if len(network.instances) == 1 else f"{letter}.{instance}."


def variables(letter: str, network: ir.Network) -> dict[str, ir.StateVar]:
    """The state of a side by name."""
    return {
        prefix(letter, network, instance.name) + variable.name: variable
        for instance in network.instances
        for variable in instance.program.state
    }


def both(a: ir.Network, b: ir.Network) -> dict[str, ir.StateVar]:
    """The state of both sides, and the time of the last event."""
    clock = ir.StateVar(CLOCK, (), (ir.TIME,), (0,), "plain")
    return {CLOCK: clock} | variables("a", a) | variables("b", b)


def read_claims(items: Any, a: ir.Network, b: ir.Network) -> tuple[Claim, ...]:
    """The claims in a list. Raises ValueError for what is none."""
    lists = {
        node.ruleset.digest: node.ruleset
        for network in (a, b)
        for instance in network.instances
        for node in ir.walk(instance.program.body)
        if isinstance(node, ir.Match)
    }
    if not isinstance(items, list) or len(items) > MAX_CLAIMS:
        raise ValueError("no list of claims")
    try:
        return tuple(_claim(item, both(a, b), lists) for item in items)
    except (TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"no claim: {type(error).__name__} {str(error)[:60]!a}") from None


def _claim(item: Any, state: Mapping[str, ir.StateVar], lists: Mapping[str, Ruleset]) -> Claim:
    if set(item) != {"keys", "holds"} or len(item["keys"]) > MAX_KEYS:
        raise ValueError("a claim has keys, and what holds for them")
    keys = tuple(map(type_of, item["keys"]))
    expr = _Reader(keys, state, lists).typed(item["holds"], ir.BOOL)
    return Claim(keys, expr)


def type_of(text: Any) -> ir.Type:
    """The type of that name. Raises ValueError."""
    if text in ("bool", "bytes"):
        return ir.BOOL if text == "bool" else ir.BYTES
    match = re.fullmatch(r"([us])([0-9]{1,4})", text, re.ASCII)
    if match is None or not 0 < int(match[2]) <= MAX_WIDTH:
        raise ValueError(f"no type: {text[:20]!a}")
    return ir.Bits(int(match[2]), signed=match[1] == "s")


def type_name(type_: ir.Type) -> str:
    """The name that `type_of` reads."""
    match type_:
        case ir.Bool():
            return "bool"
        case ir.Bytes():
            return "bytes"
        case ir.Bits(width=width, signed=signed):
            return f"{'s' if signed else 'u'}{width}"


@dataclass(frozen=True, slots=True)
class _Reader:
    keys: tuple[ir.Type, ...]
    state: Mapping[str, ir.StateVar]
    lists: Mapping[str, Ruleset]

    def typed(self, item: Any, type_: ir.Type) -> ir.Expr:
        found = self.expr(item)
        if found.type != type_:
            raise ValueError(f"{type_name(found.type)} where {type_name(type_)} is needed")
        return found

    def expr(self, item: Any) -> ir.Expr:
        if not isinstance(item, list):
            raise ValueError("an expression is a list")
        op, *rest = item
        if op in get_args(ir.ArithmeticOp):
            type_ = type_of(rest[0])
            if not isinstance(type_, ir.Bits):
                raise ValueError("arithmetic is of numbers")
            first, second = (self.typed(part, type_) for part in _of(rest[1:], 2))
            return ir.Arithmetic(op, first, second, type_)
        if op in get_args(ir.CompareOp):
            left, other = self.expr(rest[0]), _of(rest, 2)[1]
            if op in ("<", "<=") and not isinstance(left.type, ir.Bits):
                raise ValueError("order is of numbers")
            return ir.Compare(op, left, self.typed(other, left.type))
        match op, rest:
            case "key", [int() as number] if not isinstance(number, bool) and number >= 0:
                return ir.Local(f"k{number}", self.keys[number])
            case "const", [text, value]:
                return _constant(value, type_of(text))
            case "read", [str() as var, keys, int() as index] if index >= 0:
                return ir.Read(var, self.at(var, keys), index, self.state[var].values[index])
            case "has", [str() as var, keys]:
                return ir.Has(var, self.at(var, keys))
            case "not", [operand]:
                return ir.Not(self.typed(operand, ir.BOOL))
            case "and", operands:
                return ir.And(tuple(self.typed(o, ir.BOOL) for o in operands))
            case "or", operands:
                return ir.Or(tuple(self.typed(o, ir.BOOL) for o in operands))
            case "if", [condition, then, other]:
                first = self.expr(then)
                test = self.typed(condition, ir.BOOL)
                return ir.Conditional(test, first, self.typed(other, first.type), first.type)
            case "cast", [text, operand]:
                type_, inner = type_of(text), self.expr(operand)
                if ir.BYTES in (type_, inner.type):
                    raise ValueError("bytes are not converted")
                return ir.Cast(inner, type_)
            case "match", [str() as name, *args]:
                ruleset, parts = self.lists[name], tuple(map(self.expr, args))
                numbers = all(isinstance(p.type, ir.Bits) and not p.type.signed for p in parts)
                if len(parts) != len(ruleset.columns) or not numbers:
                    raise ValueError("not the columns of the list")
                return ir.Match(ruleset, parts)
        raise ValueError(f"no expression: {str(op)[:20]!a}")

    def at(self, var: str, keys: Any) -> tuple[ir.Expr, ...]:
        types = self.state[var].keys
        return tuple(map(self.typed, _of(keys, len(types)), types))


def _of(items: Any, count: int) -> Any:
    if not isinstance(items, list) or len(items) != count:
        raise ValueError(f"not {count} parts")
    return items


def _constant(value: Any, type_: ir.Type) -> ir.Const:
    match type_, value:
        case ir.Bool(), bool():
            return ir.Const(value, type_)
        case ir.Bytes(), str():
            return ir.Const(bytes.fromhex(value), type_)
        case ir.Bits(), int() if not isinstance(value, bool) and ir.wrap(value, type_) == value:
            return ir.Const(value, type_)
    raise ValueError(f"no constant: {str(value)[:20]!a}")


# Writing ----------------------------------------------------------------------------------


def claim_document(claim: Claim) -> dict[str, Any]:
    """What `read_claims` reads as the same. Raises ValueError for what no claim holds."""
    return {"keys": [type_name(t) for t in claim.keys], "holds": _written(claim.expr)}


def _written(expr: ir.Expr) -> list[Any]:
    match expr:
        case ir.Const(value=bytes() as value):
            return ["const", "bytes", value.hex()]
        case ir.Const(value=value, type=type_):
            return ["const", type_name(type_), value]
        case ir.Local(name=name) if re.fullmatch(r"k[0-9]+", name):
            return ["key", int(name[1:])]
        case ir.Read(var=var, keys=keys, index=index):
            return ["read", var, [_written(k) for k in keys], index]
        case ir.Has(var=var, keys=keys):
            return ["has", var, [_written(k) for k in keys]]
        case ir.Not(operand=operand):
            return ["not", _written(operand)]
        case ir.And(operands=operands):
            return ["and", *map(_written, operands)]
        case ir.Or(operands=operands):
            return ["or", *map(_written, operands)]
        case ir.Arithmetic(op=op, left=left, right=right, type=type_):
            return [op, type_name(type_), _written(left), _written(right)]
        case ir.Compare(op=op, left=left, right=right):
            return [op, _written(left), _written(right)]
        case ir.Conditional(condition=condition, then=then, otherwise=otherwise):
            return ["if", _written(condition), _written(then), _written(otherwise)]
        case ir.Cast(operand=operand, type=type_):
            return ["cast", type_name(type_), _written(operand)]
        case ir.Match(ruleset=ruleset, args=args):
            return ["match", ruleset.digest, *map(_written, args)]
        case _:
            raise ValueError(f"a relation doesn't speak of {type(expr).__name__}")
