"""Random pairs of tiny models, decided by exhaustive exploration and by the prover.

    python benchmarks/tiny_worlds.py --seed 7 --pairs 500

Ends with exit 0 only if the two never disagree and at most 5 % are unknown. What disagrees is
printed with its seed, and as IR with --show.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

from tiny_worlds import SECONDS, Pair, decide, pairs  # noqa: E402  # found by the path above

from nfverify.smat.unparse import program_text  # noqa: E402


def models(pair: Pair) -> str:
    """Both sides in the language of the models, and the world as its assumption."""
    parts = [f"world: {pair.world}"]
    for letter, side in (("a", pair.a), ("b", pair.b)):
        parts += [f"# {letter}", *(program_text(i.program) for i in side.instances)]
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", default="1", help="any text; another one makes other pairs")
    parser.add_argument("--pairs", type=int, default=500, metavar="M")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each proof")
    parser.add_argument("--show", action="store_true", help="print the models that disagree")
    args = parser.parse_args()

    started = time.monotonic()
    found: Counter[tuple[str, str]] = Counter()
    lengths: Counter[int] = Counter()
    spent = 0.0
    for pair in pairs(args.seed, args.pairs):
        outcome = decide(pair, args.seconds)
        found[pair.kind, outcome.agreement] += 1
        lengths[pair.shortest or 0] += 1
        spent += outcome.seconds
        if outcome.agreement in ("wrong", "unknown"):
            how = ", ".join(pair.how)
            print(f"{pair.seed}: {pair.kind} ({how}): {outcome.agreement}: {outcome.note}")
            if args.show and outcome.agreement == "wrong":
                print(models(pair))
    for (kind, agreement), count in sorted(found.items()):
        print(f"{kind:9} {agreement:11} {count:6}")
    print("shortest trace:", ", ".join(f"{n or 'none'}: {c}" for n, c in sorted(lengths.items())))
    seconds = time.monotonic() - started
    print(f"{args.pairs} pairs in {seconds:.1f} s, of which the prover took {spent:.1f} s")
    wrong = sum(n for (_, agreement), n in found.items() if agreement == "wrong")
    unknown = sum(n for (_, agreement), n in found.items() if agreement == "unknown")
    return 0 if not wrong and unknown <= args.pairs // 20 else 1


if __name__ == "__main__":
    sys.exit(main())
