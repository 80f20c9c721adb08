"""How long comparing two rulesets takes: twins, rewritings, worst cases, and 10 to 10,000 rules.

Run as `python benchmarks/bench_rulesets.py [--rounds N] [--limit SECONDS] [--only TEXT]`. Times
are from rulesets in memory to the verdict, medians of rounds in which all cases take turns; the
second is per rule, of both lists together.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from measuring import interleaved, machine

from nfverify.equivalence.rulesets import Budget, Unknown, compare, difference_boxes
from nfverify.equivalence.rulesets.comparing import solver
from nfverify.lang.source import NOWHERE
from nfverify.smat.ruleset import Bounds, Row, Ruleset, full, load_csv

ACL = Path(__file__).resolve().parent.parent / "examples" / "acl"
SETS = ("acl1", "fw1", "ipc1")


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    a: Ruleset
    b: Ruleset
    expected: str


# Variants ---------------------------------------------------------------------------------


def remade(ruleset: Ruleset, rows: Iterable[Row], name: str = "") -> Ruleset:
    return Ruleset(name or ruleset.name, ruleset.columns, tuple(rows))


def with_bounds(row: Row, position: int, bounds: Bounds) -> Row:
    return Row(row.accept, (*row.bounds[:position], bounds, *row.bounds[position + 1 :]), row.line)


def pieces(row: Row, count: int, rng: random.Random) -> list[Row]:
    """The row as up to `count` disjoint rows, cut at random places, in random order."""
    parts = [row]
    while len(parts) < count:
        part = parts.pop(rng.randrange(len(parts)))
        wide = [i for i, (lo, hi) in enumerate(part.bounds) if lo < hi]
        if not wide:
            return [*parts, part]
        position = rng.choice(wide)
        lo, hi = part.bounds[position]
        cut = rng.randrange(lo, hi)
        parts.append(with_bounds(part, position, (lo, cut)))
        parts.append(with_bounds(part, position, (cut + 1, hi)))
    rng.shuffle(parts)
    return parts


def split(ruleset: Ruleset, count: int, rng: random.Random) -> Ruleset:
    """Each rule in `count` pieces where it stood."""
    return remade(ruleset, [p for row in ruleset.rows for p in pieces(row, count, rng)])


def prefixes(lo: int, hi: int) -> Iterator[Bounds]:
    """The aligned blocks that make up a range, as routers write port ranges."""
    while lo <= hi:
        size = lo & -lo or 1 << 16
        while lo + size - 1 > hi:
            size //= 2
        yield lo, lo + size - 1
        lo += size


def port_prefixes(ruleset: Ruleset) -> Ruleset:
    """Each rule once per pair of prefixes of its port ranges."""
    rows = list(ruleset.rows)
    for column in ("sport", "dport"):
        if column in ruleset.columns:
            at = ruleset.columns.index(column)
            rows = [with_bounds(row, at, b) for row in rows for b in prefixes(*row.bounds[at])]
    return remade(ruleset, rows)


def dead_rules(ruleset: Ruleset, rng: random.Random) -> Ruleset:
    """After each rule another that is inside it, of either action."""
    rows = []
    for row in ruleset.rows:
        inner = []
        for lo, hi in row.bounds:
            first = rng.randint(lo, hi)
            inner.append((first, rng.randint(first, hi)))
        rows += [row, Row(rng.random() < 0.5, tuple(inner))]
    return remade(ruleset, rows)


def overlapping(x: Row, y: Row) -> bool:
    pairs = zip(x.bounds, y.bounds, strict=True)
    return all(a <= d and c <= b for (a, b), (c, d) in pairs)


def reordered(ruleset: Ruleset, swaps: int, rng: random.Random) -> Ruleset:
    """As many swaps of neighbours as are legal among `swaps` tries."""
    rows = list(ruleset.rows)
    for _ in range(swaps):
        i = rng.randrange(len(rows) - 1)
        if rows[i].accept == rows[i + 1].accept or not overlapping(rows[i], rows[i + 1]):
            rows[i], rows[i + 1] = rows[i + 1], rows[i]
    return remade(ruleset, rows)


def flipped(ruleset: Ruleset, rng: random.Random) -> Ruleset:
    """One rule that some packet reaches has the other action."""
    while True:
        rows = list(ruleset.rows)
        i = rng.randrange(len(rows))
        rows[i] = Row(not rows[i].accept, rows[i].bounds)
        corner = [lo for lo, _ in rows[i].bounds]
        if ruleset.first_match(corner) == i:
            return remade(ruleset, rows)


def disjoint(ruleset: Ruleset) -> Ruleset | None:
    """The accepted points as disjoint boxes, or None if they are too many."""
    nothing = remade(ruleset, [])
    boxes = difference_boxes(ruleset, nothing, Budget(seconds=20), 60_000, realisable=False)
    if boxes is None:
        return None
    columns = ruleset.columns
    bounds = [tuple(box.bounds.get(c, full(c)) for c in columns) for box in boxes]
    return remade(ruleset, [Row(True, each) for each in bounds])


def to_ipv6(ruleset: Ruleset) -> Ruleset:
    """IPv4 prefixes moved to the top of 128 bits."""
    columns = tuple({"sip": "sip6", "dip": "dip6"}.get(c, c) for c in ruleset.columns)
    rows = []
    for row in ruleset.rows:
        moved = [
            (lo << 96, (hi << 96) + (1 << 96) - 1) if column.endswith("6") else (lo, hi)
            for column, (lo, hi) in zip(columns, row.bounds, strict=True)
        ]
        rows.append(Row(row.accept, tuple(moved)))
    return Ruleset(ruleset.name, columns, tuple(rows))


def mixture(sets: Iterable[Ruleset], count: int) -> Ruleset:
    """Rules of several sets by turns."""
    sets = list(sets)
    rows = [row for group in zip(*(s.rows for s in sets), strict=False) for row in group]
    return remade(sets[0], rows[:count], f"mix {count}")


def random_ranges(count: int, rng: random.Random) -> Ruleset:
    """Rules with a random range in each of four fields: all overlap, nothing is a prefix."""
    columns = ("sip", "dip", "sport", "dport")
    rows = []
    for _ in range(count):
        bounds = [sorted((rng.randint(0, full(c)[1]), rng.randint(0, full(c)[1]))) for c in columns]
        rows.append(Row(rng.random() < 0.5, tuple((lo, hi) for lo, hi in bounds)))
    return Ruleset(f"random {count}", columns, tuple(rows))


def blocklist(count: int, rng: random.Random, then: Ruleset | None = None) -> Ruleset:
    """Drops by source, destination or port alone, then other rules, or accept."""
    columns = ("sip", "dip", "sport", "dport", "proto")
    everything = tuple(full(c) for c in columns)
    rows = []
    for _ in range(count):
        at = rng.randrange(3)
        width = 32 if at < 2 else 16
        size = 1 << rng.randrange(width // 3)
        lo = rng.randrange(1 << width) // size * size
        row = Row(False, everything)
        rows.append(with_bounds(row, (0, 1, 3)[at], (lo, lo + size - 1)))
    rows += then.rows if then else [Row(True, everything)]
    return Ruleset(f"blocklist {count}", columns, tuple(rows))


def strewn(ruleset: Ruleset, blocks: int, rng: random.Random) -> Ruleset:
    """Drops by one field alone, strewn over the whole list."""
    rows = list(ruleset.rows)
    for row in blocklist(blocks, rng).rows[:-1]:
        rows.insert(rng.randrange(len(rows)), row)
    return remade(ruleset, rows)


# Cases ------------------------------------------------------------------------------------


def load(name: str) -> Ruleset:
    path = name if (ACL / name).is_file() else f"classbench/{name}"
    return load_csv(path, ACL, {}, NOWHERE, name=name)


def twins() -> Iterator[Case]:
    for size in ("1k", "5k"):
        for name in SETS:
            first = load(f"{name}.{size}.csv")
            for kind, expected in (("reordered", "Equal"), ("mutant", "Different")):
                second = load(f"{name}.{size}.{kind}.csv")
                yield Case(f"{name} {size} {kind}", first, second, expected)


def rewritings(rng: random.Random) -> Iterator[Case]:
    for name in SETS:
        whole = load(f"{name}.5k.csv")
        thirds = split(whole, 3, rng)
        yield Case(f"{name} 5k split in 3", whole, thirds, "Equal")
        yield Case(f"{name} 5k split in 3, one flipped", thirds, flipped(whole, rng), "Different")
        yield Case(f"{name} 5k merged from 3", thirds, whole, "Equal")
        yield Case(f"{name} 5k two splits", split(whole, 2, rng), split(whole, 2, rng), "Equal")
        ports = port_prefixes(whole)
        yield Case(f"{name} 5k port prefixes ({len(ports.rows)})", whole, ports, "Equal")
        yield Case(f"{name} 5k dead rules", whole, dead_rules(whole, rng), "Equal")
        apart = disjoint(whole if name != "fw1" else load("fw1.1k.csv"))
        if apart is not None:
            same = whole if name != "fw1" else load("fw1.1k.csv")
            title = f"{name} {len(same.rows)} as disjoint boxes ({len(apart.rows)})"
            yield Case(title, same, apart, "Equal")
    six = to_ipv6(load("fw1.5k.csv"))
    yield Case("fw1 5k on IPv6, flipped", six, flipped(six, rng), "Different")
    yield Case("fw1 5k on IPv6, split in 2", six, split(six, 2, rng), "Equal")


def large(rng: random.Random) -> Iterator[Case]:
    sets = [load(f"{name}.5k.csv") for name in SETS]
    for count in (10_000, 14_000):
        mix = mixture(sets, count)
        moved = reordered(mix, 20 * count, rng)
        yield Case(f"mix {count} reordered", mix, moved, "Equal")
        yield Case(f"mix {count} reordered, flipped", mix, flipped(moved, rng), "Different")
        yield Case(f"mix {count} split in 2", mix, split(mix, 2, rng), "Equal")


def worst(rng: random.Random) -> Iterator[Case]:
    for count in (400, 1000, 3000):
        ranges = random_ranges(count, rng)
        yield Case(f"random ranges {count}, split", ranges, split(ranges, 2, rng), "Equal")
    for count in (250, 1000):
        blocks = blocklist(count, rng)
        yield Case(f"blocklist {count}, split", blocks, split(blocks, 2, rng), "Equal")
    for count, then in ((250, "fw1.1k.csv"), (700, "fw1.5k.csv")):
        blocks = blocklist(count, rng, load(then))
        yield Case(f"blocklist {count} + {then}, split", blocks, split(blocks, 2, rng), "Equal")
    for count, then in ((100, "fw1.1k.csv"), (300, "acl1.5k.csv"), (300, "fw1.5k.csv")):
        whole = strewn(load(then), count, rng)
        yield Case(
            f"blocklist {count} strewn in {then}, split", whole, split(whole, 2, rng), "Equal"
        )


def curve(rng: random.Random) -> Iterator[Case]:
    sets = [load(f"{name}.5k.csv") for name in SETS]
    for count in (10, 30, 100, 300, 1000, 3000, 10_000):
        mix = mixture(sets, count)
        moved = reordered(mix, 20 * count, rng)
        yield Case(f"curve {count} reordered", mix, moved, "Equal")
        yield Case(f"curve {count} flipped", mix, flipped(moved, rng), "Different")
        yield Case(f"curve {count} split in 3", mix, split(mix, 3, rng), "Equal")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=10.0, help="seconds per comparison")
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    kernel = "C" if solver().__module__.endswith("_kernel") else "pure Python"
    print(f"{machine()}; kernel: {kernel}; seed {options.seed}")
    groups: tuple[Callable[[random.Random], Iterator[Case]], ...] = (
        lambda rng: twins(),
        rewritings,
        large,
        worst,
        curve,
    )
    cases = [
        case
        for group in groups
        for case in group(random.Random(options.seed))
        if options.only in case.name
    ]
    verdicts: dict[str, str] = {}

    def decide(case: Case) -> None:
        verdict = compare(case.a, case.b, Budget(seconds=options.limit))
        verdicts[case.name] = type(verdict).__name__
        if not isinstance(verdict, Unknown) and type(verdict).__name__ != case.expected:
            raise SystemExit(f"{case.name}: {verdict}, expected {case.expected}")

    seconds = interleaved({case.name: partial(decide, case) for case in cases}, options.rounds)
    for case in cases:
        a, b = len(case.a.rows), len(case.b.rows)
        middle = median(seconds[case.name])
        each = 1e6 * middle / (a + b)
        told = f"{middle:8.3f} s {each:8.1f} µs  {verdicts[case.name]}"
        print(f"{case.name:48} {f'{a}/{b}':>14} {told}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
