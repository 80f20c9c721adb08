"""Both kernels against enumeration on tiny worlds, against each other, and with planted faults."""

from __future__ import annotations

import random
import signal
from array import array
from itertools import chain, product
from time import monotonic

import pytest

from nfverify.equivalence.rulesets import kernel
from nfverify.equivalence.rulesets.comparing import solver

KERNELS = {"python": kernel.solve, "compiled": solver(True)}
AMPLE = {"nodes": 10**7, "memory": 1 << 28}


def run(solve, pair, sieve, tidy, **options):
    a, b = pair.flat()
    limits = {**AMPLE, "deadline": monotonic() + 60, **options}
    return solve(pair.dims, a, False, b, False, sieve=sieve, tidy=tidy, **limits)


def test_the_compiled_kernel_is_built():
    """Else the tests below would hold the twin against itself."""
    assert KERNELS["compiled"] is not kernel.solve


@pytest.mark.parametrize("tidy", [0, 48])
@pytest.mark.parametrize("sieve", [0, 1, 6])
def test_both_kernels_say_what_enumeration_says(pairs, sieve, tidy):
    equal = 0
    for pair in pairs(sieve + 10 * tidy, 1200):
        differences = pair.differences()
        equal += not differences
        results = [run(solve, pair, sieve, tidy) for solve in KERNELS.values()]
        assert results[0] == results[1], pair
        assert results[0].status == ("different" if differences else "equal"), pair
        if differences:
            assert results[0].point in differences, pair
    assert 300 < equal < 900  # neither verdict is rare


def test_the_cells_of_a_difference_are_disjoint_and_exact(pairs):
    for pair in pairs(99, 800):
        results = [run(solve, pair, 1, 48, cells=1000) for solve in KERNELS.values()]
        assert results[0] == results[1]
        points = []
        for *cell, in_a, in_b in results[0].cells:
            assert in_a != in_b
            points += product(
                *(range(lo, hi) for lo, hi in zip(cell[::2], cell[1::2], strict=True))
            )
        assert len(points) == len(set(points))
        assert set(points) == pair.differences()


def large_pair(rng, count):
    dims = (400, 300, 50, 3)
    rules = []
    for _ in range(count):
        bounds = []
        for dim in dims:
            size = rng.choice((1, dim // 8 + 1, dim))
            lo = rng.randrange(dim - size + 1)
            bounds += (lo, lo + size)
        rules.append((*bounds, rng.randrange(2)))
    other = list(rules)
    for _ in range(count):
        i = rng.randrange(len(other) - 1)
        if other[i][-1] == other[i + 1][-1]:
            other[i], other[i + 1] = other[i + 1], other[i]
    if rng.random() < 0.5:
        i = rng.randrange(len(other))
        other[i] = (*other[i][:-1], 1 - other[i][-1])
    return dims, rules, other


@pytest.mark.parametrize("sieve", [0, kernel.SIEVE_MIN])
def test_the_kernels_agree_step_for_step_on_larger_lists(sieve):
    rng = random.Random(5)
    statuses = set()
    for _ in range(12):
        dims, *lists = large_pair(rng, rng.choice((60, 120, 200)))
        a, b = (array("i", chain.from_iterable(rules)) for rules in lists)
        limits = {**AMPLE, "deadline": monotonic() + 60, "sieve": sieve}
        results = [solve(dims, a, False, b, False, **limits) for solve in KERNELS.values()]
        assert results[0] == results[1]
        statuses.add(results[0].status)
    assert statuses == {"equal", "different"}


@pytest.mark.parametrize("name", KERNELS)
def test_each_budget_stops_the_search(name):
    dims, *lists = large_pair(random.Random(7), 200)
    a, b = (array("i", chain.from_iterable(rules)) for rules in lists)
    for status, limits in (
        ("nodes", {"nodes": 3, "deadline": monotonic() + 60, "memory": 1 << 28}),
        ("memory", {"nodes": 10**6, "deadline": monotonic() + 60, "memory": 3000}),
    ):
        outcome = KERNELS[name](dims, a, False, b, False, sieve=0, **limits)
        assert (outcome.status, outcome.point) == (status, ())


@pytest.mark.parametrize("name", KERNELS)
def test_a_past_deadline_stops_the_search(name):
    dims, rules, _ = large_pair(random.Random(8), 800)
    halves = [
        (lo, hi, *rest)
        for first, last, *rest in rules
        for lo, hi in ((first, (first + last) // 2), ((first + last) // 2, last))
        if lo < hi
    ]
    a, b = (array("i", chain.from_iterable(each)) for each in (rules, halves))
    limits = {**AMPLE, "deadline": monotonic() - 1}
    assert KERNELS[name](dims, a, False, b, False, **limits).status == "seconds"


def test_what_a_signal_handler_raises_ends_the_search():
    """So that Ctrl-C works in the middle of a long search in C (in Python it does anyway)."""

    def ring(signum, frame):
        raise TimeoutError("rung")

    dims, rules, _ = large_pair(random.Random(9), 20_000)
    half = [(lo, (lo + hi + 1) // 2, *rest) for lo, hi, *rest in rules]
    other = [
        (middle, hi, *rest) for (_, hi, *rest), (_, middle, *_) in zip(rules, half, strict=True)
    ]
    halves = [r for pair in zip(half, other, strict=True) for r in pair if r[0] < r[1]]
    a, b = (array("i", chain.from_iterable(each)) for each in (rules, halves))

    def search():
        signal.setitimer(signal.ITIMER_REAL, 0.002)
        KERNELS["compiled"](dims, a, False, b, False, sieve=0, **AMPLE, deadline=monotonic() + 60)

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with pytest.raises(TimeoutError, match="rung"):
            search()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_bad_arguments_are_refused():
    solve, limits = KERNELS["compiled"], {**AMPLE, "deadline": monotonic() + 9}
    good, empty = array("i", [0, 1, 1]), array("i")
    for dims, rules in (
        ([1] * 9, empty),
        ([], empty),
        ([2], array("i", [0, 1])),
        ([2], array("q", [0] * 3)),
    ):
        with pytest.raises(ValueError, match=r"rule|fields"):
            solve(dims, rules, False, good, False, **limits)


# Planted faults: each breaks one step of the twin, and the enumeration must notice. --------


class KeepsCoveredRules(kernel.Search):
    """A covering rule does not end the list but vanishes."""

    def cut_covering(self, cell, side):
        side.rules = [r for r in side.rules if not kernel.covers(r, cell)]
        self.strip(side)


class StripsTooMuch(kernel.Search):
    def strip(self, side):
        while side.rules and side.rules[-1][-1] in (side.rest, 1):
            side.rules.pop()


class ForgetsToClip(kernel.Search):
    """Rules that only touch the cell at their end stay in it."""

    def clip(self, side, f, cell):
        lo, hi = cell[2 * f], cell[2 * f + 1]
        clipped = [
            (*r[: 2 * f], max(r[2 * f], lo), max(lo + 1, min(r[2 * f + 1], hi)), *r[2 * f + 2 :])
            for r in side.rules
            if r[2 * f] < hi and r[2 * f + 1] >= lo
        ]
        child = kernel.Side(clipped, side.rest)
        self.cut_covering(cell, child)
        return child


class DropsContainedInLater(kernel.Search):
    """Containment without looking at the order."""

    def tidy(self, side):
        side.rules = [
            r
            for i, r in enumerate(side.rules)
            if not any(kernel.covers(x, r) for j, x in enumerate(side.rules) if j != i)
        ]


class DropsRestRules(kernel.Search):
    """Rules that do what is done anyway, whatever they shadow."""

    def tidy(self, side):
        side.rules = [r for r in side.rules if r[-1] != side.rest]


class ForgetsTheAction(kernel.Search):
    """The sieve reads boxes without actions."""

    def read(self, alive, rest):
        read = super().read(alive, rest)
        return [read[0], *(x & ~1 for x in read[1:])]


class ForgetsTheRest(kernel.Search):
    """The sieve reads rules without what happens after them."""

    def read(self, alive, rest):
        return [0, *super().read(alive, rest)[1:]]


class ReadsPastWholeRules(kernel.Search):
    """A rule that holds the whole slice is skipped by the sieve."""

    def read(self, alive, rest):
        return super().read(
            [(box, action, False) for box, action, whole in alive if not whole], rest
        )


class ConfusesBoxes(kernel.Search):
    """Boxes are told apart by their first field only."""

    def box_number(self, boxes, box):
        return boxes.setdefault(box[:2], len(boxes))


class SortsTheSlice(kernel.Search):
    """The order of rules in a slice is lost."""

    def read(self, alive, rest):
        read = super().read(alive, rest)
        return [read[0], *sorted(read[1:])]


class RenumbersOff(kernel.Search):
    """Kept slices are counted up to and including the bound."""

    def renumber(self, side, f, ends, kept):
        super().renumber(side, f, ends, [v - 1 for v in kept])


class LosesOrigins(kernel.Search):
    """Points stay in the numbers of the sieve."""

    def sieved(self, cell, a, b):
        return self.search(cell, a, b, 0) and cell[::2]


class HalvesUnevenly(kernel.Search):
    """The cut leaves out a rank."""

    def search(self, cell, a, b, last):
        narrowed = any(hi - lo > 1 for lo, hi in zip(cell[::2], cell[1::2], strict=True))
        if narrowed and self.nodes:
            g = next(g for g in range(0, len(cell), 2) if cell[g + 1] - cell[g] > 1)
            cell = (*cell[:g], cell[g], cell[g + 1] - 1, *cell[g + 2 :])
            a, b = self.clip(a, g // 2, cell), self.clip(b, g // 2, cell)
        return super().search(cell, a, b, last)


FAULTS = [
    KeepsCoveredRules,
    StripsTooMuch,
    ForgetsToClip,
    DropsContainedInLater,
    DropsRestRules,
    ForgetsTheAction,
    ForgetsTheRest,
    ReadsPastWholeRules,
    ConfusesBoxes,
    SortsTheSlice,
    RenumbersOff,
    LosesOrigins,
    HalvesUnevenly,
]


def refuted(search_class, pairs, count):
    """Whether enumeration refutes a verdict or a witness of this search, or it breaks down."""
    for pair in pairs(3, count):
        search = search_class(len(pair.dims), 3000, 1 << 24, monotonic() + 5, sieve_min=1)
        try:
            outcome = search.run(pair.dims, list(pair.a), 0, list(pair.b), 0)
        except (AssertionError, IndexError, KeyError, RecursionError):
            return True
        differences = pair.differences()
        right = "different" if differences else "equal"
        if outcome.status != right or (differences and outcome.point not in differences):
            return True
    return False


def test_the_harness_accepts_the_search_as_it_is(pairs):
    assert not refuted(kernel.Search, pairs, 1500)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(fault, pairs):
    assert refuted(fault, pairs, 1500)
