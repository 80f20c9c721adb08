"""The models that an editor has before it: open texts, files on disk, and what names stand for
across them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nfverify.lang import ast
from nfverify.lang.files import Disk
from nfverify.lang.parser import Parsed, parse_partly
from nfverify.lang.source import Source
from nfverify.lsp.names import HEADER, Definition, Kind, Mention, Names, names_of

MAX_MODELS = 2000
MAX_CLOSED = 2 << 20  # bytes of a file that is not open
MAX_FOLDERS = 20_000
LEFT_OUT = frozenset({"node_modules", "__pycache__", "build", "dist", "venv"})

_VALUES: frozenset[Kind] = frozenset(
    {"variable", "rule", "ruleset", "port", "function", "operator", "local", "parameter"}
)
_CALLS: frozenset[Kind] = frozenset({"function", "operator"})
_NFS: frozenset[Kind] = frozenset({"program", "chain", "instance"})
_PORTS: frozenset[Kind] = frozenset({"port"})


@dataclass(frozen=True, slots=True)
class Symbol:
    """What a name stands for: the place of its declaration; tags and ports, which programs share
    by name, belong to all files that import each other (`path` is the first of them)."""

    kind: Kind
    name: str
    path: Path
    start: int = -1


@dataclass(frozen=True, slots=True)
class Place:
    """A mention in a file."""

    path: Path
    mention: Mention


class Unsaved(Disk):
    """Files as the editor shows them: open texts before what the disk has; notes what was read."""

    def __init__(self, texts: dict[Path, str]) -> None:
        self.texts = texts
        self.seen: set[Path] = set()

    def is_file(self, path: Path) -> bool:
        self.seen.add(path)
        return path in self.texts or super().is_file(path)

    def read(self, path: Path, limit: int) -> bytes:
        self.seen.add(path)
        if path in self.texts:
            return self.texts[path].encode("utf-8", "replace")[:limit]
        return super().read(path, limit)

    def names(self, folder: Path, suffix: str) -> list[str]:
        opened = [p.name for p in self.texts if p.parent == folder and p.name.endswith(suffix)]
        return sorted({*opened, *super().names(folder, suffix)})


@dataclass(frozen=True, slots=True)
class _File:
    stamp: object
    parsed: Parsed
    names: Names
    last: Names  # of the last text whose words and braces were in order


@dataclass(slots=True)
class Project:
    """Folders and open texts. Within one question files are looked at once; for the next, `renew`
    has those read again that have changed."""

    folders: list[Path] = field(default_factory=list)
    texts: dict[Path, str] = field(default_factory=dict)
    _files: dict[Path, _File] = field(default_factory=dict)
    _known: set[Path] = field(default_factory=set)  # files that were looked at
    _models: list[Path] = field(default_factory=list)
    _reach: dict[Path, list[Path]] = field(default_factory=dict)
    _related: dict[Path, list[Path]] = field(default_factory=dict)
    _ports: dict[Path, set[str]] = field(default_factory=dict)

    # Files ------------------------------------------------------------------------------

    def renew(self, folders: Iterable[Path], texts: Mapping[Path, str]) -> None:
        """Begin a question about these folders and open texts."""
        self.folders, self.texts = list(folders), dict(texts)
        for memo in (self._known, self._models, self._reach, self._related, self._ports):
            memo.clear()

    def parsed(self, path: Path) -> Parsed:
        return self._file(path).parsed

    def names(self, path: Path) -> Names:
        return self._file(path).names

    def last_names(self, path: Path) -> Names:
        """As `names`; of a text in disorder, those that it had before."""
        return self._file(path).last

    def text(self, path: Path) -> str:
        """The text of a file as its names count its characters; "" if it can't be read."""
        tokens = self.parsed(path).tokens
        return self.texts.get(path, tokens.source.text if tokens else "")

    def _file(self, path: Path) -> _File:
        if path in self._known:
            return self._files[path]
        self._known.add(path)
        text = self.texts.get(path)
        stamp: object = text
        if text is None:
            try:
                status = path.stat()
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            except OSError:
                stamp = None
        known = self._files.get(path)
        if known is not None and known.stamp == stamp:
            return known
        if text is None:
            text = self._read(path) if stamp is not None else ""
        parsed = parse_partly(Source(str(path), text))
        names = names_of(parsed)
        if parsed.tree is not None or known is None:
            found = _File(stamp, parsed, names, names)
        else:  # words and braces in disorder: what the text before declared is still proposed
            found = _File(stamp, parsed, names, known.last)
        self._files[path] = found
        return found

    def _read(self, path: Path) -> str:
        """The text of a closed file; "" of a pipe, or of one too large to be looked through."""
        try:
            data = Disk().read(path, MAX_CLOSED + 1) if path.is_file() else b""
        except (OSError, ValueError):
            return ""
        if len(data) > MAX_CLOSED:
            return ""
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")

    def models(self) -> list[Path]:
        """Open models and those in the folders, at most MAX_MODELS."""
        if not self._models:
            self._models.extend(self._find_models())
        return self._models

    def _find_models(self) -> list[Path]:
        found = {path for path in self.texts if path.suffix == ".nfd"}
        folders = self.folders or []
        seen = 0
        for folder in folders:
            for here, below, names in os.walk(folder):
                seen += 1
                if seen > MAX_FOLDERS or len(found) > MAX_MODELS:
                    return sorted(found)[:MAX_MODELS]
                below[:] = sorted(d for d in below if not d.startswith(".") and d not in LEFT_OUT)
                found.update(Path(here, name) for name in names if name.endswith(".nfd"))
        if not folders:
            for path in [*found]:
                found.update(path.parent / name for name in Disk().names(path.parent, ".nfd"))
        return sorted(found)[:MAX_MODELS]

    def imports(self, path: Path) -> list[Path]:
        """The files that a model imports and that exist."""
        found = []
        files = Unsaved(self.texts)
        for name in self.last_names(path).imports:
            target = beside(path, name)
            if target is not None and target.suffix == ".nfd" and files.is_file(target):
                found.append(target)
        return found

    def reach(self, path: Path) -> list[Path]:
        """A model and all that it imports, itself first."""
        if path in self._reach:
            return self._reach[path]
        found = {path: None}
        left = [path]
        while left and len(found) <= MAX_MODELS:
            new = [p for p in self.imports(left.pop(0)) if p not in found]
            found.update(dict.fromkeys(new))
            left.extend(new)
        self._reach[path] = list(found)
        return self._reach[path]

    def related(self, path: Path) -> list[Path]:
        """All models that are connected to one by imports, in either direction, sorted."""
        if path in self._related:
            return self._related[path]
        near: dict[Path, set[Path]] = {}
        for model in {*self.models(), path}:
            for other in self.imports(model):
                near.setdefault(model, set()).add(other)
                near.setdefault(other, set()).add(model)
        found, left = {path}, [path]
        while left:
            new = near.get(left.pop(), set()) - found
            found |= new
            left.extend(new)
        together = sorted(found)
        self._related.update(dict.fromkeys(together, together))
        return together

    # Names ------------------------------------------------------------------------------

    def at(self, path: Path, offset: int) -> tuple[Mention, Symbol] | None:
        """The name at a character and what it stands for."""
        mention = self.names(path).at(offset)
        symbol = self.resolve(path, mention) if mention is not None else None
        return (mention, symbol) if mention is not None and symbol is not None else None

    def resolve(self, path: Path, mention: Mention) -> Symbol | None:
        """What a name stands for; None if nothing declares it."""
        name = mention.name
        match mention.space:
            case "own":
                return self._declared(path, mention)
            case "file":
                return Symbol("file", name, path, mention.start)
            case "packet" if name in HEADER:
                return Symbol("field", name, path)
            case "packet":
                return Symbol("tag", name, self.related(path)[0])
            case "exit" | "port":
                found = name in self._port_names(path)
                return Symbol("port", name, self.related(path)[0]) if found else None
            case "override":
                return self._override(path, mention)
            case "nf":
                return self._visible(path, mention, _NFS)
            case "call":
                builtin = Symbol("builtin", name, path)
                return self._visible(path, mention, _CALLS) or builtin
            case "value":
                return self._visible(path, mention, _VALUES)

    def definition(self, symbol: Symbol) -> Definition | None:
        """The declaration of a symbol that has just one."""
        for scope in self.names(symbol.path).scopes:
            for found in scope.names.get(symbol.name, ()):
                if found.start == symbol.start:
                    return found
        return None

    def places(self, symbol: Symbol) -> list[Place]:
        """All mentions of a symbol in the models before the editor, its declarations too."""
        if symbol.kind in ("tag", "port"):
            files = self.related(symbol.path)
        elif symbol.kind in ("local", "parameter", "entry", "property", "instance"):
            files = [symbol.path]
        else:
            files = [p for p in self.models() if symbol.path in self.reach(p)]
            files += [symbol.path] if symbol.path not in files else []
        return [place for path in files for place in self._mentions(path, symbol)]

    def _mentions(self, path: Path, symbol: Symbol) -> Iterator[Place]:
        for mention in self.names(path).mentions:
            if mention.name == symbol.name and self.resolve(path, mention) == symbol:
                yield Place(path, mention)

    def _declared(self, path: Path, mention: Mention) -> Symbol | None:
        for found in self.names(path).scopes[mention.scope].names.get(mention.name, ()):
            if found.start == mention.start:
                return self._symbol(path, found)
        return None

    def _symbol(self, path: Path, found: Definition) -> Symbol:
        if found.kind in ("port", "tag"):
            return Symbol(found.kind, found.name, self.related(path)[0])
        return Symbol(found.kind, found.name, path, found.start)

    def _visible(self, path: Path, mention: Mention, kinds: frozenset[Kind]) -> Symbol | None:
        """A name of the scopes around, else of the imported files."""
        found = self.names(path).local(mention, kinds)
        if found is not None:
            return self._symbol(path, found)
        return self._imported(path, mention.name, kinds)

    def _imported(self, path: Path, name: str, kinds: frozenset[Kind]) -> Symbol | None:
        for other in self.reach(path)[1:]:
            for found in self.names(other).scopes[0].names.get(name, ()):
                if found.kind in kinds:
                    return self._symbol(other, found)
        return None

    def _override(self, path: Path, mention: Mention) -> Symbol | None:
        """The configuration variable of an NF that a chain sets."""
        for place in self.reach(path):
            names = self.names(place)
            for found in names.scopes[0].names.get(mention.of, ()):
                if not isinstance(found.node, ast.Program):
                    continue
                inside = [s for s in names.scopes if s.parent == 0 and s.owner == mention.of]
                for scope in (*inside, names.scopes[0]):
                    for variable in scope.names.get(mention.name, ()):
                        if variable.kind == "variable":
                            return self._symbol(place, variable)
                return self._imported(place, mention.name, frozenset({"variable"}))
        return None

    def _port_names(self, path: Path) -> set[str]:
        if path not in self._ports:
            self._ports[path] = self._declared_ports(path)
        return self._ports[path]

    def _declared_ports(self, path: Path) -> set[str]:
        return {
            found.name
            for place in self.reach(path)
            for scope in self.names(place).scopes
            for names in scope.names.values()
            for found in names
            if found.kind == "port"
        }


def beside(path: Path, name: str) -> Path | None:
    """A file that a model names; None if it can't be one."""
    if not name or "\0" in name or len(name) > 4096:
        return None
    try:
        return (path.parent / name).resolve()
    except (OSError, RuntimeError, ValueError):
        return None
