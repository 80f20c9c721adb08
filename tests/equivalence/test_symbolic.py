"""The symbolic semantics held against the reference: random programs, states and packets."""

from random import Random

import pytest

from nfverify.equivalence.concrete import Reality
from nfverify.equivalence.constants import collect
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.oracle import Assignment
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import CLOCK, Event, Model, Problem, Side
from nfverify.equivalence.problem import Options as Compared
from nfverify.equivalence.simulate import START, Arrival, Pair, Traffic, new_pair
from nfverify.equivalence.terms import Terms
from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.programs.networks import random_network
from nfverify.packet.fields import FIELDS
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

WIRE = tuple(n for n, f in FIELDS.items() if f.on_wire)


def problem_of(network: ir.Network) -> Problem:
    side_a, side_b = Side("a", network), Side("b", network)
    return Problem(side_a, side_b, Compared(), RulesetPlan())


def check_step(event: Event, assignment: Assignment, pair: Pair, arrival: Arrival) -> None:
    """One packet through the machine and through the terms: same outputs, same state after."""
    assert event.packet is not None
    out = pair.machines[0].process(arrival.packet, arrival.time, arrival.port)
    after = pair.snapshot()
    guards = assignment.evaluate([e.guard for e in event.out_a])
    live = [e for e, g in zip(event.out_a, guards, strict=True) if g]
    assert len(live) == len(out)
    for emission, (port, packet) in zip(live, out, strict=True):
        terms = [emission.port, *[emission.packet.fields[n] for n in WIRE]]
        got = assignment.evaluate(terms)
        want = [port, *[assignment.raw(getattr(packet, n), ir.field_type(n)) for n in WIRE]]
        assert dict(zip(("port", *WIRE), got, strict=True)) == dict(
            zip(("port", *WIRE), want, strict=True)
        )
    post = event.post
    for name, variable in pair.problem.a.variables():
        if variable.constant:
            continue
        for key, values in after[name].items():
            keys = assignment.key_terms(name, key)
            got = assignment.evaluate([post.read(name, keys, i) for i in range(len(values))])
            back = [assignment.back(g, t) for g, t in zip(got, variable.values, strict=True)]
            assert tuple(back) == values, name
            assert assignment.evaluate([post.has(name, keys)]) == [True]
        for key in assignment.snapshot.get(name, {}):
            if key not in after[name]:
                assert assignment.evaluate([post.has(name, assignment.key_terms(name, key))]) == [
                    False
                ]


def run_differential(network: ir.Network, seed: int, packets: int) -> int:
    """How many steps were compared; 0 if the network is outside the symbolic semantics."""
    problem = problem_of(network)
    terms = Terms()
    model = Model(problem, terms)
    try:
        pre, _ = model.arbitrary_state()
        event = model.packet_event(pre, "p")
    except Unsupported:
        return 0
    pair = new_pair(problem, Machine)
    constants = collect((network, network))
    traffic = Traffic(problem, constants, Random(seed))
    source = traffic.packets([])
    time = START
    compared = 0
    for _ in range(packets):
        time += traffic.rng.choice((0, 1, 7, 60))
        arrival = Arrival(time, traffic.rng.randrange(problem.port_count), next(source))
        for machine in pair.machines:
            machine.advance(time)
            if machine.now is None:
                machine.process(arrival.packet, time, arrival.port)
        before = pair.snapshot()
        reality = Reality({}, {})
        assignment = Assignment(terms, pre, before, reality)
        assignment.values[f"{CLOCK}.0"] = time
        assert event.packet is not None
        assignment.arrive(event.packet, event.now, arrival)
        assert all(assignment.evaluate(list(event.facts)))
        check_step(event, assignment, pair, arrival)
        compared += 1
    return compared


@pytest.mark.parametrize("seed", range(150))
def test_random_networks(seed: int) -> None:
    options = Options(statements=3, depth=2, choose=False, timeouts=False, capacities=False)
    run_differential(random_network(Random(seed), options), seed, 25)


def test_random_networks_are_mostly_inside() -> None:
    options = Options(statements=3, depth=2, choose=False, timeouts=False, capacities=False)
    inside = sum(
        run_differential(random_network(Random(seed), options), seed, 1) for seed in range(100, 150)
    )
    assert inside >= 20
