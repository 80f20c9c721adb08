"""`nfverify watch`: the gate, again whenever a file that it may rest on changes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from nfverify.cli import gate
from nfverify.cli.options import UsageError

_EPILOG = """\
Only the checks that a change touches run again; the others are taken from the cache. It ends with
Ctrl-C (exit code 130). It needs the extra `editor`: pip install 'nfverify[editor]'."""
WATCHED = frozenset(
    {".nfd", ".csv", ".toml", ".json", ".py", ".c", ".pcap", ".pcapng", ".cap", ".bin"}
)
LEFT_OUT = frozenset({"__pycache__", "node_modules", "build", "dist", "venv"})
_GIT = frozenset({"HEAD", "packed-refs", "refs", "index"})
POLL = 500  # ms: how soon Ctrl-C is noticed
MAX_SHOWN = 3


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `watch`."""
    parser = subparsers.add_parser(
        "watch",
        help="run the gate again whenever a file changes",
        description="Run the checks in nfverify.toml, and again whenever a file changes.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    gate.add_run_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run until interrupted. A file with errors is said, and waited for."""
    from nfverify.lang.visible import one_line

    args.list, args.accept, args.reason, args.expires = False, [], None, None
    path = Path(args.config)
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    written = {os.path.abspath(report.path) for report in args.report}
    for changed in _changes(folder, written):
        if changed:
            more = f" and {len(changed) - MAX_SHOWN} more" if len(changed) > MAX_SHOWN else ""
            _say(f"\nchanged: {', '.join(map(one_line, changed[:MAX_SHOWN]))}{more}")
        _once(args)
    return 0


def _once(args: argparse.Namespace) -> None:
    from nfverify.cli.main import report_error

    try:
        gate.run(args)
    except Exception as error:  # said as the command would; then the next change is waited for
        report_error(error)
    if not args.quiet:
        _say("watching; Ctrl-C ends")


def _say(text: str) -> None:
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


def _changes(folder: Path, written: Collection[str]) -> Iterator[list[str]]:
    """Nothing at first; then, each time, what has changed since, but for the reports that are
    `written`. What changes while the gate runs is told after it."""
    try:
        from watchfiles import watch
    except ModuleNotFoundError:
        what = "watching needs watchfiles: pip install 'nfverify[editor]'"
        raise UsageError(what) from None
    watching = watch(
        folder,
        watch_filter=lambda _, path: (
            relevant(os.path.relpath(path, folder)) and os.path.abspath(path) not in written
        ),
        rust_timeout=POLL,
        yield_on_timeout=True,
    )
    next(watching)  # from here on, nothing is missed
    yield []
    for changes in watching:
        if changes:
            yield _names(folder, {path for _, path in changes})


def _names(folder: Path, paths: Iterable[str]) -> list[str]:
    return sorted(os.path.relpath(path, folder) for path in paths)


def relevant(path: str) -> bool:
    """May a check rest on this file, whose path is relative to the config's folder? Of .git, what
    names revisions."""
    parts = Path(path).parts
    if ".git" in parts:
        after = parts[parts.index(".git") + 1 :]
        return bool(after) and after[0] in _GIT and not path.endswith(".lock")
    hidden = any(part.startswith(".") and part != ".." for part in parts)
    return not hidden and not LEFT_OUT & set(parts) and Path(path).suffix.lower() in WATCHED
