"""Sources, spans and diagnostics: where a thing stands in a model and what is said about it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Literal

from nfverify.lang.visible import one_line


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One text: its name as the user typed it, and its characters."""

    name: str
    text: str
    _line_starts: list[int] = field(default_factory=list, repr=False)

    def position(self, offset: int) -> tuple[int, int]:
        """1-based (line, column) of a 0-based character offset."""
        if not self._line_starts:
            self._line_starts.append(0)
            end = self.text.find("\n")
            while end >= 0:
                self._line_starts.append(end + 1)
                end = self.text.find("\n", end + 1)
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a 1-based line, without its newline."""
        self.position(0)
        start = self._line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range of characters of one source."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    def to(self, other: Span) -> Span:
        """From the start of this one to the end of the other."""
        return Span(self.source, self.start, max(self.end, other.end))

    def __str__(self) -> str:
        return f"{one_line(self.source.name)}:{self.line}:{self.column}"


BUILTIN = Source("<built in>", "")
NOWHERE = Span(BUILTIN, 0, 0)

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about a model: what is wrong, where, and what would be right."""

    severity: Severity
    code: str
    message: str
    span: Span
    hint: str = ""


class ModelError(Exception):
    """A model that cannot be used; carries every diagnostic that was found."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        return "\n".join(f"{d.span}: {d.severity}: {d.message}" for d in self.diagnostics)
