"""A compiled chain under packets without end: does its memory stay, and does it do the same?

python tests/robustness/soak.py --packets 1000000000

Most packets are of many clients, whose flows come again and again; the rest is aimed at the chain,
broken frames among it. From the second round of the same packets on every table is full: then no
round may treat a packet otherwise than the one before, and the process may not grow.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import islice
from random import Random
from zlib import crc32

from nfverify.cythonized.bench import BURST, Traffic, clock, resident
from nfverify.cythonized.host import compile as compile_
from nfverify.oracles import traffic as aimed
from nfverify.packet.build import build
from nfverify.packet.fields import Header
from nfverify.smat.ir import Network
from nfverify.smat.load import load

ROUND = 1 << 17  # packets
CLIENTS = 5_000
AIMED = 0.1  # of the packets
LINES = 10  # of the report
CHECKED = 64  # every so many rounds, what became of each packet is compared
GROWTH = 1 << 20  # bytes that the process may grow, with all its Python
SETTLED = 3  # rounds after which nothing is new
TCP = Header.LINK | Header.IP4 | Header.TCP
UDP = Header.LINK | Header.IP4 | Header.UDP


def frames(network: Network, rng: Random) -> Iterator[bytes]:
    """An endless mix."""
    source = aimed.Traffic(network, rng)
    servers = (0xC6336401, 0x08080808, 0x5DB8D822)  # the first is behind the load balancer
    clients = [(0x0A000000 | rng.getrandbits(20), 1024 + n % 60_000) for n in range(CLIENTS)]
    while True:
        if rng.random() < AIMED:
            yield source.event().frame
            continue
        host, port = rng.choice(clients)
        ends = {"sip": host, "dip": rng.choice(servers), "sport": port, "dport": 80}
        kind, proto = (TCP, 6) if rng.random() < 0.8 else (UDP, 17)
        yield build(kind, ends | {"proto": proto})


def main() -> int:
    """The command line; 1 if memory grew or a round differed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--packets", type=int, default=10**9, help="default: 1000000000")
    parser.add_argument("--model", default="lib:edge", help="default: lib:edge")
    args = parser.parse_args()
    network, rng = load(args.model), Random(1)
    given = list(islice(frames(network, rng), ROUND))
    rounds = -(-args.packets // ROUND)
    with compile_(network) as made:
        traffic = Traffic(given, [10**9 + 1000 * n for n in range(len(given))])
        once = clock(made, traffic, BURST, timed=True)
        print(f"{rounds * ROUND:,} packets through {args.model}, in rounds of {ROUND:,}")
        print("| packets | time | million a second | resident |\n| - | - | - | - |", flush=True)
        began, spent = time.monotonic(), 0
        settled = seen = told = 0
        for number in range(1, rounds + 1):
            traffic.restore()
            if number % CHECKED == 1:
                traffic.later()
            spent += once()
            if number == SETTLED:
                settled = resident()
            if number >= SETTLED and (number % CHECKED == 0 or number in (SETTLED, rounds)):
                digest = crc32(traffic.verdicts.tobytes())
                if seen and digest != seen:
                    print(f"round {number} treats packets otherwise than those before it")
                    return 1
                seen = digest
            if number in (1, rounds) or number % max(1, rounds // LINES) == 0:
                speed, spent, told = (number - told) * ROUND / spent * 1000, 0, number
                memory = resident() / (1 << 20)
                print(
                    f"| {number * ROUND:,} | {time.monotonic() - began:.0f} s | {speed:.1f}"
                    f" | {memory:.1f} MB |",
                    flush=True,
                )
        grown = resident() - settled if settled else 0
    print(f"\nSince round {SETTLED} the process has grown by {grown / 1024:.0f} kB.")
    return 1 if grown > GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
