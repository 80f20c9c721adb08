"""How many packets a second the symbolic oracle judges: on the library by terms, and with `choose`.

Run as `python benchmarks/bench_oracle.py [--packets N]`. Frames are in memory; times include
parsing and deparsing, and making the oracle. `ratio` is the oracle to the reference semantics. The
last lines are membership: a NAT that may take any free port, whose flows are new (one choice a
packet) or known (none).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from random import Random
from statistics import median

from bench_run import MODELS, frames, run
from measuring import interleaved, machine

from nfverify import Machine, SymbolicOracle
from nfverify.equivalence.evaluation.verdicts import Allowed
from nfverify.packet.codec import build
from nfverify.packet.fields import Header
from nfverify.semantics.machine import Output
from nfverify.smat import ir
from nfverify.smat.load import load, load_text

ANY_PORT = """
    program nat {
        rule LAN = sip:10.0.0.0/8;
        IP pub = 203.0.113.7;
        set<int> used;
        map<(IP, int), int> mapping;
        entry known {
            match_flow  { f matches LAN }
            match_state { (f[sip], f[sport]) in mapping }
            action_flow { let p = mapping[(f[sip], f[sport])]; f[sip] = pub; f[sport] = p; }
        }
        entry fresh {
            match_flow  { f matches LAN }
            action_flow {
                choose p in 1024..65535 where !(p in used);
                used = used | {p};
                mapping[(f[sip], f[sport])] = p;
                f[sip] = pub;
                f[sport] = p;
            }
        }
    }"""


def chosen(
    network: ir.Network, flows: int, count: int
) -> list[tuple[int, int, bytes, list[Output]]]:
    """Packets of so many flows, and what came out where each took a free port at random."""
    rng = Random(1)

    def choose(
        instance: str, node: ir.Choose, candidates: range, fits: Callable[[int], bool]
    ) -> int:
        while not fits(port := rng.choice(candidates)):
            pass
        return port

    nat, found = Machine(network, chooser=choose), []
    for number in range(count):
        flow = number % flows
        values = {"sip": 0x0A000000 + flow % 250, "sport": 1000 + flow // 250, "dport": 80}
        frame = build(Header.LINK | Header.IP4 | Header.TCP, values | {"proto": 6})
        found.append((number, 0, frame, nat.step(number, 0, frame)))
    return found


def judge(network: ir.Network, events: list[tuple[int, int, bytes, list[Output]]]) -> None:
    oracle = SymbolicOracle(network)
    for event in events:
        judgement = oracle.allows(*event)
        assert isinstance(judgement, Allowed), judgement


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packets", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    traffic = frames(options.packets)
    print(f"{machine()}; packets/s, median of {options.rounds}")
    print(f"{'':18}{'oracle':>12}{'reference':>12}{'ratio':>12}")
    cases: dict[str, Callable[[], object]] = {}
    for name in MODELS:
        network = load(f"lib:{name}")
        for kind in (SymbolicOracle, Machine):
            fresh = partial(kind, network)
            cases[f"{name} {kind.__name__}"] = lambda fresh=fresh: run(fresh(), traffic)
    network, few = load_text(ANY_PORT), max(1, options.packets // 10)
    for name, flows in (("new flows", few), ("known flows", 1)):
        events = chosen(network, flows, few)
        cases[name] = lambda events=events: judge(network, events)
    seconds = interleaved(cases, options.rounds)
    for name in MODELS:
        mine, other = (
            options.packets / median(seconds[f"{name} {kind.__name__}"])
            for kind in (SymbolicOracle, Machine)
        )
        print(f"lib:{name:14}{mine:>12,.0f}{other:>12,.0f}{mine / other:>12.2f}")
    for name in ("new flows", "known flows"):
        print(f"{name:18}{few / median(seconds[name]):>12,.0f}")


if __name__ == "__main__":
    main()
