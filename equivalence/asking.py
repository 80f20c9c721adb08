"""Asks a second solver, which runs in a process of its own and can be stopped at any time."""

from __future__ import annotations

import ctypes
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from nfverify.equivalence import second

Name = Literal["cvc5", "bitwuzla"]
Ask = Callable[[str, float], str]
"""The answer to a script within so many seconds: sat, unsat, or in words why there is none."""

_SET_DEATH_SIGNAL = 1  # prctl(2), PR_SET_PDEATHSIG
_CHUNK = 1 << 16


@contextmanager
def opened(name: Name) -> Iterator[Ask]:
    """A process that answers one script after the other; a new one after a time-out."""
    running: list[subprocess.Popen[bytes]] = []

    def end() -> None:
        while running:
            process = running.pop()
            process.kill()
            with suppress(BrokenPipeError):
                process.communicate()

    def ask(text: str, seconds: float) -> str:
        if seconds <= 0:
            return "no time is left"
        if not running:
            running.append(_started(name))
        said = _exchange(running[0], text.encode(), time.monotonic() + seconds)
        if said is None:
            end()
            return f"no answer within {seconds:.3g} s"
        if not said:
            end()
            return "it ended without an answer"
        return said

    try:
        yield ask
    finally:
        end()


def _started(name: Name) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", second.__file__, name],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=_ends_with_parent,
    )


def _ends_with_parent() -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


def _exchange(process: subprocess.Popen[bytes], data: bytes, deadline: float) -> str | None:
    """A script to the process and its answer; None if that takes too long, empty if it ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    view = memoryview(len(data).to_bytes(second.LENGTH_BYTES, "big") + data)
    try:
        while view:
            view = view[process.stdin.write(view[:_CHUNK]) :]
    except BrokenPipeError:
        return ""
    said = b""
    while len(said) < second.LENGTH_BYTES or len(said) < second.LENGTH_BYTES + int.from_bytes(
        said[: second.LENGTH_BYTES], "big"
    ):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
            return None
        more = process.stdout.read(_CHUNK)
        if not more:
            return ""
        said += more
    return said[second.LENGTH_BYTES :].decode(errors="backslashreplace")
