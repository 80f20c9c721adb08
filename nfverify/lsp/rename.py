"""Renaming a symbol in all files, and refusing what would change a meaning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from nfverify.lang.faults import Faults
from nfverify.lang.source import ModelError, Source
from nfverify.lang.tokens import tokenise
from nfverify.lsp.names import HEADER, SPECIAL, Names
from nfverify.lsp.project import Place, Project, Symbol
from nfverify.smat.check import check_file
from nfverify.smat.scope import BUILTIN_CALLS, RESERVED

_FIXED = {
    "field": "it is a header field",
    "builtin": "it is built in",
    "file": "it is a file: rename it in its folder",
    "operator": "the functions of an `op` are found by its name in the files of --ops",
}


class Refused(Exception):
    """A symbol that can't be renamed, or not so; says why."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters of a file and what takes their place."""

    path: Path
    start: int
    end: int
    text: str


def renamable(symbol: Symbol) -> None:
    """Raises Refused for what has a name of its own that no model gives it."""
    why = _FIXED.get(symbol.kind)
    if why is not None:
        raise Refused(f"`{symbol.name}` can't be renamed: {why}")


def rename(project: Project, symbol: Symbol, name: str) -> list[Edit]:
    """The edits that call a symbol `name` everywhere. Raises Refused.

    The texts are read once more as they would be then: each name must stand for what it stood for
    before, and no error may be there that was not there.
    """
    renamable(symbol)
    _check_name(name, symbol)
    if name == symbol.name:
        return []
    places = project.places(symbol)
    for path in {place.path for place in places}:
        if project.parsed(path).errors:
            raise Refused(f"{path.name} has errors; correct them first")
    if symbol.kind == "port":
        _check_loaded(project, symbol)
    edits = [Edit(p.path, p.mention.start, p.mention.end, name) for p in places]
    _check_meaning(project, symbol, name, places, edits)
    return edits


def _check_name(name: str, symbol: Symbol) -> None:
    try:
        source = Source("", name[:200])
        tokens = tokenise(source, Faults(source))
    except ModelError:
        tokens = None
    if tokens is None or len(tokens) != 2 or tokens[0] != "w" or tokens.texts[0] != name:
        raise Refused("a name is letters, digits and `_`, and begins with no digit")
    words = {*SPECIAL, *RESERVED} - ({"in"} if symbol.kind == "port" else set())
    if name in words:
        raise Refused(f"`{name}` is a word of the language")
    if name in BUILTIN_CALLS and symbol.kind in ("function", "rule", "ruleset"):
        raise Refused(f"`{name}` is built in")
    if symbol.kind == "tag" and name in HEADER:
        raise Refused(f"`{name}` is a header field")


def _check_loaded(project: Project, symbol: Symbol) -> None:
    """Ports are named in columns `iface` of CSV files as well, which no edit here reaches."""
    for path in project.related(symbol.path):
        for mention in project.names(path).mentions:
            if mention.space == "file" and mention.name.lower().endswith('.csv"'):
                target = path.parent / mention.name.strip('"')
                text = project.texts.get(target) or _head(target)
                if "iface" in text.partition("\n")[0]:
                    raise Refused(f"{target.name} names ports in its column iface")


def _head(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(4096).decode("utf-8", "replace")
    except OSError:
        return ""


def _check_meaning(
    project: Project, symbol: Symbol, name: str, places: list[Place], edits: list[Edit]
) -> None:
    after = Project(project.folders, {**project.texts, **applied(project, edits)})
    touched = sorted({place.path for place in places})
    files = sorted({p for path in touched for p in project.related(path)})
    moved = {path: [e for e in edits if e.path == path] for path in files}

    def shifted(path: Path, offset: int) -> int:
        earlier = sum(e.start < offset for e in moved.get(path, ()))
        return offset + earlier * (len(name) - len(symbol.name))

    def expected(found: Symbol | None) -> Symbol | None:
        if found is None or found.start < 0:
            return found if found != symbol else replace(found, name=name)
        new = name if found == symbol else found.name
        return replace(found, name=new, start=shifted(found.path, found.start))

    for path in files:
        before, now = _resolved(project, path), _resolved(after, path)
        if [expected(found) for found in before] != now:
            raise Refused(f"`{name}` is taken: in {path.name} a name would mean something else")
    for path in files:
        if len(_errors(after, path)) > len(_errors(project, path)):
            raise Refused(f"`{name}` would be an error: {_errors(after, path)[0]}")


def _resolved(project: Project, path: Path) -> list[Symbol | None]:
    names: Names = project.names(path)
    return [project.resolve(path, mention) for mention in names.mentions]


def _errors(project: Project, path: Path) -> list[str]:
    from nfverify.lsp.project import Unsaved

    found = check_file(str(path), extra_checks=(lambda _: (),), files=Unsaved(project.texts))
    return [d.message for d in found if d.severity == "error"]


def applied(project: Project, edits: list[Edit]) -> dict[Path, str]:
    """The texts of the files that edits change, as they are then."""
    texts: dict[Path, str] = {}
    for edit in sorted(edits, key=lambda e: e.start, reverse=True):
        text = texts.get(edit.path, project.text(edit.path))
        texts[edit.path] = text[: edit.start] + edit.text + text[edit.end :]
    return texts
