"""`nfverify certify`: a proof of equivalence as a file that anybody can check again."""

from __future__ import annotations

import argparse
import sys
import time

from nfverify.cli import audit_options
from nfverify.cli.options import (
    MODEL,
    UsageError,
    add_limits,
    add_operators,
    assumption,
    ignored,
    operators,
    proposed,
)

_EPILOG = """\
Exit codes: 0 equivalent, and the certificate is written; 1 different, 3 unknown: nothing is
written; 2 the command or a model is wrong. `nfverify check-certificate` checks the file."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `certify`."""
    parser = subparsers.add_parser(
        "certify",
        help="write a proof of equivalence that can be checked again",
        description="Prove that two models do the same for every sequence of packets, and write a"
        " certificate: both models, the relation between their states, and what is to be proved of"
        " it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("a", metavar="A", help=MODEL)
    add("b", metavar="B", help="the other model")
    what = "the file to write; - is standard output"
    add("-o", "--output", metavar="CERT", required=True, help=what)
    what = "what must be equal (default: packets); +state: variables of the same name, too"
    add("--observe", choices=("packets", "packets+state"), default="packets", help=what)
    what = "a header field that need not be equal (may be repeated)"
    add("--ignore", metavar="FIELD", action="append", default=[], help=what)
    what = "look only at packets for which this holds (may be repeated)"
    add("--assume", metavar="EXPR", action="append", default=[], help=what)
    what = (
        "what may hold of both states, as 'a.n == b.m'; proved before it is used (may be repeated)"
    )
    add("--invariant", metavar="EXPR", action="append", default=[], help=what)
    what = "what becomes of frames that are not IP (default: bypass)"
    add("--non-ip", choices=("bypass", "drop"), default="bypass", help=what)
    add_limits(parser, "answer")
    add_operators(parser)
    audit_options.add_audit(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit code of the verdict."""
    started = time.monotonic()
    if "-" in (args.a.partition(":")[0], args.b.partition(":")[0]):
        raise UsageError("a certificate holds files with what they import: name them, not -")
    from nfverify.cli.equiv import progress
    from nfverify.equivalence.certification import certificate, certificate_text, whole
    from nfverify.equivalence.problem import Options
    from nfverify.equivalence.question import Question
    from nfverify.equivalence.supervise import supervise
    from nfverify.equivalence.verdict import EXIT_CODE, Equivalent
    from nfverify.packet.files import replacing
    from nfverify.report.text import text

    a = whole(args.a)
    b = whole(args.b, a.network.ports)
    question = Question(
        options=Options(
            observe_state=args.observe == "packets+state",
            ignore=ignored(args.ignore),
            assume=assumption(args.assume, a.network),
            drop_non_ip=args.non_ip == "drop",
            proposed=proposed(args.invariant, a.network, b.network),
        ),
        operators=operators(args.ops) or None,
        time_limit=args.time_limit,
        assumption=" && ".join(args.assume),
        started=started,
        audit=audit_options.audit(args, f"Question: does {args.a} do what {args.b} does?"),
    )
    with progress(args.quiet) as notify:
        verdict = supervise(a.network, b.network, question, memory=args.memory_limit, notify=notify)
    if not isinstance(verdict, Equivalent):
        shown = text(verdict, args.a, args.b)
        sys.stdout.write(shown.partition("\n")[0] + "\n" if args.quiet else shown)
        return EXIT_CODE[type(verdict)]
    found = certificate(a, b, question.options, args.assume, verdict.proof)
    with replacing(args.output) as stream:
        stream.write(certificate_text(found).encode())
    if not args.quiet and args.output != "-":
        claims, count = len(found["relation"]), len(found["obligations"])
        print(f"equivalent: {args.a} and {args.b} do the same for every sequence of packets")
        print(f"{args.output}: {count} obligations of a relation of {claims} claims")
    return EXIT_CODE[Equivalent]
