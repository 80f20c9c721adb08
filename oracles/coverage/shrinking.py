"""Fewer events that still do the same (delta debugging), within a fixed number of attempts."""

from __future__ import annotations

from collections.abc import Callable

from nfverify.equivalence.simulate import Trace

ATTEMPTS = 60


def shrunk(trace: Trace, holds: Callable[[Trace], bool], attempts: int = ATTEMPTS) -> Trace:
    """A part of a trace of which `holds` is true, as it is of the whole. The last event stays."""
    *rest, last = trace
    size = max(1, len(rest) // 2)
    while rest:
        at = 0
        removed = False
        while at < len(rest):
            if not attempts:
                return (*rest, last)
            attempts -= 1
            fewer = rest[:at] + rest[at + size :]
            if holds((*fewer, last)):
                rest, removed = fewer, True
            else:
                at += size
        if size == 1 and not removed:
            break
        size = max(1, size // 2)
    return (*rest, last)
