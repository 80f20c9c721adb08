"""Results as SARIF 2.1.0 (OASIS): what did not pass, at its places in models and rulesets.

Each class of a diff is a result of its own. What a baseline accepts is there as suppressed.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from nfverify.report.document import JSON, text_of
from nfverify.report.escape import one_line, sarif_message, uri
from nfverify.report.results import EXIT_CODE, Change, Kind, Place, Result, Results, Status
from nfverify.report.results_text import change_lines, change_title, details

_OASIS = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas"
SCHEMA = f"{_OASIS}/sarif-schema-2.1.0.json"
BASE = "%SRCROOT%"
LEVEL: dict[Status, str] = {
    "passed": "none",
    "accepted": "note",
    "unknown": "warning",
    "different": "error",
    "error": "error",
}
RULES: dict[Kind, tuple[str, str]] = {
    "check": ("Models are right", "A model that is wrong, or that warnings are told of."),
    "equiv": ("Models do the same", "Two models must do the same for every sequence of packets."),
    "diff": ("Changes are allowed", "What a change does to traffic must be allowed."),
    "prove": ("Properties hold", "What a model promises must hold of every sequence of packets."),
    "test": ("Engines agree", "All executions of a model must do the same on the same packets."),
    "coverage": ("Tests reach the model", "Traffic must reach enough of what can be reached."),
    "mutation": ("Tests notice mistakes", "Enough small mistakes in a model must be noticed."),
}


def sarif(results: Results) -> str:
    """The whole log."""
    kinds = list(dict.fromkeys(result.kind for result in results.results))
    driver: dict[str, JSON] = {
        "name": "nfverify",
        "version": one_line(results.version),
        "rules": [_rule(kind) for kind in kinds],
    }
    broken = [result for result in results.results if result.status == "error"]
    internal = any(result.internal for result in broken)
    run: dict[str, JSON] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not broken,
                "exitCode": 4 if internal else EXIT_CODE[results.status],
                "toolExecutionNotifications": [
                    {"level": "error", "message": _message(f"{r.name}: {r.title}")} for r in broken
                ],
            }
        ],
        "results": [found for r in results.results for found in _results(r, kinds.index(r.kind))],
    }
    return text_of({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(kind: Kind) -> JSON:
    title, text = RULES[kind]
    return {
        "id": kind,
        "name": title.title().replace(" ", ""),
        "shortDescription": {"text": title},
        "fullDescription": {"text": text},
        "defaultConfiguration": {"level": "error"},
    }


def _results(result: Result, rule: int) -> Iterator[JSON]:
    if result.status == "passed":
        return
    if not result.changes:
        places = result.places
        yield _result(result, rule, result.status, "\n".join(details(result)), places, "")
    for change in result.changes:
        status: Status = "accepted" if change.accepted else result.status
        text = "\n".join((f"{result.name}: {change_title(change)}", *change_lines(change)))
        found = _change_places(change) or result.places
        yield _result(result, rule, status, text, found, change.accepted, change.identity)


def _change_places(change: Change) -> tuple[Place, ...]:
    found = (change.place_new, change.place_old)
    return tuple(place for place in found if place is not None)


def _result(
    result: Result,
    rule: int,
    status: Status,
    text: str,
    places: tuple[Place, ...],
    accepted: str,
    identity: str = "",
) -> JSON:
    identity = identity or result.identity or _fingerprint(result)
    found: dict[str, JSON] = {
        "ruleId": result.kind,
        "ruleIndex": rule,
        "level": LEVEL[status],
        "message": _message(text),
        "locations": [_location(place) for place in places[:1]],
        "partialFingerprints": {"nfverify/v1": one_line(identity)},
        "properties": {"check": one_line(result.name), "status": status},
    }
    if len(places) > 1:
        found["relatedLocations"] = [
            {"id": number, **_location(place)} for number, place in enumerate(places[1:], 1)
        ]
    if status == "accepted":
        why = one_line(accepted or result.reason)
        found["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": why or "accepted"}
        ]
    return found


def _fingerprint(result: Result) -> str:
    """Of what was asked and what came of it, not of where or how it showed."""
    parts = (result.kind, result.name, *result.targets, result.status)
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _message(text: str) -> JSON:
    return {"text": sarif_message(text)}


def _location(place: Place) -> dict[str, JSON]:
    where: dict[str, JSON] = {"artifactLocation": _artifact(place.path)}
    region = {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column + 1 if place.end_column else 0,  # exclusive there
    }
    if place.line:
        where["region"] = {key: value for key, value in region.items() if value}
    found: dict[str, JSON] = {"physicalLocation": where}
    if place.says:
        found["message"] = _message(place.says)
    return found


def _artifact(path: str) -> JSON:
    name = uri(path)
    return {"uri": name} if name.startswith("file://") else {"uri": name, "uriBaseId": BASE}
