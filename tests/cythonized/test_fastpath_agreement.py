"""Compiled fast paths do as their chains: outputs, state and counters on flows that come again."""

from functools import cache
from pathlib import Path
from random import Random

import pytest
from agreement import MAX_BATCH, describe, difference, record_traffic, shrink
from engines import compiled, optimised

import nfverify
from nfverify.cythonized.fastdrive import FEW
from nfverify.cythonized.options import Options
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


def agrees(plan: Plan, seed: int, count: int = 1500, options: Options | None = None) -> None:
    """In few packets at a time, of which each is asked for its record, and in many."""
    network = plan.network
    trace = record_traffic(Returning(network, Random(seed)), Machine(network), count)
    with optimised("-O1"):
        maker = compiled(options, plan)
        for batch in (FEW - 1, MAX_BATCH):
            found = difference(trace, maker, Random(seed), batch=batch)
            if found is not None:
                raise AssertionError(describe(shrink(found, maker)))


@pytest.mark.parametrize("name", CHAINS)
def test_chains_agree(name: str) -> None:
    agrees(plan_of(name), 1)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ["c8"])
def test_every_policy_agrees(name: str, policy: str) -> None:
    agrees(plan_of(name, policy), 2)


def test_few_records_agree() -> None:
    """Each new flow takes the place of another."""
    agrees(plan_of("c6"), 3, options=Options(records=5))


def test_records_come_serve_and_go() -> None:
    plan = plan_of("c6")
    traffic = Returning(plan.network, Random(4))
    events = [traffic.event() for _ in range(300)]
    with optimised("-O1"):
        nf = nfverify.compile(plan.network, fastpath=plan)
    for at in range(0, len(events), 10):
        some = events[at : at + 10]
        nf.process([e.frame for e in some], [e.time for e in some], [e.port for e in some])
    records = nf.records
    assert records is not None
    assert 0 < records.present == records.made < records.served
    nf.evict(records.present - 1)
    assert nf.records == records._replace(present=1, evicted=records.present - 1)
    nf.load_binary(nf.save_binary())
    assert nf.records is not None
    assert nf.records.present == 0


def test_a_plan_of_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="of another network: c6"):
        nfverify.compile(plan_of("c5").network, fastpath=plan_of("c6"))
