"""A verdict as JSON; `equiv.schema.json` beside this file says what it may hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, assert_never

from nfverify.equivalence.verdict import (
    Counterexample,
    Different,
    Equivalent,
    Event,
    Obligation,
    Resisting,
    SideOfEvent,
    Unknown,
    Verdict,
)
from nfverify.lang.visible import in_json

if TYPE_CHECKING:
    from nfverify.report.confirmations import Replays

VERSION = 1
JSON = bool | int | float | str | None | Sequence["JSON"] | dict[str, "JSON"]
_NAME = {Equivalent: "equivalent", Different: "different", Unknown: "unknown"}
_REFINE = {Equivalent: "refines", Different: "not refined", Unknown: "unknown"}


def text_of(data: object, *, indent: int = 2) -> str:
    """JSON in lines; characters that a terminal would obey are escaped as JSON escapes them."""
    return in_json(json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)) + "\n"


def schema() -> str:
    """The JSON Schema (draft 2020-12) of the documents."""
    return files("nfverify.report").joinpath("equiv.schema.json").read_text(encoding="utf-8")


def dump(verdict: Verdict, a: str, b: str, replays: Replays | None = None) -> str:
    """The document as text; `a` and `b` are the models as the user named them."""
    return text_of(document(verdict, a, b, replays))


def document(verdict: Verdict, a: str, b: str, replays: Replays | None = None) -> dict[str, JSON]:
    """The document; what a verdict doesn't have is null. `platforms` are there if asked for."""
    report = verdict.report
    found: dict[str, JSON] = {
        "version": VERSION,
        "verdict": (_REFINE if report.refine else _NAME)[type(verdict)],
        "a": a,
        "b": b,
        "observe": report.observe,
        "ignored": list(report.ignored),
        "assumption": report.assumption or None,
        "non_ip": report.non_ip,
        "proof": None,
        "counterexample": None,
        "reason": None,
        "depth": 0,
        "obligations": [],
        "notes": list(report.notes),
        "seconds": round(report.seconds, 3),
    }
    match verdict:
        case Equivalent(proof=proof):
            found["depth"] = proof.depth
            found["proof"] = {
                "method": proof.method,
                "depth": proof.depth,
                "relation": list(proof.relation),
                "obligations": obligations_of(proof.obligations),
            }
        case Different(counterexample=example):
            found["depth"] = example.excluded
            found["counterexample"] = counterexample_of(example)
        case Unknown(reason=reason, depth=depth, obligations=obligations):
            found["reason"] = reason
            found["depth"] = depth
            found["obligations"] = obligations_of(obligations)
            if verdict.resisting is not None:
                found["resisting"] = resisting_of(verdict.resisting)
        case _:
            assert_never(verdict)
    if replays is not None:
        found["platforms"] = replays.document()
    return found


def obligations_of(obligations: Sequence[Obligation]) -> JSON:
    """Each with its result and seconds; with who confirmed it, or why it is open, if known."""
    found: list[JSON] = []
    for one in obligations:
        about: dict[str, JSON] = {
            "name": one.name, "seconds": round(one.seconds, 3), "result": one.result
        }  # fmt: skip
        if one.confirmed:
            about["confirmed"] = one.confirmed
        if one.reason:
            about["reason"] = one.reason
        found.append(about)
    return found


def counterexample_of(example: Counterexample) -> JSON:
    """Its events, and what differs at the last."""
    return {
        "events": [_event(event) for event in example.events],
        "minimal": example.minimal,
        "excluded": example.excluded,
        "differences": list(example.differences),
    }


def resisting_of(step: Resisting) -> JSON:
    """The step that no proof excluded."""
    return {
        "obligation": step.obligation,
        "event": step.event,
        "time": step.time,
        "port": step.port,
        "packet": None if step.frame is None else step.frame.hex(),
        "state": [
            {
                "variable": held.variable,
                "key": list(held.key),
                "values": None if held.values is None else list(held.values),
            }
            for held in step.state
        ],
        "a": None if step.a is None else _side(step.a),
        "b": None if step.b is None else _side(step.b),
        "differences": list(step.differences),
    }


def _event(event: Event) -> JSON:
    return {
        "time": event.time,
        "port": event.port,
        "packet": event.frame.hex(),
        "a": _side(event.a),
        "b": _side(event.b),
    }


def _side(side: SideOfEvent) -> JSON:
    return {
        "outputs": [
            {"time": o.time, "port": o.port, "packet": o.frame.hex()} for o in side.outputs
        ],
        "entries": list(side.entries),
    }
