"""What is asked about a fast path, and the answers: a closed type, as of `equiv`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nfverify.equivalence.audit import Audit
from nfverify.equivalence.question import DEFAULT_TIME
from nfverify.equivalence.verdict import Counterexample, Obligation
from nfverify.fastpath.plan import Plan
from nfverify.semantics.operators import Function

Forced = Literal["index", "epoch", "guard"]


@dataclass(frozen=True, slots=True)
class FastQuestion:
    """How the plan comes about, and limits. `started`: when the clock of `time_limit` began, s."""

    policy: Forced | None = None
    fault: str = ""  # name of one that is planted first
    operators: Mapping[str, Function] | None = None
    drop_non_ip: bool = False
    time_limit: float = DEFAULT_TIME
    depth: int | None = None
    started: float | None = None
    audit: Audit | None = None  # a second solver, or files, for each query


@dataclass(frozen=True, slots=True)
class Shape:
    """What a plan is made of: counts, and its variables by how their changes reach records."""

    classes: tuple[tuple[str, int, int, int], ...]  # name; conjuncts, values, paths
    policies: tuple[tuple[str, str], ...]
    watched: tuple[str, ...]
    slow: tuple[str, ...]  # why packets take the chain, each reason once

    @staticmethod
    def of(plan: Plan) -> Shape:
        classes = ((c.name, len(c.condition), len(c.values), len(c.paths)) for c in plan.classes)
        reasons = dict.fromkeys(s.reason for s in plan.slow)
        return Shape(tuple(classes), plan.policies, tuple(sorted(plan.watched())), tuple(reasons))

    @property
    def paths(self) -> int:
        return sum(paths for _, _, _, paths in self.classes)


@dataclass(frozen=True, slots=True)
class FastReport:
    """What holds whatever the verdict. `shape` is None where no plan was derived."""

    chain: str
    question: FastQuestion
    shape: Shape | None
    notes: tuple[str, ...]
    seconds: float
    deriving: float  # s of these


@dataclass(frozen=True, slots=True)
class FastEquivalent:
    """Outputs and state are the chain's for any packets, and records serve what they could."""

    report: FastReport
    obligations: tuple[Obligation, ...]


@dataclass(frozen=True, slots=True)
class FastDifferent:
    """A trace on which they part; a is the chain, b the chain with its fast path."""

    report: FastReport
    counterexample: Counterexample
    obligations: tuple[Obligation, ...]


@dataclass(frozen=True, slots=True)
class FastIdle:
    """Outputs and state are the chain's, but packets that a record could serve take the chain."""

    report: FastReport
    obligations: tuple[Obligation, ...]


@dataclass(frozen=True, slots=True)
class FastUnknown:
    """`depth`: no difference exists in traces of up to this many packets."""

    report: FastReport
    reason: str
    depth: int
    obligations: tuple[Obligation, ...]


FastVerdict = FastEquivalent | FastDifferent | FastIdle | FastUnknown

FAST_EXIT_CODE = {FastEquivalent: 0, FastDifferent: 1, FastIdle: 1, FastUnknown: 3}
FAST_NAME = {
    FastEquivalent: "equivalent",
    FastDifferent: "different",
    FastIdle: "idle",
    FastUnknown: "unknown",
}
