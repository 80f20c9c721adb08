"""What is wrong with an open model, and odd about it: as `nfverify check` says, of unsaved text."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nfverify.lang.source import BUILTIN, Diagnostic
from nfverify.lsp.project import Unsaved
from nfverify.smat.check import Check, check_file

MAX_FOUND = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnostic in a text: its characters start..end."""

    severity: Literal["error", "warning"]
    code: str
    message: str
    hint: str
    start: int
    end: int
    text: str  # of the file, as it was read


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The findings by file, and the files that were read for it."""

    found: dict[Path, list[Finding]] = field(default_factory=dict)
    seen: frozenset[Path] = frozenset()
    broken: bool = False  # are there errors?


def diagnose(path: Path, texts: Mapping[Path, str], check: Check | None = None) -> Diagnosis:
    """Errors and warnings of a model, its imports and CSV files. Never raises.

    What only a solver can tell is left to `check`.
    """
    files = Unsaved(dict(texts))
    checks: tuple[Check, ...] = (check or _nothing,)
    try:
        diagnostics = check_file(str(path), extra_checks=checks, files=files)
    except Exception as error:
        print(f"nfverify: internal error: {type(error).__name__}: {error}", file=sys.stderr)
        message = f"nfverify: internal error: {type(error).__name__}: not checked"
        finding = Finding("error", "internal", message, "", 0, 0, texts.get(path, ""))
        return Diagnosis({path: [finding]}, frozenset({path, *files.seen}), True)
    found: dict[Path, list[Finding]] = {}
    for one in diagnostics[:MAX_FOUND]:
        found.setdefault(_path(path, one), []).append(_finding(one))
    broken = any(one.severity == "error" for one in diagnostics)
    return Diagnosis(found, frozenset({path, *files.seen}), broken)


def _nothing(_: object) -> tuple[Diagnostic, ...]:
    return ()


def _path(root: Path, diagnostic: Diagnostic) -> Path:
    """The file of a diagnostic: sources are named as seen from the model's folder."""
    source = diagnostic.span.source
    if source is BUILTIN:
        return root
    try:
        return (root.parent / source.name).resolve()
    except (OSError, RuntimeError, ValueError):
        return root


def _finding(diagnostic: Diagnostic) -> Finding:
    span = diagnostic.span
    return Finding(
        diagnostic.severity, diagnostic.code, diagnostic.message, diagnostic.hint,
        span.start, span.end, span.source.text,
    )  # fmt: skip
