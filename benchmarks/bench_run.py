"""How many packets a second the reference semantics runs, on the 4-NF chain and on its parts.

Run as `python benchmarks/bench_run.py [--packets N]`. Frames are in memory; times include
parsing and deparsing, and making the machine. All take turns; medians. `ratio` is the first engine
to the second, the plain walk.
"""

from __future__ import annotations

import argparse
from functools import partial
from itertools import product
from random import Random
from statistics import median

from measuring import interleaved, machine

from nfverify.packet.codec import build
from nfverify.packet.fields import Header
from nfverify.semantics.machine import ENGINES, Machine
from nfverify.smat.load import load

MODELS = ("edge", "inspect", "lb-blacklist", "napt", "lb", "monitor", "firewall", "rate-limiter")


def frames(count: int) -> list[bytes]:
    """TCP and UDP of 500 flows from inside, 64 to 1,400 bytes of payload."""
    rng = Random(1)
    found = []
    for number in range(count):
        kind = Header.TCP if number % 3 else Header.UDP
        values = {
            "sip": 0x0A000000 + rng.randrange(100),
            "dip": 0xC6336401,
            "sport": 2000 + rng.randrange(5),
            "dport": 80,
            "payload": bytes(rng.choice((64, 200, 1400))),
        }
        found.append(build(Header.LINK | Header.IP4 | kind, values))
    return found


def run(machine: Machine, traffic: list[bytes]) -> None:
    """All packets, 1 µs apart."""
    for number, frame in enumerate(traffic):
        machine.step(number * 1000, 0, frame)


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packets", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    traffic = frames(options.packets)
    print(f"{machine()}; packets/s, median of {options.rounds}")
    print(" " * 18 + "".join(f"{engine:>12}" for engine in ENGINES) + "       ratio")
    cases = {}
    for name, engine in product(MODELS, ENGINES):
        network = load(f"lib:{name}")
        fresh = partial(Machine, network, engine=engine)
        cases[name, engine] = lambda fresh=fresh: run(fresh(), traffic)
    seconds = interleaved(cases, options.rounds)
    for name in MODELS:
        rates = [options.packets / median(seconds[name, engine]) for engine in ENGINES]
        shown = "".join(f"{rate:>12,.0f}" for rate in rates)
        print(f"lib:{name:14}{shown}{rates[0] / rates[1]:>12.2f}")


if __name__ == "__main__":
    main()
