"""Collecting diagnostics: errors let the rest of the model be read on, warnings are kept once."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from nfverify.lang.source import Diagnostic, ModelError, Span

MAX_ERRORS = 20
MAX_WARNINGS = 200
MAX_CANDIDATES = 500  # for "did you mean"


class Failed(Exception):
    """A part of the model is wrong, and the report has it; its owner goes on with the next."""


class Report:
    """The diagnostics of one run, errors and warnings, in the order in which they were found."""

    def __init__(self) -> None:
        self.errors: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self._seen: set[tuple[str, str, int, str]] = set()

    def fail(self, span: Span, code: str, message: str, hint: str = "") -> Failed:
        """Note an error; the caller raises the result to give up the part that it is reading."""
        self.error(span, code, message, hint)
        return Failed()

    def error(self, span: Span, code: str, message: str, hint: str = "") -> None:
        """Note an error; raises ModelError once there are MAX_ERRORS of them."""
        self._add(self.errors, Diagnostic("error", code, message, span, hint))
        if len(self.errors) >= MAX_ERRORS:
            self.stop()

    def warn(self, span: Span, code: str, message: str, hint: str = "") -> None:
        if len(self.warnings) < MAX_WARNINGS:
            self._add(self.warnings, Diagnostic("warning", code, message, span, hint))

    def include(self, error: ModelError) -> None:
        """Take over the diagnostics of another reader."""
        for diagnostic in error.diagnostics:
            self._add(self.errors, diagnostic)
        if len(self.errors) >= MAX_ERRORS:
            self.stop()

    def stop(self) -> None:
        """Raise ModelError if there were errors."""
        if self.errors:
            raise ModelError(*in_order(self.errors))

    def _add(self, to: list[Diagnostic], diagnostic: Diagnostic) -> None:
        span = diagnostic.span
        key = (diagnostic.code, span.source.name, span.start, diagnostic.message)
        if key not in self._seen:
            self._seen.add(key)
            to.append(diagnostic)


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By place in the text, file by file."""
    return sorted(diagnostics, key=lambda d: (d.span.source.name, d.span.start, d.span.end))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A clause to append to a message: "; did you mean `sport`?", or nothing."""
    close = [name for name in known if abs(len(name) - len(word)) < 4 and name != word]
    near = get_close_matches(word[:40], sorted(set(close[:MAX_CANDIDATES])), 1, 0.6)
    return f"; did you mean `{near[0]}`?" if near else ""
