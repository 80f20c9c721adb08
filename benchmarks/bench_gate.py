"""How long a gate takes on a list of 5,000 rules: at first, unchanged, with one rule changed.

Run as `python benchmarks/bench_gate.py [--rounds N]`. Whole commands, wall-clock seconds. The gate
checks the model, compares it and its rules with those of HEAD, and proves that it does the same as
its own list in another order.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from measuring import machine, rows

ACL = Path(__file__).resolve().parents[1] / "examples" / "acl"
CONFIG = """
[[check]]
models = ["acl.nfd"]

[[diff]]
old = "HEAD:./acl.nfd"
new = "acl.nfd"

[[diff]]
old = "HEAD:./acl1.5k.csv"
new = "acl1.5k.csv"

[[prove]]
model = "acl.nfd"
properties = ["never_loops"]

[[equiv]]
a = "acl.nfd"
b = "acl-reordered.nfd"
"""
FILES = ("acl.nfd", "acl-reordered.nfd", "acl1.5k.csv", "acl1.5k.reordered.csv")


def run(*command: str, folder: Path, codes: tuple[int, ...] = (0,)) -> float:
    """Seconds of a command that ends in one of these codes."""
    env = {**os.environ, "XDG_CACHE_HOME": str(folder.parent / "cache")}
    start = perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    seconds = perf_counter() - start
    if done.returncode not in codes:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return seconds


def change(rules: Path, number: int) -> None:
    """One accepting rule drops from now on."""
    lines = rules.read_text().splitlines(keepends=True)
    while "accept" not in lines[number]:
        number += 1
    lines[number] = lines[number].replace("accept", "drop")
    rules.write_text("".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(machine())
    seconds: dict[str, list[float]] = {"at first": [], "unchanged": [], "one rule changed": []}
    gate = (sys.executable, "-m", "nfverify", "gate", "-q")
    with tempfile.TemporaryDirectory() as name:
        for number in range(rounds):
            folder = Path(name, str(number), "project")
            folder.mkdir(parents=True)
            for file in FILES:
                (folder / file).write_bytes((ACL / file).read_bytes())
            (folder / "nfverify.toml").write_text(CONFIG)
            git = ("git", "-c", "user.name=x", "-c", "user.email=x@example.org")
            for words in ("init -q", "add .", "commit -q -m x"):
                run(*git, *words.split(), folder=folder)
            seconds["at first"].append(run(*gate, folder=folder))
            seconds["unchanged"].append(run(*gate, folder=folder))
            change(folder / "acl1.5k.csv", 1000 + 500 * number)
            seconds["one rule changed"].append(run(*gate, folder=folder, codes=(1,)))
    print("\n".join(rows(seconds, {})))


if __name__ == "__main__":
    main()
