"""What a check's result rests on, apart from the files that it reads: known before it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from nfverify.cythonized.faults import BuildError
from nfverify.executors.identity import identity
from nfverify.gate.spec import AnyCheck, Test, targets
from nfverify.lang.revision import commit_of, versioned
from nfverify.lang.source import ModelError
from nfverify.report.results import Place

FORMAT = "gate 1"
_COMPILED = ("cython", "fastpath")
_OURS = ("reference", "walk", "symbolic", *_COMPILED)
_NO_MATTER = ("NFVERIFY_CACHE_SIZE", "NFVERIFY_DEBUG", "NFVERIFY_SEEK")


@dataclass(frozen=True)
class Keys:
    """Keys of one run of a gate; what all have in common is looked at once."""

    def of(self, check: AnyCheck) -> str | None:
        """The key of a check; None for one that must be run each time."""
        pins = pins_of(check)
        if pins is None:
            return None
        more = ""
        if isinstance(check, Test):
            engines = check.engines or _OURS
            if check.against is not None or any(name not in _OURS for name in engines):
                return None  # a program, or a platform, may be another one without a trace of it
            try:
                more = self._compiler if any(name in _COMPILED for name in engines) else ""
            except BuildError:
                return None
        bare = replace(check, common=replace(check.common, place=Place("")))
        here = os.getcwd() if pins else ""  # where their paths begin
        told = (FORMAT, self._installed, more, repr(bare), here, *pins)
        return sha256("\n".join(told).encode("utf-8", "surrogateescape")).hexdigest()

    @cached_property
    def _installed(self) -> str:
        """nfverify, Python, every package beside it, and the settings in the environment."""
        settings = sorted(
            f"{name}={value}"
            for name, value in os.environ.items()
            if name.startswith("NFVERIFY_") and name not in _NO_MATTER
        )
        return repr((identity(), sys.version, sorted(_packages()), settings))

    @cached_property
    def _compiler(self) -> str:
        from nfverify.cythonized.toolchain import toolchain

        return toolchain().identity


def pins_of(check: AnyCheck) -> tuple[str, ...] | None:
    """The commits that a check's revisions stand for; None if git can't tell."""
    found = []
    try:
        for target in targets(check):
            past = versioned(target)
            if past is not None:
                commit = commit_of(past.revision, Path(check.common.folder))
                found.append(f"{target} {commit}")
    except ModelError:
        return None
    return tuple(found)


def _packages() -> Iterator[str]:
    """The names of all installed packages, with their versions."""
    for folder in dict.fromkeys(sys.path):
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        yield from (name for name in names if name.endswith((".dist-info", ".egg-info")))
