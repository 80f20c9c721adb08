"""Text to syntax tree: parse(source), and read_source(path) for getting the text safely."""

from __future__ import annotations

import os
import stat
import sys
from typing import BinaryIO

from nfverify.lang import ast
from nfverify.lang.faults import Fault, Faults
from nfverify.lang.grammar import grammar
from nfverify.lang.source import Diagnostic, ModelError, Source, Span
from nfverify.lang.tokens import END, tokenise

MAX_BYTES = 16 << 20


def parse(source: Source) -> ast.File:
    """The tree of a model; ModelError with up to 20 diagnostics, in the order of the text."""
    faults = Faults(source)
    tokens = tokenise(source, faults)
    try:
        after, values = grammar()._parse(tokens, 0)
    except Fault as fault:  # in the version; all others are noted where the next item begins
        faults.add(fault)
    faults.stop()
    if tokens[after] != END:
        raise AssertionError(f"the grammar stopped at {tokens.found(after)}")
    file: ast.File = values[0]
    return file


def read_source(path: str) -> Source:
    """The text of a file, or of standard input for `-`; ModelError if it can't be a model."""
    name = "<stdin>" if path == "-" else path
    try:
        if path == "-":
            data = _read(sys.stdin.buffer)
        else:
            with open(path, "rb", opener=_open_regular) as stream:
                data = _read(stream)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _unreadable(name, f"{name} can't be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise _unreadable(name, f"the file is larger than {MAX_BYTES >> 20} MiB")
    return decode(name, data)


def decode(name: str, data: bytes) -> Source:
    """Bytes to a source; ModelError at the first byte that is not UTF-8."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return Source(name, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        source = Source(name, data.decode("utf-8", "replace"))
        span = Span(source, len(before), len(before) + 1)
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        hint = "a model is text in UTF-8"
        raise ModelError(Diagnostic("error", "lexical", message, span, hint)) from None


def _open_regular(path: str, flags: int) -> int:
    """Files and pipes are read; a directory or device is not, and is not even opened."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(None, "it is a directory")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise OSError(None, "it is not a regular file")
    return os.open(path, flags)


def _read(stream: BinaryIO) -> bytes:
    return stream.read(MAX_BYTES + 1)


def _unreadable(name: str, message: str) -> ModelError:
    return ModelError(Diagnostic("error", "file", message, Span(Source(name, ""), 0, 0)))
