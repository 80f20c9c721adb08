"""SpeedyBox's experiments (its section VII) on generated network functions, in one interleaved run:
functions apart, each of which parses; the same as one program; with the fast path.

Run as `python benchmarks/bench_speedybox.py`; `--docs docs` writes the tables and charts of
speedybox-experiments.md. Everything is on one core from memory; ns, and cycles if they are counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from chart import Panel, bars
from measuring import machine
from pages import fill, table
from speedybox_chains import Chain, example, filters, heavy_tailed, overwriting, uniform
from staged import Clock

from nfverify.cythonized.bench import Traffic
from nfverify.cythonized.speedybox.build import compile_program

WAYS = ("apart", "fused", "fast")
LONGEST = 9  # IPFilters
QUANTILES = (10, 25, 50, 75, 90, 99)
INSPECTORS = Path(__file__).parent / "c" / "inspectors.c"
PAYLOADS = (10, 1400)  # bytes: packets of 64, and long ones
PASSES = 3


@dataclass(slots=True)
class Figures:
    """ns of each round, by way: each first packet of a flow and each later one, in bursts of 32;
    of a packet alone; cycles for each later packet, if they are counted."""

    first: dict[str, list[float]] = field(default_factory=dict)
    later: dict[str, list[float]] = field(default_factory=dict)
    alone: dict[str, list[float]] = field(default_factory=dict)
    cycles: dict[str, list[float]] = field(default_factory=dict)
    flows: dict[str, list[list[float]]] = field(default_factory=dict)  # ns of QUANTILES

    def middle(self, kind: str, way: str) -> float:
        """The median of the rounds."""
        kinds: dict[str, list[float]] = getattr(self, kind)
        return median(kinds[way])

    def change(self, kind: str, base: str = "apart") -> str:
        """The fast path in relation to another way, in per cent."""
        return percent(self.middle(kind, "fast"), self.middle(kind, base))

    def flow_time(self, way: str) -> list[float]:
        """The quantiles of flow processing times, each the median of the rounds."""
        return [median(column) for column in zip(*self.flows[way], strict=True)]


def percent(new: float, old: float) -> str:
    """A change as the paper tells it."""
    return f"{(new / old - 1) * 100:+.1f} %".replace("-", "−")


def measure(clock: Clock, chain: Chain, traffic: Traffic, flows: int, figures: Figures) -> None:
    """One round of a chain: all ways, one after the other. The trace begins with the first packets
    of all flows."""
    for way, functions in chain.ways().items():
        for function in functions:
            function.reset()
        traffic.restore()
        first = clock.run(functions, traffic, 32)
        later, cycles = [], 0
        for _ in range(PASSES):
            traffic.restore()
            found = clock.run(functions, traffic, 32)
            later.append(found.ns())
            cycles = found.cycles
        traffic.restore()
        alone = clock.run(functions, traffic, 1, alone=True)
        figures.first.setdefault(way, []).append(first.ns(flows))
        figures.later.setdefault(way, []).append(median(later))
        figures.alone.setdefault(way, []).append(alone.ns())
        if cycles:
            figures.cycles.setdefault(way, []).append(cycles / traffic.count)


def measure_flows(
    clock: Clock, chain: Chain, traffic: Traffic, owners: Sequence[int], figures: Figures
) -> None:
    """One round of flow processing times: what all packets of a flow take, the first one too, each
    packet alone."""
    for way, functions in chain.ways().items():
        for function in functions:
            function.reset()
        traffic.restore()
        clock.run(functions, traffic, 1, alone=True)  # pages and tables are there
        for function in functions:
            function.reset()
        traffic.restore()
        found = clock.run(functions, traffic, 1, alone=True)
        sums = [0.0] * (max(owners) + 1)
        for owner, ns in zip(owners, found.bursts, strict=True):
            sums[owner] += ns
        sums.sort()
        quantiles = [sums[len(sums) * q // 100] for q in QUANTILES]
        figures.flows.setdefault(way, []).append(quantiles)


# By hand, with threads ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """A chain of inspectors by hand."""

    inspectors: int
    monitor: bool
    payload: int

    def ways(self) -> dict[str, tuple[str, int]]:
        """Mode and threads."""
        more = self.inspectors + self.monitor - 1
        ways = {"original": ("original", 0), "fast": ("fast", 0)}
        return ways | ({"side by side": ("fast", more)} if more else {})


CASES = [
    *(Case(n, False, payload) for n in (1, 2, 3) for payload in PAYLOADS),
    *(Case(1, True, payload) for payload in PAYLOADS),
]
Times = dict[tuple[Case, str], dict[str, list[float]]]


def run_inspectors(program: Path, case: Case, times: Times) -> None:
    """One round."""
    checks = set()
    for way, (mode, threads) in case.ways().items():
        words = (case.inspectors, int(case.monitor), mode, case.payload, threads, 6400)
        command = [str(program), *map(str, words)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        kinds = times.setdefault((case, way), {"batch": [], "single": []})
        kinds["batch"].append(float(said[1]))
        kinds["single"].append(float(said[3]))
        checks.add(tuple(said[4:]))
    assert len(checks) == 1, "they find other things"


# Output --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Results:
    """All that was measured."""

    chains: dict[str, Figures]
    inspectors: Times
    cycles: bool
    rounds: int

    def hand(self, case: Case, way: str, kind: str) -> float:
        """The median of the rounds."""
        return median(self.inspectors[case, way][kind])


def headline(r: Results) -> list[list[str]]:
    """The paper's figures beside ours."""
    rows = []

    def add(what: str, paper: str, chain: str, kind: str = "later") -> None:
        figures = r.chains[chain]
        ns = " → ".join(f"{figures.middle(kind, way):.1f}" for way in WAYS)
        rows.append([what, paper, figures.change(kind), figures.change(kind, "fused"), ns])

    add("Fig. 4: 1 IPFilter", "slower", "1 IPFilter")
    add("Fig. 4: 2 IPFilters", "−40.9 %", "2 IPFilters")
    add("Fig. 4: 3 IPFilters", "−57.7 %", "3 IPFilters")
    add("Table III: 3 IPFilters, the last drops", "−65.0 %", "3 IPFilters, the last drops")
    add("Fig. 6: Snort, Monitor", "−46.3 %", "Snort, Monitor")
    add("Fig. 7: the same, a packet alone", "−35.9 %", "Snort, Monitor", "alone")
    add(f"Fig. 8: {LONGEST} IPFilters", "", f"{LONGEST} IPFilters")
    add(f"Fig. 8: {LONGEST} IPFilters, a packet alone", "", f"{LONGEST} IPFilters", "alone")
    add("Sec. II, R3: a field written twice", "½", "a field written twice")
    for what, paper, chain in (
        ("Fig. 9a: flow time, median", "−39.6 %", "chain 1"),
        ("Fig. 9b: flow time, median", "−41.3 %", "chain 2"),
    ):
        at = QUANTILES.index(50)
        times = {way: r.chains[chain].flow_time(way)[at] for way in WAYS}
        changes = [percent(times["fast"], times[base]) for base in ("apart", "fused")]
        ns = " → ".join(f"{times[way]:,.0f}" for way in WAYS)
        rows.append([what, paper, *changes, ns])
    return rows


def lengths(r: Results) -> list[list[str]]:
    """Figures 4 and 8: chains of one to nine IPFilters."""
    rows = []
    for count in range(1, LONGEST + 1):
        figures = r.chains[f"{count} IPFilter{'s' if count > 1 else ''}"]
        row = [str(count)]
        for kind in ("first", "later", "alone"):
            row += [f"{figures.middle(kind, way):.1f}" for way in WAYS]
        rows.append(row)
    return rows


def flow_times(r: Results) -> list[list[str]]:
    """Figure 9: quantiles of flow processing times, in microseconds."""
    return [
        [f"{chain}, {way}", *(f"{ns / 1000:.2f}" for ns in r.chains[chain].flow_time(way))]
        for chain in ("chain 1", "chain 2")
        for way in WAYS
    ]


def by_hand(r: Results) -> list[list[str]]:
    """Figures 5 to 7: functions by hand against SpeedyBox's API, with and without threads."""
    rows = []
    for case in CASES:
        name = f"{case.inspectors} inspector{'s' if case.inspectors > 1 else ''}"
        name += ", Monitor" if case.monitor else ""
        row = [name, f"{case.payload + 54}"]
        for kind in ("batch", "single"):
            for way in ("original", "fast", "side by side"):
                known = (case, way) in r.inspectors
                row.append(f"{r.hand(case, way, kind):,.0f}" if known else "")
        rows.append(row)
    return rows


def blocks(r: Results) -> dict[str, str]:
    """The tables of docs/speedybox-experiments.md."""
    nine, one = r.chains[f"{LONGEST} IPFilters"], r.chains["1 IPFilter"]
    flat = ", ".join(
        f"{way} {nine.middle('later', way) / one.middle('later', way):.2f}" for way in WAYS
    )
    three = Case(3, False, PAYLOADS[1])
    rate = r.hand(three, "original", "batch") / r.hand(three, "side by side", "batch")
    kinds = [f"{kind}: {way}" for kind in ("first", "later", "alone") for way in WAYS]
    ways = ("original", "fast", "side by side")
    counted = "cycles are counted" if r.cycles else "no cycles are counted on this machine"
    return {
        "machine": f"{machine()}; medians of {r.rounds} rounds; {counted}.",
        "headline": table(
            ["", "paper", "ours, from apart", "from fused", "ns: apart → fused → fast"],
            headline(r),
        ),
        "lengths": table(["IPFilters", *kinds], lengths(r))
        + f"\n\nNine in relation to one: {flat}.",
        "flows": table(["µs of a flow", *(f"{q} %" for q in QUANTILES)], flow_times(r)),
        "hand": table(
            ["ns/packet", "bytes", *(f"32: {w}" for w in ways), *(f"alone: {w}" for w in ways)],
            by_hand(r),
        )
        + f"\n\nThree inspectors of long packets, side by side: {rate:.2f} times the rate.",
    }


def charts(r: Results) -> dict[str, str]:
    """SVGs by the name of their file."""
    rows = {}
    for count in range(1, LONGEST + 1):
        figures = r.chains[f"{count} IPFilter{'s' if count > 1 else ''}"]
        rows[str(count)] = figures
    panels = [
        Panel(title, {n: [f.middle(kind, way) for way in WAYS] for n, f in rows.items()})
        for title, kind in (
            ("first packets", "first"),
            ("later packets", "later"),
            ("alone", "alone"),
        )
    ]
    series = ("functions apart", "as one", "with fast path")
    flows = [
        Panel(
            chain,
            {
                f"{q} %": [r.chains[chain].flow_time(way)[at] / 1000 for way in WAYS]
                for at, q in enumerate(QUANTILES[:-1])
            },
        )
        for chain in ("chain 1", "chain 2")
    ]
    return {
        "speedybox-lengths.svg": bars("1 to 9 IPFilters (Fig. 4 and 8)", series, panels, "ns"),
        "speedybox-flows.svg": bars("Flow processing time (Fig. 9)", series, flows, "µs"),
    }


def run(folder: Path, rounds: int, flows: int, packets: int) -> Results:
    """Everything, in turns."""
    clock = Clock(folder)
    made = [filters(folder, count) for count in range(1, LONGEST + 1)]
    made.append(filters(folder, 3, dropping=True))
    made.append(overwriting(folder))
    made.append(example("Snort, Monitor", "inspected", ("snort", "monitor")))
    one = ("mazunat", "maglev", "monitor", "ipfilter")
    real = [
        example("chain 1", "chain1", one),
        example("chain 2", "chain2", ("ipfilter", "snort", "monitor")),
    ]
    for chain in (*made, *real):
        print(f"{chain.name}: {chain.classes} classes", flush=True)
    program = compile_program(INSPECTORS, folder / "inspectors")
    traffic, (tailed, owners) = uniform(flows, packets), heavy_tailed(flows)
    results = Results({c.name: Figures() for c in (*made, *real)}, {}, clock.counts_cycles, rounds)
    for number in range(rounds):
        for chain in made:
            measure(clock, chain, traffic, flows, results.chains[chain.name])
        for chain in real:
            measure_flows(clock, chain, tailed, owners, results.chains[chain.name])
        for case in CASES:
            run_inspectors(program, case, results.inspectors)
        print(f"round {number + 1} of {rounds}", flush=True)
    return results


def main() -> None:
    """Print the tables; write them, and the charts, where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=5)
    add("--flows", type=int, default=4000)
    add("--packets", type=int, default=64_000)
    add("--docs", type=Path, metavar="DIR", help="write tables and charts there")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        results = run(Path(folder), options.rounds, options.flows, options.packets)
    found = blocks(results)
    for name, text in found.items():
        print(f"\n{name}\n{text}")
    if options.json:
        chains = {name: figures_of(figures) for name, figures in results.chains.items()}
        hand = {f"{case} {way}": times for (case, way), times in results.inspectors.items()}
        options.json.write_text(json.dumps({"chains": chains, "hand": hand}, indent=1) + "\n")
    if options.docs:
        fill(options.docs / "speedybox-experiments.md", found)
        for name, svg in charts(results).items():
            (options.docs / name).write_text(svg)


def figures_of(figures: Figures) -> Mapping[str, object]:
    """For JSON."""
    kinds = ("first", "later", "alone", "cycles", "flows")
    return {kind: getattr(figures, kind) for kind in kinds}


if __name__ == "__main__":
    main()
