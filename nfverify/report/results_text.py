"""Results as text for people: the answer first, then each check that did not pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nfverify.report.escape import one_line, several_lines
from nfverify.report.results import SEVERITY, Change, Example, Place, Ratio, Result, Results
from nfverify.report.traces import HEAD, aligned, rows

MAX_CHANGES = 50  # classes of packets shown of one check
MAX_LINES = 40
MORE = "there may be more classes than these"


def text(results: Results) -> str:
    """The whole report."""
    return several_lines("\n".join(_lines(results)) + "\n")


def headline(results: Results) -> str:
    """All of it in one line."""
    if not results.results:
        return "passed: there was nothing to check"
    if len(results.results) == 1:
        return f"{results.status}: {results.results[0].title}"
    return f"{results.status}: {tally(results)}, {results.seconds:.2f} s"


def tally(results: Results) -> str:
    """How many checks came to which end, the worst first."""
    counts = Counter(result.status for result in results.results)
    return ", ".join(f"{counts[s]} {s}" for s in reversed(SEVERITY) if counts[s])


def _lines(results: Results) -> Iterator[str]:
    yield headline(results)
    if results.results:
        yield ""
        yield from (f"  {row}" for row in aligned([_row(result) for result in results.results]))
    for result in results.results:
        if result.status != "passed":
            yield ""
            yield from details(result)
    remarks = [f"expired: {one_line(entry)}" for entry in results.expired]
    remarks += [one_line(note) for note in results.notes]
    if remarks:
        yield ""
        yield "Notes:"
        yield from (f"  - {remark}" for remark in remarks)


def _row(result: Result) -> tuple[str, ...]:
    time = "cached" if result.cached else f"{result.seconds:.2f} s"
    return (result.status, one_line(result.name), result.kind, time, one_line(result.title))


def details(result: Result) -> Iterator[str]:
    """What is to be said of one check, whatever became of it."""
    yield f"{one_line(result.name)}: {result.status}: {one_line(result.title)}"
    if result.reason and result.reason not in result.title:
        yield f"  because   {one_line(result.reason)}"
    for place in result.places[:MAX_LINES]:
        yield f"  at        {one_line(where(place))}{_says(place)}"
    yield from (f"  {one_line(line)}" for line in _first(result.lines, MAX_LINES))
    yield from (f"  {one_line(ratio_text(ratio))}" for ratio in result.ratios)
    if result.identity:
        yield f"  identity  {one_line(result.identity)}"
    for number, change in enumerate(result.changes[:MAX_CHANGES], 1):
        yield ""
        yield f"  ({number}) {one_line(change_title(change))}"
        yield from (f"    {line}" for line in change_lines(change))
    if len(result.changes) > MAX_CHANGES:
        yield ""
        yield f"  … and {len(result.changes) - MAX_CHANGES:,} classes more"
    if not result.complete:
        yield f"  {MORE}"
    for example in result.examples:
        yield ""
        yield from (f"  {line}" for line in _trace(example))


def change_title(change: Change) -> str:
    """A class of packets in one line: what became of it, and what becomes of it now."""
    points = "" if change.count is None else f" ({counted(change.count, 'point')})"
    accepted = ", accepted" if change.accepted else ""
    return f"{change.outcome_old} → {change.outcome_new}{points}{accepted}"


def change_lines(change: Change) -> Iterator[str]:
    """The rest of it, an example included."""
    pairs = [
        ("packets", change.region),
        ("except", change.excluded),
        ("before", decided(change.decided_old, change.place_old)),
        ("after", decided(change.decided_new, change.place_new)),
        ("identity", change.identity),
        ("accepted", change.accepted),
    ]
    yield from (f"{label:10}{one_line(what)}" for label, what in pairs if what)
    yield from (f"{'box':10}{one_line(box)}" for box in change.boxes)
    if change.boxes_left_out:
        yield f"… and {counted(change.boxes_left_out, 'box', 'boxes')} more"
    if change.example is not None:
        yield from _trace(change.example)


def _trace(example: Example) -> Iterator[str]:
    shown = [tuple(map(one_line, row)) for row in rows(example)]
    yield from aligned([HEAD, *shown])
    if example.says:
        yield f"After packet {len(example.steps)}:"
        yield from (f"  {one_line(line)}" for line in example.says)


def counted(count: int, one: str, several: str = "") -> str:
    """So many of something."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def decided(what: str, place: Place | None) -> str:
    """The rule or entry that decided, and where it stands."""
    return what if place is None else f"{what} ({where(place)})"


def where(place: Place) -> str:
    """`file:line:column`, as far as it is known."""
    parts = [place.path]
    if place.line:
        parts.append(str(place.line))
        if place.column:
            parts.append(str(place.column))
    return ":".join(parts)


def _says(place: Place) -> str:
    return f": {one_line(place.says)}" if place.says else ""


def ratio_text(ratio: Ratio) -> str:
    """A ratio in words."""
    share = f" ({percent(ratio)})" if ratio.total else ""
    least = "" if ratio.least is None else f", {100 * ratio.least:g} % asked for"
    return f"{ratio.name}: {ratio.reached:,} of {ratio.total:,}{share}{least}"


def percent(ratio: Ratio) -> str:
    """The share, rounded down: only all are 100 %."""
    return f"{ratio.reached * 1000 // max(ratio.total, 1) / 10:.1f} %"


def _first(lines: tuple[str, ...], most: int) -> Iterator[str]:
    yield from lines[:most]
    if len(lines) > most:
        yield f"… and {len(lines) - most:,} lines more"
