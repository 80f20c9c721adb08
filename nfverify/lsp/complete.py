"""What can stand at a character: names in scope, fields, words of the language, files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nfverify.lang import ast
from nfverify.lsp import glossary
from nfverify.lsp.project import Project
from nfverify.smat.ready import READY

What = Literal["field", "variable", "function", "keyword", "type", "class", "value", "file", "tag"]
MAX_ITEMS = 1000
BEFORE = 2000  # characters that are looked at
_FIELD = re.compile(r"f(?:_dmy)?'?\s*\[\s*\w*\Z")
_FILE = re.compile(r'(?P<word>import\s*|load\s*\(\s*)"(?P<text>[^"\n]*)\Z')
_RULE = re.compile(r"\brule\s+\w+\s*:?=[^;]*[,=]\s*\w*\Z")
_CHAIN = re.compile(r"\bchain\s+\w+\s*:?=[^;]*(?:->|=|,)\s*\w*\Z")
_COMMENT = re.compile(r"(?:(?://|#)[^\n]*|/\*(?:(?!\*/).)*)\Z", re.DOTALL)
_LINE_COMMENT = re.compile(r"//[^\n]*\Z|#[^\n]*\Z")


@dataclass(frozen=True, slots=True)
class Proposal:
    """One word, what it is, and what it means."""

    what: What
    label: str
    detail: str = ""


def complete(project: Project, path: Path, offset: int) -> list[Proposal]:
    """The proposals at a character, each name once, the nearest first."""
    text = project.texts.get(path, "")[max(0, offset - BEFORE) : offset]
    if _LINE_COMMENT.search(text):
        return []
    if _FIELD.search(text):
        return _fields(project, path)
    if found := _FILE.search(text):
        suffix = ".nfd" if found["word"].startswith("import") else ".csv"
        return _files(path, suffix)
    if _CHAIN.search(text):
        return _nfs(project, path)
    if _RULE.search(text):
        return [Proposal("field", name, glossary.field_type(name)) for name in glossary.FIELD_WORDS]
    proposals = [*_visible(project, path, offset), *_words()]
    unique = {proposal.label: proposal for proposal in reversed(proposals)}
    return list(reversed(unique.values()))[:MAX_ITEMS]


def _fields(project: Project, path: Path) -> list[Proposal]:
    found = [Proposal("field", name, glossary.field_type(name)) for name in glossary.fields()]
    tags = {
        mention.name
        for other in project.related(path)
        for mention in project.last_names(other).mentions
        if mention.space == "packet"
    }
    return found + [Proposal("tag", t, "tag") for t in sorted(tags - set(glossary.fields()))]


def _files(path: Path, suffix: str) -> list[Proposal]:
    try:
        names = sorted(p.name for p in path.parent.iterdir() if p.suffix.lower() == suffix)
    except OSError:
        return []
    return [Proposal("file", name) for name in names[:MAX_ITEMS] if name != path.name]


def _nfs(project: Project, path: Path) -> list[Proposal]:
    return [
        Proposal("class", found.name, found.kind)
        for other in project.reach(path)
        for definitions in project.last_names(other).scopes[0].names.values()
        for found in definitions
        if found.kind in ("program", "chain")
    ][:MAX_ITEMS]


def _visible(project: Project, path: Path, offset: int) -> list[Proposal]:
    """Names of the scopes around a character, then those of the imports."""
    names = project.last_names(path)
    around = [s for s in names.scopes if s.parent < 0 or s.start <= offset <= s.end]
    found = []
    for scope in reversed(around):
        for definitions in scope.names.values():
            found += [d for d in definitions if d.since <= offset]
    for other in project.reach(path)[1:]:
        for definitions in project.last_names(other).scopes[0].names.values():
            found += definitions
    proposals = []
    for d in found[:MAX_ITEMS]:
        if d.kind in ("entry", "property", "tag"):
            continue
        what: What = (
            "function" if d.kind in ("function", "operator")
            else "class" if d.kind in ("program", "chain", "instance")
            else "value" if d.kind in ("rule", "ruleset", "port")
            else "variable"
        )  # fmt: skip
        proposals.append(Proposal(what, d.name, _detail(d.node) or d.kind))
    return proposals


def _detail(node: ast.Node) -> str:
    from nfverify.lang.phrases import print_type

    return print_type(node.type) if isinstance(node, ast.Variable) else ""


def _words() -> list[Proposal]:
    return [
        *[Proposal("function", name, "built in") for name in glossary.CALLS],
        *[Proposal("function", name, "ready-made property") for name in READY],
        *[Proposal("type", name) for name in glossary.types()],
        *[Proposal("keyword", name) for name in glossary.keywords()],
        *[Proposal("keyword", w) for w in ("f", "now", "true", "false", "matches", "mismatches")],
    ]
