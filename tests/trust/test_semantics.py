"""The checker's own steps held against the reference semantics: what both sides of a certificate
have in common is not seen by any attack on certificates."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
import z3

import nfverify.models
from nfverify.checker.check import Check
from nfverify.checker.semantics import Unchecked
from nfverify.equivalence.constants import collect
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import CLOCK, Problem, Side
from nfverify.equivalence.problem import Options as Compared
from nfverify.equivalence.simulate import START, Traffic, new_pair
from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.programs.networks import random_network
from nfverify.packet.fields import FIELDS, Header
from nfverify.packet.packet import Packet
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.smat.certificate import Certificate
from nfverify.smat.certificate import Options as Claimed
from nfverify.smat.load import load

LIBRARY = sorted(p.stem for p in Path(nfverify.models.__file__).parent.glob("*.nfd"))
UNCHECKED = {"vxlan"}
OPTIONS = Options(
    statements=3, depth=2, choose=False, timeouts=False, capacities=False, headers=False,
    operators=False, payload=False,
)  # fmt: skip
NOTHING = Claimed((), (), (), (), False)
PAUSES = (0, 1, 7, 60)  # as short as the timers of random networks


@dataclass(slots=True)
class Bench:
    """A network on both sides of a certificate, and its step as the checker has it."""

    network: ir.Network
    check: Check = field(init=False)
    before: dict[Any, Any] = field(init=False)
    after: dict[Any, Any] = field(init=False)

    def __post_init__(self) -> None:
        certificate = Certificate(self.network, self.network, ("a", "b"), NOTHING, (), ())
        self.check = Check(certificate, time.monotonic() + 60)
        terms = self.check.terms
        self.before = {("state", name): terms.arbitrary(name) for name in terms.variables}
        self.after = self.check.packet(self.before)

    def steps(self, seed: int, count: int) -> Iterator[list[str]]:
        """Where a step of the reference semantics is another one, in words; for each step."""
        problem = Problem(
            Side("a", self.network), Side("b", self.network), Compared(), RulesetPlan()
        )
        rng = Random(seed)
        traffic = Traffic(problem, collect((self.network, self.network)), rng)
        pair, replies = new_pair(problem, Machine), list[Packet]()
        source, now = traffic.packets(replies), START
        machine = pair.machines[0]
        for _ in range(count):
            now += rng.choice(PAUSES)
            packet, port = next(source), rng.randrange(problem.port_count)
            machine.wait(now, start=True)  # `init`, and the timers that are due
            old = {**pair.snapshot(), CLOCK: {(): (now,)}}
            packet.iface = port
            world = World(self, self._constants(old, packet, now))
            out = machine.process(packet, now, port)
            replies += [sent for _, sent in out]
            yield [*world.facts(), *world.outputs(out), *world.state(old, pair.snapshot())]

    def _constants(self, state: Any, packet: Packet, now: int) -> list[tuple[Any, Any]]:
        found = [(z3.BitVec("packet.now", 64), z3.BitVecVal(now, 64))]
        found += [(z3.Bool(f"has {h.name}"), z3.BoolVal(bool(packet.present & h))) for h in Header]
        for name, info in FIELDS.items():
            value = self.value(getattr(packet, name), ir.field_type(name))
            found.append((z3.BitVec(name, info.width or 32), value))
        for (_, name), stores in self.before.items():
            variable = self.check.terms.variables[name]
            if variable.constant or name[0] == "b":
                continue
            declared = self.check.terms.declared(name)
            for key, values in state.get(name, {}).items():
                at = tuple(map(self.value, key, variable.keys))
                new = tuple(map(self.value, values, variable.values))
                made = {("state", name): declared}
                declared = self.check.terms.stored(made, name, at, new)["state", name]
            found += [(s, d) for s, d in zip(stores, declared, strict=True) if not s.eq(d)]
        return found

    def value(self, value: ir.Value, type_: ir.Type) -> Any:
        return self.check.terms.literal(value, type_)


@dataclass(slots=True)
class World:
    """The values of all symbols at one step."""

    bench: Bench
    constants: list[tuple[Any, Any]]

    def says(self, what: str, term: Any, wanted: Any) -> Iterator[str]:
        value = z3.simplify(z3.substitute(term, *self.constants))
        if not value.eq(z3.simplify(wanted)):
            yield f"{what}: {value} for {wanted}"

    def true(self, term: Any) -> bool:
        return z3.is_true(z3.simplify(z3.substitute(term, *self.constants)))

    def facts(self) -> Iterator[str]:
        """What is taken for granted of frames is true of this one."""
        for fact in self.bench.check.given:
            if not self.true(fact):
                yield f"given: {fact}"

    def outputs(self, out: list[tuple[int, Packet]]) -> Iterator[str]:
        sent = [one for one in self.bench.check.sides[0].sent if self.true(one[0])]
        if len(sent) != len(out):
            yield f"{len(sent)} packets for {len(out)}"
            return
        for (_, term, env), (port, packet) in zip(sent, out, strict=True):
            yield from self.says("port", term, z3.BitVecVal(port, 16))
            for name, info in FIELDS.items():
                if info.on_wire:
                    value = self.bench.value(getattr(packet, name), ir.field_type(name))
                    yield from self.says(name, env[ir.Field, name], value)

    def state(self, old: Any, new: Any) -> Iterator[str]:
        bench, terms = self.bench, self.bench.check.terms
        for name, variable in terms.variables.items():
            if variable.constant or name[0] == "b" or name == CLOCK:
                continue
            before, after = old.get(name, {}), new.get(name, {})
            keys = [k for k in {**before, **after} if before.get(k) != after.get(k)]
            for key in dict.fromkeys([*keys, *list(after)[:2]]):
                at = tuple(map(bench.value, key, variable.keys))
                there, *values = terms.look(name, bench.after, at)
                yield from self.says(f"{key} in {name}", there, z3.BoolVal(key in after))
                wanted = map(bench.value, after.get(key, variable.default), variable.values)
                for term, value in zip(values, wanted, strict=True):
                    yield from self.says(f"{name}[{key}]", term, value)


def opaque(network: ir.Network) -> bool:
    """Has it operators, of which the checker knows no values, or writes payloads?"""
    return any(
        isinstance(node, ir.Apply) or (isinstance(node, ir.SetField) and node.name == "payload")
        for instance in network.instances
        for node in ir.walk(instance.program.init + instance.program.body)
    )


@pytest.mark.parametrize("name", [n for n in LIBRARY if n not in UNCHECKED])
def test_library(name: str) -> None:
    network = load(f"lib:{name}")
    if opaque(network):
        return
    for wrong in Bench(network).steps(1, 6):
        assert wrong == []


def test_random_networks() -> None:
    """All constructs of the language and all operators, as the judge has them."""
    compared = 0
    for seed in range(2000, 3000 if os.environ.get("NFVERIFY_SEEK") else 2020):
        network = random_network(Random(seed), OPTIONS)
        if opaque(network):
            continue
        try:
            bench = Bench(network)
        except Unchecked:
            continue
        for wrong in bench.steps(seed, 4):
            assert wrong == [], seed
            compared += 1
    assert compared >= 40
