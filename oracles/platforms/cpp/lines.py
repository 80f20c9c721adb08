"""Lines of the generated code, read; and lines of C++, laid out for people."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nfverify.oracles.platforms.cpp.notation import type_text

INDENT = "    "
WIDTH = 100
_ASSIGNED = re.compile(r"(?<![=!<>])(?P<op>[-+|&^]?=)(?!=)")
_COMMENT = re.compile(r"(?:^|\s\s)# ?(?P<text>.*)$")
_BREAKS = ("&&", "||", "&", "|", "?", ":")  # lines are broken before these


def laid_out(pad: str, text: str, comment: str = "") -> list[str]:
    """A statement on lines that people can read; a comment that doesn't fit follows a block's head,
    and stands before anything else."""
    tail = f"  // {comment}" if comment else ""
    if len(pad + text + tail) <= WIDTH:
        return [pad + text + tail]
    if comment and text.endswith("{"):
        return [*laid_out(pad, text), f"{pad}{INDENT}// {comment}"]
    if comment:
        return [f"{pad}// {comment}", *laid_out(pad, text)]
    lines = []
    while len(pad + text) > WIDTH and (at := _break(text, WIDTH - len(pad))):
        lines.append(pad + text[:at].rstrip())
        text = text[at:]
        if len(lines) == 1:
            pad += INDENT * (2 if "{" in text[-1:] else 1)
    return [*lines, pad + text]


def _break(text: str, width: int) -> int:
    """Where a line ends best: as far out of brackets as can be, but not in its first half."""
    places: list[tuple[int, int]] = []
    depth = 0
    for at, char in enumerate(text[:width]):
        depth += (char in "([") - (char in ")]")
        behind = text[at - 1] == "," and char == " "
        before = char == " " and text[at + 1 : at + 4].partition(" ")[0] in _BREAKS
        if at and (behind or before):
            places.append((depth, at + 1))
    late = [place for place in places if place[1] > width // 2]
    if late:
        return min(late, key=lambda place: (place[0], -place[1]))[1]
    return max((at for _, at in places), default=0)


def parameter(text: str) -> tuple[str, str]:
    type_, _, name = text.rpartition(" ")
    return type_text(type_), name


def without_comment(text: str) -> tuple[str, str]:
    match = _COMMENT.search(text)
    if match is None:
        return text, ""
    return text[: match.start()].rstrip(), match["text"].strip()


def split(text: str) -> list[str]:
    """At commas outside of brackets."""
    parts, depth, last = [], 0, 0
    for at, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            parts.append(text[last:at].strip())
            last = at + 1
    return [*parts, text[last:].strip()]


def assignment(text: str) -> tuple[str, str, str] | None:
    """Target, operator, value."""
    depth = 0
    for at, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if depth == 0 and (match := _ASSIGNED.match(text, at)):
            return text[:at].strip(), match["op"], text[match.end() :].strip()
    return None


def joined(lines: Iterable[str]) -> list[str]:
    """Lines whose brackets are open are one with those that follow."""
    found: list[str] = []
    depth = 0
    for line in lines:
        text, _ = without_comment(line)
        if depth > 0:
            found[-1] += " " + line.strip()
        else:
            found.append(line)
        depth += text.count("(") + text.count("[") - text.count(")") - text.count("]")
    return found
