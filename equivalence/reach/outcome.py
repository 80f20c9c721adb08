"""What became of a goal: a trace that reaches it, a proof that none does, or how far was looked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nfverify.equivalence.reach.script import Script
from nfverify.equivalence.verdict import Obligation

Method = Literal["seeds", "bounded", "accelerated", "renamed", "segments"]


@dataclass(frozen=True, slots=True)
class Reached:
    """A script from the initial state, replayed on the reference: `goals` are all open goals that
    it reaches. `minimal`: no shorter trace reaches one of them."""

    script: Script
    goals: frozenset[int]
    method: Method
    minimal: bool = False


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No trace of any length reaches the goal: by a relation that holds always, and obligations
    that were proved again from scratch."""

    goal: int
    method: Literal["one step", "induction"]
    relation: tuple[str, ...]
    obligations: tuple[Obligation, ...]


@dataclass(frozen=True, slots=True)
class Open:
    """Neither; no trace of up to `depth` packets reaches it. `packets`: about how many a trace
    would need, where that is known."""

    goal: int
    depth: int
    reason: str
    packets: int | None = None


Outcome = Reached | Unreachable | Open
