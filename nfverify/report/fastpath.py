"""A verdict on a fast path as text for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING, assert_never

from nfverify.equivalence.fastpath.verdict import (
    FAST_NAME,
    FastDifferent,
    FastEquivalent,
    FastIdle,
    FastReport,
    FastUnknown,
    FastVerdict,
    Shape,
)
from nfverify.equivalence.verdict import Obligation
from nfverify.fastpath.faults import fault
from nfverify.report.document import JSON, VERSION, counterexample_of, obligations_of, text_of
from nfverify.report.escape import one_line, several_lines
from nfverify.report.text import (
    confirmed_by,
    count_of,
    excluded,
    item,
    model_text,
    obligation_lines,
    packets_of,
    table,
    wording,
)

if TYPE_CHECKING:
    from nfverify.report.confirmations import Replays

TESTED = (
    "Tested, not proved: reading and writing frames (checksums, lengths), and that malformed frames"
    " are dropped; that compiled code does what the plan says; the table of records itself"
    " (look-up, growth, eviction: records may go at any time), and that its epoch never wraps."
)
WAYS = {
    "constant": "written by nothing",
    "own": "written by packets of the flow only",
    "epoch": "a change outdates all records",
    "index": "a change outdates the records that watch the key",
    "hot": "read for each packet",
}


def schema() -> str:
    """The JSON Schema (draft 2020-12) of the documents."""
    return files("nfverify.report").joinpath("fastpath.schema.json").read_text(encoding="utf-8")


def text(verdict: FastVerdict, target: str, replays: Replays | None = None) -> str:
    """The whole report; `target` is the chain as the user named it."""
    more = () if replays is None else replays.lines()
    return several_lines("\n".join((*_lines(verdict, one_line(target)), *more)) + "\n")


def _lines(verdict: FastVerdict, target: str) -> Iterator[str]:
    report = verdict.report
    match verdict:
        case FastEquivalent(obligations=obligations):
            yield (
                f"equivalent: {target} does the same with its fast path, for every sequence of"
                " packets"
            )
            yield from _head(report, target)
            yield item("proof", f"induction over one event, {_goals(obligations)}")
            yield from confirmed_by(obligations)
            yield from _time(report)
            yield ""
            yield from obligation_lines(obligations)
            yield from _notes(report, TESTED)
        case FastIdle(obligations=obligations):
            yield (
                f"idle: {target} does the same with its fast path, but packets that a record could"
                " serve take the chain"
            )
            yield from _head(report, target)
            yield from _time(report)
            yield ""
            yield from obligation_lines(obligations)
            yield from _notes(report)
        case FastDifferent(counterexample=example, obligations=obligations):
            after = packets_of(len(example.events))
            yield f"different: {target} and its fast path part after {after}"
            yield from _head(report, target)
            yield item("trace", wording(example))
            yield from _time(report)
            yield ""
            yield from table(example)
            yield ""
            yield from obligation_lines([o for o in obligations if o.result != "proved"])
            yield from _notes(report)
        case FastUnknown(reason=reason, depth=depth, obligations=obligations):
            yield f"unknown: {reason}"
            yield from _head(report, target)
            yield item("excluded", excluded(depth))
            yield from _time(report)
            if obligations:
                yield ""
                yield from obligation_lines(obligations)
            yield from _notes(report)
        case _:
            assert_never(verdict)


def _head(report: FastReport, target: str) -> Iterator[str]:
    yield ""
    yield item("a", model_text(report.chain, target))
    yield item("b", "the same chain with its fast path")
    if report.shape is not None:
        yield from _shape(report.shape)
    if report.question.fault:
        planted = fault(report.question.fault)
        yield item("fault", f"{report.question.fault}: {planted.text if planted else ''}")
    what = "every packet that comes out: time, port, order, bytes; and the state of every NF"
    yield item("compared", what)
    non_ip = "are dropped (drop)" if report.question.drop_non_ip else "pass by (bypass)"
    yield item("non-IP", f"frames that are not IP {non_ip}")


def _shape(shape: Shape) -> Iterator[str]:
    classes = f"{len(shape.classes)} class{'' if len(shape.classes) == 1 else 'es'} of flows"
    yield item("fast path", f"{classes}, {count_of(shape.paths, 'path')}")
    for way, meaning in WAYS.items():
        names = [name for name, policy in shape.policies if policy == way]
        if names:
            yield item(way, f"{', '.join(names)}: {meaning}")


def _goals(obligations: tuple[Obligation, ...]) -> str:
    return count_of(len(obligations), "kind") + " of obligations"


def _time(report: FastReport) -> Iterator[str]:
    deriving = f", of which {report.deriving:.2f} s to derive the plan" if report.deriving else ""
    yield item("time", f"{report.seconds:.2f} s{deriving}")


def _notes(report: FastReport, *more: str) -> Iterator[str]:
    notes = [*report.notes, *more]
    if notes:
        yield ""
        yield "Notes:"
        yield from (f"  - {note}" for note in notes)


def dump(verdict: FastVerdict, target: str, replays: Replays | None = None) -> str:
    """The document as text; `target` is the chain as the user named it."""
    return text_of(document(verdict, target, replays))


def document(verdict: FastVerdict, target: str, replays: Replays | None = None) -> dict[str, JSON]:
    """The document; what a verdict doesn't have is null. `platforms` are there if asked for."""
    report, question = verdict.report, verdict.report.question
    found: dict[str, JSON] = {
        "version": VERSION,
        "verdict": FAST_NAME[type(verdict)],
        "chain": target,
        "policy": question.policy,
        "fault": question.fault or None,
        "non_ip": "drop" if question.drop_non_ip else "bypass",
        "plan": None if report.shape is None else _plan(report.shape),
        "counterexample": None,
        "reason": None,
        "depth": 0,
        "obligations": obligations_of(verdict.obligations),
        "notes": list(report.notes),
        "seconds": round(report.seconds, 3),
        "deriving": round(report.deriving, 3),
    }
    match verdict:
        case FastDifferent(counterexample=example):
            found["counterexample"] = counterexample_of(example)
            found["depth"] = example.excluded
        case FastUnknown(reason=reason, depth=depth):
            found["reason"], found["depth"] = reason, depth
        case FastEquivalent() | FastIdle():
            pass
        case _:
            assert_never(verdict)
    if replays is not None:
        found["platforms"] = replays.document()
    return found


def _plan(shape: Shape) -> JSON:
    return {
        "classes": [
            {"name": name, "conditions": conditions, "values": values, "paths": paths}
            for name, conditions, values, paths in shape.classes
        ],
        "policies": dict(shape.policies),
        "watched": list(shape.watched),
        "slow": list(shape.slow),
    }
