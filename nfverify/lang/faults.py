"""What the parser's parts say about bad text: one exception, one collector, and "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable

from nfverify.lang.source import Diagnostic, ModelError, Source, Span

MAX_ERRORS = 20


class Fault(Exception):
    """One error in the text, at characters start..end of the source being parsed."""

    def __init__(
        self, start: int, end: int, message: str, hint: str = "", code: str = "syntax"
    ) -> None:
        super().__init__(message)
        self.start = start
        self.end = end
        self.message = message
        self.hint = hint
        self.code = code


class Faults:
    """Collects the errors of one text; at the limit it stops the parse."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[Diagnostic] = []

    def add(self, fault: Fault) -> None:
        """Note a fault; raises ModelError once there are MAX_ERRORS of them."""
        span = Span(self.source, fault.start, fault.end)
        if any(d.span == span for d in self.found):
            return
        self.found.append(Diagnostic("error", fault.code, fault.message, span, fault.hint))
        if len(self.found) >= MAX_ERRORS:
            self.stop()

    def stop(self) -> None:
        """Raise what was found, in the order of the text; nothing if nothing was."""
        if self.found:
            raise ModelError(*sorted(self.found, key=lambda d: (d.span.start, d.span.end)))


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word within edit distance 2 (1 for short words) of a misspelt one, the nearest."""
    if len(word) > 40:
        return None
    limit = 1 if len(word) <= 4 else 2
    ranked = sorted((_distance(word, k, limit), k) for k in known)
    return ranked[0][1] if ranked and ranked[0][0] <= limit else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A clause to append to a message: "; did you mean `entry`?", or nothing."""
    best = closest(word, known)
    return f"; did you mean `{best}`?" if best else ""


def _distance(a: str, b: str, limit: int) -> int:
    """Edit distance with swaps of neighbours (optimal string alignment), cut off above limit."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = row, before, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if last and i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
