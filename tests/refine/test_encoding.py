"""What the symbolic step says of choices, held against the reference: random programs, states,
packets and choices."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from encoding import PAUSES, Bench, by_terms

from nfverify.equivalence.concrete import Reality
from nfverify.equivalence.constants import collect
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.oracle import Assignment
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import CLOCK, Model, Options, Problem, Side
from nfverify.equivalence.simulate import START, Arrival, Traffic, new_pair
from nfverify.equivalence.symbolic import Choice, Chosen
from nfverify.equivalence.terms import Term, Terms
from nfverify.oracles.programs.expressions import Options as Making
from nfverify.oracles.programs.networks import random_network
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

MAKING = Making(
    statements=4, depth=2, choose=True, timeouts=False, capacities=False, timers=False,
    headers=False,
)  # fmt: skip
SAMPLES = (-3, 0, 1, 2, 5, 65535, 65536, 70000)
Made = tuple[str, str, int | None, tuple[tuple[int, bool], ...]]


class Hand:
    """Chooses at random among what fits, and remembers what fitted."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.made: list[Made] = []

    def __call__(
        self, instance: str, node: ir.Choose, candidates: range, fits: Callable[[int], bool]
    ) -> int | None:
        assert isinstance(node.type, ir.Bits)
        near = {ir.wrap(v, node.type) for v in (*SAMPLES, candidates.start, candidates.stop)}
        asked = tuple((v, v in candidates and fits(v)) for v in sorted(near))
        fitting = [v for v in candidates[:300] if fits(v)]
        if not fitting:
            fitting = [v for v in candidates if fits(v)][:1]
        value = self.rng.choice(fitting) if fitting else None
        self.made.append((instance, node.name, value, asked))
        return value


class Choosing(Bench):
    """A symbolic step in which both sides choose."""

    chosen: tuple[tuple[Chosen, ...], ...]


def bench_of(network: ir.Network) -> Choosing | None:
    """None if the network is outside the symbolic semantics."""
    bench = Choosing.__new__(Choosing)
    sides = Side("a", network), Side("b", network)
    bench.network, bench.seed, bench.pauses = network, 1, PAUSES
    bench.problem = Problem(*sides, Options(), RulesetPlan())
    bench.terms = terms = Terms()
    model = Model(bench.problem, terms)

    def free(letter: str) -> Callable[[Choice], tuple[Term, Term]]:
        def choose(choice: Choice) -> tuple[Term, Term]:
            label = f"{letter} choice {choice.number}"
            return terms.var(label, choice.low.width), terms.var(f"{label} none", 0)

        return choose

    for letter, executor in zip("ab", model.executors, strict=True):
        executor.chooser = free(letter)
    try:
        bench.pre, _ = model.arbitrary_state()
        bench.event = model.packet_event(bench.pre, "p")
    except Unsupported:
        return None
    bench.chosen = tuple(tuple(e.chosen) for e in model.executors)
    return bench


def bind(assignment: Assignment, chosen: tuple[Chosen, ...], made: list[Made]) -> int:
    """Gives the symbols the values that were chosen: just the choices that are come to, in this
    order, with the same answers to what fits."""
    left = list(made)
    for one in chosen:
        assignment.values[one.value.data] = 0
        assignment.values[one.none.data] = False
    for one in chosen:
        (come_to,) = assignment.evaluate([one.choice.guard])
        if not come_to:
            continue
        instance, name, value, asked = left.pop(0)
        assert (one.choice.instance, one.choice.node.name) == (instance, name)
        type_ = one.choice.node.type
        for number, fits in asked:
            term = assignment.terms.const(int(assignment.raw(number, type_)), one.value.width)
            assert assignment.evaluate([one.choice.fits(term)]) == [fits], (number, name)
        assignment.values[one.none.data] = value is None
        assignment.values[one.value.data] = assignment.raw(value or 0, type_)
    assert left == []
    return len(made)


def compared(network: ir.Network, seed: int, packets: int) -> int:
    """How many choices were compared."""
    bench = bench_of(network)
    if bench is None:
        return 0
    hands = Hand(seed), Hand(seed + 1)
    rng = Random(seed)
    machines = iter(hands)
    pair = new_pair(bench.problem, lambda n: Machine(n, chooser=next(machines)))
    traffic = Traffic(bench.problem, collect((network, network)), rng)
    source = traffic.packets([])
    now, count = START, 0
    for _ in range(packets):
        now += rng.choice((0, 1, 7, 60))
        arrival = Arrival(now, rng.randrange(bench.problem.port_count), next(source))
        for machine in pair.machines:
            machine.wait(now, start=True)
        before = pair.snapshot()
        before[CLOCK] = {(): (now,)}
        assignment = Assignment(bench.terms, bench.pre, before, Reality({}, {}))
        assert bench.event.packet is not None
        assignment.arrive(bench.event.packet, bench.event.now, arrival)
        for hand in hands:
            hand.made.clear()
        outs = [m.process(arrival.packet, arrival.time, arrival.port) for m in pair.machines]
        for hand, chosen in zip(hands, bench.chosen, strict=True):
            count += bind(assignment, chosen, hand.made)
        answers = [
            *bench._outputs(assignment, outs[0]),
            *bench._state(assignment, pair.snapshot(), rng),
        ]
        assert by_terms(assignment, answers) == []
    return count


@pytest.mark.parametrize("chunk", range(4))
def test_random_networks(chunk: int) -> None:
    found = 0
    for seed in range(chunk * 18, chunk * 18 + 18):
        found += compared(random_network(Random(f"choose {seed}"), MAKING), seed, 15)
    assert found > 40
