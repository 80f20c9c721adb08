"""`nfverify init`: a first nfverify.toml, from what a folder holds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli.options import UsageError

if TYPE_CHECKING:
    from nfverify.gate.finding import Found

FILE = "nfverify.toml"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `init`."""
    parser = subparsers.add_parser(
        "init",
        help="write a first file for `nfverify gate`",
        description=f"Write {FILE} from the models, rulesets, suites and captures in a folder, and"
        " the branch that git knows. It never replaces a file.",
        epilog="Exit codes: 0 written, 2 it is there already, or nothing was found.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", nargs="?", default=".", help="(default: here)")


def run(args: argparse.Namespace) -> int:
    """Run the command; 0."""
    from nfverify.gate.finding import find
    from nfverify.gate.starting import first_config

    folder = Path(args.folder)
    target = folder / FILE
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target} is there already, and is left as it is")
    found = find(folder)
    if not found.files and not found.broken and not found.rulesets:
        raise UsageError(f"{folder} holds no model (*.nfd) and no ruleset (*.csv with an action)")
    text = first_config(found)
    part = target.with_name(f".{FILE}.part")
    try:
        part.write_text(text, encoding="utf-8")
        _publish(part, target)
    finally:
        part.unlink(missing_ok=True)
    if not args.quiet:
        print(f"{target}: {_summary(found)}")
        print(f"Run it: nfverify gate{'' if args.folder == '.' else f' {target}'}")
    return 0


def _publish(part: Path, target: Path) -> None:
    """Gives the finished file its name, unless somebody else has just taken it."""
    try:
        target.hardlink_to(part)
    except FileExistsError:
        raise UsageError(f"{target} is there already, and is left as it is") from None


def _summary(found: Found) -> str:
    counts = [
        (len(found.models), "network function or chain", "network functions and chains"),
        (len(found.rulesets), "ruleset", "rulesets"),
        (len(found.suites), "suite", "suites"),
        (len(found.captures), "capture", "captures"),
    ]
    words = [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]
    base = f"; compared with {found.base}" if found.base else ""
    return ", ".join(words or ["no network function"]) + base
