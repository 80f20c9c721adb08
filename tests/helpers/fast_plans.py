"""Derived plans of the chains in examples/fastpath, and how soon a plan parts from its chain."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from random import Random

from nfverify.equivalence.fastpath.derive import derive
from nfverify.fastpath.machine import FastMachine
from nfverify.fastpath.plan import Plan
from nfverify.oracles.returning import Returning
from nfverify.oracles.trace import Event
from nfverify.semantics.machine import Machine
from nfverify.smat.load import load

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/fastpath"
CHAINS = ("c1", "c2", "c2b", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10")


@cache
def derived(chain: str) -> Plan:
    """The plan of one of the examples."""
    return derive(load(f"{EXAMPLES / chain}.nfd:{chain}"))


def parts(plan: Plan, events: Iterable[Event]) -> int | None:
    """After how many events outputs or state differ from the chain's."""
    fast, chain = FastMachine(plan), Machine(plan.network)
    for count, event in enumerate(events, 1):
        if fast.step(*event) != chain.step(*event) or fast.snapshot() != chain.snapshot():
            return count
    return None


def parts_on_traffic(
    plan: Plan, seed: int, count: int, evict: float = 0.0
) -> tuple[int | None, int]:
    """As `parts`, on traffic of few flows, and how many packets a record served; the state is
    compared now and then. With probability `evict` a record vanishes before a packet."""
    fast, chain = FastMachine(plan), Machine(plan.network)
    rng, traffic = Random(seed + 1), Returning(plan.network, Random(seed))
    for number in range(1, count + 1):
        event = traffic.event()
        if rng.random() < evict:
            fast.evict(rng)
        out = chain.step(*event)
        if fast.step(*event) != out:
            return number, fast.served
        if number % 20 == 0 and fast.snapshot() != chain.snapshot():
            return number, fast.served
        traffic.saw(out)
    return (None if fast.counters == chain.counters else count), fast.served
