"""Characters of a text as lines and columns of an editor, in the units that it counts in."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]

_END = re.compile(r"\r\n|\n|\r")  # the ends of lines of the protocol, and no others
_LARGE = re.compile("[\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """A text cut into lines; columns are in units of `encoding`, all counts from 0."""

    text: str
    encoding: Encoding = "utf-16"
    _starts: list[int] = field(init=False, repr=False)
    _ends: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        starts, ends = [0], []
        for end in _END.finditer(self.text):
            ends.append(end.start())
            starts.append(end.end())
        ends.append(len(self.text))
        object.__setattr__(self, "_starts", starts)
        object.__setattr__(self, "_ends", ends)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, at most the end of its line."""
        line = bisect_right(self._starts, max(0, offset)) - 1
        start = self._starts[line]
        return line, self._units(self.text[start : min(max(offset, start), self._ends[line])])

    def offset(self, line: int, column: int) -> int:
        """The character at a line and column; what lies outside the text is moved into it."""
        if line < 0:
            return 0
        if line >= len(self._starts):
            return len(self.text)
        start, end = self._starts[line], self._ends[line]
        if self.encoding == "utf-32":
            return min(start + max(0, column), end)
        low, high = 0, end - start
        while low < high:  # the first prefix of at least `column` units
            middle = (low + high) // 2
            if self._units(self.text[start : start + middle]) < column:
                low = middle + 1
            else:
                high = middle
        return start + low

    def _units(self, text: str) -> int:
        match self.encoding:
            case "utf-8":
                return len(text.encode("utf-8", "surrogatepass"))
            case "utf-16":
                return len(text) if text.isascii() else len(text) + len(_LARGE.findall(text))
            case "utf-32":
                return len(text)
