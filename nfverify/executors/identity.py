"""Which nfverify this is: what a result must not be reused or mixed across."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nfverify

_SUFFIXES = (".c", ".csv", ".h", ".hpp", ".json", ".nfd", ".pxd", ".py", ".pyx")
_GENERATED = ("_kernel.c",)
_SOLVERS = ("z3-solver", "cvc5", "bitwuzla")


@cache
def identity() -> str:
    """SHA-256 of nfverify's own sources, its version, and those of Python and the solvers. Two
    installations of the same have the same, wherever they lie."""
    package = Path(nfverify.__file__).parent
    digest = sha256(repr((nfverify.__version__, sys.version_info[:2])).encode())
    for name in _SOLVERS:
        digest.update(f"{name} {_version(name)}\n".encode())
    for name, file in sorted(_sources(package)):
        digest.update(f"{name} {sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _sources(package: Path) -> Iterator[tuple[str, Path]]:
    for folder, folders, files in os.walk(package, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            if name.endswith(_SUFFIXES) and name not in _GENERATED:
                file = Path(folder, name)
                yield str(file.relative_to(package)), file


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
