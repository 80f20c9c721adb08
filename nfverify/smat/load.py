"""Targets to networks: FILE, FILE:NAME or lib:NAME, with what the files import."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nfverify.lang import ast
from nfverify.lang.files import DISK, Files, beside
from nfverify.lang.parser import parse, read_source
from nfverify.lang.source import NOWHERE, Diagnostic, ModelError, Source, Span
from nfverify.smat import ir
from nfverify.smat.network import build
from nfverify.smat.program import Lowered, Scope, assigned_tags, declared
from nfverify.smat.report import Failed, Report, did_you_mean
from nfverify.smat.values import Value

MAX_FILES = 256
LIBRARY = "lib:"


@dataclass(slots=True, eq=False)
class Module:
    """A parsed file and the modules that it imports; `folder` is the root of the model's tree."""

    file: ast.File
    source: Source
    folder: Path | None
    imports: list[Module] = field(default_factory=list)
    tags: frozenset[str] = frozenset()
    place: str = ""  # the folder of this file, below `folder`
    files: Files = DISK
    _own: dict[str, ast.Program | ast.Chain] = field(default_factory=dict)

    def own(self) -> dict[str, ast.Program | ast.Chain]:
        """The programs and chains of this file, the first of each name."""
        if not self._own:
            for item in self.file.items:
                if isinstance(item, ast.Program | ast.Chain):
                    self._own.setdefault(item.name, item)
        return self._own

    def reach(self) -> list[Module]:
        """This module and all that it imports, itself first."""
        found = [self]
        for module in found:
            found.extend(m for m in module.imports if m not in found)
        return found

    def find(self, name: str) -> tuple[ast.Program | ast.Chain, Module] | None:
        for module in self.reach():
            if name in module.own():
                return module.own()[name], module
        return None

    def known(self) -> list[str]:
        return [name for module in self.reach() for name in module.own()]

    def declarations(self) -> tuple[ast.Declaration, ...]:
        return tuple(
            [
                item
                for module in reversed(self.reach())
                for item in module.file.items
                if not isinstance(item, ast.Program | ast.Chain | ast.Import)
            ]
        )

    def scope(self) -> Scope:
        places = {module.source: module.place for module in self.reach()}
        return Scope(self.declarations(), self.tags, self.folder, places, self.files)

    def constant(self, report: Report, node: ast.Expr) -> Value:
        """The value of an override, which may name configuration at the top of the file."""
        from nfverify.smat.expressions import expression
        from nfverify.smat.scope import Context
        from nfverify.smat.variables import declare

        cx = Context(report, self.folder, {}, tags=self.tags, mode="constant", files=self.files)
        for item in self.declarations():
            if isinstance(item, ast.Variable):
                with cx.recovering():
                    cx.symbols[item.name] = declare(cx, item, False, {})
        try:
            return expression(cx, node)
        except Failed:
            report.stop()
            raise


# Files ------------------------------------------------------------------------------------


def load(
    target: str, *, library: bool = True, ports: Sequence[str] = (), files: Files = DISK
) -> ir.Network:
    """The network that FILE, FILE:NAME or lib:NAME stands for. Raises ModelError.

    If it has just these `ports`, they are numbered in this order, to be compared with another's.
    """
    report = Report()
    module, name = open_target(report, target, library=library, files=files)
    network, _ = build(report, *choose(report, module, name), ports)
    report.stop()
    return network


def load_text(text: str, name: str = "<text>") -> ir.Network:
    """The network of a model in a string; it can't import or load files. Raises ModelError."""
    report = Report()
    source = Source(name, text)
    module = Module(parse(source), source, None)
    finish(report, module)
    network, _ = build(report, *choose(report, module, None))
    report.stop()
    return network


def open_target(
    report: Report, target: str, *, library: bool = True, files: Files = DISK
) -> tuple[Module, str | None]:
    """The module of a target, and the name behind its colon if there is one."""
    if target.startswith(LIBRARY):
        if not library:
            _refuse(report, f"{target} is a name of the library, and a file is wanted")
        path, name = library_path(report, target)
        return open_module(report, path), name

    def exists(path: str) -> bool:
        return (
            path == "-" or os.path.exists(path) or ("\0" not in path and files.is_file(Path(path)))
        )

    path, colon, last = target.rpartition(":")
    if not exists(target) and colon and exists(path):
        return open_module(report, path, files), last
    return open_module(report, target, files), None


def library_path(report: Report, target: str) -> tuple[str, str | None]:
    """The file of lib:NAME (or lib:FILE:NAME) in the library."""
    from importlib.resources import files

    name, _, inner = target.removeprefix(LIBRARY).partition(":")
    folder = files("nfverify.models")
    known = sorted(f.name.removesuffix(".nfd") for f in folder.iterdir() if f.name.endswith(".nfd"))
    if name not in known:
        message = f"the library has no `{name}`{did_you_mean(name, known)}"
        _refuse(report, message, f"it has {', '.join(known)}")
    return str(folder.joinpath(f"{name}.nfd")), inner or None


def _refuse(report: Report, message: str, hint: str = "") -> None:
    raise ModelError(Diagnostic("error", "target", message, NOWHERE, hint))


def open_module(report: Report, path: str, files: Files = DISK, name: str = "") -> Module:
    """A file, under that name if one is given, and all that it imports, each once. Raises
    ModelError."""
    source = read_source(path, files, name)
    folder = None if path == "-" else Path(path).resolve().parent
    real = None if path == "-" else Path(path).resolve()
    module = Module(parse(source), source, folder, files=files)
    modules: dict[Path, Module] = {} if real is None else {real: module}
    _imports(report, module, real, folder, modules, () if real is None else (real,))
    finish(report, module)
    return module


def _imports(
    report: Report,
    module: Module,
    here: Path | None,
    root: Path | None,
    modules: dict[Path, Module],
    open_: tuple[Path, ...],
) -> None:
    for item in module.file.items:
        if not isinstance(item, ast.Import):
            continue
        if here is None or root is None:
            message = "a model that is no file can't import one"
            report.error(item.span, "import", message)
            continue
        path = _import_path(report, item, here, root, module.files)
        if path is None:
            continue
        if path in open_:
            names = " -> ".join(p.name for p in (*open_[open_.index(path) :], path))
            report.error(item.span, "import-cycle", f"the files import each other: {names}")
            continue
        if path not in modules:
            if len(modules) >= MAX_FILES:
                report.error(item.span, "import", f"more than {MAX_FILES} files are imported")
                report.stop()
            try:
                source = read_source(str(path), module.files, beside(module.source.name, item.file))
                place = str(path.parent.relative_to(root))
                tree = parse(source)
                modules[path] = Module(tree, source, root, place=place, files=module.files)
            except ModelError as error:
                report.include(error)
                continue
            _imports(report, modules[path], path, root, modules, (*open_, path))
        if modules[path] not in module.imports:
            module.imports.append(modules[path])


def _import_path(
    report: Report, item: ast.Import, here: Path, root: Path, files: Files
) -> Path | None:
    """The file of an import: a model inside the folder tree of the first one."""
    name = item.file
    if "\0" in name or not name.endswith(".nfd"):
        report.error(item.span, "import", "only files named *.nfd can be imported")
        return None
    try:
        path = (here.parent / name).resolve()
        inside = path.is_relative_to(root) and path.suffix == ".nfd"
        exists = inside and files.is_file(path)
    except (OSError, RuntimeError, ValueError):
        inside, exists = True, False
    if not inside:
        hint = "put the file beside the model or in a folder below it"
        shown = ascii(name[:60])
        report.error(item.span, "import", f"{shown} leaves the model's folder", hint)
        return None
    if not exists:
        near = did_you_mean(name, files.names(here.parent, ".nfd"))
        report.error(item.span, "import", f"there is no file {name[:60]!a}{near}")
        return None
    return path


def finish(report: Report, module: Module) -> None:
    """Once all files are there: their tags, and names that are declared twice."""
    modules = module.reach()
    for one in modules:
        if one.file.version not in (None, 1):
            message = f"version {one.file.version} of the language is not known"
            span = Span(one.source, 0, 0)
            report.error(span, "version", message, "this is version 1")
    tags = {
        tag
        for one in modules
        for item in one.file.items
        if not isinstance(item, ast.Chain | ast.Import)
        for tag in assigned_tags(item.items if isinstance(item, ast.Program) else [item])
    }
    for one in modules:
        one.tags = frozenset(tags)
        seen: dict[str, Span] = {}
        for reached in one.reach():
            for item in reached.file.items:
                names = (
                    (item.name,)
                    if isinstance(item, ast.Program | ast.Chain)
                    else ()
                    if isinstance(item, ast.Import)
                    else declared(item)
                )
                for name in names:
                    if name in seen:
                        message = f"`{name}` is declared twice"
                        span = item.span if reached is one else seen[name]
                        other = seen[name] if reached is one else item.span
                        hint = f"also at {other}"
                        report.error(span, "duplicate", message, hint)
                    seen.setdefault(name, item.span)


def choose(
    report: Report, module: Module, name: str | None
) -> tuple[ast.Program | ast.Chain, Module]:
    """The program or chain of that name, else `main`, else the only one. Raises ModelError."""
    report.stop()
    own = module.own()
    span = Span(module.source, 0, 0)
    if name is not None:
        found = module.find(name)
        if found is None:
            message = f"there is no NF or chain `{name}`{did_you_mean(name, module.known())}"
            hint = f"there is {', '.join(module.known()) or 'none'}"
            raise ModelError(Diagnostic("error", "target", message, span, hint))
        return found
    if "main" in own:
        return own["main"], module
    if len(own) == 1:
        return next(iter(own.values())), module
    if not own:
        message, hint = "the file has no program and no chain", "write `program NAME { … }`"
    else:
        message = f"the file has several NFs and chains: {', '.join(own)}"
        hint = f"name one, as in {module.source.name}:{next(iter(own))}, or call one `main`"
    raise ModelError(Diagnostic("error", "target", message, span, hint))


__all__ = ["Lowered", "Module", "load", "load_text", "open_target"]
