"""nfverify show MODEL: the table of a model, as the NFD paper draws it."""

from __future__ import annotations

import argparse
import shutil
import sys

from nfverify.lang.visible import several_lines


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "show",
        help="draw a model as a table",
        description="Draw a model as a stateful match-action table, one for each NF of a chain.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", help="FILE.nfd, FILE.nfd:NAME, lib:NAME, or -")
    parser.add_argument(
        "--format",
        choices=("terminal", "markdown", "dot", "json"),
        default="terminal",
        help="default: terminal",
    )
    parser.add_argument(
        "--width", type=_width, help="columns of the terminal format (default: the terminal's)"
    )


def run(args: argparse.Namespace) -> int:
    from nfverify.smat import show
    from nfverify.smat.load import load

    network = load(args.model)
    match args.format:
        case "terminal":
            width = args.width or max(60, shutil.get_terminal_size((100, 24)).columns)
            text = show.terminal(network, width)
        case "markdown":
            text = show.markdown(network)
        case "dot":
            text = show.dot(network)
        case _:
            text = show.as_json(network)
    sys.stdout.write(text if args.format == "json" else several_lines(text))
    return 0


def _width(text: str) -> int:
    """A number of columns that a table fits in."""
    width = int(text) if text.isdecimal() and len(text) < 6 else 0
    if width < 40:
        raise argparse.ArgumentTypeError("a number of columns, 40 or more")
    return width
