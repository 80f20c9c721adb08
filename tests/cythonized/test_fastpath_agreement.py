"""Compiled fast paths do as their chains: outputs, state and counters on flows that come again."""

from functools import cache
from pathlib import Path
from random import Random

import pytest
from agreement import describe, difference, record_traffic, shrink
from engines import compiled, optimised

import nfverify
from nfverify.equivalence.fastpath.derive import derive
from nfverify.fastpath.plan import Plan
from nfverify.oracles.returning import Returning
from nfverify.semantics.machine import Machine
from nfverify.smat.load import load

ROOT = Path(nfverify.__file__).parents[1]
CHAINS = ("c1", "c2b", "c3", "c4", "c5", "c6", "c8", "chain")
POLICIES = ("index", "epoch", "guard")


@cache
def plan_of(name: str, policy: str | None = None) -> Plan:
    file = ROOT / ("benchmarks/models" if name == "chain" else "examples/fastpath") / f"{name}.nfd"
    return derive(load(str(file)), policy)


def agrees(plan: Plan, seed: int, count: int = 1500) -> None:
    network = plan.network
    trace = record_traffic(Returning(network, Random(seed)), Machine(network), count)
    with optimised("-O1"):
        maker = compiled(fastpath=plan)
        found = difference(trace, maker, Random(seed))
        if found is not None:
            raise AssertionError(describe(shrink(found, maker)))


@pytest.mark.parametrize("name", CHAINS)
def test_chains_agree(name: str) -> None:
    agrees(plan_of(name), 1)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ["c8"])
def test_every_policy_agrees(name: str, policy: str) -> None:
    agrees(plan_of(name, policy), 2)
