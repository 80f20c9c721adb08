"""Jobs in processes of this machine."""

from __future__ import annotations

import json
import pickle
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO

from nfverify.executors.child import receive, send
from nfverify.executors.job import ATTEMPTS, Failed, Job, Outcome
from nfverify.executors.worker import order

GRACE = 5.0  # s that a worker has to say that a job's time is up
ENDING = 1.0  # s that a worker has to end by itself
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1])\n\
from nfverify.executors.worker import main; main()"


@dataclass(slots=True, eq=False)
class _Worker:
    """A process that does one job at a time."""

    process: subprocess.Popen[bytes]

    @staticmethod
    def start() -> _Worker:
        # Neither the program's own module nor the folder that it is run in is imported.
        command = [sys.executable, "-P", "-c", _START, json.dumps(sys.path)]
        pipe = subprocess.PIPE
        return _Worker(
            subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True, bufsize=0)
        )

    @property
    def answers(self) -> int:
        return _stream(self.process.stdout).fileno()

    def take(self, data: bytes) -> None:
        """Give it a job. BrokenPipeError if it is gone."""
        send(_stream(self.process.stdin).fileno(), data)

    def outcome(self) -> Outcome:
        """What it says, once there is something to read."""
        data = receive(self.answers)
        if data is not None:
            found: Outcome = pickle.loads(data)  # from our own child
            return found
        return Failed("died", f"its process was ended by {_how(self.process)}")

    def dismiss(self) -> None:
        """Tell it to end what it does, and itself."""
        with suppress(OSError):
            _stream(self.process.stdin).close()

    def stop(self) -> None:
        """End it and what it does, at once."""
        self.dismiss()
        try:
            self.process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        _stream(self.process.stdout).close()


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # asked for
    return stream


def _how(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(ENDING)
    except subprocess.TimeoutExpired:
        return "itself"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit code {code}"


@dataclass(frozen=True, slots=True)
class _Task:
    index: int
    attempt: int
    deadline: float | None  # of the worker's answer


@dataclass(slots=True)
class Local:
    """Up to `count` jobs at once. A context: leaving it ends all its processes."""

    count: int
    idle: list[_Worker] = field(default_factory=list)

    @property
    def width(self) -> int:
        """How many jobs run at once."""
        return self.count

    def __enter__(self) -> Local:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self.idle:
            self.idle.pop().stop()

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Outcome]]:
        """Each job's index and outcome, as they finish; what runs is ended with the iterator."""
        return self.serve([(order(job), job.time_limit) for job in jobs])

    def serve(self, orders: Sequence[tuple[bytes, float | None]]) -> Iterator[tuple[int, Outcome]]:
        """The same of jobs as frames, with their time limits."""
        waiting = deque((index, 1) for index in range(len(orders)))
        busy: dict[_Worker, _Task] = {}
        try:
            while waiting or busy:
                while waiting and len(busy) < self.count:
                    index, attempt = waiting.popleft()
                    worker = self.idle.pop() if self.idle else _Worker.start()
                    data, limit = orders[index]
                    deadline = None if limit is None else time.monotonic() + limit + GRACE
                    busy[worker] = _Task(index, attempt, deadline)
                    with suppress(BrokenPipeError):  # then there is no answer either
                        worker.take(data)
                for worker, answered in _ready(busy):
                    task = busy.pop(worker)
                    outcome: Outcome = Failed("time", "time ran out, and its process hangs")
                    if answered:
                        outcome = worker.outcome()
                    if answered and worker.process.poll() is None:
                        self.idle.append(worker)
                    else:
                        worker.stop()
                    again = _again(outcome, task.attempt)
                    if again is None:
                        waiting.appendleft((task.index, task.attempt + 1))
                    else:
                        yield task.index, again
        finally:
            for worker in busy:
                worker.dismiss()
            for worker in busy:
                worker.stop()


def _again(outcome: Outcome, attempt: int) -> Outcome | None:
    """The outcome, or None if the job deserves another attempt: its process died of a cause that
    need not be its own."""
    if not isinstance(outcome, Failed) or outcome.kind != "died":
        return outcome
    if attempt < ATTEMPTS:
        return None
    return Failed("died", f"{outcome.reason}, {attempt} times")


def _ready(busy: dict[_Worker, _Task]) -> list[tuple[_Worker, bool]]:
    """The workers that have answered or died (true), or let their deadline pass; waits for one."""
    by_pipe = {worker.answers: worker for worker in busy}
    poll = select.poll()
    for pipe in by_pipe:
        poll.register(pipe, select.POLLIN)
    deadlines = [task.deadline for task in busy.values() if task.deadline is not None]
    while True:
        left = min(deadlines, default=None)
        wait = None if left is None else max(0, int((left - time.monotonic()) * 1000) + 1)
        found = [(by_pipe[pipe], True) for pipe, _ in poll.poll(wait)]
        if found:
            return found
        now = time.monotonic()
        late = [worker for worker, task in busy.items() if (task.deadline or now) < now]
        if late:
            return [(worker, False) for worker in late]
