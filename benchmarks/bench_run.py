"""How many packets a second the reference semantics runs, on the 4-NF chain and on its parts.

Run as `python benchmarks/bench_run.py [--packets N]`. Frames are in memory; times include
parsing and deparsing. Medians of three runs.
"""

from __future__ import annotations

import argparse
from random import Random
from statistics import median
from time import perf_counter

from nfverify.packet.codec import build
from nfverify.packet.fields import Header
from nfverify.semantics.machine import ENGINES, Machine
from nfverify.smat.load import load

MODELS = ("edge", "inspect", "lb-blacklist", "napt", "lb", "monitor", "firewall", "rate-limiter")
ROUNDS = 3


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


def rate(machine: Machine, traffic: list[bytes]) -> float:
    """Packets in a second."""
    start = perf_counter()
    for number, frame in enumerate(traffic):
        machine.step(number * 1000, 0, frame)
    return len(traffic) / (perf_counter() - start)


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packets", type=int, default=20_000)
    traffic = frames(parser.parse_args().packets)
    print(f"{'packets/s':14}" + "".join(f"{engine:>12}" for engine in ENGINES))
    for name in MODELS:
        network = load(f"lib:{name}")
        rates = [
            median(rate(Machine(network, engine=engine), traffic) for _ in range(ROUNDS))
            for engine in ENGINES
        ]
        print(f"lib:{name:14}" + "".join(f"{r:>12,.0f}" for r in rates))


if __name__ == "__main__":
    main()
