"""The line protocol: `TIME PORT HEX` in, `PORTS[@TIME] HEX ...` out (docs/testing.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nfverify.oracles.engines.base import UNTOLD
from nfverify.oracles.trace import Event
from nfverify.packet.pcap import MAX_CAPTURED, TIME_LIMIT
from nfverify.semantics.machine import Output

MAX_COPIES = 1024  # frames in one answer
MAX_LINE = 16 << 20
_PORTS = re.compile(r"([0-9]{1,5}(?:,[0-9]{1,5})*)(?:@([0-9]{1,19}))?", re.ASCII)


class NotAnAnswer(ValueError):
    """A line that is no answer; says why."""


def question(event: Event) -> bytes:
    """The line of a packet."""
    return f"{event.time} {event.port} {event.frame.hex() or '-'}\n".encode()


def answer(line: bytes, ports: Sequence[str]) -> tuple[Output, ...]:
    """What a line says that came out. NotAnAnswer."""
    try:
        words = line.decode("ascii").strip("\r").split(" ")
    except UnicodeDecodeError:
        raise NotAnAnswer(f"{_brief(line)} is not ASCII") from None
    if words in ([""], ["-"]):
        return ()
    if len(words) % 2:
        raise NotAnAnswer(f"{_brief(line)} is no pairs PORTS HEX")
    found: list[Output] = []
    for where, text in zip(words[::2], words[1::2], strict=True):
        match = _PORTS.fullmatch(where)
        if match is None:
            raise NotAnAnswer(f"{where[:40]!a} is no PORTS or PORTS@TIME")
        time = UNTOLD if match[2] is None else int(match[2])
        if time >= TIME_LIMIT:
            raise NotAnAnswer(f"the time {time} ns is not below 2^62")
        frame = _frame(text)
        for number in map(int, match[1].split(",")):
            if number >= len(ports):
                raise NotAnAnswer(f"port {number}: the model has {len(ports)}, from 0 on")
            found.append(Output(time, number, frame))
        if len(found) > MAX_COPIES:
            raise NotAnAnswer(f"over {MAX_COPIES} frames for one packet")
    return tuple(found)


def _frame(text: str) -> bytes:
    if text == "-":
        return b""
    try:
        frame = bytes.fromhex(text)
    except ValueError:
        raise NotAnAnswer(f"{text[:40]!a} is no frame in hexadecimal") from None
    if len(frame) > MAX_CAPTURED:
        raise NotAnAnswer(f"a frame of {len(frame)} bytes; at most {MAX_CAPTURED} are read")
    return frame


def _brief(line: bytes) -> str:
    return ascii(line[:40].decode("latin-1")) + ("…" if len(line) > 40 else "")
