"""Traces: frames that arrive at a network, in captures and out of them.

A capture doesn't say by which port a frame came: a trace of several ports is one capture for each,
and one of all frames, which has their order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from heapq import merge
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from nfverify.packet.pcap import Capture, CutFrame, Writer, read
from nfverify.smat.ir import Network

LIMIT = 1 << 32  # s: stamps from here on don't fit a pcap file
ALL = "trace.pcap"


class Event(NamedTuple):
    """A frame that arrives by a port, at a time in ns."""

    time: int
    port: int
    frame: bytes


Trace = tuple[Event, ...]


def port_names(network: Network) -> tuple[str, ...]:
    """The names of a network's ports by number: 0 and 1 if it declares none."""
    return network.ports or ("0", "1")


def monotone(trace: Sequence[Event]) -> Trace:
    """The trace with no stamp before an earlier one, which means the same (decision 23)."""
    found: list[Event] = []
    latest = 0
    for event in trace:
        latest = max(latest, event.time)
        found.append(event if event.time == latest else event._replace(time=latest))
    return tuple(found)


# Captures in ------------------------------------------------------------------------------


def read_captures(sources: Sequence[tuple[int, str | os.PathLike[str]]]) -> Trace:
    """Captures and the ports by which they arrive, merged by time. CaptureError, OSError."""
    return tuple(stream_captures(sources))


def stream_captures(sources: Sequence[tuple[int, str | os.PathLike[str]]]) -> Iterator[Event]:
    """The same one by one, for captures of any size."""
    with ExitStack() as stack:
        streams = [arrivals(port, stack.enter_context(read(source))) for port, source in sources]
        yield from merge(*streams, key=itemgetter(0))


def read_folder(folder: Path, ports: Sequence[str]) -> Trace:
    """The trace that `captures` wrote into a folder, in its order. CaptureError, OSError."""
    parts = [
        (number, folder / _of_port(name))
        for number, name in enumerate(ports)
        if (folder / _of_port(name)).exists()
    ]
    everything = read_captures([(0, folder / ALL)])
    if not parts:
        return everything
    heads = {port: list(reversed(read_captures([(port, path)]))) for port, path in parts}
    found: list[Event] = []
    for event in everything:
        for port, rest in heads.items():
            if rest and rest[-1] == event._replace(port=port):
                found.append(rest.pop())
                break
        else:
            raise ValueError(f"{folder / ALL}: a packet that is in no capture of a port")
    return tuple(found)


def arrivals(port: int, capture: Capture) -> Iterable[Event]:
    """The frames of a capture as they arrive by a port."""
    for record in capture:
        frame = record.frame
        if record.original_length > len(frame):
            frame = CutFrame(frame)
            frame.original_length = record.original_length
        yield Event(record.time_ns, port, frame)


# Captures out -----------------------------------------------------------------------------


def capture(rows: Iterable[tuple[int, int, bytes]], shift: int = 0) -> bytes:
    """A capture of (time, port, frame), with ns, its stamps `shift` ns earlier; what still doesn't
    fit has the last stamp that does."""
    stream = BytesIO()
    writer = Writer(stream, nanosecond=True)
    for time, _, frame in rows:
        length = frame.original_length if isinstance(frame, CutFrame) else None
        writer.write(max(0, min(time - shift, LIMIT * 10**9 - 1)), frame, length)
    return stream.getvalue()


def shift_for(rows: Iterable[tuple[int, int, bytes]]) -> int:
    """By how much stamps must go back to fit a capture: 0 if they fit."""
    times = [time for time, _, _ in rows]
    return min(times) if times and max(times) >= LIMIT * 10**9 else 0


def captures(trace: Sequence[Event], ports: Sequence[str]) -> Mapping[str, bytes]:
    """The files of a trace by name: one of all frames, and one for each of several ports."""
    shift = shift_for(trace)
    found = {ALL: capture(trace, shift)}
    used = sorted({event.port for event in trace})
    if used not in ([], [0]):
        for port in used:
            rows = [event for event in trace if event.port == port]
            found[_of_port(ports[port])] = capture(rows, shift)
    return found


def _of_port(name: str) -> str:
    return f"trace-{name}.pcap"
