"""The obligations of a certificate, each put to Z3 by itself.

The relation holds in the initial state, for any keys; a packet and the timers of each period keep
it; from related states both sides send the same. Then they do so for every sequence of packets.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import z3

from nfverify.checker.step import Side, has
from nfverify.checker.terms import NO, YES, Env, Key, Terms, Unchecked, ite, resized, sort
from nfverify.packet.fields import FIELDS, IP, L4, Header
from nfverify.smat import ir
from nfverify.smat.certificate import Certificate
from nfverify.smat.relating import CLOCK, Claim, both, prefix

SATISFIABLE = "the assumptions are satisfiable"
ROUNDS, MAX_INSTANCES = 2, 4096
BYTES = {Header.IP4: 20, Header.IP6: 40, Header.TCP: 20, Header.UDP: 8, Header.ICMP: 8}  # at least
PROVED, REFUTED, UNKNOWN = "proved", "refuted", "unknown"
ANSWERS = {"unsat": PROVED, "sat": REFUTED, "unknown": UNKNOWN}


@dataclass(slots=True)
class Check:
    """One certificate being checked until `deadline` (of `time.monotonic()`)."""

    certificate: Certificate
    deadline: float
    terms: Terms = field(init=False)
    sides: list[Side] = field(init=False)
    given: list[Any] = field(default_factory=list)  # of the events
    starting: list[Any] = field(default_factory=list)  # of the initial state
    never: list[tuple[str, Any]] = field(default_factory=list)  # what would be refused
    goals: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        networks = self.certificate.a, self.certificate.b
        self.terms = Terms(both(*networks))
        self.sides = [
            Side(
                self.terms,
                n,
                {i.name: prefix(letter, n, i.name) for i in n.instances},
                self.possible,
            )
            for letter, n in zip("ab", networks, strict=True)
        ]

    def findings(self) -> Iterator[tuple[str, str]]:
        """Each obligation with proved, refuted or unknown, as it is settled. Raises Unchecked."""
        relation = self.certificate.relation
        keys = [[z3.Const(f"any {n}.{i}", sort(t)) for i, t in enumerate(c.keys)]
                for n, c in enumerate(relation)]  # fmt: skip
        before: Env = {("state", n): self.terms.arbitrary(n) for n in self.terms.variables}
        initial = self.initial()
        events = [("packet", self.packet(before))]
        timers = (t for s in self.sides for i in s.network.instances for t in i.program.timers)
        events += [
            (f"tick {p} ns", self.tick(p, before)) for p in sorted({t.delay for t in timers})
        ]
        for (a, b), (name, env) in product(self.certificate.options.state, events):
            key = tuple(
                z3.Const(f"{a} at {i}", sort(t)) for i, t in enumerate(self.terms.variables[a].keys)
            )
            (there, *xs), (too, *ys) = (self.terms.look(n, env, key) for n in (a, b))
            differ = z3.And(there, z3.Or(NO, *(x != y for x, y in zip(xs, ys, strict=True))))
            self.goals.append((f"equal {a} after {name}", z3.Or(there != too, differ)))
        starts, assumed = [], []
        for n, claim in enumerate(relation):
            starts.append((f"({n + 1}) initially", z3.Not(self.holds(claim, initial, keys[n]))))
            assumed.append(self.holds(claim, before, keys[n]))
            for name, after in events:
                wrong = z3.Not(self.holds(claim, after, keys[n]))
                self.goals.append((f"({n + 1}) after {name}", wrong))
        assumed += [*self.given, *self.instances(before)]
        names = [*(name for name, _ in (*starts, *self.goals)), SATISFIABLE]
        listed = sorted(names) == sorted(self.certificate.obligations)
        yield "the list of obligations", PROVED if listed else REFUTED
        for name, wrong in self.never:
            if self.ask([*assumed, wrong]) != "unsat":
                raise Unchecked(name)
        for name, wrong in starts:
            yield name, ANSWERS[self.ask([*self.starting, wrong])]
        for name, wrong in self.goals:
            yield name, ANSWERS[self.ask([*assumed, wrong])]
        yield SATISFIABLE, PROVED if self.ask(assumed) == "sat" else UNKNOWN

    def packet(self, before: Env) -> Env:
        """After a packet; that both sides send the same."""
        options, env = self.certificate.options, self.arriving(before)
        self.given += self.at("packet", env, before)
        self.given += [self.terms.value(expr, env) for expr in options.assume]
        counts, sent = [], []
        for side in self.sides:
            env = self.changed(env, side.enter(side.network.ingress, env, YES))
            self.never += [("a timer that holds a packet", held) for held in side.held]
            guards = [resized(guard, 16) for guard, _, _ in side.sent]
            ranks = [sum(guards[:n], z3.BitVecVal(0, 16)) for n in range(len(guards) + 1)]
            sent.append([(*one, rank) for one, rank in zip(side.sent, ranks, strict=False)])
            counts.append(ranks[-1])
        fields = [n for n, f in FIELDS.items() if f.on_wire and n not in options.ignore]
        differs = [counts[0] != counts[1]]
        for (x, port, packet, i), (y, to, other, j) in product(*sent):
            same = (packet[ir.Field, f] == other[ir.Field, f] for f in fields)
            differs.append(z3.And(x, y, i == j, z3.Not(z3.And(port == to, *same))))
        self.goals.append(("equal outputs", z3.Or(*differs)))
        return env

    def tick(self, period: int, before: Env) -> Env:
        """After all timers of a period fired, in the order of their making."""
        env = dict(before)
        self.given += self.at(f"tick {period}", env, before)
        for side, instance in ((s, i) for s in self.sides for i in s.network.instances):
            for timer in (t for t in instance.program.timers if t.delay == period):
                tags = {(ir.Tag, n): z3.BitVecVal(v, 32) for n, v in timer.tags}
                start = {**env, **self.dummy(), **tags}
                after = side.passes(instance, start, YES)
                as_it_was = (after[n] == start[n] for n in start if n[0] is ir.Tag)
                armed = after["delayed"], z3.Not(after["failed"]), after["delay"] == period
                again = z3.And(*armed, *as_it_was)
                self.never.append(
                    ("a timer that doesn't arm itself again as it was", z3.Not(again))
                )
                env = self.changed(env, after)
        return env

    def initial(self) -> Env:
        """Before the first packet: as declared, then `init` of each NF."""
        env: Env = {("state", n): self.terms.declared(n) for n in self.terms.variables}
        self.starting += self.at("start", env, env)
        for side, instance in ((s, i) for s in self.sides for i in s.network.instances):
            side.program, side.prefix = instance.program, side.prefixes[instance.name]
            start = {**env, **self.dummy()}
            env = self.changed(env, side.run(instance.program.init, {**start, **side.fresh(start)}))
        return env

    def at(self, name: str, env: Env, before: Env) -> list[Any]:
        """Gives an event its time: not before the last one, below 2^62 ns."""
        last, now = before["state", CLOCK][1], z3.BitVec(f"{name}.now", 64)
        env["now"], env["state", CLOCK] = now, (YES, now)
        return [z3.ULE(last, now), z3.ULT(now, z3.BitVecVal(1 << 62, 64))]

    def changed(self, env: Env, after: Env) -> Env:
        return {**env, **{name: after[name] for name in after if name[0] == "state"}}

    def dummy(self) -> Env:
        """A timer's own packet: no headers, all fields and tags 0."""
        env: Env = {("has", header): NO for header in Header}
        env |= {(ir.Field, n): z3.BitVecVal(0, f.width or 32) for n, f in FIELDS.items() if n != "vni"}
        env[ir.Field, "payload"] = self.terms.literal(b"", ir.BYTES)
        for instance in (i for s in self.sides for i in s.network.instances):
            for node in ir.walk(instance.program.init + instance.program.body):
                if isinstance(node, ir.Tag | ir.SetTag):
                    env[ir.Tag, node.name] = z3.BitVecVal(0, 32)
        return env

    def arriving(self, before: Env) -> Env:
        """Any frame that is not malformed, at any port that both sides have."""
        env = {**before, **self.dummy()}
        env |= {("has", header): z3.Bool(f"has {header.name}") for header in Header}
        env["has", Header.LINK] = YES
        for (kind, name), none in self.dummy().items():
            if kind is ir.Field:
                there = has(env, FIELDS[name].headers)
                env[kind, name] = ite(there, z3.BitVec(name, none.size()), none)
        for name, headers in (
            ("IP4", Header.IP4),
            ("IP6", Header.IP6),
            ("FRAG", Header.FRAG),
            ("L4", L4),
        ):
            env[ir.Field, name] = resized(has(env, headers), 1)
        ip4, ip6, frag, ip = (has(env, h) for h in (Header.IP4, Header.IP6, Header.FRAG, IP))
        kind, proto, size, iplen = (
            env[ir.Field, n] for n in ("ethertype", "proto", "size", "iplen")
        )
        icmp = z3.Or(z3.And(ip4, proto == 1), z3.And(ip6, proto == 58))
        numbers = {Header.TCP: proto == 6, Header.UDP: proto == 17, Header.ICMP: icmp}
        for header, number in numbers.items():
            self.given.append(z3.Implies(has(env, header), z3.And(ip, number)))
            self.given.append(z3.Implies(z3.And(ip, number, z3.Not(frag)), has(env, header)))
        least = sum((resized(has(env, h), 17) * n for h, n in BYTES.items()), z3.BitVecVal(0, 17))
        most = z3.If(ip4, z3.BitVecVal(65535, 17), z3.BitVecVal(65575, 17))
        ports = min(max(2, len(side.network.ports)) for side in self.sides)
        self.given += [
            z3.ULT(env[ir.Field, "iface"], ports), z3.Not(z3.And(ip4, ip6)), z3.Implies(frag, ip),
            ip4 == (kind == 0x0800), ip6 == (kind == 0x86DD), z3.Implies(ip4, resized(iplen, 17) == size),
            z3.Implies(ip, z3.And(z3.ULE(least, size), z3.ULE(size, most))),
        ]  # fmt: skip
        if self.certificate.options.drop_non_ip:
            self.given.append(ip)
        return env

    def holds(self, claim: Claim, env: Env, keys: list[Any]) -> Any:
        named = {(ir.Local, f"k{i}"): key for i, key in enumerate(keys)}
        return self.terms.value(claim.expr, {**env, **named})

    def instances(self, before: Env) -> list[Any]:
        """The relation before the event, at keys that the event and the goals touch."""
        found: dict[Key, Any] = {}
        for _ in range(ROUNDS):
            touched = list(self.terms.touched.values())
            for number, claim in enumerate(self.certificate.relation):
                for keys in bindings(claim, touched):
                    mark = (number, *(key.get_id() for key in keys))
                    if mark not in found and len(found) < MAX_INSTANCES:
                        found[mark] = self.holds(claim, before, keys)
        return list(found.values())

    def possible(self, condition: Any) -> bool:
        return self.ask([*self.given, condition], 2.0) != "unsat"

    def ask(self, claims: list[Any], seconds: float = 1e6) -> str:
        solver = z3.Solver()
        left = max(0.001, min(seconds, self.deadline - time.monotonic()))
        solver.set("timeout", int(left * 1000))
        solver.add(*self.terms.facts, *claims)
        return str(solver.check())


def bindings(claim: Claim, touched: list[tuple[str, Key]]) -> Iterator[list[Any]]:
    """Keys for a claim with which one of its reads, or two together, are of touched keys."""
    reads = [(n.var, [key_of(k) for k in n.keys]) for n in ir.walk((claim.expr,))
             if isinstance(n, ir.Read | ir.Has)]  # fmt: skip
    wanted = {f"k{i}" for i in range(len(claim.keys))}
    for count in (1, 2):
        for some in combinations(reads, count):
            if {name for _, names in some for name in names} >= wanted:
                for keys in product(*([k for n, k in touched if n == var] for var, _ in some)):
                    bound = {n: k for (_, names), key in zip(some, keys, strict=True)
                             for n, k in zip(names, key, strict=True)}  # fmt: skip
                    yield [resized(bound[f"k{i}"], t.width) if isinstance(t, ir.Bits) else
                           bound[f"k{i}"] for i, t in enumerate(claim.keys)]  # fmt: skip
        if any(set(names) >= wanted for _, names in reads):
            return


def key_of(expr: ir.Expr) -> str:
    """The claim's key that stands there, also by a conversion."""
    while isinstance(expr, ir.Cast):
        expr = expr.operand
    return expr.name if isinstance(expr, ir.Local) else ""
