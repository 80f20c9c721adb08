"""One step of a network by the reference semantics, by its terms, and by Z3."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import z3

from nfverify.equivalence.concrete import Reality
from nfverify.equivalence.constants import collect
from nfverify.equivalence.oracle import Assignment
from nfverify.equivalence.packets import SymbolicPacket
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import CLOCK, Event, Model, Options, Problem, Side
from nfverify.equivalence.simulate import START, Arrival, Traffic, new_pair
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.state import State
from nfverify.equivalence.terms import Term, Terms, evaluate, subterms
from nfverify.equivalence.wrapping import marks_of
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet
from nfverify.packet.tunnel import has_vni
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

WIRE = tuple(n for n, f in FIELDS.items() if f.on_wire)
UNCHANGED = 2  # keys of each map that are looked at though nothing happened to them
PAUSES = (0, 0, 1, 1000, 7_000_000, 100_000_000, 10**9, 40 * 10**9)
FRESH_START = 300  # steps after which the machines begin anew

Answers = list[tuple[Term, int | bool]]
"""Terms of a step with the values that the reference semantics says they have."""


@dataclass(slots=True)
class Bench:
    """A network with its symbolic step; `steps` runs it on traffic of its own."""

    network: ir.Network
    seed: int = 1
    pauses: tuple[int, ...] = PAUSES
    problem: Problem = field(init=False)
    terms: Terms = field(default_factory=Terms)
    pre: State = field(init=False)
    event: Event = field(init=False)

    def __post_init__(self) -> None:
        side_a, side_b = Side("a", self.network), Side("b", self.network)
        self.problem = Problem(side_a, side_b, Options(), RulesetPlan())
        model = Model(self.problem, self.terms)
        self.pre, _ = model.arbitrary_state()
        self.event = model.packet_event(self.pre, "p")

    def steps(self, count: int) -> Iterator[tuple[Assignment, Answers]]:
        """What is known before each of so many packets, and what must come out of the terms."""
        rng = Random(self.seed)
        traffic = Traffic(self.problem, collect((self.network, self.network)), rng)
        for number in range(count):
            if number % FRESH_START == 0:
                pair = new_pair(self.problem, Machine)
                replies: list[Packet] = []
                source = traffic.packets(replies)
                now = START
            now += rng.choice(self.pauses)
            arrival = Arrival(now, rng.randrange(self.problem.port_count), next(source))
            machine = pair.machines[0]
            machine.wait(now, start=True)  # `init`, and the timers that are due
            before = pair.snapshot()
            before[CLOCK] = {(): (now,)}
            assignment = Assignment(self.terms, self.pre, before, Reality({}, {}))
            assert self.event.packet is not None
            assignment.arrive(self.event.packet, self.event.now, arrival)
            assert all(assignment.evaluate(list(self.event.facts)))
            out = machine.process(arrival.packet, arrival.time, arrival.port)
            replies += [p for _, p in out]
            after = pair.snapshot()
            answers = [*self._outputs(assignment, out), *self._state(assignment, after, rng)]
            yield assignment, answers

    def _outputs(self, assignment: Assignment, out: list[tuple[int, Packet]]) -> Answers:
        guards = assignment.evaluate([e.guard for e in self.event.out_a])
        live = [e for e, g in zip(self.event.out_a, guards, strict=True) if g]
        assert len(live) == len(out)
        found: Answers = []
        for emission, (port, packet) in zip(live, out, strict=True):
            found += [(emission.guard, True), (emission.port, port)]
            found += [
                (
                    emission.packet.fields[n],
                    assignment.raw(getattr(packet, n), ir.field_type(n)),
                )
                for n in WIRE
            ]
            if emission.packet.layer is not None:
                found += self._layer(assignment, emission.packet, packet)
        return found

    def _layer(self, assignment: Assignment, packet: SymbolicPacket, real: Packet) -> Answers:
        """Headers, tags, lengths and all bytes that no field shows."""
        layer = packet.layer
        assert layer is not None
        return [
            *[(term, bool(real.present & h)) for h, term in packet.present.items()],
            (packet.fields["vni"], real.vni),
            (packet.fields["size"], real.size),
            *zip(layer.tags.terms(), marks_of(real), strict=True),
            (layer.vxlan, has_vni(real)),
            (layer.captured, len(real.frame)),
            (layer.count, real.tunnels),
            (layer.rest, assignment.wrapping.rest(real)),
        ]

    def _state(self, assignment: Assignment, after: dict, rng: Random) -> Answers:  # type: ignore[type-arg]  # a Snapshot
        post, before, found = self.event.post, assignment.snapshot, []
        for name, variable in self.problem.a.variables():
            if variable.constant:
                continue
            old, new = before.get(name, {}), after.get(name, {})
            changed = [k for k in {**old, **new} if old.get(k) != new.get(k)]
            same = [k for k in new if k not in changed]
            for key in (*changed, *rng.sample(same, min(UNCHANGED, len(same)))):
                keys = assignment.key_terms(name, key)
                values = new.get(key, variable.default)
                found.append((post.has(name, keys), key in new))
                found += [
                    (post.read(name, keys, i), assignment.raw(v, t))
                    for i, (v, t) in enumerate(zip(values, variable.values, strict=True))
                ]
        return found


def by_terms(assignment: Assignment, answers: Answers) -> list[str]:
    """Where evaluated terms say something else, in words."""
    got = assignment.evaluate([term for term, _ in answers])
    return [
        f"{value} for {want}: {term!r:.200}"
        for (term, want), value in zip(answers, got, strict=True)
        if value != want
    ]


def _constants(assignment: Assignment, answers: Answers) -> list[tuple[Term, Term]]:
    """Each symbol and application below the answers, with its value as a constant."""
    terms = assignment.terms
    leaves = [t for t in subterms([t for t, _ in answers]) if t.op in ("var", "uf")]
    return [
        (leaf, terms.const(int(v), leaf.width) if leaf.width else terms.boolean(bool(v)))
        for leaf, v in zip(leaves, assignment.evaluate(leaves), strict=True)
    ]


def by_z3(assignment: Assignment, answers: Answers) -> list[str]:
    """Where Z3's expressions say something else with constants put in for symbols, in words."""
    translate = Translator()
    constants = [(translate(t), translate(c)) for t, c in _constants(assignment, answers)]
    wrong = []
    for term, want in answers:
        value = z3.simplify(z3.substitute(translate(term), *constants))
        shown = translate(assignment.terms.const(int(want), term.width)) if term.width else None
        same = value.eq(shown) if shown is not None else z3.is_true(value) == want
        if not same:
            wrong.append(f"{value} for {want}: {term!r:.200}")
    return wrong


def by_solver(assignment: Assignment, answers: Answers) -> list[str]:
    """Where a solver's model says something else, once it is told the symbols' values, in words."""
    solver = Solver(Translator(), "", deadline=time.monotonic() + 20, rlimit=20_000_000)
    for leaf, constant in _constants(assignment, answers):
        solver.add(_equal(assignment.terms, leaf, constant))
    if solver.check() != "sat":
        return ["the values of the symbols contradict each other"]
    return [
        f"{solver.value(term)} for {want}: {term!r:.200}"
        for term, want in answers
        if solver.value(term) != want
    ]


def _equal(terms: Terms, a: Term, b: Term) -> Term:
    """Equality as Z3 shall see it, without the rewriting of `terms.eq`."""
    return terms._make("eq", (a, b), 0)


def value_of(term: Term, values: dict[str, int | bool]) -> int | bool:
    """A term without applications, evaluated."""
    return evaluate([term], lambda t: values[t.data], lambda *_: 0)[0]
