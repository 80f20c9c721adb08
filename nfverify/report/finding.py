"""The result of a test as text for people, as JSON, and as what a saved finding is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nfverify.oracles.comparators import Comparison
from nfverify.oracles.engines.base import UNTOLD
from nfverify.oracles.story import Chapter, Story
from nfverify.oracles.tester import MODEL, Options, Result
from nfverify.oracles.trace import port_names
from nfverify.report.document import JSON, text_of
from nfverify.report.escape import one_line, several_lines
from nfverify.report.oddities import oddities
from nfverify.report.packets import changes, clock, summary
from nfverify.report.traces import aligned
from nfverify.semantics.machine import Output
from nfverify.smat.ir import Network

if TYPE_CHECKING:
    from nfverify.report.confirmations import Replays

VERSION = 1
_LABEL = 12


@dataclass(frozen=True, slots=True)
class Test:
    """A test that was run: the model as the user named it, how, and what came of it."""

    __test__ = False

    target: str
    network: Network
    options: Options
    result: Result
    story: Story | None  # of the finding
    replays: Replays | None = None  # of the finding, on platforms

    @property
    def free(self) -> bool:
        """May the program choose, as the model does?"""
        return self.result.engines[0] == MODEL


def verdict(test: Test) -> str:
    """In a word: `different`, `unknown` or `agree`."""
    if test.story is not None:
        return "different"
    return "unknown" if test.result.unsettled or not test.result.packets else "agree"


def text(test: Test) -> str:
    """The whole report."""
    return several_lines("\n".join(_lines(test)) + "\n")


def _lines(test: Test) -> Iterator[str]:
    result = test.result
    names = " and ".join(result.engines) if len(result.engines) < 3 else ", ".join(result.engines)
    sent = f"{_count(result.packets, 'packet')} in {_count(result.traces, 'trace')}"
    if test.story is not None:
        found = test.story.divergence
        yield f"different: {found.left} and {found.right} part at packet {len(found.trace)}"
        yield from _about(test)
        finding = result.finding
        assert finding is not None  # its story is told
        shrunk = f", packet {finding.length}; shrunk to {_count(len(found.trace), 'packet')}"
        yield _item("found", finding.origin + shrunk)
        yield _item("tested", sent)
        yield ""
        yield from table(test.story, test.network)
        if found.said:
            yield ""
            yield f"{found.right} wrote to standard error:"
            yield from (f"  {line}" for line in found.said.splitlines()[-12:])
        if test.replays is not None:
            yield from test.replays.lines()
    elif result.unsettled:
        yield f"unknown: not everything that {names} did is settled"
        yield from _about(test)
        yield from (_item("unsettled", what) for what in result.unsettled[:8])
        yield _item("tested", sent)
    elif not result.packets:
        yield "unknown: no packet could be sent"
        yield from _about(test)
    else:
        if test.free:
            yield f"agree: {result.engines[-1]} does what the model allows on {sent}"
        else:
            yield f"agree: {names} do the same on {sent}"
        yield from _about(test)


def _about(test: Test) -> Iterator[str]:
    options = test.options
    yield ""
    yield _item("model", one_line(test.target))
    if options.against is not None:
        yield _item("against", one_line(options.against))
    what = "every packet that comes out with what the model may send"
    yield _item("compared", what if test.free else compared(options.comparison))
    if options.comparison.ignore:
        ignored = ", ".join(options.comparison.ignore)
        yield _item("ignored", f"{ignored}, and the checksums over them")
    non_ip = {"bypass": "pass by", "drop": "are dropped"}[options.non_ip]
    yield _item("non-IP", f"frames that are not IP {non_ip} ({options.non_ip})")


def compared(comparison: Comparison) -> str:
    """What is compared, in words."""
    order = "order within each flow" if comparison.per_flow else "order"
    parts = ["every packet that comes out: time, port", order]
    parts.append("bytes" if comparison.link else "bytes from the IP header on")
    if comparison.renaming:
        parts.append("up to a consistent renaming of addresses and ports")
    return ", ".join(parts)


def table(story: Story, network: Network) -> Iterator[str]:
    """The trace event by event, and what differs after the last."""
    rows = [("", "time", "port", "packet", "entries"), *rows_of(story, network)]
    yield from aligned(rows)
    yield ""
    yield f"After packet {len(story.chapters)}:"
    yield from (f"  {difference}" for difference in story.differences)


def rows_of(story: Story, network: Network) -> Iterator[tuple[str, ...]]:
    """(who, time, port, packet, entries) of each arrival and output."""
    found, ports = story.divergence, port_names(network)
    last = len(story.chapters)
    for number, chapter in enumerate(story.chapters, 1):
        event = chapter.event
        what = ", ".join((summary(event.frame), *oddities(event.frame)))
        yield str(number), clock(event.time), ports[event.port], what, ""
        if found.seen:
            yield from _side(found.right, chapter, found.seen[number - 1], None, ports)
            continue
        if number < last:
            yield from _side("both", chapter, chapter.outputs, chapter.entries, ports)
            continue
        failed = found.kind not in ("outputs", "state")
        left = found.left_out if found.kind == "outputs" else chapter.outputs
        right = found.right_out if found.kind == "outputs" else chapter.outputs
        yield from _side(found.left, chapter, left, chapter.entries, ports)
        if failed:
            yield found.right, "", "", f"no answer: {found.what}", ""
        else:
            yield from _side(found.right, chapter, right, story.entries, ports)


def _side(
    who: str,
    chapter: Chapter,
    outputs: tuple[Output, ...],
    entries: tuple[str, ...] | None,
    ports: tuple[str, ...],
) -> Iterator[tuple[str, ...]]:
    taken = "" if entries is None else ", ".join(entries) or "no table"
    if not outputs:
        yield who, "", "", "nothing comes out", taken
    for number, out in enumerate(outputs):
        later = "" if out.time in (UNTOLD, chapter.event.time) else clock(out.time)
        port = "" if out.port == UNTOLD else ports[out.port]
        what = changes(chapter.event.frame, out.frame)
        yield ("" if number else who, later, port, what, "" if number else taken)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _item(label: str, what: str) -> str:
    return f"  {label:{_LABEL}}{what}"


# JSON -------------------------------------------------------------------------------------


def document(test: Test) -> Mapping[str, JSON]:
    """The result for machines; what it doesn't have is null."""
    options, result = test.options, test.result
    found: dict[str, JSON] = {
        "version": VERSION,
        "verdict": verdict(test),
        "model": test.target,
        "engines": list(options.engines),
        "against": options.against,
        "compare": list(options.comparison.names),
        "ignore": list(options.comparison.ignore),
        "non_ip": options.non_ip,
        "seed": options.seed,
        "packets": result.packets,
        "traces": result.traces,
        "unsettled": list(result.unsettled),
        "finding": None,
    }
    if test.story is not None and result.finding is not None:
        divergence, ports = test.story.divergence, port_names(test.network)
        found["finding"] = {
            "kind": divergence.kind,
            "left": divergence.left,
            "right": divergence.right,
            "origin": result.finding.origin,
            "length": result.finding.length,
            "differences": list(test.story.differences),
            "said": divergence.said,
            "events": [
                {
                    "time": chapter.event.time,
                    "port": ports[chapter.event.port],
                    "packet": chapter.event.frame.hex(),
                    "entries": list(chapter.entries),
                    "outputs": [_output(out, ports) for out in chapter.outputs],
                }
                for chapter in test.story.chapters
            ],
            "outputs": [_output(out, ports) for out in divergence.right_out],
            "entries": None if test.story.entries is None else list(test.story.entries),
        }
    if test.replays is not None:
        found["platforms"] = test.replays.document()
    return found


def _output(out: Output, ports: tuple[str, ...]) -> dict[str, JSON]:
    return {
        "time": None if out.time == UNTOLD else out.time,
        "port": None if out.port == UNTOLD else ports[out.port],
        "packet": out.frame.hex(),
    }


def dump(test: Test) -> str:
    """The document as text."""
    return text_of(document(test))
