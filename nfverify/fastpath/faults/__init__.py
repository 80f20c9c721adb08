"""Faults to plant in a plan: the prover must refute each, and its trace must show it at run time.

The faults of fastpath papers and practice, one mistake each. Some are none: the last kind must be
proved like the plan itself.
"""

from __future__ import annotations

from nfverify.fastpath.faults.actions import ACTIONS
from nfverify.fastpath.faults.events import EVENTS
from nfverify.fastpath.faults.fault import Effect, Fault
from nfverify.fastpath.faults.records import RECORDS
from nfverify.fastpath.plan import Plan

__all__ = ["FAULTS", "Effect", "Fault", "applying", "fault"]

FAULTS = (*ACTIONS, *EVENTS, *RECORDS)


def fault(name: str) -> Fault | None:
    """The one of that name."""
    return next((f for f in FAULTS if f.name == name), None)


def applying(plan: Plan) -> tuple[Fault, ...]:
    """Those that a plan has a place for."""
    return tuple(f for f in FAULTS if f.plant(plan) is not None)
