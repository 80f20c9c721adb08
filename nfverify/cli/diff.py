"""`nfverify diff`: what a change does to traffic, or a proof that it does nothing."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from nfverify.cli.audit_options import add_audit, audit
from nfverify.cli.equiv import progress
from nfverify.cli.options import (
    UsageError,
    add_limits,
    add_operators,
    assumption,
    ignored,
    operators,
    positive,
    read_text,
)
from nfverify.cli.report_options import add_reports, results_of, write_reports

if TYPE_CHECKING:
    from nfverify.equivalence.diff import DiffQuestion
    from nfverify.smat.ir import Network

SIDE = "FILE.nfd, FILE.nfd:NAME, lib:NAME, RULES.csv, or REVISION:path of one of these in git"
BOXES = 16
_EPILOG = """\
A CSV alone is a filter: what its rules accept passes, all else is dropped. REVISION:path is read as
`git show` does, with all that it imports and loads; `:path` is what is staged.

Exit codes: 0 nothing changes (proved, for traces of any length), 1 some packets are treated
otherwise, 2 the command, a model or a ruleset is wrong, 3 unknown (time or memory ran out), 130
Ctrl-C."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `diff`."""
    parser = subparsers.add_parser(
        "diff",
        help="say what a change does to traffic",
        description="Say which packets a change treats otherwise: by the rules or entries that"
        " decide before and after, with an example of each; or prove that there are none.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("old", metavar="OLD", help=SIDE)
    add("new", metavar="NEW", help="the same, after the change")
    add("--boxes", action="store_true", help="list the boxes of each class's points")
    what = f"list at most so many of each class (default: {BOXES})"
    add("--max-boxes", type=positive, metavar="N", default=BOXES, help=what)
    what = "a header field that need not be equal (may be repeated)"
    add("--ignore", metavar="FIELD", action="append", default=[], help=what)
    what = "look only at packets for which this holds (may be repeated)"
    add("--assume", metavar="EXPR", action="append", default=[], help=what)
    what = "what becomes of frames that are not IP (default: bypass)"
    add("--non-ip", choices=("bypass", "drop"), default="bypass", help=what)
    what = "the new model takes over the old one's state, whatever it is by then"
    add("--reload", action="store_true", help=what)
    what = "with --reload: the state that it takes over"
    add("--from", dest="start", metavar="STATE.json", help=what)
    add_limits(parser, "answer")
    add("--format", choices=("text", "json"), default="text", help="(default: text)")
    add_reports(parser)
    add_operators(parser)
    add_audit(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit code of the answer."""
    started = time.monotonic()
    from nfverify.equivalence.diff import EXIT_CODE, diff
    from nfverify.equivalence.diff.run import as_network
    from nfverify.report.diff import diff_result, text
    from nfverify.smat.versions import load_version

    if args.start is not None and not args.reload:
        raise UsageError("--from is of an upgrade: add --reload")
    old = load_version(args.old)
    new = load_version(args.new, ports=as_network(old).ports)
    question = _question(args, as_network(old), started)
    with progress(args.quiet) as notify:
        answer = diff(old, new, question, memory=args.memory_limit, notify=notify)
    results = results_of("diff", diff_result("diff", answer, args.old, args.new))
    write_reports(args.report, results)
    if args.format == "json":
        from nfverify.report.results_json import dump

        sys.stdout.write(dump(results))
    else:
        shown = text(answer, args.old, args.new)
        sys.stdout.write(shown.partition("\n")[0] + "\n" if args.quiet else shown)
    return EXIT_CODE[type(answer)]


def _question(args: argparse.Namespace, old: Network, started: float) -> DiffQuestion:
    from nfverify.equivalence.diff import DiffQuestion
    from nfverify.equivalence.problem import Options
    from nfverify.equivalence.question import Question

    options = Options(
        ignore=ignored(args.ignore),
        assume=assumption(args.assume, old),
        drop_non_ip=args.non_ip == "drop",
    )
    asked = Question(
        options=options,
        operators=operators(args.ops) or None,
        time_limit=args.time_limit,
        assumption=" && ".join(args.assume),
        started=started,
        audit=audit(args, f"diff {args.old} {args.new}"),
    )
    state = None if args.start is None else (args.start, read_text(args.start))
    boxes = args.max_boxes if args.boxes else 0
    return DiffQuestion(asked, boxes, reload=args.reload, state=state)
