"""What `generate` finds: a suite, and for every goal what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nfverify.equivalence.reach.outcome import Open, Unreachable
from nfverify.oracles.coverage.goals import Coverage, Goal, Instrumented
from nfverify.oracles.generate.manifest import Item


@dataclass(frozen=True, slots=True)
class Hit:
    """The goal is reached by the trace of this name."""

    goal: int
    trace: str


Fate = Hit | Unreachable | Open


@dataclass(frozen=True, slots=True)
class Generated:
    """A suite of a network. `fates` has every goal by its number."""

    instrumented: Instrumented
    coverage: Coverage
    seed: int
    items: tuple[Item, ...]
    fates: Mapping[int, Fate]
    seconds: Mapping[str, float]  # of the processor, by stage; nothing depends on it

    @property
    def goals(self) -> tuple[Goal, ...]:
        return self.instrumented.goals

    def count(self, kind: type[Fate]) -> int:
        """How many goals ended so."""
        return sum(isinstance(fate, kind) for fate in self.fates.values())
