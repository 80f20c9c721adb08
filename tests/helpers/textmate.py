"""What a TextMate grammar makes of a text: the part of the engine that our grammar needs, on
Python's regular expressions (which agree with Oniguruma's on what it uses)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

Rule = dict[str, Any]
Found = tuple[int, int, tuple[str, ...]]
"""Characters of a line, and their scopes, the outermost first."""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@dataclass(frozen=True)
class _Open:
    rule: Rule
    scopes: tuple[str, ...]


def tokenise(grammar: Rule, text: str) -> tuple[list[list[Found]], int]:
    """The tokens of each line, and how many rules are still open at the end."""
    stack = [_Open({"patterns": grammar["patterns"]}, (grammar["scopeName"],))]
    lines = []
    for line in text.split("\n"):
        found: list[Found] = []
        at, steps = 0, 0
        ahead: dict[str, re.Match[str] | None] = {}  # the next match of each pattern

        def search(pattern: str) -> re.Match[str] | None:
            if pattern not in ahead or ((known := ahead[pattern]) and known.start() < at):  # noqa: B023
                ahead[pattern] = _compiled(pattern).search(line, at)  # noqa: B023
            return ahead[pattern]  # noqa: B023

        while at <= len(line):
            steps += 1
            assert steps < 20_000, line
            best: tuple[int, re.Match[str], Rule | None] | None = None
            if "end" in stack[-1].rule:
                match = search(stack[-1].rule["end"])
                best = (match.start(), match, None) if match else None
            for rule in _rules(grammar, stack[-1].rule.get("patterns", [])):
                match = search(rule.get("match") or rule["begin"])
                if match and (best is None or match.start() < best[0]):
                    best = (match.start(), match, rule)
            scopes = stack[-1].scopes
            if best is None:
                found.append((at, len(line), scopes))
                break
            start, match, rule = best[0], best[1], best[2]
            found.append((at, start, scopes))
            if rule is None:
                found += _captured(match, scopes, stack[-1].rule.get("endCaptures", {}))
                stack.pop()
            else:
                named = (*scopes, rule["name"]) if "name" in rule else scopes
                key = "captures" if "match" in rule else "beginCaptures"
                found += _captured(match, named, rule.get(key, {}))
                if "begin" in rule:
                    stack.append(_Open(rule, named))
                elif match.end() == start:
                    raise AssertionError(f"an empty match of {rule['match']}")
            at = match.end()
            if at == len(line) and match.end() == match.start() and rule is None:
                continue
        lines.append([one for one in found if one[0] < one[1]])
    return lines, len(stack)


def _rules(grammar: Rule, patterns: list[Rule]) -> list[Rule]:
    """The rules that compete, with includes put in their place."""
    found = []
    for rule in patterns:
        if "include" in rule:
            inner = grammar["repository"][rule["include"][1:]]
            nested = "match" not in inner and "begin" not in inner
            found += _rules(grammar, inner["patterns"] if nested else [inner])
        else:
            found.append(rule)
    return found


def _captured(
    match: re.Match[str], scopes: tuple[str, ...], captures: dict[str, Rule]
) -> list[Found]:
    """A match cut where its groups begin and end."""
    cuts = {match.start(), match.end()}
    for group in captures:
        cuts |= {match.start(int(group)), match.end(int(group))} - {-1}
    edges = sorted(cuts)
    found = []
    for start, end in pairwise(edges):
        inside = [
            rule["name"]
            for group, rule in sorted(captures.items(), key=lambda c: int(c[0]))
            if match.start(int(group)) <= start and end <= match.end(int(group))
        ]
        found.append((start, end, (*scopes, *inside)))
    return found
