"""Captures through a built network into captures: the library's own reader and writer at work.

Only the standard library is used here, so that this file beside a build is part of its package.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from threading import Thread
from types import TracebackType
from typing import NamedTuple, Self

OK, BROKEN, FAILED, STOPPED = 0, 1, 2, 3
POLL = 0.2  # seconds between two looks at a run
_PATIENCE = 2.0  # seconds that a run which is told to stop may take for it


class Passed(NamedTuple):
    """How many packets came and left."""

    arrived: int
    left: int


class CaptureBroken(ValueError):
    """A capture that breaks off or is none; what was before it has been run and written."""


class Job:
    """Inputs and outputs, by descriptors that stay the caller's; closed by `with`. MemoryError.

    `core` is the address of the state that packets go through, or of several workers.
    """

    def __init__(self, calls: ctypes.CDLL, core: int, *, workers: bool = False) -> None:
        self._calls = _declared(calls)
        self._core = core
        self._workers = "_shards" if workers else ""
        self._job = calls.nf_job_new()
        if not self._job:
            raise MemoryError("no memory to read captures")
        self._running: Thread | None = None

    def input(self, descriptor: int, name: str, port: int) -> None:
        """What arrives by a port. CaptureBroken if it begins as no capture of Ethernet."""
        self._check(self._calls.nf_job_input(self._job, descriptor, _bytes(name), port))

    def output(self, descriptor: int, name: str, port: int | None) -> None:
        """Where what leaves by a port goes (None: by any); after all inputs."""
        number = -1 if port is None else port
        self._check(self._calls.nf_job_output(self._job, descriptor, _bytes(name), number))

    def run(self, look: Callable[[int], None] = lambda arrived: None) -> int:
        """Every packet in order of time: OK or an error of the network. `look` is called now and
        then with the number of packets so far. CaptureBroken, OSError."""
        run = getattr(self._calls, f"nf_job_run{self._workers}")
        return self._alone(lambda: run(self._core, self._job), look)

    def wait(self, relative: bool, time: int) -> int:
        """Time goes on to `time`, ns (relative: after the last packet). ValueError, OSError."""
        if not 0 <= time < 1 << 62:
            raise ValueError("times are below 2^62 ns")
        wait = getattr(self._calls, f"nf_job_wait{self._workers}")
        return self._alone(
            lambda: wait(self._core, self._job, relative, time), lambda arrived: None
        )

    def _alone(self, call: Callable[[], int], look: Callable[[int], None]) -> int:
        """Calls in a thread, so that Ctrl-C is heard here, and ends it between two packets."""
        codes: list[int] = []
        thread = self._running = Thread(target=lambda: codes.append(call()), daemon=True)
        thread.start()
        try:
            thread.join(POLL)
            while thread.is_alive():
                look(self.passed.arrived)
                thread.join(POLL)
        except BaseException:
            self._calls.nf_job_stop(self._job)
            thread.join(_PATIENCE)
            raise
        (code,) = codes
        return self._check(code)

    def _check(self, code: int) -> int:
        """An error of the network is the caller's to name."""
        if code <= OK:
            return code
        data: bytes = self._calls.nf_job_error(self._job)
        message = data.decode(errors="backslashreplace")
        if code == BROKEN:
            raise CaptureBroken(message)
        raise OSError(message)

    @property
    def passed(self) -> Passed:
        """How many packets came and left so far."""
        calls = self._calls
        return Passed(calls.nf_job_arrived(self._job), calls.nf_job_left(self._job))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._running is None or not self._running.is_alive():  # else it reads a silent pipe
            self._calls.nf_job_free(self._job)


def _bytes(name: str) -> bytes:
    return name.encode(errors="backslashreplace").replace(b"\0", b"?")


def _declared(calls: ctypes.CDLL) -> ctypes.CDLL:
    """The library with the types of these functions."""
    c, pointer, text = ctypes, ctypes.c_void_p, ctypes.c_char_p
    code, number, long = c.c_int32, c.c_uint32, c.c_uint64
    for name, result, arguments in (
        ("nf_job_new", pointer, ()),
        ("nf_job_free", None, (pointer,)),
        ("nf_job_input", code, (pointer, c.c_int, text, c.c_uint16)),
        ("nf_job_output", code, (pointer, c.c_int, text, code)),
        ("nf_job_run", code, (pointer, pointer)),
        ("nf_job_wait", code, (pointer, pointer, number, long)),
        ("nf_job_run_shards", code, (pointer, pointer)),
        ("nf_job_wait_shards", code, (pointer, pointer, number, long)),
        ("nf_job_error", text, (pointer,)),
        ("nf_job_arrived", long, (pointer,)),
        ("nf_job_left", long, (pointer,)),
        ("nf_job_stop", None, (pointer,)),
    ):
        function = getattr(calls, name)
        function.restype, function.argtypes = result, arguments
    return calls
