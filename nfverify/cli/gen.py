"""`nfverify gen`: a suite of traces that reaches every goal of a model, or says why not."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli.options import MODEL, UsageError, add_operators, operators, seconds
from nfverify.lang.visible import one_line, several_lines

if TYPE_CHECKING:
    from nfverify.oracles.generate.outcome import Generated

COVERAGES = ("entries", "pairs", "boundaries", "full")
_SEED = re.compile(r"[0-9]{1,18}", re.ASCII)
_EPILOG = """\
DIR gets a folder for each trace, with the packets that arrive and those that must come out as
captures and the state at the end, a manifest and the coverage table.
Exit codes: 0 every goal is reached or proved unreachable, 2 the command or a model is wrong,
3 some goals are unknown (the suite is written all the same), 130 Ctrl-C."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `gen`."""
    parser = subparsers.add_parser(
        "gen",
        help="make traces that reach everything in a model",
        description="Make traces, from the initial state on, that reach all that can be reached.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help=MODEL)
    what = "entries; pairs of entries on one key; boundaries of comparisons; or all and more"
    add("--coverage", choices=COVERAGES, default="entries", help=f"{what} (default: entries)")
    add("-o", dest="output", metavar="DIR", help="write the suite there")
    add("--seed", type=seed, default=0, metavar="N", help="of the random traffic (default: 0)")
    what = "look no longer; what is open then is unknown (default: 3600)"
    add("--time-limit", type=seconds, default=3600.0, metavar="SECONDS", help=what)
    choices = ("text", "json", "markdown")
    add("--format", choices=choices, default="text", help="of the table (default: text)")
    add_operators(parser)


def seed(text: str) -> int:
    """A seed: a number from 0 on."""
    if not _SEED.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!a} is no number from 0 to 10^18-1")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Run the command; 0, or 3 if goals are unknown."""
    from nfverify.equivalence.reach.outcome import Open
    from nfverify.oracles.generate.folder import check_target, save
    from nfverify.oracles.generate.pipeline import Limits, generate
    from nfverify.smat.load import load

    folder = None if args.output is None else Path(args.output)
    try:
        if folder is not None:
            check_target(folder)
        network = load(args.model)
        functions = operators(args.ops)
        with progress(args.quiet) as notify:
            found = generate(
                network,
                args.coverage,
                seed=args.seed,
                operators=functions,
                limits=Limits(seconds=args.time_limit),
                notify=notify,
            )
            if folder is not None:
                notify("writing")
                save(folder, found, args.model, functions)
    except FileExistsError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from error
    sys.stdout.write(several_lines(_shown(found, args.format, args.quiet)))
    return 3 if found.count(Open) else 0


def _shown(found: Generated, form: str, quiet: bool) -> str:
    from nfverify.oracles.generate import table

    match form:
        case "json":
            return json.dumps(table.goals_json(found), indent=1) + "\n"
        case "markdown":
            return table.markdown(found)
        case _:
            head = table.summary(found) + "\n"
            return head if quiet else f"{head}\n{table.text(found)}"


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Shows on a terminal what is being done."""
    if quiet or not sys.stderr.isatty():
        yield lambda what: None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("") as status:
        yield lambda what: status.update(escape(one_line(what)))
