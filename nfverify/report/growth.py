"""How coverage and mutation scores grow with the traffic: what of it was worth its packets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from nfverify.report.results import Series

if TYPE_CHECKING:
    from nfverify.oracles.coverage.measure import Measured
    from nfverify.oracles.generate.outcome import Generated
    from nfverify.oracles.mutation.grading import Grade


def growth(title: str, x: str, y: str, places: Iterable[int], end: int) -> Series:
    """How many of the `places` (numbers from 1 to `end`) lie at or before each of them."""
    counts = Counter(places)
    marks = sorted({0, end, *counts})
    sums = accumulate(counts[mark] for mark in marks)
    return Series(
        title, x, y, tuple((float(m), float(n)) for m, n in zip(marks, sums, strict=True))
    )


def measured(found: Measured) -> tuple[Series, ...]:
    """Goals reached over the packets of all traces, one after the other; () without packets."""
    if not found.packets:
        return ()
    return (growth("Goals reached", "packets", "goals", _packets(found), found.packets),)


def _packets(found: Measured) -> Iterator[int]:
    starts, before = {}, 0
    for name, count in found.traces.items():
        starts[name] = before
        before += count
    for first in found.first.values():
        yield starts[first.trace] + first.packet


def generated(found: Generated) -> tuple[Series, ...]:
    """Goals reached over the traces of a suite, in their order; () without traces."""
    from nfverify.oracles.generate.outcome import Hit

    numbers = {item.name: number for number, item in enumerate(found.items, 1)}
    places = (numbers[fate.trace] for fate in found.fates.values() if isinstance(fate, Hit))
    if not numbers:
        return ()
    return (growth("Goals reached", "traces", "goals", places, len(numbers)),)


def noticed(found: Grade) -> tuple[Series, ...]:
    """Mutants noticed over the traces, in their order; () without traces."""
    if not found.traces:
        return ()
    places = (o.kill.trace + 1 for o in found.outcomes if o.kill is not None)
    return (growth("Mutants noticed", "traces", "mutants", places, found.traces),)
