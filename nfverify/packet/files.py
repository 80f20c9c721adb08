"""Files that are written: complete, or not there at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

STANDARD = "-"


@contextmanager
def replacing(name: str) -> Iterator[BinaryIO]:
    """A binary stream that becomes the file `name` when the block ends, and vanishes if it raises.

    `-` is standard output; what is no regular file (a pipe, /dev/null) is written directly.
    """
    if name == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(os.path.realpath(name))
    if target.exists() and not target.is_file():
        with target.open("wb") as stream:
            yield stream
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        stream = temporary.open("xb")
    except OSError as error:
        raise type(error)(error.errno, error.strerror, name) from error
    try:
        with stream:
            yield stream
        temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink()
