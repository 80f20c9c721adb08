"""The text of one generated function: its lines, its declarations, its names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nfverify.cythonized.names import Names

INDENT = "    "
FIXED = ("S", "p", "h", "fast", "out", "now", "failed", "i")


@dataclass(slots=True)
class Function:
    """Lines are added at the current depth; declarations are collected and stand at the top."""

    signature: str
    lines: list[str] = field(default_factory=list)
    declarations: list[str] = field(default_factory=list)
    names: Names = field(default_factory=lambda: Names(set(FIXED)))
    depth: int = 1

    def emit(self, *lines: str) -> None:
        self.lines.extend(INDENT * self.depth + line if line else "" for line in lines)

    def declare(self, ctype: str, name: str, value: str = "", length: int | None = None) -> str:
        """A new C variable named like `name`; with `length` an array."""
        unique = self.names.new(name)
        brackets = "" if length is None else f"[{length}]"
        initial = f" = {value}" if value else ""
        self.declarations.append(f"cdef {ctype} {unique}{brackets}{initial}")
        return unique

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """An indented block behind `head`; `pass` if nothing is added."""
        self.emit(head)
        self.depth += 1
        length = len(self.lines)
        yield
        if len(self.lines) == length:
            self.emit("pass")
        self.depth -= 1

    @contextmanager
    def captured(self) -> Iterator[list[str]]:
        """What is added in here goes to the list and not to the function."""
        outer, self.lines = self.lines, []
        try:
            yield self.lines
        finally:
            self.lines = outer

    def text(self) -> str:
        body = [*(INDENT + line for line in self.declarations), *self.lines]
        return "\n".join([self.signature, *(body or [INDENT + "pass"])]) + "\n"
