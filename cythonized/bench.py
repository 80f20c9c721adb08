"""How fast a build is: packets from memory, with the clock around nothing but the packets."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import median

from nfverify.cythonized.built import Built
from nfverify.cythonized.library import RunError

BURST = 256  # packets handed over at a time
LINE = 64  # frames begin at multiples of this, as NF_BENCH_LINE
PASSES = 5  # timed passes of a round, as many as the time allows but at least these
ENOUGH = 50_000_000  # ns of timed passes in a round, so that few packets are measured often
MOST_PASSES = 2_000
_HUGE = 2 << 20


class Memory:
    """Zeroed bytes on huge pages, where the system has them; `address` begins one."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._map = mmap.mmap(-1, size + _HUGE)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self._whole = (ctypes.c_char * (size + _HUGE)).from_buffer(self._map)
        start = ctypes.addressof(self._whole)
        self.address = (start + _HUGE - 1) // _HUGE * _HUGE
        ctypes.memset(self.address, 0, size)

    def copy(self, other: Memory) -> None:
        """Takes over what the other holds, which is as large."""
        ctypes.memmove(self.address, other.address, self.size)

    def read(self, at: int, length: int) -> bytes:
        return ctypes.string_at(self.address + at, length)

    def put(self, at: int, data: bytes, step: int = 1) -> None:
        """Bytes from `at` on, each `step` behind the one before."""
        at += self.address - ctypes.addressof(self._whole)
        self._map[at : at + len(data) * step : step] = data


class Traffic:
    """Frames in memory, at least one, and a copy of them to be rewritten; all on huge pages."""

    def __init__(self, frames: Sequence[bytes], times: Sequence[int]) -> None:
        self.count = count = len(frames)
        sizes = [len(frame) for frame in frames]
        steps = [-(-size // LINE) * LINE for size in sizes]
        self.starts = array("Q", accumulate(steps[:-1], initial=0))
        self.stride = steps[0] if len(set(steps)) == 1 else 0
        self.bytes = sum(sizes)
        self._original, self.frames = Memory(sum(steps) + LINE), Memory(sum(steps) + LINE)
        for frame, start in zip(frames, self.starts, strict=True):
            ctypes.memmove(self._original.address + start, frame, len(frame))
        self.lengths, self.times, self.out = (Memory(size * count) for size in (4, 8, 4))
        self.lengths.put(0, array("I", sizes).tobytes())
        self._sizes = sizes
        self._stamps, self._shift = array("Q", times), 0
        self.start()

    @property
    def verdicts(self) -> array[int]:
        """The port of each packet, or -1 where it was dropped."""
        return array("i", self.out.read(0, 4 * self.count))

    def restore(self) -> None:
        """The frames as they were."""
        self.frames.copy(self._original)

    def start(self) -> None:
        """Frames and times as they were."""
        self.restore()
        self.times.put(0, self._stamps.tobytes())
        self._shift = 0

    def later(self) -> None:
        """The same packets again, behind the last one."""
        self._shift += max(self._stamps) - min(self._stamps) + 1
        stamps = array("Q", [stamp + self._shift for stamp in self._stamps])
        self.times.put(0, stamps.tobytes())

    def frame(self, index: int) -> bytes:
        """A frame as it is now."""
        return self.frames.read(self.starts[index], self._sizes[index])


@dataclass(frozen=True, slots=True)
class Sample:
    """One round, ns for each packet: the first pass, from the state at the start, and the median of
    those after it (over `passes`); `memory`: bytes by which the process grew."""

    first: float
    ns: float
    passes: int
    memory: int


def measure(
    made: Built,
    traffic: Traffic,
    *,
    burst: int = BURST,
    passes: int = PASSES,
    enough: int = ENOUGH,
    rewrites: bool = True,
    timed: bool = True,
    after_first: Callable[[], None] | None = None,
) -> Sample:
    """One round from a fresh state; passes after the first see the tables as it left them.

    Outside the clock, before each pass: with `rewrites` the frames are restored, with `timed` their
    times moved on; else, all packets have the time of the state. MemoryError, RunError.
    """
    made.reset()
    gc.collect()
    traffic.start()
    before = resident()
    once = clock(made, traffic, burst, timed=timed)
    first = once()
    memory = max(0, resident() - before)
    if after_first is not None:
        after_first()
    took: list[int] = []
    while len(took) < passes or (sum(took) < enough and len(took) < MOST_PASSES):
        if rewrites:
            traffic.restore()
        if timed:
            traffic.later()
        took.append(once())
    return Sample(first / traffic.count, median(took) / traffic.count, len(took), memory)


def clock(made: Built, traffic: Traffic, burst: int, *, timed: bool = False) -> Callable[[], int]:
    """A call that runs all packets: ns."""
    run = made.library.calls.nf_bench_pass
    pointer, number = ctypes.c_void_p, ctypes.c_uint32
    run.argtypes = (*(pointer,) * 5, *(number,) * 3, ctypes.POINTER(ctypes.c_uint64))
    run.restype = ctypes.c_int32
    ns = ctypes.c_uint64()
    arguments = (
        *(made.core, traffic.frames.address, traffic.lengths.address),
        *(traffic.times.address if timed else None, traffic.out.address),
        *(traffic.count, burst, traffic.stride, ctypes.byref(ns)),
    )

    def once() -> int:
        error = run(*arguments)
        if error:
            raise RunError(f"{made.library.name}: error {error} in the benchmark", error)
        return ns.value

    return once


def resident() -> int:
    """Bytes of this process that are in memory; 0 where the system doesn't say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
