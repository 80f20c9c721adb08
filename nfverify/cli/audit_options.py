"""`--cross-check`, `--second-solver` and `--dump-smt`: what is done about obligations beside Z3."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli.options import UsageError

if TYPE_CHECKING:
    from nfverify.equivalence.asking import Name
    from nfverify.equivalence.audit import Audit

_PIP: dict[Name, str] = {
    "cvc5": "pip install 'nfverify[cross-check]'",
    "bitwuzla": "pip install bitwuzla",
}


def add_audit(parser: argparse.ArgumentParser) -> None:
    """The options of every command that proves something."""
    group = parser.add_argument_group("trust")
    add = group.add_argument
    what = "have a second solver confirm each obligation; what it can't is no proof"
    add("--cross-check", action="store_true", help=what)
    what = "the second solver (default: cvc5)"
    add("--second-solver", choices=tuple(_PIP), default="cvc5", help=what)
    what = "write each obligation there, as SMT-LIB 2"
    add("--dump-smt", metavar="DIR", help=what)


def audit(args: argparse.Namespace, *about: str) -> Audit | None:
    """What the options ask for; `about` are lines for the head of each file. UsageError."""
    if not args.cross_check and args.dump_smt is None:
        return None
    from nfverify.equivalence.audit import Audit

    folder = None if args.dump_smt is None else emptied(Path(args.dump_smt))
    return Audit(available(args.second_solver) if args.cross_check else None, folder, about=about)


def available(solver: Name) -> Name:
    """The solver's name. UsageError if it isn't installed."""
    if find_spec(solver) is None:
        raise UsageError(f"--cross-check needs {solver}: {_PIP[solver]}")
    return solver


def emptied(folder: Path) -> Path:
    """A folder for SMT-LIB files, those of an earlier command gone. UsageError if others are."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--dump-smt {folder}: it is there, and is no folder")
    folder.mkdir(parents=True, exist_ok=True)
    there = list(folder.iterdir())
    if any(path.suffix not in (".smt2", ".part") or not path.is_file() for path in there):
        raise UsageError(f"--dump-smt {folder}: it holds other files; name a new or empty folder")
    for path in there:
        path.unlink()
    return folder
