"""A program in the foreground: with our streams, and with the signals that we get."""

from __future__ import annotations

import ctypes
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1


def foreground(program: Path, arguments: Sequence[str]) -> int:
    """Runs a program to its end, which is ours if we are killed: its exit code, 128 + n for a
    signal. OSError if it can't be started."""
    libc = ctypes.CDLL(None)

    def tied() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if process is None:
            early.append(number)
        else:
            process.send_signal(number)

    # In a group of its own, so that Ctrl-C comes to it once, from us.
    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        process = subprocess.Popen((program, *arguments), preexec_fn=tied, process_group=0)
        for number in early:
            process.send_signal(number)
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 - code if code < 0 else code
