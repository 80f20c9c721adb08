"""What compiled fast paths gain, and what they cost where they gain nothing.

Run as `python benchmarks/bench_fastpath.py YARDSTICK`, or with the folder in NFVERIFY_YARDSTICK;
without one only the traffic of the second table is measured, which is made here. Chain and fast
path take turns in rounds, on one core from memory; medians, ns for each packet.
"""

from __future__ import annotations

import argparse
import os
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

from expert import TRACES, Yardstick
from measuring import machine

from nfverify.cythonized.bench import Traffic, measure
from nfverify.cythonized.host import NetworkFunction
from nfverify.cythonized.host import compile as compile_
from nfverify.equivalence.fastpath.derive import derive
from nfverify.smat.load import load

ROOT = Path(__file__).parents[1]
CHAIN = ROOT / "benchmarks/models/chain.nfd"
C1, C6 = (ROOT / f"examples/fastpath/{name}.nfd" for name in ("c1", "c6"))
TO_CHAIN, TO_EXPERT, FIRST, HOSTILE = 0.6, 1.0, 1.5, 1.3  # at most
VIP, CONTROL = 0xC6336401, 0xC0000209  # of c1
SYN, ACK = 2, 16


@dataclass(frozen=True, slots=True)
class Pair:
    """A chain, and the same with its fast path."""

    chain: NetworkFunction
    fast: NetworkFunction

    @staticmethod
    def of(path: Path) -> Pair:
        network = load(str(path))
        return Pair(compile_(network), compile_(network, fastpath=derive(network)))


# Traffic --------------------------------------------------------------------------------------


def frame(sip: int, dip: int, sport: int, dport: int, flags: int = ACK) -> bytes:
    """64 bytes of IPv4 with TCP."""
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 50, 0, 0, 64, 6, 0, sip, dip)
    tcp = struct.pack(">HHIIBBHHH", sport, dport, 0, 0, 0x50, flags, 0, 0, 0)
    return (bytes(12) + b"\x08\x00" + ip + tcp).ljust(64, b"\0")


def flow(number: int, flags: int = ACK, dip: int = VIP) -> bytes:
    """A packet of the flow of that number, from inside."""
    return frame(0x0A000000 + number // 1000, dip, 1024 + number % 1000, 80, flags)


def traffic(frames: Sequence[bytes]) -> Traffic:
    return Traffic(frames, range(len(frames)))


def in_pairs(flows: int) -> Iterator[bytes]:
    """Two packets of each flow, the second one 100 flows later."""
    for number in range(flows + 100):
        if number < flows:
            yield flow(number)
        if number >= 100:
            yield flow(number - 100)


def flapping(count: int, flows: int, every: int) -> Iterator[bytes]:
    """A backend goes down or comes up each so many packets."""
    rng = Random(1)
    for number in range(count):
        if number % every == 0:
            yield frame(CONTROL, VIP, number // every % 4, 9000 + number // every // 4 % 2)
        yield flow(rng.randrange(flows))


def crossing(flows: int) -> Iterator[bytes]:
    """Each flow sends SYNs until it is over its threshold, then two more."""
    for number in range(flows):
        yield from [flow(number, SYN)] * 5


def hostile(count: int) -> Iterator[tuple[str, Path, Traffic]]:
    """A name, a chain, and traffic that gains little, if anything."""
    yield "flows of one packet", CHAIN, traffic([flow(n) for n in range(count)])
    yield "flows of two packets", CHAIN, traffic(list(in_pairs(count // 2)))
    for flows in (100, 10_000):
        name = f"a backend flaps each 1,000 packets, {flows:,} flows"
        yield name, C1, traffic(list(flapping(count, flows, 1_000)))
    yield "thresholds crossed all the time", C6, traffic(list(crossing(count // 5)))


# Output ---------------------------------------------------------------------------------------


def missed(ratio: float, limit: float) -> str:
    return f"{ratio:7.2f} of {limit:.1f}{'  missed' if ratio > limit else ''}"


def goals(yardstick: Yardstick, rounds: int, packets: int) -> None:
    """The chain of four, beside what an expert wrote with one entry for each flow."""
    pair = Pair.of(CHAIN)
    print(
        f"{'':14}{'chain':>8}{'fast':>8}{'expert':>8}   to the chain, to the expert; first packets"
    )
    for name in TRACES:
        data = yardstick.traffic(name, packets)
        found: dict[str, list[float]] = {}
        for _ in range(rounds):
            for way, function in (("chain", pair.chain), ("fast", pair.fast)):
                sample = measure(function, data, enough=0, timed=False)
                found.setdefault(way, []).append(sample.ns)
                found.setdefault(f"first {way}", []).append(sample.first)
            found.setdefault("expert", []).append(yardstick.ns("chainC", name, 5, packets))
        ns = {way: median(values) for way, values in found.items()}
        print(
            f"{name:14}{ns['chain']:8.1f}{ns['fast']:8.1f}{ns['expert']:8.1f}"
            f"{missed(ns['fast'] / ns['chain'], TO_CHAIN)}"
            f"{missed(ns['fast'] / ns['expert'], TO_EXPERT)}"
            f"{missed(ns['first fast'] / ns['first chain'], FIRST)}",
            flush=True,
        )


def costs(rounds: int, count: int) -> None:
    """Traffic for which a fast path is of little use, each time from the first packet on."""
    pairs: dict[Path, Pair] = {}
    print(f"\n{'':52}{'chain':>8}{'fast':>8}")
    for name, path, data in hostile(count):
        pair = pairs.setdefault(path, Pair.of(path))
        found: dict[str, list[float]] = {"chain": [], "fast": []}
        for _ in range(rounds):
            for way, function in (("chain", pair.chain), ("fast", pair.fast)):
                sample = measure(function, data, passes=1, enough=0)
                found[way].append(sample.first)
        chain, fast = median(found["chain"]), median(found["fast"])
        print(f"{name:52}{chain:8.1f}{fast:8.1f}{missed(fast / chain, HOSTILE)}", flush=True)


def main() -> None:
    """Print both tables, and what is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("yardstick", nargs="?", default=os.environ.get("NFVERIFY_YARDSTICK"))
    add("--work", type=Path, help="keeps the yardstick's program and the traces (default: none)")
    add("--rounds", type=int, default=5)
    add("--packets", type=int, default=1_000_000)
    add("--hostile", type=int, default=200_000, help="packets of each traffic made here")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        if options.yardstick:
            work = options.work or Path(scratch)
            yardstick = Yardstick(Path(options.yardstick).resolve(), work)
            yardstick.prepare()
            goals(yardstick, options.rounds, options.packets)
        costs(options.rounds, options.hostile)


if __name__ == "__main__":
    main()
