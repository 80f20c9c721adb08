"""`--report FORMAT=PATH`: what a command found, written in as many formats as one likes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nfverify.packet.files import STANDARD, replacing
from nfverify.report.render import FORMATS

if TYPE_CHECKING:
    from nfverify.report.results import Result, Results


class Report(NamedTuple):
    """One `--report`: the format, and the file (`-`: standard output)."""

    format: str
    path: str


def add_reports(parser: argparse.ArgumentParser) -> None:
    """The option `--report`, as `args.report`."""
    what = f"write a report (may be repeated); FORMAT: {', '.join(FORMATS)}; PATH - is stdout"
    parser.add_argument(
        "--report", type=report, metavar="FORMAT=PATH", action="append", default=[], help=what
    )


def report(text: str) -> Report:
    """The value of a `--report`."""
    name, _, path = text.partition("=")
    if name not in FORMATS:
        raise argparse.ArgumentTypeError(f"{text!a}: one of {', '.join(FORMATS)} is expected")
    if not path:
        raise argparse.ArgumentTypeError(f"{text!a} names no file; write {name}=PATH, or {name}=-")
    return Report(name, path)


def write_reports(reports: Sequence[Report], results: Results) -> None:
    """Writes each, complete or not at all. With `github`, the summary of the step goes where
    GitHub's environment says. OSError."""
    from nfverify.report.render import render

    for wanted in reports:
        data = render(wanted.format, results).encode()
        if wanted.path == STANDARD:
            import sys

            sys.stdout.flush()
        with replacing(wanted.path) as stream:
            stream.write(data)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary and any(wanted.format == "github" for wanted in reports):
        from nfverify.report import github

        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(github.summary(results))


def to_stdout(reports: Sequence[Report]) -> bool:
    """Does a report take the place of what the command prints?"""
    return any(wanted.path == STANDARD for wanted in reports)


def results_of(title: str, result: Result) -> Results:
    """The result of a command that asks one question."""
    import nfverify
    from nfverify.report.results import Results

    return Results(title, nfverify.__version__, (result,), result.seconds)
