"""How long `equiv` takes, from the text of two models to the verdict.

Run as `python benchmarks/bench_equiv.py [--rounds N] [--only TEXT]`. Each pair is measured as a
whole command (a process of its own: Python's start, imports, limits, report) and in this process
(both texts read, then proved). `goal` is what the project wants on two cores, text to verdict; the
last column is the median in relation to it. All cases of a table take turns. A verdict other than
the expected one ends the benchmark.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from bench_rulesets import SETS, flipped, mixture, reordered
from bench_rulesets import load as load_list
from measuring import interleaved, machine, rows

from nfverify.equivalence.consolidate.text import csv_text
from nfverify.equivalence.prove import equivalent
from nfverify.equivalence.verdict import Different, Equivalent
from nfverify.smat.load import load
from nfverify.smat.ruleset import Ruleset

ROOT = Path(__file__).resolve().parent.parent
PAIRS = ROOT / "tests" / "pairs"

# A chain of n functions is the first n - 2 of these around a monitor and a firewall, which commute.
FUNCTIONS = """
program monitor { map<flow, int> n; entry { action_state { n[f] = n[f] + 1; } } }
program telnet { entry { match_flow { f[proto] == 6 && f[dport] == 23 } action_flow { drop; } } }
program nat {
    rule LAN = sip:10.0.0.0/8;
    map<flow, int> port; int next = 1024;
    entry { match_flow { f matches LAN } match_state { f in port }
            action_flow { let p = port[f]; f[sip] = 203.0.113.7; f[sport] = p; } }
    entry { match_flow { f matches LAN } match_state { next < 65536 }
            action_state { port[f] = next; }
            action_flow { f[sip] = 203.0.113.7; f[sport] = next; next = next + 1; } }
    entry { match_flow { f matches LAN } action_flow { drop; } }
}
program ttl {
    entry { match_flow { f[ttl] <= 1 } action_flow { drop; } }
    entry { action_flow { f[ttl] = f[ttl] - 1; } }
}
program lb {
    map<flow, int> conn; int turn = 0;
    entry { match_flow { f[dip] == 198.51.100.1 } match_state { f in conn }
            action_flow { f[dip] = 192.168.1.1 + conn[f]; } }
    entry { match_flow { f[dip] == 198.51.100.1 } action_state { conn[f] = turn; }
            action_flow { f[dip] = 192.168.1.1 + turn; turn = (turn + 1) % 4; } }
}
program few {
    map<IP, int> n;
    entry { match_state { n[f[dip]] >= 2 } action_flow { drop; } }
    entry { match_flow { f[UDP] == 1 } action_state { n[f[dip]] = n[f[dip]] + 1; } }
}
program bad { entry { match_flow { f[sip] matches 192.0.2.0/24 } action_flow { drop; } } }
program syn {
    map<IP, int> n;
    entry { match_flow { f[flag_syn] == 1 } match_state { n[f[sip]] >= 50 } action_flow { drop; } }
    entry { match_flow { f[flag_syn] == 1 } action_state { n[f[sip]] = n[f[sip]] + 1; } }
}
program bytes {
    map<IP, bit<64>> sum;
    entry { action_state { sum[f[dip]] = sum[f[dip]] + f[size]; } }
}
program mark { entry { match_flow { f[UDP] == 1 } action_flow { f[tos] = 184; } } }
program answers {
    set<flow> asked;
    entry { match_flow { f[UDP] == 1 && f[dport] == 53 } action_state { asked = asked | {f}; } }
    entry { match_flow { f[UDP] == 1 && f[sport] == 53 }
            match_state { ~(reverse(f) in asked) } action_flow { drop; } }
}
program smtp { entry { match_flow { f[proto] == 6 && f[dport] == 25 } action_flow { drop; } } }
"""
AROUND = ("nat", "ttl", "lb", "few", "bad", "syn", "bytes", "mark", "answers", "smtp")

LIST = """program acl {
    ruleset ACL = load("FILE");
    entry { match_flow { f matches ACL } action_flow { pass; } }
    entry { action_flow { drop; } }
}
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A pair of targets, the verdict, and the goal in seconds (0: none)."""

    name: str
    a: str
    b: str
    equal: bool
    goal: float = 0.0


def chain(count: int, middle: tuple[str, ...]) -> str:
    """The text of a chain of `count` functions with these two, or this one, in its middle."""
    rest = AROUND[: count - len(middle)]
    half = len(rest) // 2
    return f"{FUNCTIONS}\nchain main = {' -> '.join((*rest[:half], *middle, *rest[half:]))};\n"


def chains(folder: Path) -> Iterator[Case]:
    """Chains of 1 to 12 functions: two that commute swapped, and a port of the firewall changed."""
    for count in range(1, 13):
        first, second = folder / f"chain{count}.nfd", folder / f"chain{count}-swapped.nfd"
        third = folder / f"chain{count}-fault.nfd"
        middle = ("monitor", "telnet") if count > 1 else ("telnet",)
        first.write_text(chain(count, middle))
        second.write_text(chain(count, middle[::-1]).replace("next", "following"))
        third.write_text(chain(count, middle).replace("== 23", "== 22"))
        yield Case(f"chain of {count:2}, two swapped", str(first), str(second), True)
        yield Case(f"chain of {count:2}, a fault", str(first), str(third), False)


def write(folder: Path, name: str, ruleset: Ruleset) -> str:
    """A model that passes what the ruleset accepts, and its list as CSV beside it."""
    text = csv_text(ruleset)
    assert text is not None
    (folder / f"{name}.csv").write_text(text)
    (folder / f"{name}.nfd").write_text(LIST.replace("FILE", f"{name}.csv"))
    return str(folder / f"{name}.nfd")


def lists(folder: Path) -> Iterator[Case]:
    """Access lists of 10 to 10,000 rules, in another legal order, and with one action changed."""
    rng = Random(1)
    whole = [load_list(f"{name}.5k.csv") for name in SETS]
    for count in (10, 30, 100, 300, 1000, 3000, 10_000):
        mix = mixture(whole, count)
        moved = reordered(mix, 20 * count, rng)
        first = write(folder, f"list{count}", mix)
        goal = 2.0 if count == 10_000 else 0.0
        second = write(folder, f"list{count}-reordered", moved)
        third = write(folder, f"list{count}-mutant", flipped(moved, rng))
        yield Case(f"{count} rules, reordered", first, second, True, goal)
        yield Case(f"{count} rules, mutant", first, third, False, goal)


def twins(folder: Path) -> Iterator[Case]:
    """The ClassBench lists, about 1,000 and 5,000 rules, against both of their twins."""
    for name in SETS:
        for size in ("1k", "5k"):
            made = {
                kind: write(folder, f"{name}-{size}-{kind or 'list'}", load_list(file))
                for kind, file in (
                    ("", f"{name}.{size}.csv"),
                    ("reordered", f"{name}.{size}.reordered.csv"),
                    ("mutant", f"{name}.{size}.mutant.csv"),
                )
            }
            yield Case(f"{name} {size}, reordered", made[""], made["reordered"], True, 1.0)
            yield Case(f"{name} {size}, mutant", made[""], made["mutant"], False, 1.0)


def pairs(folder: Path) -> Iterator[Case]:
    """The chain of the library against its table, and against a faulty one; chains of 2 and 10."""
    fault = str(ROOT / "examples" / "edge" / "edge-table-fault.nfd")
    yield Case("lib:edge, its table", "lib:edge", "lib:edge-table", True, 2.0)
    yield Case("lib:edge, its table with a fault", "lib:edge", fault, False, 2.0)
    ten = [str(PAIRS / f"chain-10-commute.{side}.nfd") for side in "ab"]
    yield Case("chain of 10, two swapped", ten[0], ten[1], True, 3.0)
    two, swapped = folder / "two.nfd", folder / "two-swapped.nfd"
    two.write_text(chain(2, ("monitor", "telnet")))
    swapped.write_text(chain(2, ("telnet", "monitor")))
    yield Case("chain of 2, two swapped", str(two), str(swapped), True, 1.2)


def command(case: Case) -> None:
    """The case as a user types it."""
    words = (sys.executable, "-m", "nfverify", "-q", "equiv", case.a, case.b)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != (0 if case.equal else 1):
        raise SystemExit(f"{case.name}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def in_process(case: Case) -> None:
    """The case from the text of both models to the verdict."""
    a = load(case.a)
    verdict = equivalent(a, load(case.b, ports=a.ports))
    if not isinstance(verdict, Equivalent if case.equal else Different):
        raise SystemExit(f"{case.name}: {verdict}")


def main() -> None:
    """Print a table for each group of cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        for group in (pairs, twins, chains, lists):
            cases = [c for c in group(Path(folder)) if options.only in c.name]
            if not cases:
                continue
            ways = {"command": command, "in process": in_process}
            runs = {f"{c.name}: {way}": partial(ways[way], c) for c in cases for way in ways}
            goals = {f"{c.name}: {way}": c.goal for c in cases for way in ways}
            found = interleaved(runs, options.rounds)
            print(f"\n{'median of ' + str(options.rounds):44} {'':10}  (least to most)   of goal")
            print("\n".join(rows(found, goals, 44)))


if __name__ == "__main__":
    main()
