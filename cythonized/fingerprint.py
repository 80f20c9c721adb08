"""What a build depends on, as one digest: cheap enough to be taken before anything is generated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import nfverify
from nfverify.cythonized.compiler import cython_version, flags
from nfverify.cythonized.options import Options
from nfverify.cythonized.toolchain import toolchain
from nfverify.fastpath.plan import Plan
from nfverify.smat.ir import Entry, Network, StateVar
from nfverify.smat.ruleset import Ruleset

# What the generator is made of, below the package nfverify.
_SOURCES = ("cythonized", "packet")
_SUFFIXES = (".c", ".h", ".pxd", ".py")


def fingerprint(
    network: Network,
    options: Options,
    user: Sequence[tuple[str, str]] = (),
    fast: Plan | None = None,
) -> str:
    """SHA-256 of the network, the options, the user's C files (name, text), the flags, and all
    that makes code of them. The ABI of Python is left out: a library is loaded by ctypes and uses
    none of it. BuildError without compilers."""
    return _sha256(
        _tools(options), repr(options), repr(tuple(user)), *_content(network), *_content(fast)
    )


def shared_fingerprint(name: str, options: Options) -> str:
    """SHA-256 of what one of the objects depends on that are the same in all libraries."""
    return _sha256(_tools(options), f"shared {name}")


def _tools(options: Options) -> str:
    tools = toolchain()
    made_by = (nfverify.__version__, _generator(), cython_version(), tools.identity, tools.include)
    return repr((made_by, flags(sanitize=options.sanitize)))


def _sha256(*parts: str) -> str:
    digest = sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


@cache
def _generator() -> str:
    """A digest of the generator's and the runtime's own sources."""
    package = Path(nfverify.__file__).parent
    digest = sha256()
    for folder in _SOURCES:
        for file in sorted((package / folder).rglob("*")):
            if file.suffix in _SUFFIXES and file.is_file():
                content = sha256(file.read_bytes()).hexdigest()
                digest.update(f"{file.relative_to(package)} {content}\n".encode())
    return digest.hexdigest()


def _content(root: Network | Plan | None) -> Iterator[str]:
    """The structure of a network, and the lines of its entries, as texts in a fixed order."""
    stack: list[object] = [root]
    while stack:  # a loop, for expressions may be nested deeper than the interpreter's stack
        item = stack.pop()
        if isinstance(item, Ruleset):
            yield f"{item.name} {item.digest}"
        elif isinstance(item, tuple):
            yield f"({len(item)}"
            stack.extend(reversed(item))
        elif is_dataclass(item):
            yield type(item).__name__
            if isinstance(item, Entry):
                yield str(item.span.line)
            names = [f.name for f in fields(item) if f.name != "span"]
            if isinstance(item, StateVar):  # flat, and may be long
                names.remove("entries")
                yield repr(item.entries)
            stack.extend(getattr(item, name) for name in reversed(names))
        else:
            yield repr(item)
