"""Text to syntax tree: parse(source), and read_source(path) for getting the text safely."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from nfverify.lang import ast
from nfverify.lang.faults import Fault, Faults
from nfverify.lang.files import DISK, Files
from nfverify.lang.grammar import grammar
from nfverify.lang.source import Diagnostic, ModelError, Source, Span
from nfverify.lang.tokens import END, Tokens, tokenise

MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Parsed:
    """What could be read of a text: with errors, the tree lacks the items that have them; None of
    a text whose words or braces are in disorder."""

    tree: ast.File | None
    tokens: Tokens | None
    errors: tuple[Diagnostic, ...]


def parse(source: Source) -> ast.File:
    """The tree of a model; ModelError with up to 20 diagnostics, in the order of the text."""
    faults = Faults(source)
    file = _file(tokenise(source, faults))
    faults.stop()
    return file


def parse_partly(source: Source) -> Parsed:
    """As much of the tree as there is, for an editor."""
    faults = Faults(source)
    tokens: Tokens | None = None
    tree: ast.File | None = None
    try:
        tokens = tokenise(source, faults)
        tree = _file(tokens)
        faults.stop()
    except ModelError as error:
        return Parsed(tree, tokens, error.diagnostics)
    return Parsed(tree, tokens, ())


def _file(tokens: Tokens) -> ast.File:
    try:
        after, values = grammar()._parse(tokens, 0)
    except Fault as fault:  # in the version; all others are noted where the next item begins
        tokens.faults.add(fault)
        tokens.faults.stop()
    if tokens[after] != END:
        raise AssertionError(f"the grammar stopped at {tokens.found(after)}")
    file: ast.File = values[0]
    return file


def read_source(path: str, files: Files = DISK, name: str = "") -> Source:
    """The text of a file, or of standard input for `-`, under that name (else its path);
    ModelError if it can't be a model."""
    name = name or ("<stdin>" if path == "-" else path)
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
