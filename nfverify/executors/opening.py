"""Executors by the text that names them: `local`, `local:4`, `dask://HOST:PORT`, ..."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from nfverify.executors.job import Executor, ExecutorError
from nfverify.executors.local import Local

HELP = "local[:N], dask://HOST:PORT or dask://local?workers=N"
MAX_WORKERS = 1024
LOCAL_WORKERS = 2  # of a cluster made for the purpose
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

        with connected(text, _place(text)) as cluster:
            yield cluster
        return
    with Local(count(text.partition(":")[2]) or processors()) as local:
        yield local


def check(text: str) -> None:
    """ExecutorError for a text that names no executor; nothing is started."""
    if text.startswith(_DASK):
        _place(text)
    elif text.startswith("local:"):
        count(text[6:] or "?")
    elif text != "local":
        raise ExecutorError(f"no executor {text!a}; there are {HELP}")


def _place(text: str) -> str | int:
    """The address of a scheduler, or how many workers to start. ExecutorError."""
    wrong = ExecutorError(f"{text!a} is no executor; there are {HELP}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        asked = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise wrong from None
    if parts.path or parts.fragment or parts.username is not None or not host:
        raise wrong
    if host == "local" and port is None and parts.scheme == "dask" and set(asked) <= {"workers"}:
        return count(asked.get("workers", [""])[-1]) or LOCAL_WORKERS
    if port is None or asked:
        raise wrong
    protocol = "tls" if parts.scheme == "dask+tls" else "tcp"
    return f"{protocol}://[{host}]:{port}" if ":" in host else f"{protocol}://{host}:{port}"


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
