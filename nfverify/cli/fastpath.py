"""`nfverify fastpath`: what of a chain the first packet of a flow decides for all later ones."""

from __future__ import annotations

import argparse
import shutil
import sys
from typing import TYPE_CHECKING

from nfverify.cli.options import MODEL
from nfverify.packet.files import STANDARD, replacing

if TYPE_CHECKING:
    from nfverify.fastpath.plan import Plan
    from nfverify.fastpath.view import Compiled
    from nfverify.smat.ir import Network

_EPILOG = """\
Nothing is refused: what no record can serve goes through the chain, and is listed with the reason.
`nfverify equiv CHAIN --fastpath` proves the plan equal to the chain, with any of the faults that
--faults lists planted in it too; `nfverify build CHAIN --fastpath` compiles it."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `fastpath`."""
    parser = subparsers.add_parser(
        "fastpath",
        help="show the fast path of a chain",
        description="Derive the fast path of a chain: what a flow's first packet fixes (header "
        "actions), what runs for every packet (state functions), and which changes of state "
        "outdate a flow's record (events).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("chain", metavar="CHAIN", help=MODEL)
    add(
        "--policy",
        choices=("index", "epoch", "guard"),
        help="how records notice changes of state: the keys that they watch, all at once, or by "
        "reading it for each packet (default: whatever is cheapest)",
    )
    formats = ("text", "json", "dot", "svg")
    add("--format", choices=formats, default="text", help="default: text")
    add(
        "-o",
        dest="output",
        metavar="FILE",
        default=STANDARD,
        help="where it goes, not the terminal",
    )
    add("--all", action="store_true", help="every class and every way, however many there are")
    add("--width", type=_width, help="columns of the text (default: the terminal's)")
    add("--faults", action="store_true", help="list the faults that can be planted in this plan")


def run(args: argparse.Namespace) -> int:
    """Print the plan, or the faults that it has places for."""
    from nfverify.fastpath.view import as_json, dot, svg, view
    from nfverify.smat.load import load

    plan = _derived(args, load(args.chain))
    if args.faults:
        return _faults(args, plan)
    shown = view(plan, _compiled(plan))
    match args.format:
        case "json":
            text = as_json(shown)
        case "dot":
            text = dot(shown)
        case "svg":
            text = svg(shown)
        case _:
            from nfverify.fastpath.view import lines

            width = args.width or max(60, shutil.get_terminal_size((100, 24)).columns)
            report = list(lines(shown, width, everything=args.all))
            if args.output == STANDARD and sys.stdout.isatty() and not args.no_color:
                from rich.console import Console
                from rich.text import Text

                console = Console(soft_wrap=True, highlight=False)
                for line in report:
                    console.print(Text(line.text, style="bold" if line.head else ""))
                return 0
            text = "".join(f"{line.text}\n" for line in report)
    _write(args.output, text)
    return 0


def _derived(args: argparse.Namespace, network: Network) -> Plan:
    from nfverify.equivalence.fastpath.derive import derive

    if args.quiet or not sys.stderr.isatty():
        return derive(network, args.policy)
    from rich.console import Console

    with Console(stderr=True).status(f"deriving the fast path of {network.name}"):
        return derive(network, args.policy)


def _compiled(plan: Plan) -> Compiled | None:
    """The records of the compiled plan; None if nothing of it is compiled."""
    from nfverify.cythonized.fastsize import record_size
    from nfverify.fastpath.view import Compiled
    from nfverify.lang.source import ModelError

    try:
        size = record_size(plan)
    except ModelError:
        return None
    return None if size is None else Compiled(size.bytes, size.references, size.classes)


def _faults(args: argparse.Namespace, plan: Plan) -> int:
    import json

    from nfverify.fastpath.faults import applying

    found = applying(plan)
    if args.format == "json":
        rows = [{"name": f.name, "text": f.text, "effect": f.effect} for f in found]
        _write(args.output, json.dumps({"version": 1, "faults": rows}, indent=2) + "\n")
        return 0
    wide = max((len(f.name) for f in found), default=0)
    effect = {"different": "", "slow": " (still right, but slow)", "none": " (no fault)"}
    _write(args.output, "".join(f"{f.name:{wide}}  {f.text}{effect[f.effect]}\n" for f in found))
    return 0


def _write(target: str, text: str) -> None:
    if target == STANDARD:
        sys.stdout.write(text)
        return
    with replacing(target) as stream:
        stream.write(text.encode())


def _width(text: str) -> int:
    """A number of columns that a table fits in."""
    width = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if width < 40:
        raise argparse.ArgumentTypeError("a number of columns, 40 or more")
    return width
