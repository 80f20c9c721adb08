"""The compiled functions' tables: the longest wait while they grow, memory a flow, lookups.

Run as `python benchmarks/bench_tables.py [--rounds N] [--flows N]`. Flows have keys and values of
16 bytes. A round fills a table in a fresh process, in batches of 32 with a step of growth after
each; "own" leaves out the time in which the machine ran something else. Needs gcc. Where DPDK is
there, its rte_hash stands beside them: it has a fixed size, and its hash isn't keyed.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path
from shutil import which
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


def build_rte_hash(folder: Path) -> Path | None:
    """The same figures of DPDK's hash table; None: there is no DPDK."""
    program = folder / "bench_rte_hash"
    if which("pkg-config") is None or subprocess.call(["pkg-config", "--exists", "libdpdk"]):
        return None
    told = [
        subprocess.run(["pkg-config", what, "libdpdk"], capture_output=True, text=True, check=True)
        for what in ("--cflags", "--libs")
    ]
    flags, libraries = (done.stdout.replace(" -I", " -isystem").split() for done in told)
    source = HERE / "bench_rte_hash.c"
    command: list[str | Path] = [
        "gcc",
        *flags,
        *FLAGS,
        "-Wno-unused-parameter",
        source,
        "-o",
        program,
        *libraries,
    ]
    subprocess.run(command, check=True)
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
        rte_hash = build_rte_hash(Path(folder))
        if rte_hash is not None:
            kilobytes = figures(rte_hash, "memory", 1_000_000)[0]
            print(f"rte_hash     1,000,000 flows: {kilobytes / 1024:.1f} MB")
        for flows in (1_000, 10_000, 100_000, 1_000_000, 10_000_000):
            hundredths = [figures(program, "lookup", flows)[0] for _ in range(3)]
            mean = min(figures(program, "fill", flows)[2] for _ in range(3))
            line = f"{flows:>10,} flows: lookup {min(hundredths) / 100:.1f} ns, insert {mean} ns"
            if rte_hash is not None:
                theirs = [figures(rte_hash, "lookup", flows)[0] for _ in range(3)]
                mean = min(figures(rte_hash, "fill", flows)[0] for _ in range(3))
                line += f"; rte_hash {min(theirs) / 100:.1f} and {mean} ns"
            print(line)


if __name__ == "__main__":
    main()
