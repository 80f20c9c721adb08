"""Results as workflow commands of GitHub Actions: annotations, worst first, and the headline.

The summary of a step is Markdown (`results_markdown`), cut to what GitHub takes.
"""

from __future__ import annotations

from collections.abc import Iterator

from nfverify.report.escape import command_data, command_property, inside, several_lines
from nfverify.report.results import SEVERITY, Place, Result, Results, Status
from nfverify.report.results_markdown import markdown
from nfverify.report.results_text import change_lines, change_title, details, headline

MAX_ANNOTATIONS = 50  # of one check; GitHub itself shows ten errors and ten warnings of a step
MAX_MESSAGE = 16_000  # characters; GitHub cuts at 64 KB
MAX_SUMMARY = 1_000_000  # bytes; GitHub refuses more than 1 MiB
_GAP = "\n\n"
_COMMAND: dict[Status, str] = {
    "passed": "debug",
    "accepted": "notice",
    "unknown": "warning",
    "different": "error",
    "error": "error",
}


def github(results: Results) -> str:
    """Lines for the standard output of a step."""
    ordered = sorted(results.results, key=lambda r: SEVERITY.index(r.status), reverse=True)
    lines = [line for result in ordered for line in _annotations(result)]
    remarks = [f"expired: {entry}" for entry in results.expired]
    lines += [_command("warning", None, "nfverify", remark) for remark in remarks]
    # No message begins a line but with the status, so none can be taken for a command.
    return "\n".join([*lines, several_lines(headline(results))]) + "\n"


def summary(results: Results) -> str:
    """The summary of the step."""
    text = markdown(results)
    if len(text.encode()) <= MAX_SUMMARY:
        return text
    cut = text.encode()[:MAX_SUMMARY].decode(errors="ignore")
    return (
        cut[: cut.rfind("\n\n") + 1] + "\n*The rest is left out: it is too long for a summary.*\n"
    )


def _annotations(result: Result) -> Iterator[str]:
    if result.status == "passed":
        return
    command = _COMMAND[result.status]
    title = f"{result.name}: {result.status}"
    place = result.places[0] if result.places else None
    if not result.changes:
        yield _command(command, place, title, "\n".join(details(result)))
    for change in result.changes[:MAX_ANNOTATIONS]:
        here = change.place_new or change.place_old or place
        name = _COMMAND["accepted"] if change.accepted else command
        text = "\n".join((change_title(change), *change_lines(change)))
        yield _command(name, here, title, text)
    if len(result.changes) > MAX_ANNOTATIONS:
        rest = len(result.changes) - MAX_ANNOTATIONS
        yield _command(command, place, title, f"and {rest:,} classes of packets more")


def _command(name: str, place: Place | None, title: str, message: str) -> str:
    properties = {"title": title}
    if place is not None:
        properties["file"] = inside(place.path)
        numbers = {
            "line": place.line,
            "endLine": place.end_line,
            # GitHub wants columns within one line only.
            "col": place.column if place.line == place.end_line else 0,
            "endColumn": place.end_column if place.line == place.end_line else 0,
        }
        properties |= {key: str(number) for key, number in numbers.items() if number}
    given = ",".join(f"{key}={command_property(value)}" for key, value in properties.items())
    if len(message) > MAX_MESSAGE:
        message = message[:MAX_MESSAGE] + "…"
    return f"::{name} {given}::{command_data(message)}"
