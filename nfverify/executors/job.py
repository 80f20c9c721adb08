"""A piece of work that can run anywhere, what comes of it, and who runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

ATTEMPTS = 3
"""A job whose process died is tried again, but not more often than this: it may be the killer."""


class ExecutorError(Exception):
    """An executor that doesn't exist, can't be reached, or runs another nfverify than this one."""


@dataclass(frozen=True, slots=True)
class Job:
    """A call that a fresh process makes: `function` is found there by its module and name.

    `time_limit` in s and `memory` in bytes of address space bound each attempt. Arguments and the
    result are pickled, so they are plain data. Its output streams lead nowhere.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    time_limit: float | None = None
    memory: int | None = None
    imports: tuple[str, ...] = ()  # modules that its process loads once for all its jobs


@dataclass(frozen=True, slots=True)
class Done:
    """What the function returned."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """No result: time or memory ran out, each attempt's process died, or the function raised."""

    kind: Literal["time", "memory", "died", "error"]
    reason: str


Outcome = Done | Failed


class Executor(Protocol):
    """Runs jobs side by side. Nothing of them is left running once the iterator is closed."""

    @property
    def width(self) -> int:
        """How many jobs run at once."""
        ...

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Outcome]]:
        """Each job's index and outcome, as they finish. ExecutorError."""
        ...
