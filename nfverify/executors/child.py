"""A forked child that can be stopped whatever it is doing, and that says things by a pipe."""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

REAPING = 0.2  # s to wait for a killed child; a large one takes longer to go
LENGTH_BYTES = 8
_SET_DEATH_SIGNAL = 1  # prctl(2), PR_SET_PDEATHSIG


@dataclass(slots=True)
class Child:
    """The process and the end of the pipe from which its frames come."""

    pid: int
    pipe: int
    timed_out: bool = False
    status: int | None = None  # as from wait(2)
    largest: int = 0  # bytes that it ever had resident

    def frames(self, deadline: float | None, parent: int | None = None) -> Iterator[bytes]:
        """What the child says, until the deadline (`time.monotonic()`) or until it falls silent.

        Ends, too, when the descriptor `parent` says that nobody is there to be told.
        """
        poll = select.poll()
        poll.register(self.pipe, select.POLLIN)
        if parent is not None:
            poll.register(parent, select.POLLIN)
        buffer = bytearray()
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                self.timed_out = True
                return
            ready = poll.poll(None if left is None else min(int(left * 1000) + 1, 1 << 30))
            if any(descriptor == parent for descriptor, _ in ready):
                return
            if not ready:
                continue
            data = os.read(self.pipe, 1 << 16)
            if not data:
                self.wait()
                return
            buffer += data
            yield from unpack(buffer)

    def kill(self) -> None:
        """End the child and all that it may have started, now."""
        with suppress(OSError):
            os.close(self.pipe)
        with suppress(ProcessLookupError):
            self._reap()
            if self.status is None:
                os.kill(self.pid, signal.SIGKILL)
                os.killpg(self.pid, signal.SIGKILL)
        patience = time.monotonic() + REAPING
        while self.status is None and time.monotonic() < patience:
            time.sleep(0.002)
            self._reap()

    def wait(self) -> None:
        """Until the child is gone; it has closed the pipe, or never will."""
        patience = time.monotonic() + REAPING
        while self.status is None and time.monotonic() < patience:
            self._reap()
            time.sleep(0.002)

    def _reap(self) -> None:
        if self.status is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.status, self.largest = status, usage.ru_maxrss * 1024

    def signalled(self) -> str:
        """The name of the signal that ended it; "" if none did."""
        if self.status is None or not os.WIFSIGNALED(self.status):
            return ""
        number = os.WTERMSIG(self.status)
        try:
            return signal.Signals(number).name
        except ValueError:  # of the real-time signals only two have names
            return f"signal {number}"


def fork(body: Callable[[int], None], cpu_limit: int | None) -> Child:
    """A child that does `body` with the pipe to write its frames to, and then is no more.

    `cpu_limit` bounds its processor time, s: a second guard for a parent that is stopped.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _live(body, cpu_limit, writing)
    os.close(writing)
    return Child(pid, reading)


def _live(body: Callable[[int], None], cpu_limit: int | None, pipe: int) -> NoReturn:
    """All that the child does; it leaves without a trace of the parent's clean-ups."""
    code = 70
    try:
        _confine(cpu_limit)
        body(pipe)
        code = 0
    except BrokenPipeError:  # nobody listens any more
        pass
    finally:
        os._exit(code)


def _confine(cpu_limit: int | None) -> None:
    """Its own group, silence, an end when the parent ends, and limits that the kernel keeps."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    if not os.environ.get("NFVERIFY_DEBUG"):  # libraries that fail like to print
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if cpu_limit is not None:
        lower(resource.RLIMIT_CPU, cpu_limit)


def die_with_parent() -> None:
    """The kernel kills this process when the thread that made it ends."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


def lower(which: int, limit: int) -> None:
    """A limit of the kernel's for this process, never above what was allowed before."""
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(which, (limit, limit))


def out_of_memory(error: Exception) -> bool:
    """Is this how Python, or a solver, says that there is no memory left?"""
    text = str(error)
    signs = ("out of memory", "memory exceeded", "cannot allocate")
    return isinstance(error, MemoryError) or any(sign in text for sign in signs)


def size_text(count: int) -> str:
    """A number of bytes, as people write it."""
    return f"{count / (1 << 30):.3g} GB" if count >= 1 << 30 else f"{count / (1 << 20):.3g} MB"


# Frames: a length, then as many bytes --------------------------------------------------------


def send(pipe: int, data: bytes) -> None:
    """All of a frame, however often a write takes less. BrokenPipeError."""
    view = memoryview(len(data).to_bytes(LENGTH_BYTES, "big") + data)
    while view:
        view = view[os.write(pipe, view) :]


def receive(pipe: int) -> bytes | None:
    """The next frame, waited for; None where the other side has ended."""
    head = _exactly(pipe, LENGTH_BYTES)
    return None if head is None else _exactly(pipe, int.from_bytes(head, "big"))


def _exactly(pipe: int, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        part = os.read(pipe, min(count - len(data), 1 << 20))
        if not part:
            return None
        data += part
    return bytes(data)


def unpack(buffer: bytearray) -> Iterator[bytes]:
    """The whole frames in the buffer, taken out of it."""
    while len(buffer) >= LENGTH_BYTES:
        end = LENGTH_BYTES + int.from_bytes(buffer[:LENGTH_BYTES], "big")
        if len(buffer) < end:
            return
        frame = bytes(buffer[LENGTH_BYTES:end])
        del buffer[:end]
        yield frame
