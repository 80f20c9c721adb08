"""What the benchmarks share: the machine, rounds in which all cases take turns, medians."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeVar

K = TypeVar("K")


def machine() -> str:
    """The processor, as the system names it, and how busy it is."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "")
    return (
        f"{model or platform.processor()}, {os.cpu_count()} cores, Python"
        f" {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )


def interleaved(cases: Mapping[K, Callable[[], object]], rounds: int) -> dict[K, list[float]]:
    """Seconds of each case in each round; in a round the cases take turns, so that what else the
    machine does meets them all alike."""
    seconds: dict[K, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            began = perf_counter()
            case()
            seconds[name].append(perf_counter() - began)
    return seconds


def rows(
    seconds: Mapping[str, list[float]], to: Mapping[str, float], width: int = 40
) -> Iterator[str]:
    """A line for each case: median, extremes, and the median in relation to `to`, where given."""
    for name, times in seconds.items():
        middle = median(times)
        ratio = f"{middle / to[name]:8.2f}" if to.get(name) else ""
        yield (
            f"{name:{width}} {middle:8.3f} s  ({min(times):.3f} to {max(times):.3f}){ratio}"
        ).rstrip()
