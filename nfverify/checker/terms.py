"""State, expressions and branches over Z3's terms, plainly, as `smat.ir` says what they mean.

An environment says what names mean: (ir.Field, "sip"), (ir.Tag, …), (ir.Local, …), ("has", header),
("state", variable) as arrays, "now", and how a pass ends. Branches run on copies that are merged.
A byte string is a number: terms only ask whether two are the same, and there are far fewer of them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import z3

from nfverify.smat import ir

Env = dict[Any, Any]
Key = tuple[Any, ...]
NO, YES = z3.BoolVal(False), z3.BoolVal(True)
_COMPARE: dict[tuple[str, bool], Callable[[Any, Any], Any]] = {
    ("<", True): operator.lt, ("<", False): z3.ULT, ("<=", True): operator.le, ("<=", False): z3.ULE,
    ("==", True): operator.eq, ("==", False): operator.eq,
    ("!=", True): operator.ne, ("!=", False): operator.ne,
}  # fmt: skip
_PLAIN = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "&": operator.and_, "|": operator.or_,
    "^": operator.xor, "<<": operator.lshift,
}  # fmt: skip
_DIVIDE: dict[tuple[str, bool], Callable[[Any, Any], Any]] = {
    ("/", True): operator.truediv, ("/", False): z3.UDiv, ("%", True): z3.SRem, ("%", False): z3.URem,
}  # fmt: skip


class Unchecked(Exception):
    """A construct that this checker knows nothing of."""


def sort(type_: ir.Type) -> Any:
    if isinstance(type_, ir.Bool):
        return z3.BoolSort()
    return z3.BitVecSort(type_.width if isinstance(type_, ir.Bits) else 32)


def is_signed(type_: ir.Type) -> bool:
    return isinstance(type_, ir.Bits) and type_.signed


def ite(condition: Any, yes: Any, no: Any) -> Any:
    if yes.eq(no) or z3.is_true(condition):
        return yes
    return no if z3.is_false(condition) else z3.If(condition, yes, no)


def resized(value: Any, width: int, signed: bool = False) -> Any:
    """A bool as 0 or 1, a number extended or cut off."""
    if z3.is_bool(value):
        return ite(value, z3.BitVecVal(1, width), z3.BitVecVal(0, width))
    more = width - value.size()
    if more <= 0:
        return z3.Extract(width - 1, 0, value) if more else value
    return z3.SignExt(more, value) if signed else z3.ZeroExt(more, value)


def joined(key: Iterable[Any]) -> Any:
    """A key's parts side by side, as one number."""
    parts = [resized(part, 1) if z3.is_bool(part) else part for part in key]
    return z3.Concat(*parts) if len(parts) > 1 else parts[0]


def length(data: Any) -> Any:
    return z3.Function("length", z3.BitVecSort(32), z3.BitVecSort(32))(data)


def arithmetic(op: str, a: Any, b: Any, signed: bool) -> Any:
    """By zero gives 0, and so do shifts by the width or more."""
    if op in _PLAIN:
        return _PLAIN[op](a, b)
    none = z3.BitVecVal(0, a.size())
    if op == ">>":
        return z3.If(z3.ULT(b, a.size()), a >> b, none) if signed else z3.LShR(a, b)
    return z3.If(b == none, none, _DIVIDE[op, signed](a, b))


def merge(condition: Any, yes: Env, no: Env) -> Env:
    """`yes` where the condition holds, else `no`. Copies that only one has are absent in the other."""
    found = {**yes, **no}
    for name, b in no.items():
        a = yes.get(name, b)
        if a is not b and isinstance(a, tuple):
            a += (NO, z3.BitVecVal(0, 16)) * ((len(b) - len(a)) // 2)
            b += (NO, z3.BitVecVal(0, 16)) * ((len(a) - len(b)) // 2)
            found[name] = tuple(ite(condition, x, y) for x, y in zip(a, b, strict=True))
        elif a is not b:
            found[name] = ite(condition, a, b)
    return found


@dataclass(slots=True)
class Terms:
    """The variables of both sides; which keys of them were `touched`; `facts` hold always."""

    variables: Mapping[str, ir.StateVar]
    facts: list[Any] = field(default_factory=list)
    touched: dict[Any, tuple[str, Key]] = field(default_factory=dict)
    strings: dict[bytes, Any] = field(default_factory=dict)

    def literal(self, value: ir.Value, type_: ir.Type) -> Any:
        if isinstance(value, bytes):
            if value not in self.strings:
                self.strings[value] = z3.BitVecVal(len(self.strings), 32)
                self.facts.append(length(self.strings[value]) == len(value))
            return self.strings[value]
        return z3.BitVecVal(value, type_.width) if isinstance(type_, ir.Bits) else z3.BoolVal(value)

    def declared(self, name: str) -> Key:
        """Presence and values of a variable before `init`."""
        variable = self.variables[name]
        default = tuple(map(self.literal, variable.default, variable.values))
        if not variable.keys:
            return YES, *default
        index = z3.BitVecSort(joined(z3.FreshConst(sort(t)) for t in variable.keys).size())
        stores = tuple(z3.K(index, value) for value in (NO, *default))
        for key, values in variable.entries:
            at = joined(map(self.literal, key, variable.keys))
            new = (YES, *map(self.literal, values, variable.values))
            stores = tuple(z3.Store(s, at, v) for s, v in zip(stores, new, strict=True))
        return stores

    def arbitrary(self, name: str) -> Key:
        """The same of any state at all."""
        variable, declared = self.variables[name], self.declared(name)
        if variable.aged:
            raise Unchecked(f"{variable.span}: a map with `timeout` or `max`")
        if variable.constant:
            return declared
        named = (z3.Const(f"{name}.{i}", x.sort()) for i, x in enumerate(declared))
        return tuple(named) if variable.keys else (YES, *tuple(named)[1:])

    def look(self, name: str, env: Env, key: Key) -> Key:
        """Is the key there, and the values that it reads as?"""
        stores: Key = env["state", name]
        if not key:
            return stores
        self.touched[name, *(part.get_id() for part in key)] = (name, key)
        there, *values = (z3.Select(s, joined(key)) for s in stores)
        default = map(self.literal, self.variables[name].default, self.variables[name].values)
        return there, *(ite(there, v, d) for v, d in zip(values, default, strict=True))

    def stored(self, env: Env, name: str, key: Key, values: Key | None) -> Env:
        """The environment with values assigned, or with None the key deleted."""
        old = env["state", name]
        new = (NO,) if values is None else (YES, *values)
        if key:
            new = tuple(z3.Store(s, joined(key), v) for s, v in zip(old, new, strict=False))
        return {**env, ("state", name): (*new, *old[len(new) :])}

    def value(self, node: ir.Expr, env: Env, prefix: str = "") -> Any:
        """An expression; the names of variables begin with `prefix`."""
        args: list[Any] = [self.value(c, env, prefix) for c in ir.children(node)]  # type: ignore[arg-type]
        match node:
            case ir.Const(value=value, type=type_):
                return self.literal(value, type_)
            case ir.Field() | ir.Tag() | ir.Local() if (type(node), node.name) in env:
                return env[type(node), node.name]
            case ir.Now():
                return env["now"]
            case ir.Read(var=var, index=index):
                return self.look(prefix + var, env, tuple(args))[1 + index]
            case ir.Has(var=var):
                return self.look(prefix + var, env, tuple(args))[0]
            case ir.Not():
                return z3.Not(*args)
            case ir.And():
                return z3.And(YES, *args)
            case ir.Or():
                return z3.Or(NO, *args)
            case ir.Conditional():
                return ite(*args)
            case ir.Arithmetic(op=op, type=type_):
                return arithmetic(op, *args, is_signed(type_))
            case ir.Compare(op=op, left=left):
                return _COMPARE[op, is_signed(left.type)](*args)
            case ir.Cast(operand=operand, type=ir.Bits(width=width)):
                return resized(*args, width, is_signed(operand.type))
            case ir.Cast(operand=operand, type=type_):
                return args[0] if operand.type == type_ else args[0] != 0
            case ir.Match(ruleset=ruleset):
                found: Any = NO
                for row in reversed(ruleset.rows):
                    tests = zip(args, row.bounds, strict=True)
                    hits = (z3.And(z3.UGE(a, low), z3.ULE(a, high)) for a, (low, high) in tests)
                    found = z3.If(z3.And(YES, *hits), z3.BoolVal(row.accept), found)
                return found
            case ir.Apply():
                return self.applied(node, args)
        raise Unchecked(f"{node.span}: {type(node).__name__} in an expression")

    def applied(self, node: ir.Apply, args: Key | list[Any]) -> Any:
        """Of an operator nothing is known, but that Encrypt and Decrypt undo each other."""
        kinds = f"{[repr(a.type) for a in node.args]} {node.type!r}"
        sorts = [*(a.sort() for a in args), sort(node.type)]
        result = z3.Function(f"{node.op} {kinds}", *sorts)(*args)
        if inverse := {"Encrypt": "Decrypt", "Decrypt": "Encrypt"}.get(node.op):
            back = z3.Function(f"{inverse} {kinds}", *sorts)(result, *args[1:])
            self.facts += [back == args[0], length(result) == length(args[0])]
        return result
