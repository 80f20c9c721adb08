"""What a planted fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from nfverify.fastpath.plan import Plan

Effect = Literal["different", "slow", "none"]
"""What a fault does on its chain: other outputs or state; the same, but records that don't serve
what they could; nothing (a plan that is as right as before)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake that plans could have: `plant` makes it, or is None where there is no place for it.

    `chain` names one in examples/fastpath on which `effect` shows; on others it may not.
    """

    name: str
    text: str
    plant: Callable[[Plan], Plan | None]
    chain: str
    effect: Effect = "different"
