"""How long a model takes from text to a loaded function: commands, and in one process.

Run as `python benchmarks/bench_build.py [--rounds N]`. Wall-clock seconds, and in brackets those of
the processors that the build itself used. "first": nothing is cached, "again": all is. Needs gcc.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import median
from time import perf_counter

from measuring import machine

TARGETS = {"library NF": "lib:napt", "chain of 4 NFs": "lib:edge"}
LIBRARY = [f"lib:{name}" for name in ("monitor", "firewall-stateful", "lb", "rate-limiter")]

# In a fresh process: a first model, others, and all of them again.
_PROCESS = """
import sys
from time import perf_counter
import nfverify
for name in sys.argv[1:]:
    start = perf_counter()
    nfverify.compile(name)
    print(perf_counter() - start)
"""


def processor() -> float:
    used = (getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in used)


def timed(do: Callable[[], object]) -> tuple[float, float]:
    """Wall clock and processor seconds."""
    before, start = processor(), perf_counter()
    do()
    return perf_counter() - start, processor() - before


def call(*command: str, cache: Path) -> str:
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(
        [sys.executable, *command], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


def show(name: str, runs: list[tuple[float, float]]) -> None:
    wall, used = ([run[at] for run in runs] for at in (0, 1))
    print(
        f"{name:<44} {median(wall):6.2f} s ({min(wall):.2f}–{max(wall):.2f})"
        f"  [{median(used):.2f} s]"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(machine())
    rows: dict[str, list[tuple[float, float]]] = {}
    loads: dict[str, list[float]] = {}
    for _ in range(rounds):
        for what, target in TARGETS.items():
            with tempfile.TemporaryDirectory() as folder:
                cache = Path(folder)
                command = ("-m", "nfverify", "build", target, "-o", folder, "--quiet")
                for kind in ("first", "again"):
                    took = timed(lambda c=command, k=cache: call(*c, cache=k))
                    rows.setdefault(f"nfverify build, {what}, {kind}", []).append(took)
        with tempfile.TemporaryDirectory() as folder:
            for kind in ("", ", cached"):
                said = call("-c", _PROCESS, *LIBRARY, TARGETS["chain of 4 NFs"], cache=Path(folder))
                first, *more, chain = map(float, said.split())
                loads.setdefault(f"compile, first model of a process{kind}", []).append(first)
                loads.setdefault(f"compile, further models{kind}", []).extend(more)
                loads.setdefault(f"compile, a further chain of 4{kind}", []).append(chain)
    for name, runs in rows.items():
        show(name, runs)
    for name, times in loads.items():
        print(f"{name:<44} {median(times):6.3f} s ({min(times):.3f}–{max(times):.3f})")


if __name__ == "__main__":
    main()
