"""A finding as a folder: captures, a report, a pytest file that fails until it is mended, and what
`nfverify test` needs to run it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from nfverify.lang.source import Diagnostic, ModelError, Source, Span
from nfverify.oracles.story import Story
from nfverify.oracles.trace import (
    Event,
    Trace,
    capture,
    captures,
    port_names,
    read_folder,
    shift_for,
)
from nfverify.packet.pcap import MAX_CAPTURED, TIME_LIMIT
from nfverify.report.document import JSON
from nfverify.report.finding import Test, dump, text
from nfverify.report.pytest_file import Model
from nfverify.report.save import replace_files

FINDING = "finding.json"  # its presence says that a folder is one of ours
PREFIX = "finding-"
_FILES = (FINDING, "report.txt", "trace.pcap", "left.pcap", "right.pcap", "test_finding.py")
_LINE = 88
MAX_EVENTS = 1_000_000
MAX_FINDING = 64 << 20  # bytes of a finding.json


def folder_name(trace: Trace) -> str:
    """The name of a finding's folder: the same for the same trace."""
    text = "\n".join(f"{e.time} {e.port} {e.frame.hex()}" for e in trace)
    return PREFIX + sha256(text.encode()).hexdigest()[:10]


def save(parent: Path, test: Test, model: Model, operators: Sequence[str]) -> Path:
    """Writes the folder of a finding into `parent`, and returns it. OSError."""
    story = test.story
    assert story is not None
    trace = story.divergence.trace
    folder = parent / folder_name(trace)
    content = {
        FINDING: dump(test).encode(),
        "report.txt": text(test).encode(),
        "test_finding.py": pytest_file(test, story, model, operators).encode(),
        **_captures(test, story),
    }
    if model.beside:
        content[model.beside] = test.network.instances[0].program.span.source.text.encode()
    old = (*_FILES, *(path.name for path in sorted(folder.glob("trace-*.pcap"))))
    replace_files(folder, content, old if (folder / FINDING).is_file() else ())
    return folder


def _captures(test: Test, story: Story) -> dict[str, bytes]:
    """What arrived; what came out of the judge; and what came out of the other at the end."""
    divergence = story.divergence
    trace = divergence.trace
    shift = shift_for(trace)
    left = [out for chapter in story.chapters for out in chapter.outputs]
    right = divergence.right_out
    if divergence.kind == "outputs" and not divergence.flat:
        before = [out for chapter in story.chapters[:-1] for out in chapter.outputs]
        right = (*before, *right)
    return {
        **captures(trace, port_names(test.network)),
        "left.pcap": capture(left, shift),
        "right.pcap": capture([out._replace(time=max(out.time, shift)) for out in right], shift),
    }


# Reading ----------------------------------------------------------------------------------


def saved(parent: Path, ports: Sequence[str], model: str) -> Iterator[tuple[str, Trace]]:
    """The traces of the findings of a model in a folder, by name, in order. OSError, ModelError."""
    for folder in sorted(parent.glob(f"{PREFIX}*")):
        file = folder / FINDING
        if file.is_file():
            found = read(file, ports, model)
            if found is not None:
                yield f"{parent.name}/{folder.name}", found


def read(file: Path, ports: Sequence[str], model: str) -> Trace | None:
    """The trace of a finding.json; None if it is of another model. OSError, ModelError."""
    if file.stat().st_size > MAX_FINDING:
        raise _wrong(file, f"over {MAX_FINDING >> 20} MB")
    try:
        data = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _wrong(file, f"not JSON: {error}") from None
    if not isinstance(data, dict) or not isinstance(data.get("finding"), dict):
        raise _wrong(file, "not a finding of nfverify test")
    if data.get("model") != model:
        return None
    events = data["finding"].get("events")
    if not isinstance(events, list) or len(events) > MAX_EVENTS:
        raise _wrong(file, "its events are no list")
    return tuple(_event(file, number, event, ports) for number, event in enumerate(events, 1))


def _event(file: Path, number: int, event: JSON, ports: Sequence[str]) -> Event:
    match event:
        case {"time": int(time), "port": str(port), "packet": str(packet)}:
            if not 0 <= time < TIME_LIMIT or isinstance(time, bool):
                raise _wrong(file, f"event {number}: its time is not in 0 to 2^62 - 1 ns")
            if port not in ports:
                raise _wrong(file, f"event {number}: the model has no port {port!a}")
            try:
                frame = bytes.fromhex(packet)
            except ValueError:
                frame = None
            if frame is None or len(frame) > MAX_CAPTURED:
                raise _wrong(file, f"event {number}: its packet is no frame in hexadecimal")
            return Event(time, ports.index(port), frame)
    raise _wrong(file, f"event {number}: it has no time, port and packet")


def _wrong(file: Path, what: str) -> ModelError:
    return ModelError(Diagnostic("error", "finding", what, Span(Source(str(file), ""), 0, 0)))


def from_captures(folder: Path, ports: Sequence[str]) -> Trace:
    """The trace in the captures of a finding. CaptureError, ValueError, OSError."""
    return read_folder(folder, ports)


# The test ---------------------------------------------------------------------------------


def pytest_file(test: Test, story: Story, model: Model, operators: Sequence[str]) -> str:
    """The text of a test that runs the trace through the same executions."""
    options = test.options
    comparison = options.comparison
    differences = "\n".join(f"    {_quoted(line)}" for line in story.differences)
    settings = [
        f"engines={options.engines!r}",
        f"against={options.against!r}",
        f"compare={comparison.names!r}",
        f"ignore={tuple(comparison.ignore)!r}",
        f"non_ip={options.non_ip!r}",
        f"operators={tuple(operators)!r}",
        *([] if options.capacity is None else [f"capacity={options.capacity}"]),
    ]
    arguments = "\n".join(f"        {setting}," for setting in settings)
    events = "\n".join(_event_lines(story))
    return _TEST.format(
        differences=differences,
        events=events,
        located=_LOCATED if model.file else "",
        model=model.expression(),
        arguments=arguments,
    )


def _event_lines(story: Story) -> Iterator[str]:
    for event in story.divergence.trace:
        yield f"    ({event.time}, {event.port},"
        hexadecimal = event.frame.hex()
        chunks = [hexadecimal[i : i + _LINE] for i in range(0, len(hexadecimal), _LINE)] or [""]
        yield "\n".join(f'     "{chunk}"' for chunk in chunks) + "),"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', "'")


_LOCATED = """

def located(path, before):
    # The model where it was named, else where it was when this was written.
    return path if Path(path).exists() else before
"""
_TEST = '''\
"""Executions of one model must do the same with these packets: a finding of `nfverify test`.

It fails until they do. What differed when it was written:

{differences}
"""

from pathlib import Path

from nfverify.testing.agreement import agree

HERE = Path(__file__).parent
EVENTS = [  # time in ns, port, frame
{events}
]
{located}

def test_they_do_the_same():
    agree(
        {model},
        EVENTS,
{arguments}
    )
'''
