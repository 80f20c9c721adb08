"""What each word of a model is, for editors that colour by meaning (keywords are contextual, so
that no regular expression knows)."""

from __future__ import annotations

from pathlib import Path

from nfverify.lang.expressions import INFIX, KEYWORDS
from nfverify.lang.tokens import comments
from nfverify.lang.types import TYPE_WORDS
from nfverify.lsp.glossary import keywords
from nfverify.lsp.names import Kind
from nfverify.lsp.project import Project

TYPES = ("comment", "string", "number", "operator", "keyword", "type", "property", "variable",
         "parameter", "function", "class", "enumMember", "namespace", "event")  # fmt: skip
MODIFIERS = ("declaration", "readonly")
MAX_WORDS = 100_000
_KINDS: dict[Kind, str] = {
    "program": "class", "chain": "class", "instance": "class", "variable": "variable",
    "rule": "enumMember", "ruleset": "enumMember", "port": "enumMember", "operator": "function",
    "function": "function", "builtin": "function", "tag": "property", "field": "property",
    "local": "parameter", "parameter": "parameter", "entry": "event", "property": "event",
    "file": "string",
}  # fmt: skip
_SIMPLE = {"n": "number", "4": "number", "6": "number", "m": "number", "s": "string"}

Word = tuple[int, int, str, int]
"""First character, the one after the last, type, bits of modifiers."""


def words(project: Project, path: Path) -> list[Word]:
    """The words of a file in the order of the text; of a text in disorder none."""
    parsed = project.parsed(path)
    tokens = parsed.tokens
    if tokens is None or parsed.tree is None or len(tokens) > MAX_WORDS:
        return []
    names: dict[int, tuple[str, int]] = {}
    for mention in project.names(path).mentions:
        symbol = project.resolve(path, mention)
        if symbol is not None and symbol.kind != "file":
            bits = int(mention.role == "declaration") | 2 * (symbol.kind in ("rule", "ruleset"))
            names[mention.start] = (_KINDS[symbol.kind], bits)
    found = [(c.start, c.end, "comment", 0) for c in comments(tokens.source)]
    known = {*keywords(), *KEYWORDS, "f", "f_dmy", "now", "true", "false"}
    for kind, text, start, end in zip(
        tokens, tokens.texts, tokens.starts, tokens.ends, strict=True
    ):
        if start in names:
            found.append((start, end, *names[start]))
        elif kind in _SIMPLE:
            found.append((start, end, _SIMPLE[kind], 0))
        elif kind == "w" and text in TYPE_WORDS:
            found.append((start, end, "type", 0))
        elif kind == "w" and (text in known or text in INFIX or text == "not"):
            found.append((start, end, "keyword", 0))
    return sorted(found)
