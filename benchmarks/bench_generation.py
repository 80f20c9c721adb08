"""How fast gen settles goals over the library, and how many mutants its suites notice.

Run as `python benchmarks/bench_generation.py [--mutants] [MODEL ...]`. Without --mutants: goals a
second of each model at level full, all steps included, in seconds of the processor (proofs, too,
and suites strengthened). With it: the score of each suite; a survivor has --seconds for a proof.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import process_time

from measuring import machine

import nfverify
from nfverify.equivalence.reach.outcome import Open, Unreachable
from nfverify.equivalence.reach.script import length
from nfverify.oracles.generate.outcome import Generated, Hit
from nfverify.oracles.generate.packets import events
from nfverify.oracles.generate.pipeline import Limits, generate
from nfverify.oracles.mutation.grading import Effort, grade
from nfverify.smat.load import load


def library() -> list[str]:
    """All models by their names on the command line."""
    folder = Path(nfverify.__file__).parent / "models"
    return [f"lib:{path.stem}" for path in sorted(folder.glob("*.nfd"))]


def main() -> None:
    """Print a line for each model, and the sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=library(), metavar="MODEL")
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the prover for a mutant")
    options = parser.parse_args()
    print(f"{machine()}\n")
    if options.mutants:
        mutants(options.models, options.seconds)
    else:
        goals(options.models)


def goals(models: list[str]) -> None:
    """What becomes of the goals, and how long it takes."""
    print(f"{'model':24}{'goals':>6}{'hit':>6}{'never':>6}{'open':>6}{'s':>8}{'goals/s':>9}")
    total, seconds = 0, 0.0
    for model in models:
        started = process_time()
        found = generate(load(model), "full")
        took = process_time() - started
        total, seconds = total + len(found.goals), seconds + took
        counts = "".join(f"{found.count(kind):6}" for kind in (Hit, Unreachable, Open))
        row = f"{model:24}{len(found.goals):6}{counts}{took:8.2f}{len(found.goals) / took:9.0f}"
        print(row, flush=True)
    print(f"{'all':24}{total:6}{'':18}{seconds:8.2f}{total / seconds:9.0f}")


def mutants(models: list[str], seconds: float) -> None:
    """How good the suites are."""
    head = ("mutants", "equal", "killed", "score", "missed", "open", "packets", "written")
    print(f"{'model':24}" + "".join(f"{word:>9}" for word in head))
    for model in models:
        network = load(model)
        made = generate(network, "full", limits=Limits(prove=False))
        traces = [events(item.script) for item in made.items]
        found = grade(network, traces, effort=Effort(seconds))
        counts = [len(found.outcomes), found.count("equivalent"), found.count("killed")]
        rest = [found.count("different"), found.count("undecided"), *packets(made)]
        cells = "".join(f"{n:9,}" for n in counts) + f"{found.score:9.1%}"
        print(f"{model:24}{cells}" + "".join(f"{n:9,}" for n in rest), flush=True)


def packets(made: Generated) -> tuple[int, int]:
    """Packets of a suite, and its size with each repetition counted once."""
    scripts = [item.script for item in made.items]
    return sum(map(length, scripts)), sum(map(len, scripts))


if __name__ == "__main__":
    main()
