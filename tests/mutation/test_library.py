"""Full suites of library models notice nearly all mutants, and what is set aside is equivalent."""

from random import Random

import pytest

from nfverify.oracles.generate.packets import events
from nfverify.oracles.generate.pipeline import Limits, generate
from nfverify.oracles.mutation.grading import Effort, grade
from nfverify.oracles.mutation.killing import Suite
from nfverify.oracles.trace import Event, Trace
from nfverify.oracles.traffic import Traffic
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.smat.load import load


@pytest.mark.parametrize(
    "name", ["firewall", "firewall-stateful", "rate-limiter", "encrypt", "super-spreader"]
)
def test_a_full_suite_kills_98_percent(name: str) -> None:
    network = load(f"lib:{name}")
    made = generate(network, "full", limits=Limits(prove=False))
    traces = [events(item.script) for item in made.items]
    found = grade(network, traces, effort=Effort(seconds=60))
    missed = [o.mutant.text for o in found.outcomes if o.fate not in ("killed", "equivalent")]
    assert found.score >= 0.98, missed
    assert found.packets <= 4000
    equal = [o.mutant.network for o in found.outcomes if o.fate == "equivalent"]
    assert equal
    attack = Suite(network, [random_trace(network, seed) for seed in range(4)])
    for mutant in equal:
        assert attack.kill(mutant) is None


def random_trace(network: ir.Network, seed: int) -> Trace:
    traffic, machine = Traffic(network, Random(seed)), Machine(network)
    found: list[Event] = []
    for _ in range(250):
        event = traffic.event()
        traffic.saw(machine.step(*event))
        found.append(event)
    return tuple(found)
