"""TOML files that people write: read with bounds, and every mistake at its place."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from nfverify.lang.source import Diagnostic, ModelError, Source, Span

MAX_FILE = 1 << 20  # bytes
_AT = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)


def read_toml(path: Path, hint: str) -> tuple[Mapping[str, object], Source]:
    """The document in a file and its text; `hint` is for one that is no TOML. ModelError,
    OSError."""
    name = os.path.relpath(path)
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise _unreadable(Source(name, ""), f"over {MAX_FILE >> 20} MB")
    try:
        source = Source(name, data.decode().replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        raise _unreadable(Source(name, ""), f"byte {error.start}: not UTF-8") from None
    return parse_toml(source, hint), source


def parse_toml(source: Source, hint: str) -> Mapping[str, object]:
    """The document in a text. ModelError."""
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(source, str(error), hint) from None
    except RecursionError:
        raise _unreadable(source, "brackets are nested too deep") from None
    except ValueError as error:  # a number with more digits than Python reads
        raise _unreadable(source, f"not TOML: {error}") from None


def _unreadable(source: Source, message: str) -> ModelError:
    return ModelError(Diagnostic("error", "toml", message, Span(source, 0, 0)))


def _not_toml(source: Source, said: str, hint: str) -> ModelError:
    found = _AT.fullmatch(said)
    message, offset = said.removesuffix(" (at end of document)"), len(source.text.rstrip())
    if found:
        lines = source.text.split("\n")[: int(found[2]) - 1]
        message, offset = found[1], sum(len(line) + 1 for line in lines) + int(found[3]) - 1
    offset = min(offset, len(source.text))
    span = Span(source, offset, offset)
    return ModelError(Diagnostic("error", "toml", f"not TOML: {message}", span, hint))


def quoted(text: str) -> str:
    """A text as a basic string of TOML."""
    escapes = {'"': '\\"', "\\": "\\\\"}
    shown = (escapes.get(c) or (c if c.isprintable() else _escaped(ord(c))) for c in text)
    return f'"{"".join(shown)}"'


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
