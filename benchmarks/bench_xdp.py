"""How fast generated XDP programs are beside ones written by hand for the same work (xdp/).

Run as `python benchmarks/bench_xdp.py`, as root. Both take the same frames from memory, within the
kernel's test run, in turns; first every verdict and byte is held against the reference. The harness
costs something, too: figures are without it (net) and with it (gross).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from measuring import machine
from pages import fill, table
from xdp_harness import NOTHING, TX, Bench, compiled
from xdp_traffic import trace

from nfverify.oracles.platforms.building import built
from nfverify.oracles.platforms.platform import Build
from nfverify.oracles.platforms.registry import platform
from nfverify.oracles.platforms.xdp.state import MapState
from nfverify.semantics.machine import Machine
from nfverify.smat.load import load

# The program by hand, and the model.
ROWS = {
    "nat": "lib:napt",
    "lb": "lib:lb",
    "firewall": "lib:firewall",
    "stateful": "lib:firewall-stateful",
    "monitor": "lib:monitor",
}
FLOWS = (1_000, 50_000)
CAPACITY = 1 << 20
LIMIT = 1.3
COMPARED = 3_000  # packets


@dataclass(slots=True)
class Figures:
    """ns for each packet in each round, with the harness."""

    hand: list[float] = field(default_factory=list)
    generated: list[float] = field(default_factory=list)
    harness: list[float] = field(default_factory=list)
    first: list[tuple[float, float]] = field(default_factory=list)

    def net(self, times: list[float]) -> float:
        return median(times) - median(self.harness)


def generated(model: str) -> bytes:
    """The object of a model."""
    xdp = platform("xdp")
    build = Build(load(model), capacity=CAPACITY)
    return built(xdp, xdp.sources(build)).read_bytes()


def compare(bench: Bench, title: str, model: str) -> None:
    """Ends the run if a program does something else than the model."""
    machine_ = Machine(load(model))
    for number, frame in enumerate(bench.frames[:COMPARED]):
        verdict = bench.step(title, number, number + 1)
        got = [(verdict.out, verdict.frame)] if verdict.code == TX else []
        wanted = [(out.port, out.frame) for out in machine_.step(number + 1, 0, frame)]
        if got != wanted:
            sys.exit(f"{title}: packet {number} is not as {model} says")


def measured(name: str, model: str, flows: int, packets: int, rounds: int, passes: int) -> Figures:
    """One row: in each round both begin anew, and take turns."""
    bench = Bench(trace(name, flows, packets))
    figures = Figures()
    try:
        hand = bench.add("hand", compiled(name))
        loaded = bench.add("generated", generated(model))
        state = MapState(load(model), loaded)
        state.begin()
        compare(bench, "hand", model)
        compare(bench, "generated", model)
        for _ in range(rounds):
            hand.reset()
            state.begin()
            figures.first.append((bench.passed("hand"), bench.passed("generated")))
            found: dict[str, list[float]] = {NOTHING: [], "hand": [], "generated": []}
            for _ in range(passes):
                for title, times in found.items():
                    times.append(bench.passed(title))
            figures.harness.append(median(found[NOTHING]))
            figures.hand.append(median(found["hand"]))
            figures.generated.append(median(found["generated"]))
    finally:
        bench.close()
    return figures


def report(title: str, figures: Figures) -> str:
    """A line; what is missed is said."""
    hand, mine = figures.net(figures.hand), figures.net(figures.generated)
    gross = median(figures.generated) / median(figures.hand)
    first = [median(times) for times in zip(*figures.first, strict=True)]
    missed = "  missed" if mine > LIMIT * hand else ""
    return (
        f"{title:18}{hand:>9.1f}{mine:>11.1f}{mine / hand:>8.2f}{gross:>8.2f}"
        f"{median(figures.harness):>10.1f}{first[0]:>10.0f}{first[1]:>8.0f}{missed}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each program and number of flows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--flows", nargs="+", type=int, default=list(FLOWS))
    parser.add_argument("--packets", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument(
        "--docs", type=Path, metavar="DIR", help="write a table into performance.md"
    )
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        print("XDP programs are loaded by root only")
        return
    where = f"{machine()}, Linux {os.uname().release}; medians of {options.rounds} rounds"
    print(where)
    rows = []
    print(
        f"{'ns a packet':18}{'by hand':>9}{'generated':>11}{'ratio':>8}{'gross':>8}{'harness':>10}"
        f"{'first':>10}{'gen.':>8}"
    )
    for name in options.rows:
        for flows in options.flows:
            packets = max(options.packets, 2 * flows)
            sizes = (packets, options.rounds, options.passes)
            figures = measured(name, ROWS[name], flows, *sizes)
            print(report(f"{name} {flows:,}", figures), flush=True)
            hand, mine = figures.net(figures.hand), figures.net(figures.generated)
            ratio, harness = f"{mine / hand:.2f}", f"{median(figures.harness):.1f}"
            rows.append([name, f"{flows:,}", f"{hand:.1f}", f"{mine:.1f}", ratio, harness])
    if options.docs:
        head = ["by hand", "flows", "by hand, ns", "generated, ns", "ratio", "harness, ns"]
        fill(
            options.docs / "performance.md", {"xdp machine": f"{where}.", "xdp": table(head, rows)}
        )


if __name__ == "__main__":
    main()
