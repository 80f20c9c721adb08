"""One table of a TOML file, and its values by their kinds: what is wrong is gathered."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from nfverify.lang.source import Diagnostic, Source, Span
from nfverify.smat.report import did_you_mean
from nfverify.testing.places import Place, Range

MAX_COUNT = 10**9
MIN_MEMORY = 1 << 20  # bytes
_SIZE = re.compile(r"([0-9]{1,12})(K|M|G|T|)(?:i?B)?", re.ASCII | re.IGNORECASE)
_SCALE = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_Choice = TypeVar("_Choice", bound=str)


@dataclass(slots=True)
class Table:
    """A test as it stands in the file; paths are taken from `folder`, which is the file's."""

    name: str
    content: Mapping[str, object]
    source: Source
    where: Mapping[Place, Range]
    folder: Path
    code: str = "test"  # of the diagnostics
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def span(self, *place: str) -> Span:
        """Of the table, or of a key in it."""
        full = (self.name, *place)
        start, end = self.where.get(full) or self.where.get(full[:1]) or (0, 0)
        return Span(self.source, start, end)

    def wrong(self, message: str, hint: str = "") -> None:
        """Of the whole table."""
        self.diagnostics.append(Diagnostic("error", self.code, message, self.span(), hint))

    def bad(self, key: str, what: str, hint: str = "") -> None:
        """Of one key."""
        message = f"`{key}` {what}"
        self.diagnostics.append(Diagnostic("error", self.code, message, self.span(key), hint))

    # Values -------------------------------------------------------------------------------

    def text(self, key: str) -> str:
        """A string that isn't empty."""
        value = self.content.get(key)
        if isinstance(value, str) and value and "\0" not in value:
            return value
        what = "is not there" if value is None else f"is {_kind(value)}, not a string"
        self.bad(key, what, f'write {key} = "…"')
        return ""

    def texts(self, key: str) -> tuple[str, ...]:
        """A string or a list of them; none if the key is absent."""
        value = self.content.get(key, [])
        items = [value] if isinstance(value, str) else value
        if isinstance(items, list) and all(isinstance(item, str) and item for item in items):
            return tuple(items)
        self.bad(key, f"is {_kind(value)}, not strings", f'write {key} = ["…", "…"]')
        return ()

    def choice(self, key: str, options: Sequence[_Choice]) -> _Choice:
        """One of the options; the first if the key is absent."""
        value = self.content.get(key, options[0])
        for option in options:
            if value == option:
                return option
        meant = did_you_mean(value, options) if isinstance(value, str) else ""
        self.bad(key, f"is {_shown(value)}{meant}", f"it can be {_list(options)}")
        return options[0]

    def choices(self, key: str, options: Sequence[str], what: str) -> tuple[str, ...]:
        """Some of the options."""
        found = self.texts(key)
        for name in found:
            if name not in options:
                told = f"names {_shown(name)}, which is no {what}{did_you_mean(name, options)}"
                self.bad(key, told, f"there are {', '.join(options)}")
        return found

    def flag(self, key: str) -> bool:
        """true or false; false if the key is absent."""
        value = self.content.get(key, False)
        if not isinstance(value, bool):
            self.bad(key, f"is {_kind(value)}, not true or false")
        return value is True

    def count(self, key: str, least: int) -> int | None:
        """A whole number; None if the key is absent."""
        value = self.content.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_COUNT:
            self.bad(key, f"is {_shown(value)}, not a whole number from {least} to 10^9")
            return None
        return value

    def seconds(self, key: str) -> float | None:
        """A time above 0 in s; None if the key is absent."""
        value = self.content.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
            self.bad(key, f"is {_shown(value)}, not a time in seconds, above 0")
            return None
        return float(value)

    def share(self, key: str) -> float | None:
        """A part of a whole, from 0 to 1; None if the key is absent."""
        value = self.content.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            self.bad(key, f"is {_shown(value)}, not a share from 0 to 1", f"write {key} = 0.95")
            return None
        return float(value)

    def size(self, key: str) -> int | None:
        """Bytes, in a string as `memory_size` reads it; None if the key is absent."""
        value = self.content.get(key)
        if value is None:
            return None
        size = memory_size(value) if isinstance(value, str) else None
        if size is None:
            self.bad(key, f"is {_shown(value)}, not a size from 1M on", f'write {key} = "8G"')
        return size

    def model(self, target: str, key: str) -> str:
        """A target as `load` takes it, from where pytest was started."""
        if target.partition(":")[0] == "-":
            self.bad(key, "can't be standard input", 'write "FILE.nfd" or "lib:NAME"')
        if target.startswith("lib:"):
            return target
        return os.path.relpath(self.folder / target)

    def path(self, key: str, name: str) -> Path:
        """A file that is there."""
        path = self.folder / name
        if name and not path.is_file():
            self.bad(key, f"names {_shown(name)}, and there is no such file beside this one")
        return path

    def suite(self, key: str) -> Path | None:
        """A folder that `nfverify gen` wrote; None if the key is absent."""
        if key not in self.content:
            return None
        path = self.folder / self.text(key)
        if not (path / "manifest.json").is_file():
            self.bad(key, "names no suite beside this file", "make one: nfverify gen MODEL -o DIR")
        return path

    def captures(self, key: str) -> tuple[tuple[str, Path], ...]:
        """A file, or a file for each port."""
        value = self.content.get(key)
        if isinstance(value, str) and value:
            return (("", self.path(key, value)),)
        if isinstance(value, dict) and value and all(isinstance(v, str) for v in value.values()):
            return tuple((port, self.path(key, name)) for port, name in value.items())
        hint = f'write {key} = "FILE.pcap" or {key} = {{PORT = "FILE.pcap"}}'
        self.bad(key, f"is {_kind(value)}, not a capture", hint)
        return ()


def memory_size(text: str) -> int | None:
    """Bytes: 8G, 512MB, 1000000; None for what is no size or less than 1 MB."""
    match = _SIZE.fullmatch(text)
    count = int(match[1]) << _SCALE[match[2].upper()] if match else 0
    return count if MIN_MEMORY <= count < 1 << 62 else None


def _kind(value: object) -> str:
    match value:
        case None:
            return "not there"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string" if value else "an empty string"
        case list():
            return "a list"
        case dict():
            return "a table"
    return "a date or time"


def _shown(value: object) -> str:
    return ascii(value)[:60] if isinstance(value, str | int | float | bool) else _kind(value)


def _list(options: Sequence[str]) -> str:
    quoted = [f'"{option}"' for option in options]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]
