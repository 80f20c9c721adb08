"""`nfverify prove`: properties of a model proved, or the shortest trace that breaks each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli.audit_options import add_audit, audit
from nfverify.cli.equiv import progress
from nfverify.cli.options import (
    MODEL,
    UsageError,
    add_executor,
    add_limits,
    add_operators,
    assumption,
    executor,
    operators,
    positive,
)
from nfverify.cli.report_options import add_reports, results_of, write_reports

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nfverify.equivalence.properties.verdict import Verdict
    from nfverify.smat.stated import Claim

_EPILOG = """\
P is the name of a property that the model states, a ready-made one (--list shows them), or a new
one: 'NAME: condition', 'NAME(flow k): condition', or just a condition. Without --property, all that
the model states is proved: its properties and invariants, and those of each NF of a chain alone.

Exit codes: 0 all hold (proved, for traces of any length), 1 one is broken (with the trace), 2 the
command, the model or a property is wrong, 3 unknown (time, memory or depth ran out), 130 Ctrl-C."""
_STYLE = {"holds": "bold green", "broken": "bold red", "unknown": "bold yellow"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `prove`."""
    parser = subparsers.add_parser(
        "prove",
        help="prove properties of a model",
        description="Prove that every step of every sequence of packets keeps a property, or show"
        " the shortest sequence that breaks it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", nargs="?", help=f"{MODEL}; - is standard input")
    what = "prove this one (may be repeated)"
    add("--property", metavar="P", action="append", default=[], dest="properties", help=what)
    what = "only list the ready-made properties, and what the model states if one is named"
    add("--list", action="store_true", help=what)
    what = "look only at packets for which this holds (may be repeated)"
    add("--assume", metavar="EXPR", action="append", default=[], help=what)
    what = "what becomes of frames that are not IP (default: bypass)"
    add("--non-ip", choices=("bypass", "drop"), default="bypass", help=what)
    add_limits(parser, "decide each property")
    what = "search for a breach in traces of up to N packets only"
    add("--depth", type=positive, metavar="N", help=what)
    add("--format", choices=("text", "json"), default="text", help="(default: text)")
    what = "write the verdicts there, and each breach as a capture"
    add("--save", metavar="DIR", help=what)
    add_reports(parser)
    add_executor(parser, "the obligations of a proof are proved")
    add_operators(parser)
    add_audit(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit code of the worst verdict."""
    from nfverify.equivalence.properties.question import Question
    from nfverify.equivalence.properties.run import decide
    from nfverify.equivalence.properties.verdict import EXIT_CODE
    from nfverify.report.properties import prove_result
    from nfverify.smat.stated import load_claims

    if args.save is not None and Path(args.save).exists() and not Path(args.save).is_dir():
        raise UsageError(f"--save {args.save}: it is there, and is no folder")
    if args.list:
        stated = None if args.model is None else load_claims(args.model, args.properties)[1]
        sys.stdout.write("\n".join(_listed(stated)) + "\n")
        return 0
    if args.model is None:
        sys.stderr.write("nfverify prove: error: the following arguments are required: MODEL\n")
        return 2
    network, claims = load_claims(args.model, args.properties)
    if not claims:
        raise UsageError("the model states no property; name one with --property (see --list)")
    question = Question(
        operators=operators(args.ops) or None,
        time_limit=args.time_limit,
        depth=args.depth,
        assume=assumption(args.assume, network),
        assumption=" && ".join(args.assume),
        drop_non_ip=args.non_ip == "drop",
        audit=audit(args, f"prove {args.model}"),
        executor=executor(args),
    )
    proved: list[tuple[Claim, Verdict]] = []
    for claim in claims:
        with progress(args.quiet) as notify:

            def tell(what: str, title: str = claim.title) -> None:
                notify(f"{title}: {what}")  # called before the next

            verdict = decide(
                claim.network, claim.promise, question, memory=args.memory_limit, notify=tell
            )
        proved.append((claim, verdict))
        if args.format == "text":
            _print(args, claim, verdict, last=len(proved) == len(claims))
    results = results_of("prove", prove_result("prove", args.model, proved))
    write_reports(args.report, results)
    if args.save is not None:
        from nfverify.report.properties_files import save

        save(Path(args.save), args.model, proved)
    if args.format == "json":
        from nfverify.report.results_json import dump

        sys.stdout.write(dump(results))
    codes = [EXIT_CODE[type(verdict)] for _, verdict in proved]
    return max(codes, key=(0, 3, 1).index)


def _print(args: argparse.Namespace, claim: Claim, verdict: Verdict, *, last: bool) -> None:
    from nfverify.report.properties import first_line, text

    shown = first_line(claim, verdict) + "\n" if args.quiet else text(claim, verdict)
    if not (args.quiet or last):
        shown += "\n"
    if args.no_color or not sys.stdout.isatty():
        sys.stdout.write(shown)
        sys.stdout.flush()
        return
    from rich.console import Console
    from rich.text import Text as Rich

    word = shown.partition(":")[0]
    styled = Rich(shown)
    styled.stylize(_STYLE[word], 0, len(word))
    styled.highlight_regex(r"(?m)^[A-Z][^:]*:$", "bold")
    Console(soft_wrap=True, highlight=False).print(styled, end="")


def _listed(claims: Sequence[Claim] | None) -> list[str]:
    from nfverify.report.escape import one_line
    from nfverify.smat.ready import READY

    found = [] if claims is None else ["Stated:"]
    for claim in claims or ():
        span = claim.promise.span
        found.append(f"  {one_line(claim.title)}  ({one_line(str(span))})")
    if claims is not None:
        found += [] if claims else ["  nothing"]
        found.append("")
    found.append("Ready-made:")
    for ready in READY.values():
        found += [f"  {ready.signature}", f"      {ready.means}"]
    return found
