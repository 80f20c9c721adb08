"""`equivalent` in a process of its own, which can be stopped whatever it is doing.

The child is forked, leads its own process group, and reports through a pipe: what it does, what it
knows so far, at last the verdict. Time, memory and its death are the parent's business, so that a
solver that hangs, eats the machine or crashes ends in `unknown` and never in an answer.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn, TypeVar

from nfverify.equivalence.question import Question, report_on
from nfverify.equivalence.verdict import Unknown, Verdict
from nfverify.lang.source import ModelError
from nfverify.smat import ir

DEFAULT_MEMORY = 8 << 30  # bytes of address space
GRACE = 0.4  # s that the child has to end by itself once its time is up
REAPING = 0.2  # s to wait for a killed child; a large one takes longer to go
PAUSE = 0.05  # s between two lines of progress
LENGTH_BYTES = 8
_SET_DEATH_SIGNAL = 1  # prctl(2), PR_SET_PDEATHSIG


@dataclass(frozen=True, slots=True)
class _Doing:
    what: str


@dataclass(frozen=True, slots=True)
class _Known:
    """No difference in traces of up to `depth` packets; which obligation resists so far."""

    depth: int
    resisting: str


@dataclass(frozen=True, slots=True)
class _Decided:
    verdict: Any


@dataclass(frozen=True, slots=True)
class _Refused:
    error: ModelError


@dataclass(frozen=True, slots=True)
class _Failed:
    kind: Literal["memory", "internal"]
    what: str


_Message = _Doing | _Known | _Decided | _Refused | _Failed
_Verdict = TypeVar("_Verdict")
Notify = Callable[[str], None]
Known = Callable[[int, str], None]  # a depth that is excluded, what resists


def supervise(
    a: ir.Network,
    b: ir.Network,
    question: Question = Question(),  # noqa: B008  # frozen
    *,
    memory: int = DEFAULT_MEMORY,
    notify: Callable[[str], None] = lambda what: None,
) -> Verdict:
    """The verdict on a question, at most about half a second after its time limit.

    `memory` bounds the child's address space, bytes. Raises ModelError for models that cannot be
    run. However else the child ends without a verdict, the answer is `Unknown`, with what it had
    found by then; an interrupt here kills it.
    """
    if question.started is None:
        question = replace(question, started=time.monotonic())
    assert question.started is not None
    asked, started = question, question.started

    def answer(notify: Notify, known: Known) -> Verdict:
        from nfverify.equivalence.prove import equivalent
        from nfverify.equivalence.refine.prove import refines

        return (refines if asked.refine else equivalent)(a, b, asked, notify, known)

    def unknown(reason: str, depth: int) -> Verdict:
        report = report_on(a, b, asked, (), time.monotonic() - started)
        return Unknown(report, reason, depth, ())

    return supervised(answer, unknown, asked.time_limit, started, memory=memory, notify=notify)


def supervised(
    answer: Callable[[Notify, Known], _Verdict],
    unknown: Callable[[str, int], _Verdict],
    time_limit: float,
    started: float,
    *,
    memory: int = DEFAULT_MEMORY,
    notify: Notify = lambda what: None,
) -> _Verdict:
    """What `answer` says in a child of its own, as `supervise`: within `time_limit` s of `started`
    (`time.monotonic()`). Else `unknown`, of the reason and the depth excluded by then."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _child(answer, time_limit, memory, writing)
    os.close(writing)
    child = _Child(pid, reading)
    known = _Known(0, "")
    failure = ""
    try:
        for message in child.messages(started + time_limit + GRACE):
            match message:
                case _Doing(what=what):
                    notify(what)
                case _Known():
                    known = message
                case _Decided(verdict=verdict):
                    return verdict  # type: ignore[no-any-return]  # what `answer` gave
                case _Refused(error=error):
                    raise error
                case _Failed(kind="memory"):
                    failure = f"the memory limit of {_size(memory)} is reached"
                case _Failed(what=what):
                    failure = f"internal error: {what}"
    finally:
        child.kill()
    if child.timed_out:
        failure = f"time ran out after {time_limit:g} s"
    reason = failure or child.epitaph(memory)
    if known.resisting:
        reason += f"; {known.resisting}"
    return unknown(reason, known.depth)


# The parent's side ------------------------------------------------------------------------


@dataclass(slots=True)
class _Child:
    """The process and the end of the pipe from which its messages come."""

    pid: int
    pipe: int
    timed_out: bool = False
    status: int | None = None  # as from wait(2)
    largest: int = 0  # bytes that it ever had resident

    def messages(self, deadline: float) -> Iterator[_Message]:
        """What the child says, until the deadline or until it falls silent."""
        poll = select.poll()
        poll.register(self.pipe, select.POLLIN)
        buffer = bytearray()
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(int(left * 1000) + 1):
                self.timed_out = True
                return
            data = os.read(self.pipe, 1 << 16)
            if not data:
                self.wait()
                return
            buffer += data
            yield from _unpack(buffer)

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

    def epitaph(self, memory: int) -> str:
        """Why a child that said nothing is no more."""
        if self.status is not None and self.largest > memory // 2:
            return f"the memory limit of {_size(memory)} is reached"
        if self.status is not None and os.WIFSIGNALED(self.status):
            name = signal.Signals(os.WTERMSIG(self.status)).name
            return f"internal error: the prover was ended by {name}"
        return "internal error: the prover ended without a verdict"


def _unpack(buffer: bytearray) -> Iterator[_Message]:
    """The whole messages in the buffer, taken out of it."""
    while len(buffer) >= LENGTH_BYTES:
        end = LENGTH_BYTES + int.from_bytes(buffer[:LENGTH_BYTES], "big")
        if len(buffer) < end:
            return
        message: _Message = pickle.loads(buffer[LENGTH_BYTES:end])  # from our own child
        del buffer[:end]
        yield message


def _size(count: int) -> str:
    return f"{count / (1 << 30):.3g} GB" if count >= 1 << 30 else f"{count / (1 << 20):.3g} MB"


# The child's side -------------------------------------------------------------------------


def _child(
    answer: Callable[[Notify, Known], _Verdict], time_limit: float, memory: int, pipe: int
) -> NoReturn:
    """All that the child does; it leaves without a trace of the parent's clean-ups."""
    code = 70
    try:
        _confine(time_limit)
        _send(pipe, _answer(answer, memory, _Reporter(pipe)))
        code = 0
    except BrokenPipeError:  # nobody listens any more
        pass
    finally:
        os._exit(code)


def _confine(time_limit: float) -> None:
    """Its own group, silence, an end when the parent ends, and limits that the kernel keeps."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if not os.environ.get("NFVERIFY_DEBUG"):  # libraries that fail like to print
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A second guard for a parent that is stopped: processor time runs no faster than the clock.
    _lower(resource.RLIMIT_CPU, int(time_limit) + 10)


def _lower(which: int, limit: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(which, (limit, limit))


@dataclass(slots=True)
class _Reporter:
    """Sends what is going on, not more often than a person can read it."""

    pipe: int
    last: float = 0.0

    def notify(self, what: str) -> None:
        now = time.monotonic()
        if now - self.last >= PAUSE:
            self.last = now
            _send(self.pipe, _Doing(what))

    def known(self, depth: int, resisting: str) -> None:
        _send(self.pipe, _Known(depth, resisting))


def _answer(
    answer: Callable[[Notify, Known], _Verdict], memory: int, reporter: _Reporter
) -> _Message:
    try:
        import z3  # noqa: F401  # now: a library that can't be loaded says anything

        _lower(resource.RLIMIT_AS, memory)
        return _Decided(answer(reporter.notify, reporter.known))
    except ModelError as error:
        return _Refused(error)
    except BrokenPipeError:
        raise
    except MemoryError:
        return _Failed("memory", "")
    except Exception as error:
        what = " ".join(str(error).split())
        if "out of memory" in what or "memory exceeded" in what or "cannot allocate" in what:
            return _Failed("memory", "")
        return _Failed("internal", f"{type(error).__name__}: {what[:500]}")


def _send(pipe: int, message: _Message) -> None:
    data = pickle.dumps(message)
    view = memoryview(len(data).to_bytes(LENGTH_BYTES, "big") + data)
    while view:
        view = view[os.write(pipe, view) :]
