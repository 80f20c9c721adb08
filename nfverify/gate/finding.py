"""What in a folder a gate could look at: models, rulesets, suites, captures, git."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nfverify.lang import ast
from nfverify.lang.parser import parse, read_source
from nfverify.lang.source import ModelError
from nfverify.smat.ir import Match, Network, walk
from nfverify.smat.load import load
from nfverify.smat.ruleset import Ruleset
from nfverify.smat.versions import load_version

MAX_FILES = 20_000  # looked at
MAX_EACH = 100  # of one kind that are named
_SKIPPED = ("__pycache__", "build", "dist", "node_modules", "site-packages", "venv")
_CAPTURES = (".pcap", ".pcapng", ".cap")
_BRANCHES = ("origin/main", "origin/master", "main", "master", "HEAD")


@dataclass(frozen=True, slots=True)
class Model:
    """A target: a network function or chain, and what it states."""

    target: str
    file: str
    network: Network
    states: bool  # properties or invariants


@dataclass(slots=True)
class Found:
    """Paths are relative to the folder. `base` is the branch to compare with, "" without git."""

    files: list[str] = field(default_factory=list)  # of models, without errors
    broken: list[str] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    rulesets: list[str] = field(default_factory=list)  # that no model loads
    suites: list[tuple[str, str]] = field(default_factory=list)  # folder, name of the network
    captures: list[str] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)
    base: str = ""
    tracked: set[str] = field(default_factory=set)  # files that `base` has
    more: int = 0  # files that were left out
    compiler: bool = False


def find(folder: Path) -> Found:
    """What is there, in the order of names. OSError."""
    found = Found(compiler=shutil.which("gcc") is not None)
    paths = sorted(_paths(folder))
    suites = {os.path.dirname(path) for path in paths if _is_suite(folder / path)}
    for path in paths:
        inside = any(path.startswith(f"{suite}/") for suite in suites)
        name = os.path.basename(path)
        if name.endswith(".nfd"):
            _take(found, found.files, path)
        elif name.endswith(".csv") and _is_ruleset(folder / path):
            _take(found, found.rulesets, path)
        elif name.endswith(".nftest.toml"):
            _take(found, found.tests, path)
        elif name.endswith(_CAPTURES) and not inside:
            _take(found, found.captures, path)
    for path in list(found.files):
        try:
            found.models += _models(folder, path)
        except ModelError:
            found.files.remove(path)
            found.broken.append(path)
    loaded = {os.path.realpath(file) for model in found.models for file in _loaded(model.network)}
    found.rulesets = [r for r in found.rulesets if os.path.realpath(folder / r) not in loaded]
    found.suites = sorted((suite, _network_of(folder / suite)) for suite in suites)
    found.base = _base(folder)
    if found.base:
        listed = _git(folder, "ls-tree", "-r", "-z", "--name-only", found.base)
        found.tracked = set((listed or "").split("\0"))
    return found


def _take(found: Found, kind: list[str], path: str) -> None:
    if len(kind) < MAX_EACH:
        kind.append(path)
    else:
        found.more += 1


def _paths(folder: Path) -> Iterator[str]:
    """Files below a folder that may be of interest; hidden folders are not looked into."""
    seen = 0
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED)
        for name in sorted(files):
            seen += 1
            if seen > MAX_FILES:
                return
            path = os.path.relpath(os.path.join(here, name), folder)
            if path.isprintable():
                yield path


def _is_ruleset(path: Path) -> bool:
    """A list of rules with their actions."""
    try:
        with path.open("rb") as stream:
            head = stream.read(1 << 12).decode("utf-8-sig", "replace").lower()
        first = next(line for line in head.splitlines() if line and not line.startswith("#"))
        if "action" not in [cell.strip() for cell in first.split(",")]:
            return False
        return isinstance(load_version(str(path)), Ruleset)
    except (ModelError, OSError, StopIteration):
        return False


def _models(folder: Path, path: str) -> Iterator[Model]:
    """What of a file can be run: its `main`, or its only one, else each chain or each NF."""
    whole = parse(read_source(str(folder / path)))
    own = {item.name: item for item in whole.items if isinstance(item, ast.Program | ast.Chain)}
    if not own:
        return
    names: Sequence[str] = [""]
    if "main" not in own and len(own) > 1:
        chains = [name for name, item in own.items() if isinstance(item, ast.Chain)]
        names = chains or list(own)
    for name in names:
        network = load(f"{folder / path}:{name}" if name else str(folder / path))
        programs = [instance.program for instance in network.instances]
        states = any(program.properties or program.invariants for program in programs)
        yield Model(f"{path}:{name}" if name else path, path, network, states)


def _loaded(network: Network) -> Iterator[str]:
    """The files of the rulesets that a model asks: what is said of the model is said of them."""
    for instance in network.instances:
        for node in walk(instance.program.body):
            if isinstance(node, Match) and node.ruleset.file:
                yield node.ruleset.file


# Suites -------------------------------------------------------------------------------------


def _is_suite(path: Path) -> bool:
    return path.name == "manifest.json" and bool(_network_of(path.parent))


def _network_of(folder: Path) -> str:
    """The name of the network that a suite of `gen` is for; "" for what is no suite."""
    from nfverify.oracles.generate.folder import load as manifest
    from nfverify.oracles.generate.manifest import BadManifest

    try:
        name = manifest(folder)[0].get("network")
    except (BadManifest, OSError):
        return ""
    return name if isinstance(name, str) else ""


# Git ----------------------------------------------------------------------------------------


def _base(folder: Path) -> str:
    """The branch that changes are compared with."""
    named = _git(folder, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
    for name in ((named or "").strip(), *_BRANCHES):
        if name and _git(folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"):
            return name
    return ""


def _git(folder: Path, *words: str) -> str | None:
    """What git prints in a folder; None if it fails or there is none."""
    try:
        done = subprocess.run(
            ["git", "--no-pager", *words], cwd=folder, capture_output=True, timeout=30, check=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return os.fsdecode(done.stdout)
