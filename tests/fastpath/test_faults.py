"""The faults that are planted in plans: each has a place, a text, and is another plan."""

from __future__ import annotations

import re

import pytest
from hand_plan import plan

from nfverify.fastpath.faults import FAULTS, Fault, applying, fault
from nfverify.fastpath.machine import FastMachine


def test_names_are_unique_and_can_be_typed() -> None:
    names = [f.name for f in FAULTS]
    assert len(set(names)) == len(names) >= 25
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)
    assert [fault(name) for name in names] == list(FAULTS)
    assert fault("none such") is None


@pytest.mark.parametrize("planted", FAULTS, ids=lambda f: f.name)
def test_a_fault_is_another_plan_that_still_runs_or_none(planted: Fault) -> None:
    other = planted.plant(plan())
    assert other != plan()
    if other is not None:
        assert planted.plant(plan()) == other
        FastMachine(other)


def test_those_that_apply() -> None:
    assert {f.name for f in applying(plan())} > {"checked-after", "event-of-timer"}
