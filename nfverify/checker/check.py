"""The obligations of a certificate, each put to Z3 by itself.

The relation holds in the initial state, for any keys; a packet and the timers of each period keep
it; from related states both sides send the same. Then they do so for every sequence of packets.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import z3

from nfverify.checker import semantics as at
from nfverify.checker.semantics import NO, YES, Env, Key, has, resized
from nfverify.packet.fields import FIELDS, IP, L4, Header
from nfverify.smat import ir
from nfverify.smat.certificate import Certificate
from nfverify.smat.relating import CLOCK, Claim, both, prefixes

ROUNDS, MAX_INSTANCES = 2, 4096
LEAST = {Header.IP4: 20, Header.IP6: 40, Header.TCP: 20, Header.UDP: 8, Header.ICMP: 8}  # bytes
BITS = {"IP4": Header.IP4, "IP6": Header.IP6, "FRAG": Header.FRAG, "L4": L4}
ANSWERS = {"unsat": "proved", "sat": "refuted", "unknown": "unknown"}


@dataclass(slots=True)
class Check:
    """One certificate being checked until `deadline` (of `time.monotonic()`)."""

    certificate: Certificate
    deadline: float
    terms: at.Terms = field(init=False)
    sides: list[at.Side] = field(init=False)
    instances: list[tuple[at.Side, ir.Instance]] = field(init=False)
    given: list[Any] = field(default_factory=list)  # of the events
    never: list[tuple[str, Any]] = field(default_factory=list)  # what would be refused
    goals: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        networks = {"a": self.certificate.a, "b": self.certificate.b}
        terms = self.terms = at.Terms(both(*networks.values()))
        some = networks.items()
        self.sides = [at.Side(terms, n, prefixes(letter, n), self.possible) for letter, n in some]
        self.instances = [(side, i) for side in self.sides for i in side.network.instances]

    def findings(self) -> Iterator[tuple[str, str]]:
        """Each obligation with proved, refuted or unknown, as it is settled. Raises Unchecked."""
        relation = list(enumerate(self.certificate.relation, 1))
        keys = {n: self.terms.free(f"any {n}", claim.keys) for n, claim in relation}
        before: Env = {("state", n): self.terms.arbitrary(n) for n in self.terms.variables}
        start, starting = self.initial()
        periods = sorted({timer.delay for _, i in self.instances for timer in i.program.timers})
        events = {"packet": self.packet(before)}
        events |= {f"tick {period} ns": self.tick(period, before) for period in periods}
        for (name, env), (a, _, claim) in product(events.items(), self.certificate.options.state):
            same = self.holds(claim, env, self.terms.free(f"{a} at", claim.keys))
            self.goals.append((f"equal {a} after {name}", z3.Not(same)))
        for (n, claim), (name, env) in product(relation, events.items()):
            self.goals.append((f"({n}) after {name}", z3.Not(self.holds(claim, env, keys[n]))))
        starts = [(f"({n}) initially", z3.Not(self.holds(c, start, keys[n]))) for n, c in relation]
        assumed = [*self.given, *(self.holds(c, before, keys[n]) for n, c in relation)]
        assumed += self.instantiated(before)
        satisfiable = "the assumptions are satisfiable"
        names = [*(name for name, _ in starts + self.goals), satisfiable]
        listed = sorted(names) == sorted(self.certificate.obligations)
        yield "the list of obligations", "proved" if listed else "refuted"
        for name, wrong in self.never:
            if self.ask([*assumed, wrong]) != "unsat":
                raise at.Unchecked(name)
        yield from ((name, ANSWERS[self.ask([*starting, wrong])]) for name, wrong in starts)
        yield from ((name, ANSWERS[self.ask([*assumed, wrong])]) for name, wrong in self.goals)
        yield satisfiable, "proved" if self.ask(assumed) == "sat" else "unknown"

    def packet(self, before: Env) -> Env:
        """After a packet; that both sides send the same."""
        options, env = self.certificate.options, self.arriving(before)
        self.given += self.timed("packet", env, before)
        self.given += [self.terms.value(expr, env) for expr in options.assume]
        counts, sent = list[Any](), list[list[Any]]()
        for side in self.sides:
            env = at.changed(env, side.enter(side.network.ingress, env, YES))
            self.never += [("a timer that holds a packet", held) for held in side.held]
            counts.append(z3.BitVecVal(0, 16))
            sent.append([])
            for guard, port, packet in side.sent:
                sent[-1].append((guard, counts[-1], port, packet))
                counts[-1] = counts[-1] + resized(guard, 16)
        fields = [n for n, f in FIELDS.items() if f.on_wire and n not in options.ignore]
        differs = [counts[0] != counts[1]]
        for (x, i, port, packet), (y, j, to, other) in product(*sent):
            same = (packet[ir.Field, f] == other[ir.Field, f] for f in fields)
            differs.append(z3.And(x, y, i == j, z3.Not(z3.And(port == to, *same))))
        self.goals.append(("equal outputs", z3.Or(*differs)))
        return env

    def tick(self, period: int, before: Env) -> Env:
        """After all timers of a period fired, in the order of their making."""
        env = dict(before)
        self.given += self.timed(f"tick {period}", env, before)
        for side, instance in self.instances:
            for timer in (t for t in instance.program.timers if t.delay == period):
                tags = {(ir.Tag, n): z3.BitVecVal(v, 32) for n, v in timer.tags}
                start = {**env, **self.dummy(), **tags}
                end = side.passes(instance, start, YES)
                kept = (end[n] == start[n] for n in start if n[0] is ir.Tag)
                again = z3.And(end["delayed"], z3.Not(end["failed"]), end["delay"] == period, *kept)
                self.never.append(
                    ("a timer that doesn't arm itself again as it was", z3.Not(again))
                )
                env = at.changed(env, end)
        return env

    def initial(self) -> tuple[Env, list[Any]]:
        """Before the first packet: as declared, then `init` of each NF; what holds of its time."""
        env: Env = {("state", n): self.terms.declared(n) for n in self.terms.variables}
        given = self.timed("start", env, env)
        for side, instance in self.instances:
            side.program, side.prefix = instance.program, side.prefixes[instance.name]
            start = {**env, **self.dummy()}
            env = at.changed(env, side.run(instance.program.init, {**start, **side.fresh(start)}))
        return env, given

    def timed(self, name: str, env: Env, before: Env) -> list[Any]:
        """Gives an event its time: not before the last one, below 2^62 ns."""
        last, now = before["state", CLOCK][1], z3.BitVec(f"{name}.now", 64)
        env["now"], env["state", CLOCK] = now, (YES, now)
        return [z3.ULE(last, now), z3.ULT(now, z3.BitVecVal(1 << 62, 64))]

    def dummy(self) -> Env:
        """A timer's own packet: no headers, all fields and tags 0."""
        env: Env = {("has", header): NO for header in Header}
        env |= {(ir.Field, n): z3.BitVecVal(0, f.width or 32) for n, f in FIELDS.items()}
        env[ir.Field, "payload"] = self.terms.literal(b"", ir.BYTES)
        nodes = (n for _, i in self.instances for n in ir.walk(i.program.init + i.program.body))
        tags = (n.name for n in nodes if isinstance(n, ir.Tag | ir.SetTag))
        env |= {(ir.Tag, tag): z3.BitVecVal(0, 32) for tag in tags}
        return env

    def arriving(self, before: Env) -> Env:
        """Any frame that is not malformed, at any port that both sides have."""
        env = {**before, **self.dummy()}
        env |= {("has", header): z3.Bool(f"has {header.name}") for header in Header}
        env["has", Header.LINK] = YES
        for kind, name in [n for n in env if n[0] is ir.Field]:
            none, there = env[kind, name], has(env, FIELDS[name].headers)
            env[kind, name] = at.ite(there, z3.BitVec(name, none.size()), none)
        env |= {(ir.Field, name): resized(has(env, headers), 1) for name, headers in BITS.items()}
        ip4, ip6, frag, ip = (has(env, h) for h in (Header.IP4, Header.IP6, Header.FRAG, IP))
        kind, proto, size = (env[ir.Field, n] for n in ("ethertype", "proto", "size"))
        icmp = z3.Or(z3.And(ip4, proto == 1), z3.And(ip6, proto == 58))
        numbers = {Header.TCP: proto == 6, Header.UDP: proto == 17, Header.ICMP: icmp}
        for header, number in numbers.items():
            self.given.append(z3.Implies(has(env, header), z3.And(ip, number)))
            self.given.append(z3.Implies(z3.And(ip, number, z3.Not(frag)), has(env, header)))
        least = sum((resized(has(env, h), 17) * n for h, n in LEAST.items()), z3.BitVecVal(0, 17))
        most = z3.If(ip4, z3.BitVecVal(65535, 17), z3.BitVecVal(65575, 17))
        ports = min(max(2, len(side.network.ports)) for side in self.sides)
        self.given += [
            z3.ULT(env[ir.Field, "iface"], ports), z3.Not(z3.And(ip4, ip6)), z3.Implies(frag, ip),
            ip4 == (kind == 0x0800), ip6 == (kind == 0x86DD),
            z3.Implies(ip4, resized(env[ir.Field, "iplen"], 17) == size),
            z3.Implies(ip, z3.And(z3.ULE(least, size), z3.ULE(size, most))),
            z3.Implies(self.certificate.options.drop_non_ip, ip),
        ]  # fmt: skip
        return env

    def holds(self, claim: Claim, env: Env, keys: Key) -> Any:
        fitting = (k if z3.is_bool(k) else resized(k, getattr(t, "width", 32))
                   for k, t in zip(keys, claim.keys, strict=True))  # fmt: skip
        named = {(ir.Local, f"k{i}"): key for i, key in enumerate(fitting)}
        return self.terms.value(claim.expr, {**env, **named})

    def instantiated(self, before: Env) -> list[Any]:
        """The relation before the event, at keys that the event and the goals touch."""
        found: dict[Key, Any] = {}
        for _ in range(ROUNDS):
            touched = list(self.terms.touched.values())
            for number, claim in enumerate(self.certificate.relation):
                for keys in claim.bindings(touched):
                    mark = (number, *(key.get_id() for key in keys))
                    if mark not in found and len(found) < MAX_INSTANCES:
                        found[mark] = self.holds(claim, before, keys)
        return list(found.values())

    def possible(self, condition: Any) -> bool:
        return self.ask([*self.given, condition], 2.0) != "unsat"

    def ask(self, claims: list[Any], seconds: float = 1e6) -> str:
        solver = z3.Solver()
        left = min(seconds, self.deadline - time.monotonic())
        solver.set("timeout", max(1, int(left * 1000)))
        solver.add(*self.terms.facts, *claims)
        return str(solver.check())
