"""What comparing two rulesets says, and what it may spend."""

from __future__ import annotations

from dataclasses import dataclass

from nfverify.equivalence.rulesets.kernel import SIEVE_MIN, TIDY
from nfverify.smat.ruleset import Bounds, Row


@dataclass(frozen=True, slots=True)
class Budget:
    """Cells that may be looked at, bytes, seconds. Only the seconds depend on the machine."""

    nodes: int = 20_000_000
    memory: int = 512 << 20
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Equal:
    """Both accept the same points; `method` says how that was found."""

    method: str


@dataclass(frozen=True, slots=True)
class Different:
    """At `point` (column: value) the first matches differ; None is the default, which drops."""

    point: dict[str, int]
    rule_a: Row | None
    rule_b: Row | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Neither could be shown; `reason` names the budget that ran out."""

    reason: str


Verdict = Equal | Different | Unknown


@dataclass(frozen=True, slots=True)
class Box:
    """A region where both lists are constant: inclusive bounds per column, and both verdicts."""

    bounds: dict[str, Bounds]
    accept_a: bool
    accept_b: bool


class InternalError(Exception):
    """A result that its own check refutes: a fault in this program, never a verdict."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Which layers take part, and from what size: for tests, which try all combinations."""

    match: bool = True
    sieve: int = SIEVE_MIN
    tidy: int = TIDY
    compiled: bool = True
