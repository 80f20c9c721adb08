"""Where tables and keys stand in a TOML text, which tomllib doesn't tell."""

from __future__ import annotations

import re
from collections.abc import Mapping

Place = tuple[str, ...]  # (table,) or (table, key)
Range = tuple[int, int]  # of characters

_TOKEN = re.compile(
    r"""\#[^\n]*
    | (?P<string>\"\"\"(?:\\.|[^\\])*?\"\"\" | '''.*?''' | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
    | (?P<word>[A-Za-z0-9_+\-:.]+)
    | (?P<mark>[\[\]{}=\n])""",
    re.VERBOSE | re.DOTALL,
)


def places(text: str) -> Mapping[Place, Range]:
    """The headers of tables and the keys in them, in a text that tomllib has read; the tables of
    an array, [[NAME]], are NAME[1], NAME[2] and so on."""
    found: dict[Place, Range] = {}
    counts: dict[str, int] = {}
    table: Place = ()
    depth, starts, header = 0, True, False
    for token in _TOKEN.finditer(text):
        word = token["word"] or (token["string"] or "")[1:-1]
        match token["mark"]:
            case "[" | "{":
                header = header or (starts and depth == 0)
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth == 0:
                starts, header = True, False
                continue
            case None if word and header and depth and starts:
                table = (word,)
                found.setdefault(table, token.span())
                if depth == 2:
                    counts[word] = counts.get(word, 0) + 1
                    table = (f"{word}[{counts[word]}]",)
                    found.setdefault(table, token.span())
                if token["word"]:  # [a.b] is a table in [a]
                    found.setdefault((word.partition(".")[0],), token.span())
            case None if word and starts and not depth:
                found.setdefault((*table, word), token.span())
        if token["mark"] != "[" and (token["mark"] or word):
            starts = False
    return found
