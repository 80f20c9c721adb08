"""A verdict as text for people: the answer first, then what it is about and what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, assert_never

from nfverify.equivalence.verdict import (
    NOT_COMPARED,
    Counterexample,
    Different,
    Equivalent,
    Obligation,
    Proof,
    Report,
    Unknown,
    Verdict,
)
from nfverify.report.escape import markdown as escaped
from nfverify.report.escape import markdown_code, one_line, several_lines
from nfverify.report.traces import HEAD, aligned, example_of, rows

if TYPE_CHECKING:
    from nfverify.equivalence.properties.verdict import Breach
    from nfverify.report.confirmations import Replays

TESTED = (
    "Tested, not proved: reading and writing frames (checksums, lengths), and that malformed frames"
    " are dropped by both."
)
MORE = (
    "what could not be excluded, and a line that may decide it: `nfverify explain DIR` after"
    " `--save DIR`"
)
_LABEL = 12


def text(verdict: Verdict, a: str, b: str, replays: Replays | None = None) -> str:
    """The whole report; `a` and `b` are the models as the user named them."""
    more = () if replays is None else replays.lines()
    return several_lines("\n".join((*_lines(verdict, one_line(a), one_line(b)), *more)) + "\n")


def _lines(verdict: Verdict, a: str, b: str) -> Iterator[str]:
    match verdict:
        case Equivalent(report=report, proof=proof):
            if report.refine:
                yield f"refines: {b} allows all that {a} does, for every sequence of packets"
            else:
                yield f"equivalent: {a} and {b} do the same for every sequence of packets"
            yield from (f"but {note}" for note in limits(report.notes))
            yield from _compared(report, a, b)
            yield from _proof(proof, report)
            yield from _notes(report, [TESTED])
        case Different(report=report, counterexample=example):
            after = packets_of(len(example.events))
            if report.refine:
                yield f"not refined: {a} does what {b} does not allow, after {after}"
            else:
                yield f"different: {a} and {b} part after {after}"
            yield from _compared(report, a, b)
            yield item("trace", wording(example))
            yield item("time", f"{report.seconds:.2f} s")
            yield ""
            yield from table(example)
            yield from _notes(report, [])
        case Unknown(report=report, reason=reason, depth=depth, obligations=obligations):
            yield f"unknown: {reason}"
            yield from _compared(report, a, b)
            yield item("excluded", excluded(depth))
            yield item("time", f"{report.seconds:.2f} s")
            if obligations:
                yield ""
                yield from obligation_lines(obligations)
            yield from _notes(report, [] if verdict.resisting is None else [MORE])
        case _:
            assert_never(verdict)


def wording(example: Counterexample | Breach) -> str:
    """How short the trace is known to be (decision 28)."""
    length = packets_of(len(example.events))
    if example.minimal:
        return f"shortest: {length}"
    if example.excluded:
        return f"shortest found: {length}; none of length ≤ {example.excluded}"
    return f"shortest found: {length}"


def excluded(depth: int) -> str:
    """What is known of short traces."""
    if not depth:
        return "no trace is so short that a difference is excluded"
    return f"no difference in traces of up to {packets_of(depth)}"


def _compared(report: Report, a: str, b: str) -> Iterator[str]:
    yield ""
    yield item("a", model_text(report.a, a))
    yield item("b", model_text(report.b, b))
    what = "every packet that comes out: time, port, order, fields"
    if report.observe == "packets+state":
        what += "; and the state"
    yield item("compared", what)
    if report.ignored:
        yield item("ignored", f"{', '.join(report.ignored)}, and the checksums over them")
    if report.assumption:
        yield item("assuming", f"{report.assumption} (of every arriving packet)")
    non_ip = {"bypass": "pass by", "drop": "are dropped"}[report.non_ip]
    yield item("non-IP", f"frames that are not IP {non_ip} ({report.non_ip})")


def model_text(name: str, target: str) -> str:
    """A model as the user named it, with the name it has in there."""
    if target.partition(":")[0] == "-":
        return f"{name} of standard input"
    return target if name in target else f"{name} of {target}"


def _proof(proof: Proof, report: Report) -> Iterator[str]:
    yield item("proof", f"{proof.method}, {count_of(len(proof.obligations), 'obligation')}")
    yield from confirmed_by(proof.obligations)
    yield item("time", f"{report.seconds:.2f} s")
    if proof.relation:
        yield ""
        yield "The relation between the states, true at the start and kept by every event:"
        width = len(str(len(proof.relation))) + 2
        for number, conjunct in enumerate(proof.relation, 1):
            yield f"  {f'({number})':>{width}} {conjunct}"
    yield ""
    yield from obligation_lines(proof.obligations)


def confirmed_by(obligations: Sequence[Obligation]) -> Iterator[str]:
    """Which second solver confirmed all of it; nothing if none was asked."""
    found = [one.confirmed for one in obligations if one.confirmed]
    if found:
        count = count_of(len(obligations), "obligation")
        yield item("confirmed", f"{len(found)} of {count}, by {found[0]}")


def obligation_lines(obligations: Sequence[Obligation]) -> Iterator[str]:
    """Under a heading, each with its result and how long it took."""
    yield "Obligations:"
    for one in obligations:
        yield f"  {one.result:8} {one.seconds:7.3f} s  {one.name}"


def limits(notes: Iterable[str]) -> Iterator[str]:
    """The notes that make less of a proof: a title must not be without them."""
    return (note for note in notes if note.endswith(NOT_COMPARED))


def _notes(report: Report, more: Iterable[str]) -> Iterator[str]:
    notes = [*report.notes, *more]
    if notes:
        yield ""
        yield "Notes:"
        yield from (f"  - {note}" for note in notes)


# The counterexample -----------------------------------------------------------------------


def table(example: Counterexample) -> Iterator[str]:
    """The trace event by event: what came in, what each side did, and at last what differs."""
    yield from aligned([HEAD, *_rows(example)])
    yield ""
    yield f"After packet {len(example.events)}:"
    yield from (f"  {difference}" for difference in example.differences)


def _rows(example: Counterexample) -> Iterator[tuple[str, ...]]:
    return rows(example_of(example), no_entry="no table")


def markdown(example: Counterexample, a: str, b: str) -> str:
    """The trace as a table in Markdown."""
    lines = ["| | time, s | port | packet | entries |", "| - | - | - | - | - |"]
    lines += [f"| {' | '.join(map(escaped, row))} |" for row in _rows(example)]
    how = wording(example)
    lines += ["", f"`a` is {markdown_code(a)}, `b` is {markdown_code(b)}; {how}.", ""]
    lines += [f"* {escaped(difference)}" for difference in example.differences]
    return "\n".join(lines) + "\n"


def packets_of(count: int) -> str:
    """So many packets, in words."""
    return count_of(count, "packet")


def count_of(count: int, what: str) -> str:
    """So many of something, in words."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def item(label: str, what: str) -> str:
    """A line of a report's head."""
    return f"  {label:{_LABEL}}{what}"
