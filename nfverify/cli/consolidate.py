"""`nfverify consolidate`: a chain turned into one table, and the table proved equal to it."""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from nfverify.cli.options import add_operators, operators
from nfverify.lang.visible import one_line, several_lines
from nfverify.packet.files import STANDARD, replacing

if TYPE_CHECKING:
    from nfverify.equivalence.consolidate import TableText
    from nfverify.equivalence.verdict import Verdict
    from nfverify.smat.ir import Network

_EPILOG = """\
Each entry is named after its way through the chain, each variable after its NF: `nat_next`.
Long rulesets go to CSV files beside the table. The table is then proved equal to the chain, as by
`nfverify equiv CHAIN TABLE.nfd`.

Exit codes: 0 proved; 2 the chain has no such table, and why; 3 written, but no proof was found."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `consolidate`."""
    parser = subparsers.add_parser(
        "consolidate",
        help="turn a chain into one table",
        description="Turn a chain of network functions into one table that does the same.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("chain", metavar="CHAIN", help="FILE.nfd, FILE.nfd:NAME or lib:NAME")
    add("-o", dest="output", metavar="TABLE.nfd", required=True, help="where the table goes")
    rows = "give up on a table of more entries (default: 2000)"
    add("--max-rows", type=_positive, default=2000, metavar="N", help=rows)
    add("--no-check", action="store_true", help="don't prove the table equal to the chain")
    limit = "seconds for the proof (default: 60)"
    add("--time-limit", type=_seconds, default=60.0, metavar="S", help=limit)
    add_operators(parser)


def run(args: argparse.Namespace) -> int:
    """Write the table; the exit code of the proof."""
    from nfverify.equivalence.consolidate import consolidate, table_text
    from nfverify.smat.load import load

    chain = load(args.chain)
    _check_target(args)
    program = consolidate(chain, max_rows=args.max_rows, distinct_lets=False)
    stem = None if args.output == STANDARD else re.sub(r"[^\w.-]", "_", Path(args.output).stem)
    text = table_text(program, chain, stem)
    rows = text.model.count("\n    entry ")
    said = f"{one_line(args.output)}: {rows} {'entry' if rows == 1 else 'entries'}"
    code = 0
    if not args.no_check:
        outcome, code = _outcome(_prove(args, chain, text))
        said = f"{said}; {outcome}"
    if code != 1:
        for name, content in {**text.files, args.output: text.model}.items():
            target = name if name == args.output else str(Path(args.output).with_name(name))
            with replacing(target) as stream:
                stream.write(content.encode())
    if not args.quiet or code:
        print(several_lines(said), file=sys.stderr)
    return code


def _check_target(args: argparse.Namespace) -> None:
    """Before all the work: can the table be written there? OSError, ModelError."""
    from nfverify.lang.source import NOWHERE, Diagnostic, ModelError

    if args.output == STANDARD:
        return
    target = Path(args.output)
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target.parent))
    sources = [Path(args.chain), Path(args.chain.rpartition(":")[0])]
    if target.is_file() and any(s.is_file() and s.samefile(target) for s in sources):
        message = f"{args.output} is the model that is read: name another file"
        raise ModelError(Diagnostic("error", "target", message, NOWHERE))


def _prove(args: argparse.Namespace, chain: Network, text: TableText) -> Verdict:
    """What is written is what is proved: the text, read again."""
    from nfverify.equivalence.question import Question
    from nfverify.equivalence.supervise import supervise
    from nfverify.smat.load import load

    with TemporaryDirectory(prefix="nfverify-") as folder:
        for name, content in {"table.nfd": text.model, **text.files}.items():
            Path(folder, name).write_text(content, encoding="utf-8")
        table = load(str(Path(folder, "table.nfd")))
    question = Question(operators=operators(args.ops), time_limit=args.time_limit)
    return supervise(chain, table, question)


def _outcome(verdict: Verdict) -> tuple[str, int]:
    """What the proof came to, and the exit code for it."""
    from nfverify.equivalence.verdict import EXIT_CODE, Different, Equivalent, Unknown

    match verdict:
        case Equivalent(proof=proof):
            said = f"proved equal to the chain ({proof.method})"
        case Different(counterexample=example):
            said = (
                f"not written: after {len(example.events)} packets it differs from the chain,"
                " which is a fault of nfverify (--no-check writes it)"
            )
        case Unknown(reason=reason, depth=depth):
            said = (
                f"written, but not proved equal to the chain: {reason};"
                f" no difference in up to {depth} packets"
            )
    return said, EXIT_CODE[type(verdict)]


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!a} is no number above 0")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 10**9:
        raise argparse.ArgumentTypeError(f"{text!a} is no time in seconds")
    return number
