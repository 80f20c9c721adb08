"""Diagnostics as text: file:line:col: error: message, the line with the span marked, and help."""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import combining, east_asian_width

from nfverify.lang.source import NOWHERE, Diagnostic
from nfverify.lang.visible import hidden, several_lines

MAX_WIDTH = 120
TAB = 4
_CUT = "…"


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """All diagnostics, each ending in a newline; no colour."""
    return several_lines("".join(render_diagnostic(d) + "\n" for d in diagnostics))


def render_diagnostic(diagnostic: Diagnostic) -> str:
    """One diagnostic, without a newline at its end."""
    span = diagnostic.span
    head = f"{span}: {diagnostic.severity}: {several_lines(diagnostic.message)}"
    if span.source is NOWHERE.source or not span.source.text:
        place = head.removeprefix(f"{span}: ") if span.source is NOWHERE.source else head
        return _with_hint([place], diagnostic)
    line, column = span.source.position(span.start)
    text = span.source.line(line)
    length = max(1, min(span.end - span.start, len(text) - column + 1))
    shown, marks = _excerpt(text, column - 1, length)
    number = str(line)
    lines = [head, f"{number} | {shown}".rstrip(), f"{' ' * len(number)} | {marks}"]
    return _with_hint(lines, diagnostic)


def _with_hint(lines: list[str], diagnostic: Diagnostic) -> str:
    if diagnostic.hint:
        lines.append(f"  = help: {several_lines(diagnostic.hint)}")
    return "\n".join(lines)


def _excerpt(text: str, start: int, length: int) -> tuple[str, str]:
    """The line and the marks under it, both cut to MAX_WIDTH columns around the span."""
    first, after = _window(len(text), start, length)
    before, marked, rest = (
        _visible(text[first:start]),
        _visible(text[start : min(start + length, after)]),
        _visible(text[start + length : after]),
    )
    if first:
        before = _CUT + before
    if after < len(text):
        rest += _CUT
    marks = " " * _columns(before) + "^" * max(1, _columns(marked))
    return before + marked + rest, marks


def _window(total: int, start: int, length: int) -> tuple[int, int]:
    """Which characters of a line of `total` are shown."""
    if total <= MAX_WIDTH:
        return 0, total
    length = min(length, MAX_WIDTH - 40)
    first = max(0, min(start - (MAX_WIDTH - length) // 2, total - MAX_WIDTH))
    return first, min(total, first + MAX_WIDTH)


def _visible(text: str) -> str:
    """Tabs as spaces, and nothing that a terminal would obey."""
    return "".join(
        " " * TAB if c == "\t" else "\N{REPLACEMENT CHARACTER}" if hidden(c) else c for c in text
    )


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in ("W", "F") else 1 for c in text)
