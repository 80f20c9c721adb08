"""Compiled networks against the reference on random networks and traffic, until the time is up.

python tests/fuzz.py --seconds 600          a long run; the seed of a failure is printed
python tests/fuzz.py --seed 123 --count 1   that one again
python tests/fuzz.py --seed 123 --count 1 --reduce   and its network made smaller, build by build
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/helpers"))

from agreement import (  # noqa: E402
    Difference,
    describe,
    difference,
    record,
    record_events,
    shrink,
)
from constructs import all_constructs, constructs  # noqa: E402
from engines import compiled, optimised  # noqa: E402
from ir_flows import flow_chain  # noqa: E402
from ir_wide import FUNCTIONS, wide_network  # noqa: E402
from reduce import reduce  # noqa: E402

from nfverify.cythonized.options import Options  # noqa: E402
from nfverify.oracles.programs.expressions import Options as Choices  # noqa: E402
from nfverify.smat.ir import Network  # noqa: E402
from nfverify.smat.load import load  # noqa: E402

MODELS = sorted(
    path
    for folder in ("models", "examples", "benchmarks/models")
    for path in (ROOT / folder).rglob("*.nfd")
)


def network_of(rng: Random) -> Network:
    """A random one, now and then one of the library."""
    roll = rng.random()
    if roll < 0.1:
        return load(str(rng.choice(MODELS)))
    if roll < 0.55:
        return flow_chain(rng, rng.randrange(1, 6))
    count = rng.randrange(1, 9)
    choices = Choices(ports=max(2, count), depth=rng.choice((2, 3, 3, 5)))
    return wide_network(rng, choices, count)


def options_of(rng: Random) -> Options:
    """Mostly the usual ones."""
    if rng.random() < 0.6:
        return Options()
    on = [rng.random() < 0.5 for _ in range(5)]
    return Options(*on, depth=rng.choice((1, 2, 8, 16, 32)))


def reduced(found: Difference, options: Options) -> Difference:
    """The same failure of a smaller network."""
    best = found

    def fails(network: Network) -> bool:
        nonlocal best
        trace = record_events(
            network,
            best.trace.events,
            operators=best.trace.operators,
            non_ip=best.trace.non_ip,
            rest=best.trace.until - max(event.time for event in best.trace.events),
        )
        other = difference(trace, compiled(options), Random(0))
        best = best if other is None else other
        return other is not None

    with optimised("-O0"):
        reduce(found.trace.network, fails)
        return shrink(best, compiled(options))


def attempt(network: Network, rng: Random, make_small: bool) -> Difference | None:
    """One network, two traces; the first difference."""
    options = options_of(rng)
    maker = compiled(options)
    with optimised(rng.choice(("-O0", "-O1", "-O2"))):
        for _ in range(2):
            trace = record(
                network,
                rng,
                rng.choice((100, 500, 3000)),
                operators=FUNCTIONS,
                engine="closures",
                non_ip=rng.choice(("bypass", "bypass", "drop")),
                plain=rng.choice((0.1, 0.5, 0.9)),
                many=rng.choice((0.0, 0.2, 0.9)),
            )
            found = difference(trace, maker, rng)
            if found is not None:
                found = shrink(found, maker)
                return reduced(found, options) if make_small else found
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=0, help="how long; 0: without end")
    parser.add_argument("--seed", type=int, default=None, help="of the first network")
    parser.add_argument("--count", type=int, default=0, help="networks; 0: as time allows")
    parser.add_argument("--reduce", action="store_true", help="make failing networks smaller")
    args = parser.parse_args()
    first = time.time_ns() % 10**9 if args.seed is None else args.seed
    began = time.monotonic()
    seen: Counter[str] = Counter()
    number = failures = 0
    print(f"seeds from {first} on", flush=True)
    while not args.count or number < args.count:
        if args.seconds and time.monotonic() - began > args.seconds:
            break
        seed = first + number
        number += 1
        rng = Random(seed)
        network = network_of(rng)
        seen.update(constructs(network))
        try:
            found = attempt(network, rng, args.reduce)
            said = None if found is None else describe(found)
        except Exception as error:  # of any kind: it is the seed that matters
            said = f"{type(error).__name__}: {error}"
            if args.count == 1:
                raise
        if said is not None:
            failures += 1
            print(f"FAILED at seed {seed}\n{said}", flush=True)
            print(f"again: python tests/fuzz.py --seed {seed} --count 1", flush=True)
    never = all_constructs() - set(seen)
    print(f"{number} networks, {failures} failures; {len(never)} constructs never came up")
    return 1 if failures else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        sys.exit(main())
