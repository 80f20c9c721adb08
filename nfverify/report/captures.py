"""A trace as captures: what came in, by all ports and by each, and what came out of each side."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from nfverify.packet.pcap import Writer
from nfverify.report.escape import file_name
from nfverify.report.results import Example

ARRIVED = "trace.pcap"
_PCAP_SECONDS = 1 << 32


def captures(example: Example) -> dict[str, bytes]:
    """By file name: `trace.pcap`, `trace-PORT.pcap` where there are several ports, `SIDE.pcap`."""
    arrived = [(step.time, step.port, step.frame) for step in example.steps]
    sides: dict[str, list[tuple[int, str, bytes]]] = {}
    for step in example.steps:
        for outcome in step.outcomes:
            rows = sides.setdefault(outcome.who, [])
            rows += [(out.time, out.port, out.frame) for out in outcome.outputs]
    # Stamps that a capture can't hold: all are moved, the table has the true ones.
    latest = max((time for rows in (arrived, *sides.values()) for time, _, _ in rows), default=0)
    shift = arrived[0][0] if latest // 10**9 >= _PCAP_SECONDS else 0
    found = {ARRIVED: _capture(arrived, shift)}
    ports = sorted({port for _, port, _ in arrived})
    if len(ports) > 1:
        for port in ports:
            rows = [row for row in arrived if row[1] == port]
            found[_free(f"trace-{file_name(port)}", found)] = _capture(rows, shift)
    for who, rows in sides.items():
        found[_free(file_name(who), found)] = _capture(rows, shift)
    return found


def _free(stem: str, taken: dict[str, bytes]) -> str:
    """A name that isn't taken."""
    name, number = f"{stem}.pcap", 2
    while name in taken:
        name, number = f"{stem}-{number}.pcap", number + 1
    return name


def _capture(rows: Sequence[tuple[int, str, bytes]], shift: int) -> bytes:
    stream = BytesIO()
    writer = Writer(stream, nanosecond=True)
    for time, _, frame in rows:
        writer.write(min(time - shift, _PCAP_SECONDS * 10**9 - 1), frame)
    return stream.getvalue()
