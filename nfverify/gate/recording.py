"""Which files a piece of work reads: seen from inside the process that does it.

A result may stand for another run only if all that it rests on is the same. So every file that
Python opens and every folder that it lists is noted, and what can't be vouched for forbids caching.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import source_from_cache
from typing import Any

import nfverify

MAX_FILE = 256 << 20  # bytes of a file that is digested
RACY = 20_000_000  # ns before it was opened in which a file must not have changed
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")  # all of it is in the key
_PACKAGES = ("site-packages", "dist-packages", ".zip")
MISSING = "missing"
Status = tuple[int, ...] | None
"""Of a file: what changes when it does, at the end when that last was; None: it isn't there."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file or folder as it was: its path, where that leads to, and a digest of the content."""

    path: str
    real: str
    digest: str


def input_of(path: str) -> Input:
    """A path, relative to the current folder where it is below it, as it is now. OSError."""
    here = os.path.realpath(os.curdir)
    full = os.path.abspath(path)
    shown = _shown(full, os.path.abspath(os.curdir))
    return Input(shown, _shown(os.path.realpath(full), here), _digest(full))


def _shown(path: str, here: str) -> str:
    return os.path.relpath(path, here) if path.startswith(here.rstrip("/") + "/") else path


def _digest(path: str) -> str:
    if not os.path.lexists(path):
        return MISSING
    if os.path.isdir(path):
        listed = sorted(os.listdir(path))
        return "folder " + sha256("\0".join(listed).encode("utf-8", "surrogateescape")).hexdigest()
    if not os.path.isfile(path):
        raise OSError(None, "not a regular file", path)
    with open(path, "rb") as stream:
        data = stream.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise OSError(None, f"over {MAX_FILE >> 20} MB", path)
    return sha256(data).hexdigest()


def _status(path: str) -> Status:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@dataclass(slots=True)
class Recorder:
    """Notes what this process opens from now on. It can't be taken away again, only closed."""

    ignored: Sequence[str] = ()  # folders, such as caches
    opened: dict[str, tuple[Status, int]] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    on: bool = True
    pid: int = field(default_factory=os.getpid)
    log: int = field(default_factory=lambda: os.memfd_create("nfverify"))

    def start(self, probes: Iterable[str] = ()) -> None:
        """From now on; `probes` are paths whose being there, or not, matters as well."""
        roots = {sysconfig.get_path(name) for name in _INSTALLED}
        roots |= {path for path in sys.path if path.endswith(_PACKAGES)}
        roots |= {os.path.dirname(nfverify.__file__), "/proc", "/sys", "/dev"}
        self.ignored = tuple(
            {form for root in (*self.ignored, *roots) for form in (root, os.path.realpath(root))}
        )
        for probe in probes:
            self.note(probe)
        sys.addaudithook(self.hook)

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """What Python calls at each event; it must not raise."""
        if not self.on:
            return
        if event == "open":
            path, mode, flags = args
            if isinstance(path, bytes):
                path = os.fsdecode(path)
            if isinstance(path, str):
                writes = bool((flags or 0) & _WRITING) or bool(set(mode or "") & set("wax+"))
                self.note(path, writes)
        elif event in ("os.listdir", "os.scandir") and args and args[0] not in sys.path:
            path = args[0]
            if path is None or isinstance(path, str | bytes):
                self.note(os.fsdecode(path or "."))

    def note(self, path: str, writes: bool = False) -> None:
        """A path that is opened now."""
        full = os.path.abspath(path)
        if any(full == root or full.startswith(root + "/") for root in self.ignored):
            return
        if full.endswith(".pyc"):
            with suppress(ValueError):
                full = source_from_cache(full)
        if writes:
            self.written.add(full)
        elif full not in self.written and full not in self.opened:
            self.opened[full] = seen = (_status(full), time.time_ns())
            if os.getpid() != self.pid:  # a fork, whose memory nobody sees
                os.write(self.log, json.dumps([full, *seen]).encode() + b"\n")

    def inputs(self) -> tuple[Input, ...] | None:
        """All that was read, as it was; None if some of it may have changed meanwhile."""
        self.on = False
        for line in os.pread(self.log, os.fstat(self.log).st_size, 0).splitlines():
            path, status, opened = json.loads(line)
            self.opened.setdefault(path, (status and tuple(status), opened))
        found = []
        for path, (status, opened) in sorted(self.opened.items()):
            if status is not None and status[-1] > opened - RACY:
                return None
            try:
                found.append(input_of(path))
            except OSError:
                return None
            if _status(path) != status:
                return None
        return tuple(found)
