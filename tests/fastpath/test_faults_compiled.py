"""Compiled with a fault in its plan, a fast path parts from its chain on traces that show it."""

from __future__ import annotations

import os
from random import Random

import pytest
from agreement import Trace, difference, record_events
from engines import compiled, optimised
from fast_plans import derived, parts_on_traffic
from fast_traces import TRACES, events

from nfverify.fastpath.faults import FAULTS, Fault, fault
from nfverify.fastpath.plan import Plan
from nfverify.oracles.returning import Returning
from nfverify.oracles.trace import Event
from nfverify.semantics.machine import Machine

# One of each part of a plan: residual, state, header, output, event, key; on chains that are built
# quickly. All of them, on the chains that they name, with NFVERIFY_SEEK=1.
SOME = (
    *(("guard-left-out", "c6"), ("counter-in-record", "c9"), ("relative-as-constant", "c2b")),
    *(("port-as-recorded", "c6"), ("parallel-conflict", "c9"), ("drop-too-late", "c4")),
    ("event-of-timer", "c5"),
)
ALL = tuple((f.name, f.chain) for f in FAULTS if f.effect == "different")
TRIED = ALL if os.environ.get("NFVERIFY_SEEK") else SOME


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


@pytest.mark.parametrize(("name", "chain"), TRIED)
def test_a_fault_shows_on_compiled_code(name: str, chain: str) -> None:
    planted = fault(name)
    assert planted is not None
    wrong = planted.plant(derived(chain))
    assert wrong is not None
    with optimised("-O1"):
        maker = compiled(fastpath=wrong)
        assert (
            difference(showing(planted, wrong), maker, Random(0), batch=1, cuts=False) is not None
        )
