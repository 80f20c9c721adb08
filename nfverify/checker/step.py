"""A packet, or a timer's own, through the NFs of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import z3

from nfverify.checker.terms import NO, YES, Env, Terms, Unchecked, ite, length, merge, resized
from nfverify.packet.fields import FIELDS, IP, Header
from nfverify.smat import ir

MAX_VISITS, MAX_ROUNDS = 256, 64


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
    visits: int = 0

    def enter(self, index: int, env: Env, path: Any) -> Env:
        """Through an instance and all that follows; what counts of the result are variables."""
        self.visits += 1
        if self.visits > MAX_VISITS:
            raise Unchecked("a network in which copies take too many ways")
        instance = self.network.instances[index]
        inside = YES if instance.program.sees_non_ip else has(env, IP)
        after = self.passes(instance, env, z3.And(path, inside))
        self.held.append(z3.And(path, inside, after["delayed"], z3.Not(after["failed"])))
        after = merge(inside, after, {**env, **self.fresh(env)})
        for copy, port in zip(after["out"][::2], after["out"][1::2], strict=True):
            rest, ways = z3.And(copy, z3.Not(after["failed"])), []
            for wire in sorted(self.network.wires, key=lambda w: w.port is None):
                if wire.source == index:
                    this = YES if wire.port is None else port == wire.port
                    ways.append((z3.And(rest, this), wire.target))
                    rest = z3.And(rest, z3.Not(this))
            self.sent.append((z3.And(path, rest), port, after))
            for taken, target in ways:
                inner = self.enter(target, after, z3.And(path, taken))
                changed = {n: inner[n] for n in inner if n[0] == "state"}
                after = merge(taken, {**after, **changed}, after)
        return after

    def passes(self, instance: ir.Instance, env: Env, path: Any, left: int = ir.MAX_PASSES) -> Env:
        """A packet through one NF, again while it asks for that."""
        self.program, self.prefix = instance.program, self.prefixes[instance.name]
        body = self.program.body
        env = self.run(body, {**env, **self.fresh(env)})
        more = z3.And(env["again"], z3.Not(env["failed"]))
        asks = any(isinstance(n, ir.SetOutput) and n.output == ir.Resubmit() for n in ir.walk(body))
        if not asks or not self.possible(z3.And(path, more)):
            return env
        if left == 1:
            return {**env, "failed": z3.Or(env["failed"], more)}
        return merge(more, self.passes(instance, env, z3.And(path, more), left - 1), env)

    def fresh(self, env: Env) -> Env:
        """How each pass begins: forward, by the other side."""
        first, second = self.program.ports[:2] if self.program.ports else (0, 1)
        came = env[ir.Field, "iface"] == first
        port = ite(came, z3.BitVecVal(second, 16), z3.BitVecVal(first, 16))
        none = z3.BitVecVal(0, 64)
        return {"out": (YES, port), "failed": NO, "again": NO, "delayed": NO, "delay": none}

    def run(self, statements: Sequence[ir.Stmt], env: Env) -> Env:
        for statement in statements:
            env = self.statement(statement, env)
        return env

    def statement(self, node: ir.Stmt, env: Env) -> Env:
        def value(expr: ir.Expr) -> Any:
            return self.terms.value(expr, env, self.prefix)

        match node:
            case ir.SetField(name=name, value=expr):
                old, new = env[ir.Field, name], resized(value(expr), env[ir.Field, name].size())
                there, failed = has(env, FIELDS[name].headers), env["failed"]
                if name == "payload":
                    fits = length(new) == length(old)
                    there, failed = z3.And(there, fits), z3.Or(failed, z3.And(there, z3.Not(fits)))
                return {**env, (ir.Field, name): ite(there, new, old), "failed": failed}
            case ir.SetTag(name=name, value=expr):
                return {**env, (ir.Tag, name): value(expr)}
            case ir.Let(name=name, value=expr):
                return {**env, (ir.Local, name): value(expr)}
            case ir.Write(var=var, keys=keys, values=values):
                new = tuple(map(value, values))
                return self.terms.stored(env, self.prefix + var, tuple(map(value, keys)), new)
            case ir.Delete(var=var, keys=keys):
                return self.terms.stored(env, self.prefix + var, tuple(map(value, keys)), None)
            case ir.SetOutput(output=output):
                return self.output(output, env, value)
            case ir.If(condition=test, then=then, otherwise=otherwise):
                return merge(value(test), self.run(then, env), self.run(otherwise, env))
            case ir.Table(entries=entries):
                found = env
                for entry in reversed(entries):
                    found = merge(value(entry.guard), self.run(entry.body, env), found)
                return found
            case ir.While():
                return self.loop(node, env, YES, 0)
        raise Unchecked(f"{node.span}: `{type(node).__name__.lower()}`")

    def loop(self, node: ir.While, env: Env, path: Any, count: int) -> Env:
        more = self.terms.value(node.condition, env, self.prefix)
        if not self.possible(z3.And(path, more)):
            return env
        if count == node.bound:
            return {**env, "failed": z3.Or(env["failed"], more)}
        if count == MAX_ROUNDS:
            raise Unchecked(f"{node.span}: a loop of over {MAX_ROUNDS} rounds")
        inner = self.run(node.body, env)
        return merge(more, self.loop(node, inner, z3.And(path, more), count + 1), env)

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
                out = [x for n in numbers for x in (YES, resized(n, 16))]
                return {
                    **env,
                    "out": tuple(out),
                    "failed": z3.Or(env["failed"], *(z3.Not(k) for k in known)),
                }
        return env


def has(env: Env, headers: Header) -> Any:
    """Has the packet any of these headers?"""
    return z3.Or(NO, *(env["has", h] for h in Header if h & headers))
