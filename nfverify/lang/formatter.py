"""`nfverify fmt`: the canonical text of a source, with its comments and its empty lines."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import groupby

from nfverify.lang.faults import Faults
from nfverify.lang.layout import Piece, layout
from nfverify.lang.parser import parse
from nfverify.lang.source import Source, Span
from nfverify.lang.tokens import comments, tokenise

ALIGN_TO = 60  # columns of code


def format_text(source: Source) -> str:
    """The canonical text; ModelError if the source has errors.

    A comment at the end of a line stays there, one inside an expression moves before the line, all
    others keep their place. One empty line stays where there were some.
    """
    tree = parse(source)
    places = _Places(source)
    pieces = list(layout(tree, places))
    text = _assemble(source, pieces, places.comments)
    again = Source(source.name, text)
    if parse(again) != tree or _texts(comments(again)) != _texts(places.comments):
        raise RuntimeError(f"the canonical text of {source.name} would not mean the same")
    return text


class _Places:
    """Braces and comments of a source."""

    def __init__(self, source: Source) -> None:
        self.comments = comments(source)
        self._starts = [comment.start for comment in self.comments]
        tokens = tokenise(source, Faults(source))
        self._openings: list[int] = []
        self._closings: dict[int, int] = {}
        open_: list[int] = []
        for text, end in zip(tokens.texts, tokens.ends, strict=True):
            if text == "{":
                self._openings.append(end)
                open_.append(end)
            elif text == "}":
                self._closings[open_.pop()] = end

    def opening(self, start: int) -> int:
        """The character after the next `{` from `start` on."""
        return self._openings[bisect_right(self._openings, start)]

    def closing(self, opening: int) -> int:
        """The character after the `}` that closes the brace before `opening`."""
        return self._closings[opening]

    def commented(self, start: int, end: int) -> bool:
        """Is there a comment between two characters?"""
        return bisect_left(self._starts, start) < bisect_left(self._starts, end)


def _texts(spans: list[Span]) -> list[str]:
    return sorted(_comment_text(span) for span in spans)


def _comment_text(span: Span) -> str:
    """A comment without what follows it invisibly."""
    text = span.source.text[span.start : span.end]
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _assemble(source: Source, pieces: list[Piece], found: list[Span]) -> str:
    """Lines of the pieces, with each comment before, behind or between them."""
    starts = [piece.start for piece in pieces]
    before: list[list[Span]] = [[] for _ in range(len(pieces) + 1)]
    behind: list[list[Span]] = [[] for _ in pieces]
    for comment in found:
        at = bisect_right(starts, comment.start) - 1
        if at >= 0 and comment.start >= pieces[at].end:
            last = behind[at][-1].end if behind[at] else pieces[at].end
            if not before[at + 1] and "\n" not in source.text[last : comment.start]:
                behind[at].append(comment)
            else:
                before[at + 1].append(comment)
        else:
            before[max(at, 0)].append(comment)
    lines: list[tuple[str, str]] = []  # and the comments behind
    end = 0  # of what was written last, in the source
    opened = True  # nothing yet, or a `{`: no empty line may follow

    def gap(start: int) -> None:
        if not opened and source.text.count("\n", end, start) > 1:
            lines.append(("", ""))

    for at, piece in enumerate(pieces):
        for comment in before[at]:
            gap(min(comment.start, piece.start))
            lines.append((piece.inner + _comment_text(comment), ""))
            end, opened = comment.end, False
        if not piece.text.lstrip().startswith("}"):
            gap(piece.start)
        lines.append((piece.text, " ".join(map(_comment_text, behind[at]))))
        end = max(end, piece.end, *(comment.end for comment in behind[at]))
        opened = piece.text.endswith("{")
    for comment in before[-1]:
        gap(comment.start)
        lines.append((_comment_text(comment), ""))
        end, opened = comment.end, False
    return _aligned(lines)


def _aligned(lines: list[tuple[str, str]]) -> str:
    """The text, with the comments behind neighbouring lines in one column."""
    text: list[str] = []
    for (behind, _), run in groupby(lines, key=lambda line: (bool(line[1]), _indent(line[0]))):
        group = list(run)
        column = max(map(_width, group)) if behind else 0
        for code, comment in group:
            pad = max(column - len(code.rpartition("\n")[2]), 0) + 2 if behind else 0
            text.append(f"{code}{' ' * pad}{comment}\n")
    return "".join(text)


def _indent(code: str) -> int:
    return len(code) - len(code.lstrip())


def _width(line: tuple[str, str]) -> int:
    """Where the code of a line ends; a long line doesn't push the comments of its neighbours."""
    width = len(line[0].rpartition("\n")[2])
    return width if width <= ALIGN_TO else 0
