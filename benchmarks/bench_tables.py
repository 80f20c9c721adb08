"""The compiled functions' tables: the longest wait while they grow, memory a flow, lookups.

Run as `python benchmarks/bench_tables.py [--rounds N] [--flows N]`. Flows have keys and values of
16 bytes. A round fills a table in a fresh process, in batches of 32 with a step of growth after
each; "own" leaves out the time in which the machine ran something else. Needs gcc.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path
from statistics import median

from measuring import machine

HERE = Path(__file__).resolve().parent
RUNTIME = HERE.parent / "cythonized" / "runtime"
FLAGS = ("-std=gnu11", "-O2", "-march=x86-64-v3", "-maes", "-Wall", "-Wextra", "-Werror")


def build(folder: Path) -> Path:
    program = folder / "bench_tables"
    source = HERE / "bench_tables.c"
    subprocess.run(["gcc", *FLAGS, f"-I{RUNTIME}", source, "-o", program], check=True)
    return program


def figures(program: Path, what: str, flows: int) -> list[int]:
    done = subprocess.run([program, what, str(flows)], capture_output=True, text=True, check=True)
    return [int(figure) for figure in done.stdout.split()]


def show_waits(program: Path, what: str, flows: int, rounds: int) -> None:
    runs = [figures(program, what, flows) for _ in range(rounds)]
    waits, own, means = (sorted(column) for column in zip(*runs, strict=True))
    print(
        f"{what:<10} {flows:>10,} flows: longest wait {median(waits) / 1e6:.2f} ms in the median "
        f"({waits[0] / 1e6:.2f}–{waits[-1] / 1e6:.2f}), own {median(own) / 1e6:.2f} ms "
        f"({own[0] / 1e6:.2f}–{own[-1] / 1e6:.2f}); {median(means):.0f} ns a flow"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--flows", type=int, default=10_000_000)
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        for what in ("fill", "fill-aged"):
            show_waits(program, what, arguments.flows, arguments.rounds)
        for what in ("memory", "memory-aged"):
            kilobytes = figures(program, what, 1_000_000)[0]
            print(f"{what:<11}  1,000,000 flows: {kilobytes / 1024:.1f} MB")
        for flows in (1_000, 10_000, 100_000, 1_000_000):
            hundredths = [figures(program, "lookup", flows)[0] for _ in range(3)]
            print(f"lookup      {flows:>10,} flows: {min(hundredths) / 100:.1f} ns")


if __name__ == "__main__":
    main()
