"""The process in which jobs run: one after the other, each in a fork of its own.

The process itself only imports what jobs need, so that each starts from the same clean state, and
a job that hangs, eats the memory or crashes takes nothing with it. Orders come as frames by
standard input, outcomes go out as frames by standard output; it ends when its input does.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import time
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from nfverify.executors.child import (
    fork,
    lower,
    out_of_memory,
    receive,
    send,
    size_text,
)
from nfverify.executors.job import Done, Failed, Job, Outcome

GRACE = 10  # s of processor time beyond the time limit


@dataclass(frozen=True, slots=True)
class Order:
    """A job as it goes to the process: the function by name, the arguments pickled."""

    module: str
    function: str
    arguments: bytes
    time_limit: float | None
    memory: int | None
    imports: tuple[str, ...] = ()


def order(job: Job) -> bytes:
    """The frame of a job. TypeError for a function that can't be found by name."""
    name = job.function.__qualname__
    if "<" in name or "." in name:
        raise TypeError(f"{job.function!r} is no function of a module")
    arguments = pickle.dumps(job.arguments)
    module = job.function.__module__
    return pickle.dumps(Order(module, name, arguments, job.time_limit, job.memory, job.imports))


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    while (frame := receive(orders)) is not None:
        answer = _serve(pickle.loads(frame), orders)
        if answer is None:
            return
        try:
            send(answers, answer)
        except BrokenPipeError:  # nobody listens any more
            return


def _serve(given: Order, orders: int) -> bytes | None:
    """The pickled outcome of a job; None if nobody waits for it any more."""
    try:
        for name in given.imports:
            import_module(name)
        function = getattr(import_module(given.module), given.function)
    except Exception as error:
        return pickle.dumps(_raised(error))
    limit = given.time_limit
    cpu = None if limit is None else int(limit) * (os.cpu_count() or 1) + GRACE
    child = fork(partial(_work, function, given), cpu)
    deadline = None if limit is None else time.monotonic() + limit
    try:
        for answer in child.frames(deadline, orders):
            return answer
    finally:
        child.kill()
    if child.timed_out:
        return pickle.dumps(Failed("time", f"time ran out after {limit:g} s"))
    if child.status is None:
        return None
    if given.memory is not None and child.largest > given.memory // 2:
        return pickle.dumps(_memory(given))
    return pickle.dumps(Failed("died", f"ended by {child.signalled() or 'itself'}"))


def _work(function: Any, given: Order, pipe: int) -> None:
    """In the child: the call, and its outcome into the pipe."""
    try:
        if given.memory is not None:
            lower(resource.RLIMIT_AS, given.memory)
        outcome: Outcome = Done(function(*pickle.loads(given.arguments)))
        data = pickle.dumps(outcome)
    except Exception as error:
        data = pickle.dumps(_memory(given) if out_of_memory(error) else _raised(error))
    except SystemExit as stop:  # in code of another's
        data = pickle.dumps(Failed("error", f"ended by sys.exit({stop.code!r})"))
    send(pipe, data)


def _memory(given: Order) -> Failed:
    limit = "" if given.memory is None else f" of {size_text(given.memory)}"
    return Failed("memory", f"the memory limit{limit} is reached")


def _raised(error: Exception) -> Failed:
    if os.environ.get("NFVERIFY_DEBUG"):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    return Failed("error", f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
