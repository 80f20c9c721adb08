"""Where models and rulesets are read from: the disk, or what stands in for it (unsaved text, a
revision of a repository)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Protocol


class Files(Protocol):
    """Readable files by path. What is asked for lies in the folder tree of the model."""

    def is_file(self, path: Path) -> bool: ...

    def read(self, path: Path, limit: int) -> bytes:
        """The content, cut after `limit` bytes. OSError, ValueError."""
        ...

    def names(self, folder: Path, suffix: str) -> list[str]:
        """Files with that suffix in a folder, for suggestions."""
        ...


class Disk:
    """Files and pipes of the disk; a directory or device is not even opened."""

    def is_file(self, path: Path) -> bool:
        return path.is_file()

    def read(self, path: Path, limit: int) -> bytes:
        with open(path, "rb", opener=_open_regular) as stream:
            return stream.read(limit)

    def names(self, folder: Path, suffix: str) -> list[str]:
        return [path.name for path in folder.glob(f"*{suffix}")]


DISK = Disk()


def beside(name: str, file: str) -> str:
    """The name of a file that a model of this name names: in its folder, and its revision."""
    folder = os.path.dirname(name)
    if not folder and ":" in name:
        return f"{name.rpartition(':')[0]}:{os.path.normpath(file)}"
    return os.path.normpath(os.path.join(folder, file))


def _open_regular(path: str, flags: int) -> int:
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(None, "it is a directory")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise OSError(None, "it is not a regular file")
    return os.open(path, flags)
