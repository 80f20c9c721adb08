"""Compiled with a fault in its plan, a fast path parts from its chain on traces that show it."""

from __future__ import annotations

import os
from random import Random

import pytest
from agreement import Trace, difference, record_events
from engines import compiled, optimised
from fast_plans import derived, parts_on_traffic
from fast_traces import TRACES, events

from nfverify.fastpath.faults import FAULTS, Fault
from nfverify.fastpath.plan import Plan
from nfverify.oracles.returning import Returning
from nfverify.oracles.trace import Event
from nfverify.semantics.machine import Machine

# One of each part of a plan: residual, state, header, output, sum, event, key, record. All of them
# with NFVERIFY_SEEK=1: building is what takes time.
SOME = (
    *("guard-left-out", "counter-in-record", "relative-as-constant", "port-as-recorded"),
    *("parallel-conflict", "drop-too-late", "event-of-timer", "hash-as-key"),
)
SHOWN = [f for f in FAULTS if f.effect == "different"]
TRIED = SHOWN if os.environ.get("NFVERIFY_SEEK") else [f for f in SHOWN if f.name in SOME]


def showing(planted: Fault, wrong: Plan) -> Trace:
    """What the reference parts on, and a few events more."""
    if planted.name in TRACES:
        return record_events(wrong.network, events(*TRACES[planted.name]))
    for seed in range(9):
        found, _ = parts_on_traffic(wrong, seed, 600)
        if found is not None:
            return record_events(wrong.network, traffic(wrong, seed, found + 20))
    raise AssertionError(f"no traffic shows {planted.name}")


def traffic(plan: Plan, seed: int, count: int) -> list[Event]:
    """As `parts_on_traffic` has it."""
    made, chain, found = Returning(plan.network, Random(seed)), Machine(plan.network), []
    for _ in range(count):
        found.append(made.event())
        made.saw(chain.step(*found[-1]))
    return found


@pytest.mark.parametrize("planted", TRIED, ids=lambda f: f.name)
def test_a_fault_shows_on_compiled_code(planted: Fault) -> None:
    wrong = planted.plant(derived(planted.chain))
    assert wrong is not None
    with optimised("-O1"):
        maker = compiled(fastpath=wrong)
        assert (
            difference(showing(planted, wrong), maker, Random(0), batch=1, cuts=False) is not None
        )
