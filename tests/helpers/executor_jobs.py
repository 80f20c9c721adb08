"""Functions that tests of executors send to other processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path


def add(a: int, b: int) -> int:
    return a + b


def raising() -> None:
    raise ValueError("no\nway")


def leaving() -> None:
    sys.exit(3)


def greedy(size: int) -> int:
    return len(bytearray(size))


def sleeping(seconds: float) -> None:
    time.sleep(seconds)


def crashing(diary: str) -> None:
    """Ends itself, having written down that it was tried."""
    with Path(diary).open("a") as file:
        file.write("tried\n")
    os.kill(os.getpid(), signal.SIGSEGV)


def unlucky(diary: str, what: str) -> str:
    """Its process is killed from outside, so to say, the first time."""
    with Path(diary).open("a") as file:
        file.write("tried\n")
    if len(Path(diary).read_text().split()) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return what


def slowly(number: int, folder: str, seconds: float) -> int:
    """Its square, after a while; its process's parent can be read in the folder meanwhile."""
    (Path(folder) / f"{number}-{os.getpid()}").write_text(str(os.getppid()))
    time.sleep(seconds)
    return number * number


def littering(pid_file: str) -> None:
    """Starts a process that outlives it unless somebody cares."""
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    Path(pid_file).write_text(str(pid))
    time.sleep(60)


def unpicklable() -> object:
    return lambda: None


def talking() -> str:
    print("noise", flush=True)
    print("noise", file=sys.stderr, flush=True)
    return "said"


def identity_of_process() -> str:
    """Another one in each process."""
    return str(os.getpid())
