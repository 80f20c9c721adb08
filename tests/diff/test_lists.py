"""Differences of two lists by the rules that decide: every pair, count and box by enumeration."""

from itertools import product
from math import prod
from pathlib import Path
from random import Random

import pytest

from nfverify.equivalence.diff.lists import ListDiff, compare_lists
from nfverify.equivalence.rulesets.comparing import is_realisable
from nfverify.equivalence.rulesets.verdict import Budget
from nfverify.smat.ruleset import Bounds, Row, Ruleset, full
from nfverify.smat.versions import load_version

ACL = Path(__file__).parents[2] / "examples" / "acl"
COLUMNS = ("sip", "sip6", "dport", "proto", "iface")
POOLS = {
    "sip": (0, 1, 2, 7, 8, 1 << 31, (1 << 32) - 1),
    "sip6": (0, 1, 1 << 127),
    "dport": (0, 1, 53, 80, 81, 65535),
    "proto": (0, 1, 5, 6, 7, 17, 255),
    "iface": (0, 1, 2),
}
Found = dict[tuple[int | None, int | None], int]


def random_list(rng: Random, columns: tuple[str, ...]) -> Ruleset:
    def bounds(column: str) -> Bounds:
        if rng.random() < 0.4:
            return full(column)
        low, high = sorted(rng.choices(POOLS[column], k=2))
        return low, high

    rows = [
        Row(rng.random() < 0.5, tuple(map(bounds, columns)), line=n + 2)
        for n in range(rng.randint(0, 6))
    ]
    return Ruleset("list", columns, tuple(rows))


def changed(rng: Random, ruleset: Ruleset) -> Ruleset:
    """Another list that shares most of its rows."""
    rows = list(ruleset.rows)
    for _ in range(rng.randint(1, 3)):
        other = random_list(rng, ruleset.columns).rows
        at = rng.randint(0, len(rows))
        match rng.randrange(4):
            case 0:
                rows[at:at] = other[:1]
            case 1 if rows:
                row = rows.pop(at % len(rows))
                rows.insert(rng.randint(0, len(rows)), row)
            case 2 if rows:
                row = rows[at % len(rows)]
                rows[at % len(rows)] = Row(not row.accept, row.bounds, row.line)
            case _:
                del rows[at : at + 1]
    return Ruleset("list", ruleset.columns, tuple(rows))


def enumerated(old: Ruleset, new: Ruleset, ports: int) -> tuple[Found, dict[tuple[int, ...], int]]:
    """Points by the rows that decide them otherwise, cell by cell of the finest grid; also the
    least points of these cells, with how many points each stands for."""
    columns = tuple(c for c in COLUMNS if c in old.columns or c in new.columns)
    ends: list[list[int]] = []
    for column in columns:
        found = {0, 1, full(column)[1] + 1}
        found |= {6, 7, 17, 18} if column == "proto" else set()
        found |= {ports} if column == "iface" else set()
        for ruleset in (old, new):
            if column in ruleset.columns:
                at = ruleset.columns.index(column)
                found |= {
                    x for row in ruleset.rows for x in (row.bounds[at][0], row.bounds[at][1] + 1)
                }
        ends.append(sorted(found))
    pairs: Found = {}
    points = {}
    for corner in product(*(range(len(e) - 1) for e in ends)):
        point = {c: e[i] for c, e, i in zip(columns, ends, corner, strict=True)}
        if not is_realisable(point) or point.get("iface", 0) >= ports:
            continue
        rows = tuple(r.scan([point[c] for c in r.columns]) for r in (old, new))
        says = [
            row is not None and r.rows[row].accept for r, row in zip((old, new), rows, strict=True)
        ]
        if says[0] != says[1]:
            held = prod(e[i + 1] - e[i] for e, i in zip(ends, corner, strict=True))
            pairs[rows] = pairs.get(rows, 0) + held
            points[tuple(point.values())] = held
    return pairs, points


def held(diff: ListDiff, points: dict[tuple[int, ...], int]) -> int:
    """How many points all boxes hold together, each in one box at most."""
    boxes = [box for pair in diff.pairs for box in diff.boxes(pair)]
    for point in points:
        named = dict(zip(diff.columns, point, strict=True))
        inside = [b for b in boxes if all(lo <= named[c] <= hi for c, (lo, hi) in b.items())]
        assert len(inside) == 1
    return sum(prod(hi - lo + 1 for lo, hi in box.values()) for box in boxes)


@pytest.mark.parametrize("seed", range(6))
def test_random_lists_by_enumeration(seed: int) -> None:
    rng = Random(seed)
    for _ in range(80):
        columns = tuple(c for c in COLUMNS if rng.random() < 0.55) or ("dport",)
        old = random_list(rng, columns)
        new = changed(rng, old) if rng.random() < 0.8 else random_list(rng, columns)
        ports = rng.choice((2, 3))
        diff = compare_lists(old, new, Budget(), ports=ports)
        pairs, points = enumerated(old, new, ports)
        assert {(p.old, p.new): p.count for p in diff.pairs} == pairs
        assert not diff.stopped
        assert held(diff, points) == sum(pairs.values())
        for pair in diff.pairs:
            point = diff.point(pair)
            assert old.scan([point[c] for c in old.columns]) == pair.old
            assert new.scan([point[c] for c in new.columns]) == pair.new


def test_region_and_earlier_rules_say_exactly_which_points() -> None:
    """A point is a pair's if and only if it lies in its region and in no earlier rule."""
    rng = Random("regions")
    for _ in range(30):
        old = random_list(rng, ("dport", "proto"))
        new = changed(rng, old)
        diff = compare_lists(old, new, Budget())
        for pair in diff.pairs:
            region, earlier = diff.region(pair), diff.earlier(pair)
            for port, proto in product((0, 1, 2, 53, 54, 80, 81, 82, 65535), (5, 6, 7, 17, 18)):
                point = {"dport": port, "proto": proto}
                inside = all(lo <= point[c] <= hi for c, (lo, hi) in region.items())
                taken = any(
                    all(
                        lo <= point[c] <= hi
                        for c, (lo, hi) in zip(r.columns, r.rows[n].bounds, strict=True)
                    )
                    for r, rows in zip((old, new), earlier, strict=True)
                    for n in rows
                )
                rows = [r.scan([point[c] for c in r.columns]) for r in (old, new)]
                assert (inside and not taken) == (rows == [pair.old, pair.new])


def test_one_rule_of_five_thousand() -> None:
    """The figures that an independent count found (twice 2^48, less one address's ports)."""
    names = ("classbench/fw1.5k.csv", "classbench/fw1.5k.mutant.csv")
    old, new = (load_version(str(ACL / name)) for name in names)
    assert isinstance(old, Ruleset)
    assert isinstance(new, Ruleset)
    diff = compare_lists(old, new, Budget())
    (pair,) = diff.pairs
    assert pair.count == 281_474_976_645_120
    assert len(diff.boxes(pair)) == 2
    lines = [row.line for row in diff.row(pair) if row is not None]
    assert lines == [2028, 2030]


def test_many_changes_are_all_counted() -> None:
    """Flipped rules: what each decides otherwise adds up to what the boxes hold."""
    loaded = load_version(str(ACL / "classbench" / "fw1.1k.csv"))
    assert isinstance(loaded, Ruleset)
    rows = [
        Row(row.accept != (n % 97 == 5), row.bounds, row.line) for n, row in enumerate(loaded.rows)
    ]
    diff = compare_lists(loaded, Ruleset("flipped", loaded.columns, tuple(rows)), Budget())
    assert len(diff.pairs) >= 5
    for pair in diff.pairs:
        assert (
            sum(prod(hi - lo + 1 for lo, hi in box.values()) for box in diff.boxes(pair))
            == pair.count
        )


def test_what_runs_out_is_said() -> None:
    old = random_list(Random(3), ("sip", "dport", "proto"))
    flipped = tuple(Row(not r.accept, r.bounds, r.line) for r in old.rows)
    new = Ruleset("list", old.columns, flipped)
    assert compare_lists(old, new, Budget(), most=1).stopped == "cells"
    assert not compare_lists(old, new, Budget()).stopped
