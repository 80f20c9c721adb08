"""Derived fast paths of random networks agree with them: every construct of the IR may occur."""

from __future__ import annotations

from random import Random

import pytest
from fast_plans import parts_on_traffic

from nfverify.equivalence.fastpath.derive import derive
from nfverify.lang.source import ModelError
from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.programs.networks import random_network
from nfverify.semantics.machine import RunawayError

SMALL = Options(depth=2, statements=2, variables=3)
FIRST, EACH = 300, 8


@pytest.mark.parametrize("block", range(6))
def test_random_networks(block: int) -> None:
    served = 0
    for seed in range(FIRST + EACH * block, FIRST + EACH * (block + 1)):
        try:
            plan = derive(random_network(Random(seed), SMALL))
            parted, count = parts_on_traffic(plan, seed, 150)
        except (ModelError, RunawayError):  # refused by name, or timers that never stop
            continue
        assert parted is None, seed
        served += count > 0
    assert served
