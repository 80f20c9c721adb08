"""How many packets a second the strategies generate inside a Hypothesis test.

Run as `python benchmarks/bench_strategies.py [--model TARGET] [--examples N]`. Everything that
Hypothesis does counts, and where a trace answers what the network sends, so does running it. Times
are of the processor, for one thread does all. All take turns; medians.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median
from time import process_time
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from measuring import machine

from nfverify import strategies
from nfverify.smat.load import load


def generate(strategy: SearchStrategy[Sequence[Any]], examples: int) -> int:
    """A test that looks at nothing; how many packets it got."""
    packets = 0

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def test(trace: Sequence[Any]) -> None:
        nonlocal packets
        packets += len(trace)

    test()
    return packets


def main() -> None:
    """Print a line for each strategy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="lib:edge")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    network = load(options.model)
    kinds: dict[str, SearchStrategy[Sequence[Any]]] = {
        "lists of packets()": st.lists(strategies.packets(network), min_size=20, max_size=50),
        "traces(bursts=False)": strategies.traces(network, bursts=False),
        "traces(bursts=False), hostile": strategies.traces(network, bursts=False, hostile=True),
        "traces()": strategies.traces(network),
        "traces(max_size=500)": strategies.traces(network, max_size=500),
        "flows()": strategies.flows(network),
        "bursts()": strategies.bursts(network),
    }
    print(f"{machine()}; {options.model}, {options.examples} examples, {options.rounds} rounds")
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    sizes = {}
    for _ in range(options.rounds):
        for name, strategy in kinds.items():
            began = process_time()
            packets = generate(strategy, options.examples)
            rates[name].append(packets / (process_time() - began))
            sizes[name] = packets / options.examples
    for name in kinds:
        print(f"{name:32}{sizes[name]:8.1f} packets an example{median(rates[name]):10,.0f}/s")


if __name__ == "__main__":
    main()
