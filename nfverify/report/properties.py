"""What came of properties: text for people, and the one shape that every report is written from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from nfverify.equivalence.properties.verdict import (
    Breach,
    Broken,
    Holds,
    Report,
    Seen,
    Unknown,
    Verdict,
)
from nfverify.report.as_result import entry_places
from nfverify.report.escape import one_line
from nfverify.report.packets import clock, summary
from nfverify.report.results import SEVERITY, Example, Outcome, Place, Result, Status, Step
from nfverify.report.text import confirmed_by, count_of, item, obligation_lines, packets_of, wording
from nfverify.smat.stated import Claim

Proved = Sequence[tuple[Claim, Verdict]]
WORD = {Holds: "holds", Broken: "broken", Unknown: "unknown"}
STATUS: Mapping[type[Verdict], Status] = {
    Holds: "passed",
    Broken: "different",
    Unknown: "unknown",
}
MANY, AT_ENDS = 60, 8  # packets of a trace that are all shown; of a longer one, at either end


# Text -------------------------------------------------------------------------------------


def text(claim: Claim, verdict: Verdict) -> str:
    """All that is known of one property."""
    return "\n".join(_lines(claim, verdict)) + "\n"


def first_line(claim: Claim, verdict: Verdict) -> str:
    """The answer."""
    title = one_line(claim.title)
    match verdict:
        case Holds():
            of = " of IP packets" if _passing(claim, verdict) else ""
            return f"holds: {title}, in every step of every trace{of}{_empty(verdict)}"
        case Broken(breach=breach):
            return f"broken: {title}, after {packets_of(len(breach.events))}"
        case Unknown(reason=reason):
            return f"unknown: {title}: {one_line(reason)}"
        case _:
            assert_never(verdict)


def _passing(claim: Claim, verdict: Verdict) -> bool:
    """Do frames that are not IP pass by, seen by no NF, and so are no steps of a property?"""
    seen = any(i.program.sees_non_ip for i in claim.network.instances)
    return verdict.report.non_ip == "bypass" and not seen


def _empty(verdict: Verdict) -> str:
    return " (vacuous: its left side can never hold)" if verdict.report.vacuous else ""


def _lines(claim: Claim, verdict: Verdict) -> Iterator[str]:
    report = verdict.report
    yield first_line(claim, verdict)
    if report.line:
        yield item("stated", f"{one_line(report.source)}:{report.line}:{report.column}")
    if report.text:
        yield item("property", one_line(report.text))
    if report.assumption:
        yield item("assuming", f"{one_line(report.assumption)} (of every arriving packet)")
    if report.non_ip == "drop":
        yield item("non-IP", "frames that are not IP are dropped (drop)")
    elif _passing(claim, verdict):
        yield item("non-IP", "frames that are not IP pass by (bypass): the property isn't of them")
    match verdict:
        case Holds(proof=proof):
            yield item("proof", f"{proof.method}, {count_of(len(proof.obligations), 'obligation')}")
            yield from confirmed_by(proof.obligations)
            yield item("time", f"{report.seconds:.2f} s")
            if proof.relation:
                yield ""
                yield "True at the start and kept by every event:"
                width = len(str(len(proof.relation))) + 2
                for number, conjunct in enumerate(proof.relation, 1):
                    yield f"  {f'({number})':>{width}} {one_line(conjunct)}"
        case Broken(breach=breach):
            yield item("trace", wording(breach))
            if breach.values:
                yield item("for", ", ".join(f"{one_line(n)} = {v}" for n, v in breach.values))
            yield item("time", f"{report.seconds:.2f} s")
            yield ""
            yield from _trace(breach)
        case Unknown(depth=depth, obligations=obligations):
            yield item("excluded", excluded(depth))
            yield item("time", f"{report.seconds:.2f} s")
            if obligations:
                yield ""
                yield from obligation_lines(obligations)
        case _:
            assert_never(verdict)
    if report.notes:
        yield ""
        yield "Notes:"
        yield from (f"  - {one_line(note)}" for note in report.notes)


def excluded(depth: int) -> str:
    """What is known of short traces."""
    if not depth:
        return "no trace is so short that it is known to keep it"
    return f"no trace of up to {packets_of(depth)} breaks it"


def _trace(breach: Breach) -> Iterator[str]:
    events = list(enumerate(breach.events, 1))
    left_out = len(events) - 2 * AT_ENDS if len(events) > MANY else 0
    shown = [*events[:AT_ENDS], *events[-AT_ENDS:]] if left_out else events
    for number, event in shown:
        if left_out and number == len(events) - AT_ENDS + 1:
            yield f"  … {left_out} more packets …"
        yield f"  {number}  {clock(event.time)} s  {one_line(event.port)}: {summary(event.frame)}"
        if event.entries:
            yield f"       takes {one_line(', '.join(event.entries))}"
        if not event.outputs:
            yield "       -> nothing"
        for out in event.outputs:
            late = "" if out.time == event.time else f"{clock(out.time)} s  "
            yield f"       -> {late}{one_line(out.port)}: {summary(out.frame)}"


# Results ----------------------------------------------------------------------------------


def prove_result(name: str, target: str, proved: Proved) -> Result:
    """What came of some properties of one model: as bad as the worst of them."""
    states = [STATUS[type(verdict)] for _, verdict in proved]
    status: Status = max(states, key=SEVERITY.index, default="passed")
    reasons = [v.reason for _, v in proved if isinstance(v, Unknown)]
    return Result(
        name,
        "prove",
        status,
        title=_title(proved),
        targets=(target,),
        lines=tuple(line for c, v in proved for line in _result_lines(c, v)),
        seconds=sum(v.report.seconds for _, v in proved),
        places=tuple(place for c, v in proved for place in _places(c, v)),
        examples=tuple(example_of(c, v.breach) for c, v in proved if isinstance(v, Broken)),
        relation=tuple(
            dict.fromkeys(r for _, v in proved if isinstance(v, Holds) for r in v.proof.relation)
        ),
        reason="; ".join(reasons) if status == "unknown" else "",
    )


def _title(proved: Proved) -> str:
    if not proved:
        return "the model states no property"
    parts = []
    for kind in (Broken, Unknown, Holds):
        found = [(c, v) for c, v in proved if isinstance(v, kind)]
        if found:
            of = (
                " of IP packets" if kind is Holds and any(_passing(*pair) for pair in found) else ""
            )
            names = ", ".join(c.title + _empty(v) for c, v in found)
            parts.append(f"{WORD[kind]}{of}: {names}")
    return "; ".join(parts)


def _result_lines(claim: Claim, verdict: Verdict) -> Iterator[str]:
    yield first_line(claim, verdict)
    match verdict:
        case Holds(proof=proof):
            yield f"  proof: {proof.method}, {count_of(len(proof.obligations), 'obligation')}"
        case Broken(breach=breach):
            yield f"  trace: {wording(breach)}"
            if breach.values:
                yield f"  for {', '.join(f'{n} = {v}' for n, v in breach.values)}"
        case Unknown(depth=depth):
            yield f"  {excluded(depth)}"
        case _:
            assert_never(verdict)
    yield from (f"  note: {note}" for note in verdict.report.notes)


def example_of(claim: Claim, breach: Breach) -> Example:
    """The trace that breaks a property."""
    steps = tuple(
        Step(e.time, e.port, e.frame, (Outcome(claim.network.name, e.outputs, e.entries),))
        for e in breach.events
    )
    values = ", ".join(f"{n} = {v}" for n, v in breach.values)
    says = f"breaks {claim.title}" + (f" for {values}" if values else "")
    return Example(steps, (says,), breach.minimal)


def _places(claim: Claim, verdict: Verdict) -> Iterator[Place]:
    if not isinstance(verdict, Broken):
        return
    stated = _stated(verdict.report)
    if stated is not None:
        yield replace(stated, says=f"broken: {claim.title}")
    last: Seen = verdict.breach.events[-1]
    yield from entry_places(claim.network, last.entries, "takes")


def _stated(report: Report) -> Place | None:
    if not report.line:
        return None
    return Place(report.source, report.line, report.column)
