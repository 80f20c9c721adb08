"""The faults that are planted in plans: each has a place and shows on the chain that it names."""

from __future__ import annotations

import re

import pytest
from fast_plans import CHAINS, derived, parts, parts_on_traffic
from fast_traces import TRACES, colliding, events
from hand_plan import plan

from nfverify.fastpath.faults import FAULTS, Fault, applying, fault
from nfverify.packet.codec import Packet, parse

PACKETS = 400


def test_names_are_unique_and_can_be_typed() -> None:
    names = [f.name for f in FAULTS]
    assert len(set(names)) == len(names) >= 25
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)
    assert [fault(name) for name in names] == list(FAULTS)
    assert fault("none such") is None
    assert {f.chain for f in FAULTS} <= set(CHAINS)
    assert sum(f.effect == "different" for f in FAULTS) >= 25


@pytest.mark.parametrize("planted", FAULTS, ids=lambda f: f.name)
def test_a_fault_is_another_plan_that_still_runs_or_none(planted: Fault) -> None:
    other = planted.plant(plan())
    assert other != plan()
    if other is not None:
        assert planted.plant(plan()) == other
        parts_on_traffic(other, 1, 40)


def test_those_that_apply() -> None:
    assert {f.name for f in applying(plan())} > {"checked-after", "event-of-timer"}


@pytest.mark.parametrize("planted", FAULTS, ids=lambda f: f.name)
def test_a_fault_shows_on_its_chain(planted: Fault) -> None:
    right = derived(planted.chain)
    wrong = planted.plant(right)
    assert wrong is not None
    if planted.name in TRACES:
        trace = events(*TRACES[planted.name])
        assert parts(right, trace) is None
        assert parts(wrong, trace) == len(trace)
        return
    found = any(parts_on_traffic(wrong, seed, PACKETS)[0] for seed in range(5))
    assert found == (planted.effect == "different")


@pytest.mark.parametrize("chain", CHAINS)
def test_what_is_derived_agrees_with_the_chain(chain: str) -> None:
    for seed in range(2):
        parted, served = parts_on_traffic(derived(chain), seed, PACKETS)
        assert parted is None
        assert served > 40
        assert parts_on_traffic(derived(chain), seed, PACKETS, evict=0.3)[0] is None


def test_the_flows_that_collide_are_two() -> None:
    one, other = map(parse, colliding())
    assert isinstance(one, Packet)
    assert isinstance(other, Packet)
    assert (one.sport, one.dport) != (other.sport, other.dport)
