"""Text to syntax tree: parse(source), and read_source(path) for getting the text safely."""

from __future__ import annotations

import sys
from pathlib import Path

from nfverify.lang import ast
from nfverify.lang.faults import Fault, Faults
from nfverify.lang.files import DISK, Files
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


def read_source(path: str, files: Files = DISK) -> Source:
    """The text of a file, or of standard input for `-`; ModelError if it can't be a model."""
    name = "<stdin>" if path == "-" else path
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            data = files.read(Path(path), MAX_BYTES + 1)
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


def _unreadable(name: str, message: str) -> ModelError:
    return ModelError(Diagnostic("error", "file", message, Span(Source(name, ""), 0, 0)))
