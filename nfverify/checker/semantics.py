"""One step of a network over Z3's terms, plainly, as `smat.ir` and the machine say what it means.

An environment says what names mean: (ir.Field, "sip"), (ir.Tag, …), (ir.Local, …), ("has", header),
("state", variable) as arrays, "now", and how a pass ends. Branches run on copies that are merged.
A byte string is a number: terms only ask whether two are the same, and there are far fewer of them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any

import z3

from nfverify.packet.fields import FIELDS, IP, Header
from nfverify.smat import ir

LENGTH = z3.Function("length", z3.BitVecSort(32), z3.BitVecSort(32))
Env = dict[Any, Any]
Key = tuple[Any, ...]
NO, YES, NO_COPY = z3.BoolVal(False), z3.BoolVal(True), (z3.BoolVal(False), z3.BitVecVal(0, 16))
_OPERATIONS: dict[str, tuple[Any, Any]] = {  # of signed numbers, and of unsigned ones
    "<": (operator.lt, z3.ULT), "<=": (operator.le, z3.ULE), "/": (operator.truediv, z3.UDiv),
    "%": (z3.SRem, z3.URem), ">>": (operator.rshift, z3.LShR), "<<": (operator.lshift,) * 2,
    "+": (operator.add,) * 2, "-": (operator.sub,) * 2, "*": (operator.mul,) * 2,
    "&": (operator.and_,) * 2, "|": (operator.or_,) * 2, "^": (operator.xor,) * 2,
    "==": (operator.eq,) * 2, "!=": (operator.ne,) * 2,
}  # fmt: skip


class Unchecked(Exception):
    """A construct that this checker knows nothing of."""


def ite(condition: Any, yes: Any, no: Any) -> Any:
    if yes.eq(no) or z3.is_true(condition):
        return yes
    return no if z3.is_false(condition) else z3.If(condition, yes, no)


def resized(value: Any, width: int, signed: bool = False) -> Any:
    """A bool as 0 or 1, a number extended or cut off."""
    if z3.is_bool(value):
        return ite(value, z3.BitVecVal(1, width), z3.BitVecVal(0, width))
    if (more := width - value.size()) <= 0:
        return z3.Extract(width - 1, 0, value) if more else value
    return z3.SignExt(more, value) if signed else z3.ZeroExt(more, value)


def joined(key: Iterable[Any]) -> Any:
    """A key's parts side by side, as one number."""
    parts = [resized(part, 1) if z3.is_bool(part) else part for part in key]
    return z3.Concat(*parts) if len(parts) > 1 else parts[0]


def merge(condition: Any, yes: Env, no: Env) -> Env:
    """`yes` where the condition holds, else `no`; a copy that one sends is none of the other."""
    found = {**yes, **no}
    for name, b in no.items():
        a = yes.get(name, b)
        if a is not b and isinstance(a, tuple):
            a, b = a + NO_COPY * ((len(b) - len(a)) // 2), b + NO_COPY * ((len(a) - len(b)) // 2)
            found[name] = tuple(ite(condition, x, y) for x, y in zip(a, b, strict=True))
        elif a is not b:
            found[name] = ite(condition, a, b)
    return found


def has(env: Env, headers: Header) -> Any:
    return z3.Or(NO, *(env["has", h] for h in Header if h & headers))


def changed(env: Env, after: Env) -> Env:
    return {**env, **{name: after[name] for name in after if name[0] == "state"}}


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
                self.facts.append(LENGTH(self.strings[value]) == len(value))
            return self.strings[value]
        return z3.BitVecVal(value, type_.width) if isinstance(type_, ir.Bits) else z3.BoolVal(value)

    def free(self, name: str, types: Sequence[ir.Type]) -> Key:
        sorts = (self.literal(ir.zero(type_), type_).sort() for type_ in types)
        return tuple(z3.Const(f"{name}.{i}", sort) for i, sort in enumerate(sorts))

    def declared(self, name: str) -> Key:
        """Presence and values of a variable before `init`."""
        variable = self.variables[name]
        if variable.aged:
            raise Unchecked(f"{variable.span}: a map with `timeout` or `max`")
        default = tuple(map(self.literal, variable.default, variable.values))
        if not variable.keys:
            return YES, *default
        index = joined(self.free("", variable.keys)).sort()
        env: Env = {("state", name): tuple(z3.K(index, value) for value in (NO, *default))}
        for key, values in variable.entries:
            at = tuple(map(self.literal, key, variable.keys))
            env = self.stored(env, name, at, tuple(map(self.literal, values, variable.values)))
        return env["state", name]  # type: ignore[no-any-return]

    def arbitrary(self, name: str) -> Key:
        """The same of any state at all."""
        variable, declared = self.variables[name], self.declared(name)
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
        old, new = env["state", name], (NO,) if values is None else (YES, *values)
        if key:
            new = tuple(z3.Store(s, joined(key), v) for s, v in zip(old, new, strict=False))
        return {**env, ("state", name): (*new, *old[len(new) :])}

    def value(self, node: ir.Expr, env: Env, prefix: str = "") -> Any:
        """An expression; the names of variables begin with `prefix`."""
        args: list[Any] = [self.value(c, env, prefix) for c in ir.children(node)]  # type: ignore[arg-type]
        match node:
            case ir.Const(value=value, type=type_):
                return self.literal(value, type_)
            case ir.Field() | ir.Tag() | ir.Local() if node.name != "vni":
                return env[type(node), node.name]
            case ir.Now():
                return env["now"]
            case ir.Read(var=var) | ir.Has(var=var):
                found = self.look(prefix + var, env, tuple(args))
                return found[1 + node.index] if isinstance(node, ir.Read) else found[0]
            case ir.Not():
                return z3.Not(*args)
            case ir.And() | ir.Or():
                return z3.And(YES, *args) if isinstance(node, ir.And) else z3.Or(NO, *args)
            case ir.Conditional():
                return ite(*args)
            case ir.Arithmetic(op=op, left=left) | ir.Compare(op=op, left=left):
                a, b = args
                result = _OPERATIONS[op][0 if getattr(left.type, "signed", False) else 1](a, b)
                if op not in ("/", "%", ">>"):
                    return result
                return z3.If(z3.ULT(b, a.size()) if op == ">>" else b != 0, result, a ^ a)
            case ir.Cast(operand=operand, type=ir.Bits(width=width)):
                return resized(args[0], width, getattr(operand.type, "signed", False))
            case ir.Cast(operand=operand, type=type_):
                return args[0] if operand.type == type_ else args[0] != 0
            case ir.Match(ruleset=ruleset):
                accepts: Any = NO
                for row in reversed(ruleset.rows):
                    tests = zip((resized(a, 128) for a in args), row.bounds, strict=True)
                    hits = (z3.And(z3.UGE(a, low), z3.ULE(a, high)) for a, (low, high) in tests)
                    accepts = z3.If(z3.And(YES, *hits), z3.BoolVal(row.accept), accepts)
                return accepts
            case ir.Apply():
                return self.applied(node, args)
        raise Unchecked(f"{node.span}: {type(node).__name__} in an expression")

    def applied(self, node: ir.Apply, args: list[Any]) -> Any:
        """Of an operator nothing is known, but that Encrypt and Decrypt undo each other."""
        kinds = f"{[repr(a.type) for a in node.args]} {node.type!r}"
        sorts = [x.sort() for x in (*args, *self.free("", [node.type]))]
        result = z3.Function(f"{node.op} {kinds}", *sorts)(*args)
        if inverse := {"Encrypt": "Decrypt", "Decrypt": "Encrypt"}.get(node.op):
            back = z3.Function(f"{inverse} {kinds}", *sorts)(result, *args[1:])
            self.facts += [back == args[0], LENGTH(result) == LENGTH(args[0])]
        return result


@dataclass(slots=True)
class Side:
    """Runs one side. `possible` is false only of what can't be; it serves to end loops. `sent` and
    `held` tell what came out of a step, and when a timer holds a packet."""

    terms: Terms
    network: ir.Network
    prefixes: Mapping[str, str]  # of an instance's variables
    possible: Callable[[Any], bool]
    sent: list[tuple[Any, Any, Env]] = field(default_factory=list)
    held: list[Any] = field(default_factory=list)
    program: ir.Program = field(init=False)
    prefix: str = ""

    def enter(self, index: int, env: Env, path: Any) -> Env:
        """Through an instance and all that follows; what counts of the result are variables."""
        instance = self.network.instances[index]
        inside = YES if instance.program.sees_non_ip else has(env, IP)
        after = self.passes(instance, env, z3.And(path, inside))
        self.held.append(z3.And(path, inside, after["delayed"], z3.Not(after["failed"])))
        after = merge(inside, after, {**env, **self.fresh(env)})
        for copy, port in zip(after["out"][::2], after["out"][1::2], strict=True):
            rest, ways = z3.And(copy, z3.Not(after["failed"])), []
            wires = [w for w in self.network.wires if w.source == index]
            for wire in sorted(wires, key=lambda w: w.port is None):
                ways.append((rest if wire.port is None else z3.And(rest, port == wire.port), wire))
                rest = NO if wire.port is None else z3.And(rest, port != wire.port)
            self.sent += [] if z3.is_false(rest) else [(z3.And(path, rest), port, after)]
            for taken, wire in ways:
                inner = self.enter(wire.target, after, z3.And(path, taken))
                after = merge(taken, changed(after, inner), after)
        return after

    def passes(self, instance: ir.Instance, env: Env, path: Any) -> Env:
        """A packet through one NF, again while it asks for that."""
        self.program, self.prefix = instance.program, self.prefixes[instance.name]

        def once(env: Env) -> Env:
            return self.run(instance.program.body, {**env, **self.fresh(env)})

        left = ir.MAX_PASSES - 1
        return self.repeat(once(env), path, left, lambda e: ite(e["failed"], NO, e["again"]), once)

    def repeat(self, env: Env, path: Any, left: int, more: Any, once: Any) -> Env:
        """`once` more while that is asked for; what asks for too much drops for good."""
        again = more(env)
        if z3.is_false(again) or not self.possible(z3.And(path, again)):
            return env
        if not left:
            return {**env, "failed": z3.Or(env["failed"], again)}
        return merge(again, self.repeat(once(env), z3.And(path, again), left - 1, more, once), env)

    def fresh(self, env: Env) -> Env:
        """How each pass begins: forward, by the other side."""
        first, second = (z3.BitVecVal(p, 16) for p in (*self.program.ports, 0, 1)[:2])
        port = ite(env[ir.Field, "iface"] == first, second, first)
        none = {"failed": NO, "again": NO, "delayed": NO, "delay": z3.BitVecVal(0, 64)}
        return {**none, "out": (YES, port)}

    def run(self, statements: Sequence[ir.Stmt], env: Env) -> Env:
        return reduce(self.statement, statements, env)

    def statement(self, env: Env, node: ir.Stmt) -> Env:
        value = partial(self.terms.value, env=env, prefix=self.prefix)
        match node:
            case ir.SetField(name=name, value=expr):
                old, new = env[ir.Field, name], resized(value(expr), env[ir.Field, name].size())
                there, failed = has(env, FIELDS[name].headers), env["failed"]
                if name == "payload":
                    fits = LENGTH(new) == LENGTH(old)
                    there, failed = z3.And(there, fits), z3.Or(failed, z3.And(there, z3.Not(fits)))
                return {**env, (ir.Field, name): ite(there, new, old), "failed": failed}
            case ir.SetTag(name=name, value=expr) | ir.Let(name=name, value=expr):
                kind = ir.Tag if isinstance(node, ir.SetTag) else ir.Local
                return {**env, (kind, name): value(expr)}
            case ir.Write(var=var, keys=keys) | ir.Delete(var=var, keys=keys):
                new = tuple(map(value, node.values)) if isinstance(node, ir.Write) else None
                return self.terms.stored(env, self.prefix + var, tuple(map(value, keys)), new)
            case ir.SetOutput(output=output):
                return self.output(output, env, value)
            case ir.If(condition=test, then=then, otherwise=otherwise):
                return merge(value(test), self.run(then, env), self.run(otherwise, env))
            case ir.Table(entries=entries):
                rows = [(value(entry.guard), self.run(entry.body, env)) for entry in entries]
                return reduce(lambda rest, row: merge(row[0], row[1], rest), reversed(rows), env)
            case ir.While(condition=test, bound=bound, body=body):
                once, more = (
                    partial(self.run, body),
                    partial(self.terms.value, test, prefix=self.prefix),
                )
                return self.repeat(env, YES, bound, more, once)
        raise Unchecked(f"{node.span}: `{type(node).__name__.lower()}`")

    def output(self, output: ir.Output, env: Env, value: Callable[[ir.Expr], Any]) -> Env:
        env = {**env, "out": (), "again": NO, "delayed": NO}
        match output:
            case ir.Forward():
                return {**env, "out": self.fresh(env)["out"]}
            case ir.Resubmit():
                return {**env, "again": YES}
            case ir.Delay(delay=delay):
                return {**env, "delayed": YES, "delay": value(ir.Cast(delay, ir.TIME))}
            case ir.Ports(ports=ports):
                numbers = [resized(value(port), 64) for port in ports]
                known = [z3.ULT(n, max(2, len(self.network.ports))) for n in numbers]
                failed = z3.Or(env["failed"], z3.Not(z3.And(YES, *known)))
                out = tuple(x for n in numbers for x in (YES, resized(n, 16)))
                return {**env, "out": out, "failed": failed}
        return env
