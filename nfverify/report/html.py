"""Results as one HTML page that needs nothing else: no network, no script to be read.

The page forbids itself everything but its own style and script (Content-Security-Policy, by
their digests); what others wrote is escaped where the template prints it, without exception.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from nfverify.report import plots
from nfverify.report.captures import captures
from nfverify.report.escape import one_line
from nfverify.report.packet_table import HexLine, PacketTable, hex_lines, packet_table
from nfverify.report.packets import clock, summary
from nfverify.report.results import SEVERITY, Change, Example, Results, Status, Step
from nfverify.report.results_text import MORE, decided, headline, ratio_text, where
from nfverify.report.traces import left_out, rows, shown_steps

MAX_CHANGES = 2000  # classes of one check in the page
MAX_EXAMPLES = 200  # of these, shown with their packets
MAX_LINES = 400
MAX_TIMES = 30  # checks whose time is drawn
MAX_DOWNLOAD = 4 << 20  # bytes of one capture in the page
SIGN: dict[Status, str] = {
    "passed": "✓",
    "accepted": "☑",
    "unknown": "?",
    "different": "≠",
    "error": "!",
}


class Download(NamedTuple):
    """A capture: in the page itself, or too large for it (`link` is empty)."""

    name: str
    link: str
    size: int


class Shown(NamedTuple):
    """A step of a trace in detail; without a step, what is left out."""

    number: int
    title: str
    table: PacketTable | None
    dumps: tuple[tuple[str, tuple[HexLine, ...]], ...]


class Trace(NamedTuple):
    """An example as the page shows it."""

    rows: tuple[tuple[str, ...], ...]
    steps: tuple[Shown, ...]
    says: tuple[str, ...]
    downloads: tuple[Download, ...]
    length: int
    minimal: bool


def html(results: Results) -> str:
    """The whole page."""
    style, script = _file("page.css"), _file("page.js")
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "bar": plots.bar,
        "time_bar": plots.time_bar,
        "line": plots.line,
        "ratio_text": ratio_text,
        "where": where,
        "decided": decided,
        "trace": trace,
        "points": points,
    }
    counts = Counter(result.status for result in results.results)
    context: dict[str, Any] = {
        "results": results,
        "headline": headline(results),
        "statuses": [status for status in reversed(SEVERITY) if counts[status]],
        "counts": counts,
        "sign": SIGN,
        "slowest": sorted(results.results, key=lambda result: -result.seconds)[:MAX_TIMES],
        "checks": list(enumerate(results.results, 1)),
        "MORE": MORE,
        "MAX_CHANGES": MAX_CHANGES,
        "MAX_EXAMPLES": MAX_EXAMPLES,
        "MAX_LINES": MAX_LINES,
        # Files of ours, whose digests the policy names: not one character may change.
        "newline": Markup("\n"),
        "style": Markup(style),
        "script": Markup(script),
        "policy": "default-src 'none'; base-uri 'none'; form-action 'none';"
        f" style-src '{_digest(style)}'; script-src '{_digest(script)}'",
    }
    return environment.from_string(_file("page.html")).render(context)


def _file(name: str) -> str:
    return files("nfverify.report").joinpath("page", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _harmless(value: object) -> object:
    """Text without what turns its direction or hides; the template escapes it then."""
    return one_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def points(change: Change) -> str:
    """How many points of the ruleset's columns a class has."""
    return "" if change.count is None else f"{change.count:,}"


def trace(example: Example) -> Trace:
    """The parts of an example."""
    last = len(example.steps) - 1
    steps = []
    for at in shown_steps(len(example.steps)):
        if at is None:
            steps.append(Shown(0, left_out(len(example.steps)), None, ()))
        else:
            step = example.steps[at]
            title = f"packet {at + 1} at {clock(step.time)} by {step.port}: {summary(step.frame)}"
            dumps = _dumps(step) if at == last else ()
            steps.append(Shown(at + 1, title, packet_table(step), dumps))
    return Trace(
        tuple(rows(example)),
        tuple(steps),
        example.says,
        tuple(_download(name, data) for name, data in captures(example).items()),
        len(example.steps),
        example.minimal,
    )


def _download(name: str, data: bytes) -> Download:
    if len(data) > MAX_DOWNLOAD:
        return Download(name, "", len(data))
    link = f"data:application/vnd.tcpdump.pcap;base64,{b64encode(data).decode()}"
    return Download(name, link, len(data))


def _dumps(step: Step) -> tuple[tuple[str, tuple[HexLine, ...]], ...]:
    """The bytes of each first output, with what the next side has otherwise."""
    first = [(o.who, o.outputs[0].frame) for o in step.outcomes if o.outputs]
    found: list[tuple[str, tuple[HexLine, ...]]] = [("arrives", hex_lines(step.frame, step.frame))]
    for at, (who, frame) in enumerate(first):
        other = first[at - 1 if at else min(1, len(first) - 1)][1]
        found.append((who, hex_lines(frame, other)))
    return tuple(found)
