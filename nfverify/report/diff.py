"""What a change does to traffic as a result for all reports, and as text for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from nfverify.equivalence.diff.answer import Answer, Changed, Decider, PacketClass, Same
from nfverify.equivalence.verdict import Report, Unknown
from nfverify.report.as_result import example_of, place_of
from nfverify.report.escape import one_line, several_lines
from nfverify.report.results import Change, Place, Result
from nfverify.report.results_text import change_lines, change_title
from nfverify.report.text import TESTED, confirmed_by, count_of, excluded, item, limits

MANY = 50
NAMES = ("old", "new")
SAME = "every sequence of packets is treated as before (proved)"


def diff_result(name: str, answer: Answer, old: str, new: str) -> Result:
    """The answer on a change from one target to another."""
    notes = tuple(map(_old_and_new, answer.report.notes))
    report = replace(answer.report, notes=notes)
    common = Result(
        name, "diff", "passed", title="", targets=(old, new), seconds=report.seconds,
        lines=tuple(_setting(report)),
    )  # fmt: skip
    match answer:
        case Same(proof=proof):
            obligations = count_of(len(proof.obligations), "obligation")
            return replace(
                common,
                title="; but ".join((SAME, *limits(report.notes))),
                lines=(
                    f"proof: {proof.method}, {obligations}",
                    *(
                        f"confirmed: {line.removeprefix(item('confirmed', ''))}"
                        for line in confirmed_by(proof.obligations)
                    ),
                    *common.lines,
                ),
                relation=proof.relation,
            )
        case Changed(classes=classes, complete=complete):
            changes = tuple(map(change_of, classes))
            return replace(
                common,
                status="different",
                title=_title(len(classes), complete),
                lines=(*_completeness(answer), *common.lines),
                changes=changes,
                complete=complete,
            )
        case Unknown(reason=reason, depth=depth):
            return replace(
                common,
                status="unknown",
                title=f"nobody knows what the change does: {reason}",
                lines=(excluded(depth), *common.lines),
                reason=reason,
            )
        case _:
            assert_never(answer)


def _old_and_new(note: str) -> str:
    """A note of a proof, whose sides are a and b."""
    return re.sub(
        r"which only ([ab]) has", lambda m: f"which only {NAMES['ab'.index(m[1])]} has", note
    )


def change_of(one: PacketClass) -> Change:
    """A class of packets as reports show it."""
    return Change(
        one.identity,
        one.old.text,
        one.new.text,
        one.outcome_old,
        one.outcome_new,
        one.region,
        one.excluded,
        one.count,
        one.boxes,
        one.left_out,
        _place(one.old, "decided before"),
        _place(one.new, "decides now"),
        None if one.example is None else example_of(one.example, NAMES),
    )


def _place(decider: Decider, says: str) -> Place | None:
    if decider.file and decider.line:
        return Place(decider.file, decider.line, says=says)
    return None if decider.span is None else place_of(decider.span, says)


def _title(count: int, complete: bool) -> str:
    classes = "1 class of packets is" if count == 1 else f"{count} classes of packets are"
    return f"{classes} treated otherwise{', and no other' if complete else '; there may be more'}"


def _completeness(answer: Changed) -> Iterator[str]:
    if answer.counted:
        yield f"counted: points of {', '.join(answer.counted)} that a packet can have"
    if answer.complete:
        yield f"no others: {answer.how}"
    yield from (f"perhaps: {what}" for what in answer.open)


def _setting(report: Report) -> Iterator[str]:
    """Under which conditions the answer holds, and its notes."""
    if report.ignored:
        yield f"ignored: {', '.join(report.ignored)}, and the checksums over them"
    if report.assumption:
        yield f"assuming: {report.assumption} (of every arriving packet)"
    if report.non_ip == "drop":
        yield "frames that are not IP are dropped"
    yield from report.notes


# Text -------------------------------------------------------------------------------------


def text(answer: Answer, old: str, new: str) -> str:
    """The whole answer for people."""
    return several_lines("\n".join(_lines(answer, old, new)) + "\n")


def _lines(answer: Answer, old: str, new: str) -> Iterator[str]:
    word = {Same: "same", Changed: "changed", Unknown: "unknown"}[type(answer)]
    result = diff_result("", answer, old, new)
    yield f"{word}: {one_line(result.reason or result.title)}"
    yield ""
    yield item("old", one_line(old))
    yield item("new", one_line(new))
    for line in result.lines:
        label, colon, rest = line.partition(": ")
        known = colon and len(label) < 12
        yield item(label, one_line(rest)) if known else item("note", one_line(line))
    yield item("time", f"{result.seconds:.2f} s")
    for number, change in enumerate(result.changes[:MANY], 1):
        yield ""
        yield f"({number}) {one_line(change_title(change))}"
        yield from (f"  {line}" for line in change_lines(change))
    if len(result.changes) > MANY:
        yield ""
        yield f"… and {len(result.changes) - MANY:,} classes more"
    if result.relation:
        yield ""
        yield "The relation between the states of old (a) and new (b), true at the start and kept"
        yield "by every event:"
        yield from (f"  ({n}) {one_line(line)}" for n, line in enumerate(result.relation, 1))
    if isinstance(answer, Same):
        yield ""
        yield TESTED
