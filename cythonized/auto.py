"""Which of two builds of one model is faster on a trace, from its first packet to its last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from nfverify.cythonized.bench import BURST, Traffic, clock
from nfverify.cythonized.built import Built

ROUNDS = 5
ENOUGH = 200_000_000  # ns of all rounds, so that few packets are measured often
MOST_ROUNDS = 1_000


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians, ns for each packet."""

    chain: float
    fast: float

    @property
    def better(self) -> bool:
        """Is it faster with its fast path?"""
        return self.fast < self.chain


def measured(chain: Built, fast: Built, frames: Sequence[bytes], times: Sequence[int]) -> Measured:
    """Both on a trace of at least one packet, in turns, each time from the initial state, so that
    first packets of flows count as often as they come. MemoryError, RunError."""
    traffic = Traffic(frames, times)
    took: dict[bool, list[int]] = {False: [], True: []}
    while len(took[True]) < ROUNDS or (
        sum(took[False]) + sum(took[True]) < ENOUGH and len(took[True]) < MOST_ROUNDS
    ):
        for which, made in ((False, chain), (True, fast)):
            made.reset()
            traffic.start()
            took[which].append(clock(made, traffic, BURST, timed=True)())
    return Measured(median(took[False]) / traffic.count, median(took[True]) / traffic.count)
