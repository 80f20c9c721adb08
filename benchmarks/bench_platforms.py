"""Programs of the platforms linux and dpdk beside the Cython build of the same models, from memory.

Run as `python benchmarks/bench_platforms.py YARDSTICK`, or with the folder in NFVERIFY_YARDSTICK,
which holds make_traces.py. In each round all take turns on the same packets, each with a state of
its own: one pass, then the median of at least five more over the state as it is (`--bench` of the
programs, `measure` of cythonized/bench.py). `--lines` counts lines of code instead.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log
from pathlib import Path
from statistics import mean, median

import sizes
from expert import TRACES, Yardstick
from measuring import machine
from pages import fill, table

from nfverify.cythonized.bench import measure
from nfverify.cythonized.host import compile as compile_
from nfverify.oracles.platforms import building, registry
from nfverify.oracles.platforms.platform import Build
from nfverify.smat.load import load

MODELS = Path(__file__).parent / "models"
NAMES = ("mon", "napt", "lb", "sfw5", "fw10", "fw1000", "chain")
REWRITES = frozenset({"napt", "lb", "chain"})
PLATFORMS = ("linux", "dpdk")
CYTHON = "cython"
LIMIT = 1.10
Case = tuple[str, str, str]  # model, trace, engine


@dataclass(slots=True)
class Figures:
    """ns for each packet in each round: the first pass, and those after it."""

    first: dict[Case, list[float]] = field(default_factory=dict)
    later: dict[Case, list[float]] = field(default_factory=dict)

    def add(self, case: Case, first: float, later: float) -> None:
        self.first.setdefault(case, []).append(first)
        self.later.setdefault(case, []).append(later)

    def ratio(self, model: str, trace: str, platform: str, first: bool = False) -> float:
        """To the Cython build, of medians."""
        found = self.first if first else self.later
        return median(found[model, trace, platform]) / median(found[model, trace, CYTHON])


def programs(models: Sequence[str], platforms: Sequence[str]) -> dict[tuple[str, str], Path]:
    """The program of each model on each platform, built or from the cache."""
    made = {}
    for name in platforms:
        platform = registry.platform(name)
        for model in models:
            sources = platform.sources(Build(load(str(MODELS / f"{model}.nfd"))))
            made[model, name] = building.built(platform, sources)
    return made


def bench(program: Path, capture: Path) -> tuple[float, float]:
    """One round of a program: ns of the first pass and of those after it."""
    command = [program, capture, "--bench", "1", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{program} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return found["first"][0], found["ns"][0]


def run(
    yardstick: Yardstick,
    models: Sequence[str],
    traces: Sequence[str],
    platforms: Sequence[str],
    rounds: int,
) -> Figures:
    """All models on all traces."""
    figures, made = Figures(), programs(models, platforms)
    functions = {model: compile_(MODELS / f"{model}.nfd") for model in models}
    for trace in traces:
        capture = yardstick.trace(trace)
        traffic = yardstick.traffic(trace, PACKETS)
        for _ in range(rounds):
            for model in models:
                sample = measure(functions[model], traffic, rewrites=model in REWRITES, timed=False)
                figures.add((model, trace, CYTHON), sample.first, sample.ns)
                functions[model].reset()
                for name in platforms:
                    figures.add((model, trace, name), *bench(made[model, name], capture))
        print(f"{trace}: {rounds} rounds", flush=True)
    return figures


PACKETS = 1_000_000


def report(
    figures: Figures, models: Sequence[str], traces: Sequence[str], platforms: Sequence[str]
) -> list[str]:
    """A line for each model, trace and platform; what is missed is said."""
    head = f"{'ns/packet':10}{'trace':12}{'platform':10}{CYTHON:>8}{'':>8}{'ratio':>7}"
    lines = [f"{head}{'first pass':>19}{'ratio':>7}"]
    for model in models:
        for trace in traces:
            for name in platforms:
                at, mine = (model, trace, name), (model, trace, CYTHON)
                ratio = figures.ratio(model, trace, name)
                line = f"{model:10}{trace:12}{name:10}"
                line += f"{median(figures.later[mine]):>8.1f}{median(figures.later[at]):>8.1f}"
                line += f"{ratio:>7.2f}{median(figures.first[mine]):>10.0f}"
                line += f"{median(figures.first[at]):>9.0f}"
                line += f"{figures.ratio(model, trace, name, first=True):>7.2f}"
                lines.append(line + ("  missed" if ratio > LIMIT else ""))
    for name in platforms:
        ratios = [figures.ratio(model, trace, name) for model in models for trace in traces]
        lines.append(f"{name}: geometric mean {geometric(ratios):.3f} (at most {LIMIT})")
    return lines


def geometric(values: Sequence[float]) -> float:
    return exp(sum(map(log, values)) / len(values))


def markdown(
    figures: Figures,
    models: Sequence[str],
    traces: Sequence[str],
    platforms: Sequence[str],
    rounds: int,
) -> dict[str, str]:
    """The tables of docs/performance.md."""
    rows = []
    for model in models:
        for name in platforms:
            shown = [
                f"{median(figures.later[model, trace, CYTHON]):.1f} →"
                f" {median(figures.later[model, trace, name]):.1f}"
                f" ({figures.ratio(model, trace, name):.2f})"
                for trace in traces
            ]
            rows.append([f"`{model}`", name, *shown])
    means = ", ".join(
        f"{name} **{geometric([figures.ratio(m, t, name) for m in models for t in traces]):.2f}**"
        for name in platforms
    )
    head = ["", "", *(TRACES[trace] for trace in traces)]
    return {
        "platforms machine": f"{machine()}; medians of {rounds} rounds.",
        "platforms": f"{table(head, rows)}\n\nGeometric means: {means}.",
    }


# Lines of code ----------------------------------------------------------------------------


def code() -> dict[str, str]:
    """Tables of docs/performance.md."""
    rows = [
        [name, str(mine), "" if theirs is None else str(theirs)]
        for name, mine, theirs in sizes.platforms()
    ]
    models = sizes.models()
    shown = [[f"`{name}`", str(count)] for name, count in models]
    counts = [count for _, count in models]
    average = f"Mean {mean(counts):.1f}, median {median(counts)}; NFD's mean is {sizes.NFD_MODEL}."
    return {
        "platform lines": table(["", "lines", "NFD, Table II"], rows),
        "model lines": f"{table(['', 'lines'], shown)}\n\n{average}",
    }


def main() -> None:
    """Print the tables; write them into the page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("yardstick", nargs="?", default=os.environ.get("NFVERIFY_YARDSTICK"))
    add("--work", type=Path, help="keeps the traces (default: none)")
    add("--rounds", type=int, default=5)
    add("--models", nargs="+", choices=NAMES, default=list(NAMES))
    add("--traces", nargs="+", choices=list(TRACES), default=list(TRACES))
    add("--platforms", nargs="+", choices=PLATFORMS, default=list(PLATFORMS))
    add("--lines", action="store_true", help="count lines of code instead")
    add("--docs", type=Path, metavar="DIR", help="write tables into performance.md there")
    options = parser.parse_args()
    blocks: Mapping[str, str]
    if options.lines:
        blocks = code()
        print("\n\n".join(blocks.values()))
    elif options.yardstick:
        with tempfile.TemporaryDirectory() as scratch:
            yardstick = Yardstick(Path(options.yardstick).resolve(), options.work or Path(scratch))
            yardstick.prepare()
            print(machine(), flush=True)
            what = options.models, options.traces, options.platforms
            figures = run(yardstick, *what, options.rounds)
        print("\n".join(report(figures, *what)))
        blocks = markdown(figures, *what, options.rounds)
    else:
        print("name the yardstick's folder (expert.cpp, make_traces.py), or set NFVERIFY_YARDSTICK")
        return
    if options.docs:
        fill(options.docs / "performance.md", blocks)


if __name__ == "__main__":
    main()
