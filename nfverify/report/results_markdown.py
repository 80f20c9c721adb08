"""Results as Markdown (GFM): a table of all checks, and each that did not pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nfverify.report.escape import markdown as escaped
from nfverify.report.escape import markdown_code as code
from nfverify.report.results import Change, Example, Result, Results, Status
from nfverify.report.results_text import MORE, decided, headline, ratio_text, where
from nfverify.report.traces import rows

MAX_CHANGES = 100  # classes of packets shown of one check
MAX_LINES = 40
SIGN: dict[Status, str] = {
    "passed": "✅ passed",
    "accepted": "☑️ accepted",
    "unknown": "❔ unknown",
    "different": "❌ different",
    "error": "⛔ error",
}


def markdown(results: Results) -> str:
    """The whole report."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Results) -> Iterator[str]:
    yield f"# {escaped(results.title)}"
    yield ""
    yield f"**{escaped(headline(results))}**"
    if results.results:
        yield ""
        yield from _table(
            ("status", "check", "kind", "found", "time"),
            [_row(result) for result in results.results],
        )
    for result in results.results:
        if result.status != "passed":
            yield ""
            yield from _details(result)
    remarks = [f"expired: {entry}" for entry in results.expired] + list(results.notes)
    if remarks:
        yield ""
        yield from (f"* {escaped(remark)}" for remark in remarks)


def _row(result: Result) -> tuple[str, ...]:
    time = "cached" if result.cached else f"{result.seconds:.2f} s"
    name, title = code(result.name), escaped(result.title)
    return (SIGN[result.status], name, result.kind, title, time)


def _details(result: Result) -> Iterator[str]:
    yield f"## {SIGN[result.status]}: {escaped(result.name)}"
    yield ""
    yield escaped(result.title)
    facts = [f"because: {escaped(result.reason)}"] if result.reason else []
    for place in result.places[:MAX_LINES]:
        says = f": {escaped(place.says)}" if place.says else ""
        facts.append(f"{code(where(place))}{says}")
    facts += [escaped(line) for line in result.lines[:MAX_LINES]]
    if len(result.lines) > MAX_LINES:
        facts.append(f"… and {len(result.lines) - MAX_LINES:,} lines more")
    facts += [escaped(ratio_text(ratio)) for ratio in result.ratios]
    if result.identity:
        facts.append(f"identity: {code(result.identity)}")
    if facts:
        yield ""
        yield from (f"* {fact}" for fact in facts)
    if result.changes:
        yield ""
        head = ("packets", "points", "before", "after", "identity")
        yield from _table(head, [_change(change) for change in result.changes[:MAX_CHANGES]])
        if len(result.changes) > MAX_CHANGES:
            yield ""
            yield f"… and {len(result.changes) - MAX_CHANGES:,} classes more."
        if not result.complete:
            yield ""
            yield f"{MORE.capitalize()}."
    for number, change in enumerate(result.changes[:MAX_CHANGES], 1):
        if change.example is not None:
            yield ""
            yield f"### Class {number}"
            yield from _example(change.example)
    for example in result.examples:
        yield from _example(example)


def _change(change: Change) -> tuple[str, ...]:
    except_ = f" *except* {code(change.excluded)}" if change.excluded else ""
    accepted = f" *accepted: {escaped(change.accepted)}*" if change.accepted else ""
    return (
        code(change.region) + except_,
        "" if change.count is None else f"{change.count:,}",
        f"{escaped(change.outcome_old)}: {code(decided(change.decided_old, change.place_old))}",
        f"{escaped(change.outcome_new)}: {code(decided(change.decided_new, change.place_new))}"
        f"{accepted}",
        code(change.identity),
    )


def _example(example: Example) -> Iterator[str]:
    yield ""
    head = ("", "time, s", "port", "packet", "entries")
    yield from _table(head, [tuple(map(escaped, row)) for row in rows(example)])
    if example.says:
        yield ""
        yield from (f"* {escaped(line)}" for line in example.says)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' - |' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in body)
