"""An explanation of a verdict, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import assert_never

from nfverify.equivalence.explain.answer import (
    Advice,
    Apart,
    Choice,
    Condition,
    Explanation,
    Lacking,
    Line,
    Pairing,
    Parted,
    Passed,
    Together,
    Written,
)
from nfverify.equivalence.verdict import Resisting, SideOfEvent
from nfverify.lang.source import Span
from nfverify.lang.visible import one_line, several_lines
from nfverify.report.document import JSON, resisting_of
from nfverify.report.packets import changes, clock, summary
from nfverify.report.text import excluded
from nfverify.report.traces import aligned

VERSION = 1
MANY = 8  # choices of a side that are shown
_ALIKE = "Both take the same entries: what they make of the packet differs."


# Text -------------------------------------------------------------------------------------------


def text(found: Explanation, a: str, b: str) -> str:
    """For people; `a` and `b` are the models as they were named."""
    names = one_line(a), one_line(b)
    return several_lines("\n".join(_lines(found, *names)) + "\n")


def _lines(found: Explanation, a: str, b: str) -> Iterator[str]:
    match found:
        case Parted():
            yield from _parted(found, a, b)
        case Together():
            yield from _together(found, a, b)
        case Lacking():
            yield from _lacking(found, a, b)
        case _:
            assert_never(found)


def _notes(notes: tuple[str, ...]) -> Iterator[str]:
    if notes:
        yield ""
        yield "Notes:"
        yield from (f"  - {one_line(note)}" for note in notes)


def _parted(found: Parted, a: str, b: str) -> Iterator[str]:
    yield f"different: {a} and {b} part at packet {found.packet}"
    if found.state:
        yield ""
        yield f"After packet {found.state_packet}, the first state of one name that differs:"
        for apart in found.state:
            at = f"[{apart.key}]" if apart.key else ""
            yield f"  {apart.name_a}{at}: {apart.value_a} in a, {apart.value_b} in b"
            yield f"    a: {_written(apart.written_a)}"
            yield f"    b: {_written(apart.written_b)}"
    yield ""
    yield f"At packet {found.packet}:"
    for letter, choices in (("a", found.a), ("b", found.b)):
        for choice in choices[max(0, found.first) :][:MANY]:
            yield from _choice(letter, choice)
    if found.first == -1:
        yield f"  {_ALIKE}"
    yield ""
    yield "So what came of it differs:"
    yield from (f"  {one_line(difference)}" for difference in found.differences)
    yield from _notes(found.notes)


def _written(by: Written) -> str:
    if not by.packet:
        return "nobody has written it: as at the start"
    where = f" ({place(by.span)})" if by.span is not None else ""
    return f"written at packet {by.packet} by {by.instance}: {by.entry or 'its body'}{where}"


def _choice(letter: str, choice: Choice) -> Iterator[str]:
    yield f"  {letter} takes {choice.instance}: {choice.entry} ({place(choice.span)})"
    for condition in choice.conditions:
        yield from _conditions(condition)
    for passed in choice.passed:
        yield f"    not {passed.entry} ({place(passed.span)}):"
        if passed.condition is None:
            yield "      an entry before it is taken"
        else:
            yield from _conditions(passed.condition)


def _conditions(condition: Condition) -> Iterator[str]:
    yield f"      {_condition(condition)}"
    yield from (f"        {line}" for line in _writers(condition))


def _condition(condition: Condition) -> str:
    said = f"{condition.text} is {str(condition.holds).lower()}"
    values = ", ".join(f"{r.text} = {r.value}" for r in condition.readings)
    return f"{said}: {values}" if values else said


def _writers(condition: Condition) -> Iterator[str]:
    """Who wrote the state that a condition read."""
    for reading in condition.readings:
        if reading.written is not None and reading.written.packet:
            yield f"{reading.text}: {_written(reading.written)}"


def _together(found: Together, a: str, b: str) -> Iterator[str]:
    yield f"equivalent: {a} and {b} do the same"
    for letter, model in (("a", a), ("b", b)):
        pairings = [p for p in found.pairings if p.line.side == letter]
        if not pairings:
            continue
        other = "b" if letter == "a" else "a"
        yield ""
        yield f"A packet that takes this of {letter} ({model}) takes that of {other}:"
        yield from aligned([row for p in pairings for row in _pairing(p, found.proved)])
    if any(p.always for p in found.pairings):
        yield ""
        yield "⇔: and the other way round."
    if found.unreached:
        yield ""
        yield "No packet gets here:"
        yield from (f"  {_line(line)} of {line.side}" for line in found.unreached)
    if found.relation:
        yield ""
        yield "Because of the states it is always true that:"
        yield from (f"  {conjunct}" for conjunct in found.relation)
    yield from _notes(found.notes)


def _pairing(pairing: Pairing, proved: bool) -> Iterator[tuple[str, ...]]:
    sign = "⇔" if pairing.always else "⇒" if proved else "~"
    for number, other in enumerate(pairing.others):
        first = number == 0
        yield (f"  {_line(pairing.line)}" if first else "", sign if first else "", _line(other))


def _line(line: Line) -> str:
    return f"{line.instance}: {line.entry} ({place(line.span)})"


def _lacking(found: Lacking, a: str, b: str) -> Iterator[str]:
    yield f"unknown: {one_line(found.reason)}"
    yield f"  {excluded(found.depth)}"
    yield ""
    if found.resisting is None:
        yield "No proof came so far that a step of it could be named."
    else:
        yield from _resisting(found.resisting)
    yield ""
    if not found.advice:
        yield "No line was found that decides it."
    for advice in found.advice:
        yield from _advice(advice, a, b)
    yield from _notes(found.notes)


def _resisting(step: Resisting) -> Iterator[str]:
    yield f"What could not be excluded ({one_line(step.obligation)}): in these states, which no"
    yield "known trace leads to and no proof rules out,"
    for held in step.state:
        if held.variable == "clock":
            continue
        at = f"[{', '.join(held.key)}]" if held.key else ""
        values = "absent" if held.values is None else ", ".join(held.values) or "present"
        yield f"  {one_line(held.variable + at)} = {one_line(values)}"
    if step.frame is None:
        yield f"at {clock(step.time)} s, {one_line(step.event)}: both sides' timers"
    else:
        yield f"this packet at {clock(step.time)} s by port {one_line(step.port)}:"
        yield f"  {summary(step.frame)}"
        for letter, side in (("a", step.a), ("b", step.b)):
            if side is not None:
                yield from _made(letter, step.frame, side)
    yield from (f"  so {one_line(difference)}" for difference in step.differences)


def _made(letter: str, frame: bytes, side: SideOfEvent) -> Iterator[str]:
    entries = one_line(", ".join(side.entries) or "no table")
    out = "; ".join(f"port {o.port}: {changes(frame, o.frame)}" for o in side.outputs)
    yield f"  {letter} takes {entries}: {one_line(out or 'nothing comes out')}"


def _advice(advice: Advice, a: str, b: str) -> Iterator[str]:
    match advice.kind:
        case "invariant":
            where = a if advice.side == "a" else b
            at = "" if advice.span is None else f", in the program at {place(advice.span)}"
            yield f"This line in {where}{at} decides it ({advice.verdict}, tried):"
            yield f"    {advice.text}"
        case "relation":
            yield f"Said of both states, this decides it ({advice.verdict}, tried):"
            yield f"    --invariant '{advice.text}'"
        case "guard":
            yield f"Of packets for which this holds, it is decided ({advice.verdict}, tried):"
            yield f"    --assume '{advice.text}'"
        case _:
            assert_never(advice.kind)


def place(span: Span) -> str:
    """File, line and column, as editors take them."""
    return one_line(str(span))


# JSON -------------------------------------------------------------------------------------------


def schema() -> str:
    """The JSON Schema (draft 2020-12) of the documents."""
    return files("nfverify.report").joinpath("explain.schema.json").read_text(encoding="utf-8")


def document(found: Explanation, a: str, b: str) -> dict[str, JSON]:
    """The explanation as JSON; `verdict` says which of the members there are."""
    head: dict[str, JSON] = {"version": VERSION, "a": a, "b": b, "notes": list(found.notes)}
    match found:
        case Parted():
            return head | {
                "verdict": "different",
                "packet": found.packet,
                "state_packet": found.state_packet,
                "state": [_apart(apart) for apart in found.state],
                "a_choices": [_choice_json(choice) for choice in found.a],
                "b_choices": [_choice_json(choice) for choice in found.b],
                "first": found.first,
                "differences": list(found.differences),
            }
        case Together():
            return head | {
                "verdict": "equivalent",
                "pairs": [
                    {
                        "line": _line_json(pairing.line),
                        "others": [_line_json(other) for other in pairing.others],
                        "always": pairing.always,
                    }
                    for pairing in found.pairings
                ],
                "unreached": [_line_json(line) for line in found.unreached],
                "relation": list(found.relation),
                "proved": found.proved,
            }
        case Lacking():
            return head | {
                "verdict": "unknown",
                "reason": found.reason,
                "depth": found.depth,
                "resisting": None if found.resisting is None else resisting_of(found.resisting),
                "advice": [
                    {
                        "kind": advice.kind,
                        "side": advice.side,
                        "text": advice.text,
                        "place": None if advice.span is None else _place_json(advice.span),
                        "verdict": advice.verdict,
                    }
                    for advice in found.advice
                ],
            }
        case _:
            assert_never(found)


def _place_json(span: Span) -> JSON:
    end = span.source.position(span.end)
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": end[0],
        "end_column": end[1],
    }


def _line_json(line: Line) -> JSON:
    return {
        "side": line.side,
        "instance": line.instance,
        "entry": line.entry,
        "place": _place_json(line.span),
    }


def _condition_json(condition: Condition) -> JSON:
    return {
        "text": condition.text,
        "holds": condition.holds,
        "values": [
            {
                "text": reading.text,
                "value": reading.value,
                "written": None if reading.written is None else _written_json(reading.written),
            }
            for reading in condition.readings
        ],
        "place": _place_json(condition.span),
    }


def _choice_json(choice: Choice) -> JSON:
    def passed(one: Passed) -> JSON:
        return {
            "entry": one.entry,
            "place": _place_json(one.span),
            "condition": None if one.condition is None else _condition_json(one.condition),
        }

    return {
        "instance": choice.instance,
        "entry": choice.entry,
        "place": _place_json(choice.span),
        "conditions": [_condition_json(condition) for condition in choice.conditions],
        "passed": [passed(one) for one in choice.passed],
    }


def _written_json(by: Written) -> JSON:
    return {
        "packet": by.packet,
        "instance": by.instance,
        "entry": by.entry,
        "place": None if by.span is None else _place_json(by.span),
    }


def _apart(apart: Apart) -> JSON:
    return {
        "a": {
            "name": apart.name_a,
            "value": apart.value_a,
            "written": _written_json(apart.written_a),
        },
        "b": {
            "name": apart.name_b,
            "value": apart.value_b,
            "written": _written_json(apart.written_b),
        },
        "key": apart.key,
    }
