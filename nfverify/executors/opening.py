"""Executors by the text that names them: `local`, `local:4`, `dask://HOST:PORT`, ..."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from nfverify.executors.job import Executor, ExecutorError
from nfverify.executors.local import Local

HELP = "local[:N], dask://HOST:PORT or dask://local?workers=N"
MAX_WORKERS = 1024
_DASK = ("dask://", "dask+tls://")


@contextmanager
def opened(text: str | None = None) -> Iterator[Executor]:
    """The executor of a text, by default as many processes as there are processors.

    Leaving the context ends all that was started for it. ExecutorError.
    """
    text = text or "local"
    check(text)
    if text.startswith(_DASK):
        from nfverify.executors.cluster import connected

        with connected(text) as cluster:
            yield cluster
        return
    with Local(count(text.partition(":")[2]) or processors()) as local:
        yield local


def check(text: str) -> None:
    """ExecutorError for a text that names no executor; nothing is started."""
    if text.startswith(_DASK) or re.fullmatch("local(:.*)?", text):
        if text.startswith("local:"):
            count(text[6:] or "?")
        return
    raise ExecutorError(f"no executor {text!a}; there are {HELP}")


def count(text: str) -> int:
    """A number of workers; 0 for none given. ExecutorError."""
    if text == "":
        return 0
    if text.isascii() and text.isdigit() and len(text) < 5 and 0 < int(text) <= MAX_WORKERS:
        return int(text)
    raise ExecutorError(f"{text!a} is no number of workers from 1 to {MAX_WORKERS}")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))
