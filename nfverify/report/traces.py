"""A trace as rows of a table: what arrived, and what each side made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nfverify.equivalence.verdict import Counterexample
from nfverify.report.packets import changes, clock, summary
from nfverify.report.results import Example, Outcome, Step

MANY, AT_ENDS = 200, 5  # steps of a trace that are all shown; of a longer one, at either end
HEAD = ("", "time", "port", "packet", "entries")


def example_of(found: Counterexample, names: tuple[str, str] = ("a", "b")) -> Example:
    """A counterexample as a trace; `names` are the sides'."""
    steps = tuple(
        Step(
            event.time,
            event.port,
            event.frame,
            tuple(
                Outcome(name, side.outputs, side.entries)
                for name, side in zip(names, (event.a, event.b), strict=True)
            ),
        )
        for event in found.events
    )
    return Example(steps, found.differences, found.minimal)


def shown_steps(count: int) -> Iterator[int | None]:
    """The numbers, from 0, of the steps that are shown; None stands for all that are left out."""
    if count <= MANY:
        yield from range(count)
        return
    yield from range(AT_ENDS)
    yield None
    yield from range(count - AT_ENDS, count)


def left_out(count: int) -> str:
    """What stands for the steps that aren't shown."""
    return f"{count - 2 * AT_ENDS:,} packets more"


def rows(example: Example, *, no_entry: str = "") -> Iterator[tuple[str, ...]]:
    """(number or side, time, port, packet, entries) of each arrival and output; `no_entry` stands
    for a side that passed no table."""
    for at in shown_steps(len(example.steps)):
        if at is None:
            yield ("…", "", "", left_out(len(example.steps)), "")
        else:
            yield from _step(at + 1, example.steps[at], no_entry)


def _step(number: int, step: Step, no_entry: str) -> Iterator[tuple[str, ...]]:
    yield (str(number), clock(step.time), step.port, summary(step.frame), "")
    for outcome in step.outcomes:
        entries = ", ".join(outcome.entries) or no_entry
        if not outcome.outputs:
            yield (outcome.who, "", "", "nothing comes out", entries)
        for n, emitted in enumerate(outcome.outputs):
            later = clock(emitted.time) if emitted.time != step.time else ""
            what = changes(step.frame, emitted.frame)
            yield (
                "" if n else outcome.who, later, emitted.port, what, "" if n else entries
            )  # fmt: skip


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows in columns as wide as they need."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()
