"""`equivalent` in a process of its own, which can be stopped whatever it is doing.

The child is forked, leads its own process group, and reports through a pipe: what it does, what it
knows so far, at last the verdict. Time, memory and its death are the parent's business, so that a
solver that hangs, eats the machine or crashes ends in `unknown` and never in an answer.
"""

from __future__ import annotations

import pickle
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeVar

from nfverify.equivalence.audit import Disagreement
from nfverify.equivalence.question import Question, report_on
from nfverify.equivalence.verdict import Resisting, Unknown, Verdict
from nfverify.executors.child import Child, fork, lower, out_of_memory, send, size_text
from nfverify.executors.job import ExecutorError
from nfverify.lang.source import ModelError
from nfverify.smat import ir

DEFAULT_MEMORY = 8 << 30  # bytes of address space
GRACE = 0.4  # s that the child has to end by itself once its time is up
MORE_PROCESSOR_TIME = 10  # s beyond the time limit
PAUSE = 0.05  # s between two lines of progress


@dataclass(frozen=True, slots=True)
class _Doing:
    what: str


@dataclass(frozen=True, slots=True)
class _Known:
    """No difference in traces of up to `depth` packets; which obligation resists so far, in words
    and as a step."""

    depth: int
    resisting: str
    step: Resisting | None = None


@dataclass(frozen=True, slots=True)
class _Decided:
    verdict: Any


@dataclass(frozen=True, slots=True)
class _Refused:
    error: ModelError


@dataclass(frozen=True, slots=True)
class _Failed:
    kind: Literal["memory", "internal", "disagreement", "executor"]
    what: str


_Message = _Doing | _Known | _Decided | _Refused | _Failed
_Verdict = TypeVar("_Verdict")
Notify = Callable[[str], None]


class Known(Protocol):
    """Hears the depth that is excluded, and what resists: in words, and as a step."""

    def __call__(self, depth: int, resisting: str, step: Resisting | None = None) -> None: ...


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
    run, Disagreement if two solvers contradict each other, ExecutorError. However else the child
    ends without a verdict, the answer is `Unknown`, with what it had found by then; an interrupt
    here kills it.
    """
    if question.started is None:
        question = replace(question, started=time.monotonic())
    assert question.started is not None
    asked, started = question, question.started

    def answer(notify: Notify, known: Known) -> Verdict:
        from nfverify.equivalence.prove import equivalent
        from nfverify.equivalence.refine.prove import refines

        return (refines if asked.refine else equivalent)(a, b, asked, notify, known)

    steps: list[Resisting | None] = [None]

    def unknown(reason: str, depth: int) -> Verdict:
        report = report_on(a, b, asked, (), time.monotonic() - started)
        return Unknown(report, reason, depth, (), steps[-1])

    return supervised(
        answer, unknown, asked.time_limit, started,
        memory=memory, notify=notify, resisting=steps.append,
    )  # fmt: skip


def supervised(
    answer: Callable[[Notify, Known], _Verdict],
    unknown: Callable[[str, int], _Verdict],
    time_limit: float,
    started: float,
    *,
    memory: int = DEFAULT_MEMORY,
    notify: Notify = lambda what: None,
    resisting: Callable[[Resisting | None], None] = lambda step: None,
) -> _Verdict:
    """What `answer` says in a child of its own, as `supervise`: within `time_limit` s of `started`
    (`time.monotonic()`). Else `unknown`, of the reason and the depth excluded by then.

    `resisting` hears of each step on which a proof fails.
    """
    sys.stdout.flush()
    sys.stderr.flush()

    def work(pipe: int) -> None:
        _send(pipe, _answer(answer, memory, _Reporter(pipe)))

    child = fork(work, int(time_limit) + MORE_PROCESSOR_TIME)
    known = _Known(0, "")
    failure = ""
    try:
        for frame in child.frames(started + time_limit + GRACE):
            message: _Message = pickle.loads(frame)  # from our own child
            match message:
                case _Doing(what=what):
                    notify(what)
                case _Known():
                    known = message
                    resisting(message.step)
                case _Decided(verdict=verdict):
                    return verdict  # type: ignore[no-any-return]  # what `answer` gave
                case _Refused(error=error):
                    raise error
                case _Failed(kind="disagreement", what=what):
                    raise Disagreement(what)
                case _Failed(kind="executor", what=what):
                    raise ExecutorError(what)
                case _Failed(kind="memory"):
                    failure = f"the memory limit of {size_text(memory)} is reached"
                case _Failed(what=what):
                    failure = f"internal error: {what}"
    finally:
        child.kill()
    if child.timed_out:
        failure = f"time ran out after {time_limit:g} s"
    reason = failure or _epitaph(child, memory)
    if known.resisting:
        reason += f"; {known.resisting}"
    return unknown(reason, known.depth)


# The child's side -------------------------------------------------------------------------


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

    def known(self, depth: int, resisting: str, step: Resisting | None = None) -> None:
        _send(self.pipe, _Known(depth, resisting, step))


def _answer(
    answer: Callable[[Notify, Known], _Verdict], memory: int, reporter: _Reporter
) -> _Message:
    try:
        import z3  # noqa: F401  # now: a library that can't be loaded says anything

        lower(resource.RLIMIT_AS, memory)
        return _Decided(answer(reporter.notify, reporter.known))
    except ModelError as error:
        return _Refused(error)
    except Disagreement as error:
        return _Failed("disagreement", str(error))
    except ExecutorError as error:
        return _Failed("executor", str(error))
    except BrokenPipeError:
        raise
    except Exception as error:
        if out_of_memory(error):
            return _Failed("memory", "")
        what = " ".join(str(error).split())
        return _Failed("internal", f"{type(error).__name__}: {what[:500]}")


def _send(pipe: int, message: _Message) -> None:
    send(pipe, pickle.dumps(message))


def _epitaph(child: Child, memory: int) -> str:
    """Why a child that said nothing is no more."""
    if child.status is not None and child.largest > memory // 2:
        return f"the memory limit of {size_text(memory)} is reached"
    if name := child.signalled():
        return f"internal error: the prover was ended by {name}"
    return "internal error: the prover ended without a verdict"
