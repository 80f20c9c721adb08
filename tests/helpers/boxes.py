"""Chains with SpeedyBox's API as engines, and frames for them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from nfverify.cythonized.speedybox import Box
from nfverify.oracles.engines.base import UNTOLD, Run
from nfverify.oracles.trace import Event
from nfverify.oracles.wire import wire
from nfverify.semantics.machine import Output

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "speedybox"
if str(EXAMPLES) not in sys.path:  # where its programs find nfs.py
    sys.path.append(str(EXAMPLES))

TCP, UDP = 6, 17
SYN, FIN, RST, ACK = 2, 1, 4, 16


@dataclass(frozen=True, slots=True)
class BoxEngine:
    """A chain written in Python; what comes in by a port leaves by the other one of two."""

    make: Callable[[], Box]
    name: str = "box"

    def run(self, trace: Sequence[Event]) -> Run:
        box = self.make()
        steps: list[tuple[Output, ...]] = []
        for time, port, frame in trace:
            out = box.run(frame, time, port)
            steps.append(() if out is None else (Output(UNTOLD, port ^ 1, out),))
        return Run(tuple(steps))


def frame(
    sip: str,
    dip: str,
    sport: int,
    dport: int,
    *,
    proto: int = TCP,
    flags: int = ACK,
    payload: bytes = b"",
    ttl: int = 64,
) -> bytes:
    """A plain frame with right checksums."""
    values: dict[str, int | bytes] = {
        "sip": int(IPv4Address(sip)),
        "dip": int(IPv4Address(dip)),
        "sport": sport,
        "dport": dport,
        "proto": proto,
        "ttl": ttl,
        "payload": payload,
    }
    if proto == TCP:
        names = ("fin", "syn", "rst", "psh", "ack", "urg")
        values |= {f"flag_{name}": flags >> bit & 1 for bit, name in enumerate(names)}
    return wire(values)
