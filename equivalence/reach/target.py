"""The network whose goals are to be reached, cut down to the goals that are still open."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nfverify.equivalence.reach.script import Script
from nfverify.semantics.operators import Function
from nfverify.smat import ir

REACHED = "%reached"
GHOST = "%"
"""Names of state that only goals read and write; no model can have them."""

AGES = 1_000_000.0  # seconds: no deadline


@dataclass(frozen=True, slots=True)
class Target:
    """An instrumented network. `replay` says which goals a script reaches on the reference; None:
    the network's own machine does."""

    network: ir.Network
    operators: Mapping[str, Function] = field(default_factory=dict)
    non_ip_drop: bool = False
    replay: Callable[[Script], frozenset[int]] | None = None
    deadline: float = field(default_factory=lambda: time.monotonic() + AGES)
    notify: Callable[[str], None] = lambda text: None
