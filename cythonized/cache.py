"""Builds that were made before: a private folder of libraries, of bounded size; the oldest go.

An entry is one file, KEY-DIGEST.so or .o: the digest of its content stands in its name, so that it
comes whole (by a rename) and what has been damaged is seen, and built again.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import RLock

from nfverify.cythonized.faults import BuildError

DEFAULT_SIZE = 512 << 20
_SIZE = re.compile(r"([0-9]{1,12})(K|M|G|T|)(?:i?B)?", re.ASCII | re.IGNORECASE)
_SCALE = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_ENTRY = re.compile(r"([0-9a-f]{64})-([0-9a-f]{64})\.s?o", re.ASCII)
_WORK = "build-"  # a folder in which a build is made
_STALE = 24 * 3600  # seconds, after which such a folder belongs to nobody
_LOCKS = "locks"
_building = RLock()  # POSIX locks are a process's, not a thread's


@dataclass(frozen=True, slots=True)
class Usage:
    """What the cache holds."""

    folder: Path
    entries: int
    size: int
    limit: int


class Cache:
    """The builds below one folder; `limit` in bytes, of which only the newest may take more."""

    def __init__(self, folder: Path | None = None, limit: int | None = None) -> None:
        self.folder = default_folder() if folder is None else folder
        self.limit = size_limit() if limit is None else limit

    def library(self, key: str, make: Callable[[Path], Path]) -> Path:
        """The library of this key; `make` writes it below the empty folder that it gets.

        Processes and threads that ask for one key at once wait for the first. BuildError if the
        folder isn't fit to load code from.
        """
        self._open()
        found = self._find(key, "so")
        if found is not None:
            return found
        with self._locked(key):
            return self._find(key, "so") or self._add(key, "so", make)

    def object(self, key: str, make: Callable[[Path], Path]) -> Path:
        """An object file, likewise, but nobody waits: it may be made more than once."""
        self._open()
        return self._find(key, "o") or self._add(key, "o", make)

    def usage(self) -> Usage:
        """What is there; a folder that doesn't exist holds nothing."""
        sizes = [size for _, size, _ in self._entries()] if self.folder.is_dir() else []
        return Usage(self.folder, len(sizes), sum(sizes), self.limit)

    def clear(self) -> Usage:
        """Removes every build; returns what there was. BuildError if the folder is not ours."""
        before = self.usage()
        if self.folder.is_dir():
            self._open()
            for _, _, file in self._entries():
                file.unlink(missing_ok=True)
            self._sweep(0)
        return before

    def _open(self) -> None:
        private(self.folder)

    def _unfit(self, why: str) -> BuildError:
        return _unfit(self.folder, why)

    def _find(self, key: str, suffix: str) -> Path | None:
        """The entry of this key if it is whole; damaged ones are removed."""
        for file in self.folder.glob(f"{key}-*.{suffix}"):
            match = _ENTRY.fullmatch(file.name)
            with suppress(OSError):
                if match and _is_ours(file) and _digest(file) == match[2]:
                    os.utime(file)
                    return file
                file.unlink()
        return None

    def _add(self, key: str, suffix: str, make: Callable[[Path], Path]) -> Path:
        try:
            work = Path(tempfile.mkdtemp(prefix=_WORK, dir=self.folder))
        except OSError as error:
            raise self._unfit(error.strerror or str(error)) from error
        try:
            made = make(work)
            entry = made.replace(self.folder / f"{key}-{_digest(made)}.{suffix}")
        finally:
            shutil.rmtree(work, ignore_errors=True)
        self._trim(entry)
        self._sweep(_STALE)
        return entry

    def _trim(self, newest: Path) -> None:
        """Removes the builds that were used longest ago, until the rest fits."""
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        for _, size, file in entries:
            if total <= self.limit:
                return
            if file != newest:
                file.unlink(missing_ok=True)
                total -= size

    def _sweep(self, seconds: float) -> None:
        """Removes folders of builds that were broken off this long ago."""
        for work in self.folder.glob(f"{_WORK}*"):
            with suppress(OSError):
                if work.lstat().st_mtime <= time.time() - seconds:
                    shutil.rmtree(work, ignore_errors=True)

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """Time of the last use, size and file of each build."""
        for file in self.folder.glob("*o"):
            with suppress(OSError):
                if _ENTRY.fullmatch(file.name):
                    status = file.lstat()
                    yield status.st_mtime, status.st_size, file

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """One process and thread at a time for a key, where the file system has locks."""
        with _building, (self.folder / _LOCKS).open("ab") as stream:
            with suppress(OSError):
                fcntl.lockf(stream, fcntl.LOCK_EX, 1, int(key[:7], 16))
            yield


def _is_ours(file: Path) -> bool:
    """Is it a regular file of this user's?"""
    status = file.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()


def _digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def private(folder: Path) -> None:
    """Makes a folder of caches, for this user alone; BuildError for one into which others could
    have put something."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
    except OSError as error:
        raise _unfit(folder, error.strerror or str(error)) from error
    if not stat.S_ISDIR(status.st_mode):
        raise _unfit(folder, "it is a link or a file, not a folder")
    if status.st_uid != os.geteuid():
        raise _unfit(folder, "it belongs to another user")
    if status.st_mode & 0o022:
        raise _unfit(folder, "others may write to it; remove it")
    if status.st_mode & 0o077:
        folder.chmod(0o700)


def _unfit(folder: Path, why: str) -> BuildError:
    hint = "set XDG_CACHE_HOME to a folder of your own"
    return BuildError(f"the cache {folder} can't be used: {why} ({hint})")


def default_folder() -> Path:
    """`nfverify` in the user's folder of caches."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(named):
        return Path(named, "nfverify")
    try:
        return Path.home() / ".cache" / "nfverify"
    except RuntimeError as error:
        raise BuildError(f"there is no folder for the cache: {error}; set XDG_CACHE_HOME") from None


def size_limit() -> int:
    """Bytes, from NFVERIFY_CACHE_SIZE (512M) or the default. BuildError if it is no size."""
    text = os.environ.get("NFVERIFY_CACHE_SIZE", "")
    if not text:
        return DEFAULT_SIZE
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise BuildError(f"NFVERIFY_CACHE_SIZE={text!a} is no size; write 512M or 2G")
    return int(match[1]) << _SCALE[match[2].upper()]
