"""Builds run as a chain of separate functions, or alone, with the clock around each burst."""

from __future__ import annotations

import ctypes
import subprocess
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nfverify.cythonized.bench import Traffic
from nfverify.cythonized.compiler import arguments
from nfverify.cythonized.host import NetworkFunction
from nfverify.cythonized.toolchain import toolchain

SOURCE = Path(__file__).parent / "c" / "stages.c"
KEPT = 0.95  # of the bursts, the quickest: the others met other work of the machine


class _Stage(ctypes.Structure):
    _fields_ = (
        ("core", ctypes.c_void_p),
        ("push", ctypes.c_void_p),
        ("flush", ctypes.c_void_p),
    )


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over a trace: ns of each burst; cycles of all of it, 0 if nobody counts them."""

    bursts: array[float]
    burst: int
    cycles: int

    def ns(self, packets: int | None = None) -> float:
        """For each packet, or each of the first ones, of the bursts that are kept."""
        count = len(self.bursts) if packets is None else packets // self.burst
        kept = sorted(self.bursts[:count])[: max(1, int(count * KEPT))]
        return sum(kept) / len(kept) / self.burst


@dataclass(frozen=True)
class Clock:
    """The harness, built into a folder."""

    folder: Path

    @cached_property
    def _library(self) -> ctypes.CDLL:
        tools, out = toolchain(), self.folder / "stages.so"
        flags = (*arguments(tools), "-shared")
        subprocess.run([tools.path, *flags, "-o", str(out), str(SOURCE)], check=True)
        return ctypes.CDLL(str(out))

    @cached_property
    def _counter(self) -> int:
        return int(self._library.nf_cycles_open())

    @property
    def counts_cycles(self) -> bool:
        """Whether this machine counts cycles for us."""
        return self._counter >= 0

    def run(
        self, chain: Sequence[NetworkFunction], traffic: Traffic, burst: int, *, alone: bool = False
    ) -> Pass:
        """One pass from the state that the builds have; `alone`: no burst waits for another."""
        stages = (_Stage * len(chain))(*(_stage(function) for function in chain))
        count = traffic.count
        bursts = -(-count // burst)
        ticks, totals = (ctypes.c_uint64 * bursts)(), (ctypes.c_uint64 * 2)()
        first = traffic.frames.address
        frames = (ctypes.c_void_p * count)(*(first + start for start in traffic.starts))
        lengths, verdicts = traffic.lengths.address, traffic.out.address
        error = self._library.nf_stages_pass(
            stages,
            ctypes.c_uint32(len(chain)),
            frames,
            ctypes.c_void_p(lengths),
            ctypes.c_void_p(verdicts),
            ctypes.c_uint32(count),
            ctypes.c_uint32(burst),
            ctypes.c_uint32(alone),
            ticks,
            self._counter,
            totals,
        )
        if error:
            raise RuntimeError(f"error {error} in the benchmark")
        scale = totals[0] / max(1, sum(ticks))
        return Pass(array("d", (tick * scale for tick in ticks)), burst, totals[1])


def _stage(function: NetworkFunction) -> _Stage:
    calls = function.library.calls
    push, flush = (ctypes.cast(f, ctypes.c_void_p) for f in (calls.nf_push, calls.nf_flush))
    return _Stage(function.core, push, flush)
