"""How fast generated network functions are, beside what an expert wrote by hand in C++.

Run as `python benchmarks/bench_cython.py YARDSTICK`, or with the folder in
NFVERIFY_YARDSTICK; it holds expert.cpp and make_traces.py. Everything takes turns in rounds, and
medians are compared. First each generated function is held against its counterpart: every verdict,
and every byte that is forwarded.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import exp, log
from pathlib import Path
from statistics import median
from time import perf_counter

import parts
from chart import Panel, bars, stacks
from expert import TRACES, Yardstick, differing
from measuring import machine
from pages import fill, table

from nfverify.cythonized.bench import Traffic, measure
from nfverify.cythonized.host import NetworkFunction
from nfverify.cythonized.host import compile as compile_

MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True, slots=True)
class Row:
    """A generated function, the yardstick's name for it, and how much longer it may take."""

    model: str
    function: str
    limit: float
    rewrites: bool


ROWS = (
    Row("mon", "mon", 1.10, False),
    Row("napt", "napt", 1.10, True),
    Row("lb", "lb", 1.10, True),
    Row("sfw5", "sfw5", 1.10, False),
    Row("fw10", "fw10", 1.10, False),
    Row("fw1000", "fw1000_bv", 1.10, False),
    Row("chain", "chain1", 1.05, True),
)
LIVE, LIVE_LIMIT = 32, 1.10
Case = tuple[str, str]  # model, trace


@dataclass(slots=True)
class Figures:
    """ns for each packet in each round."""

    theirs: dict[Case, list[float]] = field(default_factory=dict)
    mine: dict[Case, list[float]] = field(default_factory=dict)
    live: dict[Case, list[float]] = field(default_factory=dict)
    first: dict[Case, list[float]] = field(default_factory=dict)
    memory: dict[Case, int] = field(default_factory=dict)

    def ratio(self, case: Case) -> float:
        return median(self.mine[case]) / median(self.theirs[case])

    def live_ratio(self, case: Case) -> float:
        return median(self.live[case]) / median(self.mine[case])


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured, and how long."""

    yardstick: Yardstick
    rows: Sequence[Row]
    traces: Sequence[str]
    rounds: int
    passes: int
    packets: int

    def functions(self) -> dict[str, NetworkFunction]:
        """Every generated function, built."""
        made = {}
        for row in self.rows:
            began = perf_counter()
            made[row.model] = compile_(MODELS / f"{row.model}.nfd")
            print(f"{row.model}: built or found in {perf_counter() - began:.2f} s", flush=True)
        return made

    def compare(self, row: Row, function: NetworkFunction, name: str, traffic: Traffic) -> None:
        """Ends the run if anything comes out that the yardstick doesn't send."""
        theirs = self.yardstick.outputs(row.function, name, self.packets)
        found: list[int] = []

        def look() -> None:
            found.extend(islice(differing(traffic, *theirs), 3))

        measure(function, traffic, passes=1, enough=0, timed=False, after_first=look)
        if found:
            at = ", ".join(map(str, found))
            sys.exit(f"{row.model} on {name} is not {row.function}: packets {at}, …")

    def run(self, functions: Mapping[str, NetworkFunction]) -> Figures:
        """All rows on all traces."""
        figures = Figures()
        for name in self.traces:
            traffic = self.yardstick.traffic(name, self.packets)
            for row in self.rows:
                self.compare(row, functions[row.model], name, traffic)
            print(f"{name}: all verdicts and bytes are the yardstick's", flush=True)
            for _ in range(self.rounds):
                for row in self.rows:
                    self._round(figures, row, functions[row.model], name, traffic)
        return figures

    def _round(
        self, figures: Figures, row: Row, function: NetworkFunction, name: str, traffic: Traffic
    ) -> None:
        case = row.model, name
        theirs = self.yardstick.ns(row.function, name, self.passes, self.packets)
        figures.theirs.setdefault(case, []).append(theirs)
        for kind, burst in ((figures.mine, 256), (figures.live, LIVE)):
            sample = measure(
                function,
                traffic,
                burst=burst,
                passes=self.passes,
                enough=0,
                rewrites=row.rewrites,
                timed=False,
            )
            kind.setdefault(case, []).append(sample.ns)
            if kind is figures.mine:
                figures.first.setdefault(case, []).append(sample.first)
                figures.memory[case] = max(sample.memory, figures.memory.get(case, 0))


# Output -----------------------------------------------------------------------------------


def report(bench: Bench, figures: Figures) -> list[str]:
    """A line for each row and trace; what is missed is said."""
    lines = [
        f"{'ns/packet':10}{'trace':12}{'yardstick':>10}{'generated':>10}{'ratio':>7}{'at most':>9}"
        f"{'min':>7}{'bursts 32':>11}{'ratio':>7}{'first':>8}{'MB':>7}"
    ]
    for row in bench.rows:
        for name in bench.traces:
            case = row.model, name
            theirs, mine, live = (
                median(kind[case]) for kind in (figures.theirs, figures.mine, figures.live)
            )
            least = min(
                m / t for m, t in zip(figures.mine[case], figures.theirs[case], strict=True)
            )
            missed = "  missed" if figures.ratio(case) > row.limit else ""
            missed += "  live missed" if figures.live_ratio(case) > LIVE_LIMIT else ""
            lines.append(
                f"{row.model:10}{name:12}{theirs:>10.1f}{mine:>10.1f}{figures.ratio(case):>7.2f}"
                f"{row.limit:>9.2f}{least:>7.2f}{live:>11.1f}{figures.live_ratio(case):>7.2f}"
                f"{median(figures.first[case]):>8.0f}{figures.memory[case] / 1e6:>7.1f}{missed}"
            )
    ratios = [figures.ratio((row.model, name)) for row in bench.rows for name in bench.traces]
    lines.append(f"geometric mean of {len(ratios)} ratios: {mean(ratios):.3f} (at most 1.0)")
    return lines


def mean(values: Iterable[float]) -> float:
    """The geometric one."""
    logs = [log(value) for value in values]
    return exp(sum(logs) / len(logs))


def chart(bench: Bench, figures: Figures) -> str:
    panels = [
        Panel(
            TRACES[name],
            {
                row.model: (
                    median(figures.theirs[row.model, name]),
                    median(figures.mine[row.model, name]),
                )
                for row in bench.rows
            },
        )
        for name in bench.traces
    ]
    title = "Packets from memory on one core, median of five interleaved rounds"
    return bars(title, ("yardstick (C++ by hand)", "generated"), panels, "ns each")


def markdown(bench: Bench, figures: Figures) -> dict[str, str]:
    """The tables of docs/performance.md."""
    rows, live, first = [], [], []
    for row in bench.rows:
        cases = [(row.model, name) for name in bench.traces]
        shown = [
            f"{median(figures.theirs[c]):.1f} → {median(figures.mine[c]):.1f}"
            f" ({figures.ratio(c):.2f})"
            for c in cases
        ]
        rows.append([f"`{row.model}`", f"`{row.function}`", *shown, f"{row.limit:.2f}"])
        live.append([f"`{row.model}`", *(f"{figures.live_ratio(c):.2f}" for c in cases)])
        shown = [
            f"{median(figures.first[c]):.0f} ns, {figures.memory[c] / 1e6:.0f} MB" for c in cases
        ]
        first.append([f"`{row.model}`", *shown])
    overall = mean(figures.ratio((r.model, name)) for r in bench.rows for name in bench.traces)
    names = [TRACES[name] for name in bench.traces]
    return {
        "machine": f"{machine()}; medians of {bench.rounds} rounds.",
        "rows": table(["generated", "yardstick", *names, "at most"], rows)
        + f"\n\nGeometric mean of all ratios: **{overall:.2f}**.",
        "live": table(["", *names], live),
        "first": table(["", *names], first),
    }


def _documented(figures: Figures, **others: object) -> str:
    kinds = {
        kind: {
            f"{model} {name}": values for (model, name), values in getattr(figures, kind).items()
        }
        for kind in ("theirs", "mine", "live", "first", "memory")
    }
    return json.dumps({"machine": machine(), **kinds, **others}, indent=1) + "\n"


def main() -> None:
    """Print the tables; write the charts and the figures where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("yardstick", nargs="?", default=os.environ.get("NFVERIFY_YARDSTICK"))
    add("--work", type=Path, help="keeps the yardstick's program and the traces (default: none)")
    add("--rounds", type=int, default=5)
    add("--passes", type=int, default=5)
    add("--part-rounds", type=int, default=3)
    add("--packets", type=int, default=1_000_000)
    add("--rows", nargs="+", choices=[row.model for row in ROWS])
    add("--traces", nargs="+", choices=list(TRACES), default=list(TRACES))
    add("--parts", nargs="*", choices=list(parts.PARTS), default=list(parts.PARTS))
    add(
        "--docs", type=Path, metavar="DIR", help="write charts and tables into performance.md there"
    )
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    if not options.yardstick:
        print("name the yardstick's folder (expert.cpp, make_traces.py), or set NFVERIFY_YARDSTICK")
        return
    with tempfile.TemporaryDirectory() as scratch:
        yardstick = Yardstick(Path(options.yardstick).resolve(), options.work or Path(scratch))
        yardstick.prepare()
        rows = [row for row in ROWS if row.model in (options.rows or [row.model])]
        bench = Bench(
            yardstick, rows, options.traces, options.rounds, options.passes, options.packets
        )
        print(machine(), flush=True)
        figures = bench.run(bench.functions())
        print("\n".join(report(bench, figures)), flush=True)
        others: dict[str, object] = {}
        for name in options.parts:
            part: Callable[..., parts.Part] = parts.PARTS[name]
            found = part(yardstick, options.traces, options.part_rounds, options.packets)
            others[name] = found.figures
            print("\n" + "\n".join(found.lines), flush=True)
    if options.json:
        options.json.write_text(_documented(figures, **others))
    if options.docs:
        blocks = markdown(bench, figures)
        (options.docs / "performance.svg").write_text(chart(bench, figures))
        if "breakdown" in others:
            svg = parts.breakdown_chart(others["breakdown"], stacks)
            (options.docs / "breakdown.svg").write_text(svg)
        blocks |= parts.markdown(others)
        fill(options.docs / "performance.md", blocks)


if __name__ == "__main__":
    main()
