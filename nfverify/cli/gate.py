"""`nfverify gate`: all checks that a file names, before anything is deployed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli.options import UsageError, positive
from nfverify.cli.report_options import add_reports, write_reports
from nfverify.packet.files import STANDARD

if TYPE_CHECKING:
    from nfverify.gate.run import GateOptions, Notify
    from nfverify.gate.spec import Config
    from nfverify.report.results import Results

FILE = "nfverify.toml"
_STYLE = {
    "passed": "bold green", "accepted": "bold green", "different": "bold red",
    "unknown": "bold yellow", "error": "bold red",
}  # fmt: skip
_EPILOG = """\
Results are kept, by the content of all that they rest on: a check runs again when that changes.
`nfverify init` writes a first file; docs/gate.md says what can stand in it.

Exit codes: 0 all passed, or what differs is accepted, 1 something differs, a promise is broken or
a threshold missed, 2 a file is wrong, 3 something is unknown (time ran out), 4 internal error,
130 Ctrl-C. The worst check decides: 4, then 2, 1, 3."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `gate`."""
    parser = subparsers.add_parser(
        "gate",
        help="run all checks that a file names",
        description="Run the checks in nfverify.toml side by side, and say what came of them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_run_options(parser)
    parser.add_argument(
        "--list", action="store_true", help="say which checks there are, and run none"
    )
    group = parser.add_argument_group("differences that are wanted")
    add = group.add_argument
    what = "a difference, or all that a check found, goes into the baseline (may be repeated)"
    add("--accept", metavar="ID|NAME", action="append", default=[], help=what)
    add("--reason", metavar="TEXT", help="why it is wanted")
    add("--expires", metavar="YYYY-MM-DD", type=_day, help="until when, that day included")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Which checks run, where, and what is written of them."""
    add = parser.add_argument
    add("config", metavar="FILE", nargs="?", default=FILE, help=f"(default: {FILE})")
    what = "only the check of this name (may be repeated)"
    add("--only", metavar="NAME", action="append", default=[], help=what)
    add("--no-cache", action="store_true", help="run all checks, and keep no result")
    what = "so many checks at once (default: as many as processors)"
    add("--jobs", type=positive, metavar="N", help=what)
    from nfverify.executors.opening import HELP

    add("--executor", metavar="WHERE", help=f"where checks run: {HELP}")
    what = "have a second solver confirm each obligation, in all checks"
    add("--cross-check", action="store_true", help=what)
    add_reports(parser)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!a} is no day; write 2027-01-31") from None


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit code of the worst check."""
    from nfverify.executors.job import ExecutorError
    from nfverify.gate.run import exit_code, run_gate

    _check_accept(args)
    config = _config(Path(args.config))
    options = _options(args, config)
    if args.list:
        return _list(config, options)
    try:
        with _progress(args.quiet) as notify:
            results = run_gate(config, options, notify)
    except ExecutorError as error:
        raise UsageError(str(error)) from None
    if args.accept:
        results = _accepted(args, config, results)
    write_reports(args.report, results)
    if all(report.path != STANDARD for report in args.report):
        _print(args, results)
    return exit_code(results)


def _config(path: Path) -> Config:
    from nfverify.gate.config import read_config

    if path.is_dir():
        path = path / FILE
    if not path.exists():
        raise UsageError(f"there is no file {path}; `nfverify init` writes one")
    return read_config(path)


def _options(args: argparse.Namespace, config: Config) -> GateOptions:
    from nfverify.cli.audit_options import available
    from nfverify.executors.job import ExecutorError
    from nfverify.executors.opening import check
    from nfverify.gate.run import GateOptions, chosen
    from nfverify.gate.spec import solver
    from nfverify.smat.report import did_you_mean

    names = [one.common.name for one in config.checks]
    for name in args.only:
        if name not in names:
            meant = did_you_mean(name, names) or f"; there are {', '.join(map(ascii, names))}"
            raise UsageError(f"--only {name!a}: no check has this name{meant}")
    if args.executor is not None and args.jobs is not None:
        raise UsageError("--jobs and --executor exclude each other; write --executor local:N")
    for where in (args.executor, config.executor):
        try:
            check(where or "local")
        except ExecutorError as error:
            raise UsageError(str(error)) from None
    options = GateOptions(
        only=tuple(args.only),
        cache=not args.no_cache,
        jobs=args.jobs,
        executor=args.executor,
        solver="cvc5" if args.cross_check else "",
    )
    for one in chosen(config, options):
        name = solver(one)
        if name != "":
            available(name)
    return options


def _list(config: Config, options: GateOptions) -> int:
    from nfverify.gate.run import chosen, known
    from nfverify.report.escape import one_line
    from nfverify.report.traces import aligned

    checks = chosen(config, options)
    rows = [
        (one.common.kind, one_line(one.common.name), "cached" if cached else "")
        for one, cached in zip(checks, known(config, options), strict=True)
    ]
    sys.stdout.write("".join(f"{line}\n" for line in aligned(rows)))
    return 0


# Accepting ----------------------------------------------------------------------------------


def _check_accept(args: argparse.Namespace) -> None:
    more = args.reason is not None, args.expires is not None
    if not args.accept and any(more):
        raise UsageError("--reason and --expires are of --accept")
    if args.accept and not all(more):
        raise UsageError("--accept needs --reason TEXT and --expires YYYY-MM-DD")
    if args.accept and not args.reason.strip():
        raise UsageError("--reason is empty")
    if args.accept and args.expires < date.today():
        raise UsageError(f"--expires {args.expires} is over")


def _accepted(args: argparse.Namespace, config: Config, results: Results) -> Results:
    """The results, some of which are accepted from now on."""
    from nfverify.gate.baseline import Accepted, accept, judge, read_baseline

    entries: list[Accepted] = []
    for wanted in args.accept:
        found = [
            Accepted(result.name, identity, args.reason, args.expires)
            for result in results.results
            for identity in _identities(result)
            if wanted in (result.name, identity)
        ]
        if not found:
            raise UsageError(
                f"--accept {wanted!a}: no such difference was found, and none accepted"
            )
        entries += [entry for entry in found if entry not in entries]
    accept(read_baseline(config.baseline), entries)
    names = [result.name for result in results.results]
    checks = [check for check in config.checks if check.common.name in names]
    every = [check.common.name for check in config.checks]
    again = judge(checks, results.results, read_baseline(config.baseline), date.today(), every)
    return replace(results, results=again.results, expired=again.expired, notes=again.notes)


def _identities(result: object) -> Sequence[str]:
    """What of a result can be accepted."""
    from nfverify.report.results import Result

    assert isinstance(result, Result)
    if result.status != "different":
        return ()
    found = [change.identity for change in result.changes if not change.accepted]
    return found if result.changes else [name for name in (result.identity,) if name]


# Output -------------------------------------------------------------------------------------


def _print(args: argparse.Namespace, results: Results) -> None:
    from nfverify.report.results_text import headline, text

    shown = headline(results) + "\n" if args.quiet else text(results)
    if args.no_color or not sys.stdout.isatty():
        sys.stdout.write(shown)
        return
    from rich.console import Console
    from rich.text import Text

    styled = Text(shown)
    for word, style in _STYLE.items():
        styled.highlight_regex(rf"(?m)^(  )?{word}\b", style)
    Console(soft_wrap=True, highlight=False).print(styled, end="")


@contextmanager
def _progress(quiet: bool) -> Iterator[Notify]:
    """Shows on a terminal how many checks have ended."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total, name: None
        return
    from rich.console import Console
    from rich.markup import escape

    from nfverify.report.escape import one_line

    status = Console(stderr=True).status("")

    def show(done: int, total: int, name: str) -> None:
        status.update(f"{done} of {total} checks; {escape(one_line(name))}")
        status.start()

    try:
        yield show
    finally:
        status.stop()
