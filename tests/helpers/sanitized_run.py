"""Builds with ASan and UBSan, against the reference: the part of test_sanitizers.py that runs in a
Python that has the sanitizer's library loaded first. Arguments: a kind of network, seeds."""

from __future__ import annotations

import sys
from random import Random

import ir_wraps
from agreement import Trace, describe, difference, record, record_events
from engines import compiled, optimised
from ir_flows import flow_chain
from ir_wide import FUNCTIONS, wide_network

from nfverify.cythonized import compiler
from nfverify.cythonized.options import Options
from nfverify.oracles.programs.expressions import Options as Choices
from nfverify.smat import ir
from nfverify.smat.load import load


def network(kind: str, seed: int) -> ir.Network:
    match kind:
        case "flows":
            return flow_chain(Random(seed), 1 + seed % 4)
        case "wide":
            return wide_network(Random(seed), Choices(ports=6), 6)
        case "wraps":
            return ir_wraps.network(Random(seed))
        case _:
            return load(kind)


def traced(kind: str, one: ir.Network, rng: Random) -> Trace:
    if kind == "wraps":
        return record_events(one, ir_wraps.events(rng, 800), rest=5000)
    return record(one, rng, 1500, operators=FUNCTIONS, engine="closures", plain=0.2, many=0.4)


def main(kind: str, seeds: list[str]) -> int:
    # ASan comes first in this process, so that libraries can have it, as programs do.
    compiler._SANITIZERS["so"] = compiler._SANITIZERS["exe"]
    for seed in map(int, seeds):
        one, rng = network(kind, seed), Random(seed)
        trace = traced(kind, one, rng)
        with optimised("-O1"):
            found = difference(trace, compiled(Options(sanitize=True)), rng)
        if found is not None:
            print(describe(found))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
