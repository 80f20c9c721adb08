"""compare and difference_boxes on whole rulesets: enumerated, ClassBench, budgets, replay."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import pytest

from nfverify.equivalence.rulesets import (
    Budget,
    Different,
    Equal,
    InternalError,
    Unknown,
    compare,
    difference_boxes,
)
from nfverify.equivalence.rulesets.comparing import _replayed, is_realisable
from nfverify.equivalence.rulesets.matching import inverted, regions
from nfverify.equivalence.rulesets.ranks import problem
from nfverify.equivalence.rulesets.verdict import Layers
from nfverify.lang.source import NOWHERE
from nfverify.smat.ruleset import COLUMNS, Row, Ruleset, full, load_csv

ACL = Path(__file__).resolve().parents[2] / "examples" / "acl"
LAYERS = [
    Layers(match=match, sieve=sieve, tidy=tidy, compiled=compiled)
    for match in (True, False)
    for sieve in (0, 1)
    for tidy in (0, 48)
    for compiled in (True, False)
]


def random_ruleset(rng, columns, count):
    """Few values per column, where the guards of realisable packets have their bounds too."""
    rows = []
    for _ in range(count):
        bounds = []
        for column in columns:
            top = full(column)[1]
            ends = (0, 1, 6, 17, 18, top) if column == "proto" else (0, 1, 2, top - 1, top)
            lo, hi = sorted(rng.choices(ends, k=2))
            bounds.append(full(column) if rng.random() < 0.5 else (lo, hi))
        rows.append(Row(rng.random() < 0.5, tuple(bounds)))
    return Ruleset("", tuple(columns), tuple(rows))


def shuffled(rng, ruleset, fault):
    """Columns permuted, neighbours swapped where that is legal, sometimes a row changed."""
    rows = list(ruleset.rows)
    for _ in range(6):
        i = rng.randrange(len(rows))
        if i and rows[i].accept == rows[i - 1].accept:
            rows[i - 1 : i + 1] = [rows[i], rows[i - 1]]
    if fault:
        i = rng.randrange(len(rows))
        rows[i] = Row(not rows[i].accept, rows[i].bounds)
    order = rng.sample(range(len(ruleset.columns)), len(ruleset.columns))
    columns = tuple(ruleset.columns[i] for i in order)
    return Ruleset(
        "", columns, tuple(Row(r.accept, tuple(r.bounds[i] for i in order)) for r in rows)
    )


def accepts(ruleset, point):
    index = ruleset.scan([point.get(column, 0) for column in ruleset.columns])
    return index is not None and ruleset.rows[index].accept


def grid(*rulesets):
    """A point of every region in which no row of any list begins or ends."""
    columns = [c for c in COLUMNS if any(c in r.columns for r in rulesets)]
    axes = []
    for column in columns:
        values = {0, 1, 6, 7, 17, 18} if column == "proto" else {0, 1}
        for ruleset in rulesets:
            if column in ruleset.columns:
                at = ruleset.columns.index(column)
                values |= {row.bounds[at][0] for row in ruleset.rows}
                values |= {row.bounds[at][1] + 1 for row in ruleset.rows}
        axes.append(sorted(v for v in values if v <= full(column)[1]))
    return [dict(zip(columns, values, strict=True)) for values in product(*axes)]


def worlds(seed, count):
    rng = random.Random(seed)
    for _ in range(count):
        columns = rng.sample(COLUMNS, rng.randint(1, 3))
        if rng.random() < 0.7:
            columns = rng.choice((["sip", "sip6"], ["dport", "proto"], ["dip6", "proto", "sport"]))
        a = random_ruleset(rng, columns, rng.randint(1, 7))
        if rng.random() < 0.75:
            yield a, shuffled(rng, a, rng.random() < 0.4)
        else:
            others = rng.sample(COLUMNS, rng.randint(1, 2))
            yield a, random_ruleset(rng, others, rng.randint(0, 4))


@pytest.mark.parametrize("realisable", [True, False])
def test_every_layer_says_what_enumeration_says(realisable):
    found = {Equal: 0, Different: 0}
    for number, (a, b) in enumerate(worlds(1, 500)):
        points = [p for p in grid(a, b) if is_realisable(p) or not realisable]
        expected = Different if any(accepts(a, p) != accepts(b, p) for p in points) else Equal
        found[expected] += 1
        for layers in LAYERS[number % 4 :: 4]:
            verdict = compare(a, b, realisable=realisable, layers=layers)
            assert type(verdict) is expected, (a, b, layers)
            if isinstance(verdict, Different):
                assert accepts(a, verdict.point) != accepts(b, verdict.point)
                assert is_realisable(verdict.point) or not realisable
                assert (verdict.rule_a is not None and verdict.rule_a.accept) == accepts(
                    a, verdict.point
                )
    assert min(found.values()) > 100


@pytest.mark.parametrize("realisable", [True, False])
def test_boxes_hold_exactly_the_differences(realisable):
    several = 0
    for a, b in worlds(2, 400):
        boxes = difference_boxes(a, b, cap=1000, realisable=realisable)
        assert boxes is not None
        several += len(boxes) > 1
        for point in grid(a, b):
            holding = [
                box
                for box in boxes
                if all(lo <= point.get(c, 0) <= hi for c, (lo, hi) in box.bounds.items())
            ]
            differ = accepts(a, point) != accepts(b, point)
            if is_realisable(point) or not realisable:
                assert len(holding) == differ
            for box in holding:
                assert (box.accept_a, box.accept_b) == (accepts(a, point), accepts(b, point))
    assert several > 30


def test_realisable_leaves_out_what_no_packet_has():
    both = full("proto")
    ports = Ruleset("", ("dport", "proto"), (Row(True, ((1, 65535), both)),))
    with_proto = Ruleset(
        "", ("dport", "proto"), tuple(Row(True, ((1, 65535), (p, p))) for p in (6, 17))
    )
    assert isinstance(compare(ports, with_proto), Equal)
    assert isinstance(compare(ports, with_proto, realisable=False), Different)
    v4_and_v6 = Ruleset("", ("sip", "dip6"), (Row(True, ((5, 5), (7, 7))),))
    nothing = Ruleset("", (), ())
    assert isinstance(compare(v4_and_v6, nothing), Equal)
    verdict = compare(v4_and_v6, nothing, realisable=False)
    assert verdict == Different({"sip": 5, "dip6": 7}, v4_and_v6.rows[0], None)


def test_a_row_with_an_empty_range_never_matches():
    empty = Ruleset("", ("sip",), (Row(True, ((5, 4),)),))
    assert isinstance(compare(empty, Ruleset("", (), ())), Equal)


def test_an_unchanged_list_needs_no_search():
    a = load("acl1.1k.csv")
    renamed = Ruleset("other", a.columns, a.rows)
    assert compare(a, renamed) == Equal("the same rules")


# ClassBench -------------------------------------------------------------------------------


def load(name):
    path = name if (ACL / name).is_file() else f"classbench/{name}"
    return load_csv(path, ACL, {}, NOWHERE)


@pytest.mark.parametrize("size", ["1k", "5k"])
@pytest.mark.parametrize("name", ["acl1", "fw1", "ipc1"])
@pytest.mark.parametrize("match", [True, False])
def test_classbench_twins(name, size, match):
    a = load(f"{name}.{size}.csv")
    layers = Layers(match=match)
    assert isinstance(compare(a, load(f"{name}.{size}.reordered.csv"), layers=layers), Equal)
    mutant = load(f"{name}.{size}.mutant.csv")
    verdict = compare(a, mutant, layers=layers)
    assert isinstance(verdict, Different)
    assert accepts(a, verdict.point) != accepts(mutant, verdict.point)
    assert is_realisable(verdict.point)


def test_the_twin_kernel_does_classbench_too():
    a = load("fw1.1k.csv")
    layers = Layers(match=False, compiled=False)
    outcome = compare(a, load("fw1.1k.reordered.csv"), layers=layers)
    assert outcome == compare(a, load("fw1.1k.reordered.csv"), layers=Layers(match=False))
    assert isinstance(outcome, Equal)


def test_the_difference_of_a_mutant_is_a_few_boxes():
    for name in ("acl1", "fw1", "ipc1"):
        a, b = load(f"{name}.5k.csv"), load(f"{name}.5k.mutant.csv")
        boxes = difference_boxes(a, b)
        assert boxes is not None
        assert 1 <= len(boxes) <= 3
        for box in boxes:
            corner = {column: lo for column, (lo, _) in box.bounds.items()}
            assert (accepts(a, corner), accepts(b, corner)) == (box.accept_a, box.accept_b)
            assert box.accept_a != box.accept_b


# Budgets and checks -----------------------------------------------------------------------


def unlike():
    """Two lists that are equal, and share too little for matching to say so."""
    a = load("fw1.1k.csv")
    rows = []
    for row in a.rows:
        (lo, hi), *rest = row.bounds
        middle = (lo + hi) // 2
        rows += [Row(row.accept, (half, *rest)) for half in ((lo, middle), (middle + 1, hi))]
    return a, Ruleset("", a.columns, tuple(rows))


def test_each_budget_leads_to_unknown():
    a, b = unlike()
    halving = Layers(sieve=0)
    assert isinstance(compare(a, b, layers=halving), Equal)
    reasons = [
        compare(a, b, Budget(nodes=5), layers=halving),
        compare(a, b, Budget(memory=10_000)),
        compare(a, b, Budget(seconds=-1.0), layers=Layers(compiled=False)),
    ]
    assert reasons == [
        Unknown("comparing two rulesets took over 5 cells"),
        Unknown("comparing two rulesets took over 10,000 bytes"),
        Unknown("comparing two rulesets took over -1 s"),
    ]


def test_difference_boxes_gives_up_above_its_cap_or_budget():
    a = load("fw1.1k.csv")
    nothing = Ruleset("", (), ())
    assert difference_boxes(a, nothing, cap=3) is None
    assert difference_boxes(a, load("fw1.1k.mutant.csv"), Budget(nodes=1)) is None


def test_a_witness_that_is_none_is_an_internal_error():
    a = load("acl1.1k.csv")
    with pytest.raises(InternalError, match="agree"):
        _replayed({"sip": 0, "dip": 0}, a, a, True)
    v4 = Ruleset("", ("sip", "sip6"), (Row(True, ((1, 9), (1, 9))),))
    with pytest.raises(InternalError, match="no packet"):
        _replayed({"sip": 1, "sip6": 1}, v4, Ruleset("", (), ()), True)


# Matching ---------------------------------------------------------------------------------


def test_inverted_pairs_are_those_of_a_plain_double_loop():
    rng = random.Random(4)
    for count in (2, 30, 300, 2200):  # over a block of masks, too
        rules = [
            (
                lo := rng.randrange(50),
                lo + rng.randint(1, 20),
                0,
                rng.randint(1, 3),
                rng.randrange(2),
            )
            for _ in range(count)
        ]
        order = sorted(range(count), key=lambda i: i + rng.randrange(9))
        places = [order.index(i) for i in range(count)] if count < 400 else list(range(count))
        if count > 400:
            for i in range(0, count - 40, 37):
                places[i], places[i + 40] = places[i + 40], places[i]
        expected = {
            (x, y)
            for y in range(count)
            for x in range(y)
            if places[x] > places[y]
            and rules[x][-1] != rules[y][-1]
            and all(rules[x][g] < rules[y][g + 1] and rules[y][g] < rules[x][g + 1] for g in (0, 2))
        }
        found = list(inverted(rules, places))
        assert {(rules[x], rules[y]) for x, y in expected} == set(found)
        assert len(found) == len(expected)


def test_no_regions_if_too_many():
    a, b = unlike()
    task = problem(a, b, realisable=True)
    assert regions(task.a, task.b, 100) is None
    assert regions(task.a, task.a, 100) == []
