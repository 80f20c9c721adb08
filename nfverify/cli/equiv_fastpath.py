"""`nfverify equiv CHAIN --fastpath`: a chain proved equal to itself with its fast path."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli import audit_options, confirm
from nfverify.cli.options import UsageError, operators, split_operators

if TYPE_CHECKING:
    from nfverify.equivalence.fastpath.verdict import FastVerdict
    from nfverify.report.confirmations import Replays
    from nfverify.smat.ir import Network

_ALONE = {
    "b": "a second model",
    "refine": "--refine",
    "ignore": "--ignore",
    "assume": "--assume",
    "start": "--from",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """What only --fastpath has."""
    group = parser.add_argument_group("a chain and its fast path")
    what = "prove the chain A equal to itself with the fast path that is derived of it"
    group.add_argument("--fastpath", action="store_true", help=what)
    what = "how all changes of state reach records (default: what suits each variable)"
    group.add_argument("--policy", choices=("index", "epoch", "guard"), help=what)
    what = "plant this fault in the fast path first (`nfverify fastpath --faults` lists them)"
    group.add_argument("--fault", metavar="NAME", default="", help=what)


def check(args: argparse.Namespace) -> None:
    """Raises UsageError for options that don't go with --fastpath, or only with it."""
    if not args.fastpath:
        for name in ("policy", "fault"):
            if getattr(args, name):
                raise UsageError(f"--{name} needs --fastpath")
        if args.b is None:
            raise UsageError("equiv compares two models: name B, or ask for --fastpath")
        return
    for name, what in _ALONE.items():
        if getattr(args, name):
            raise UsageError(f"--fastpath compares a chain with itself: {what} makes no sense")
    if args.fault:
        from nfverify.fastpath.faults import FAULTS, fault

        if fault(args.fault) is None:
            names = ", ".join(f.name for f in FAULTS)
            raise UsageError(f"there is no fault {args.fault!a}; there are {names}")


def run(args: argparse.Namespace) -> tuple[FastVerdict, Replays | None]:
    """The verdict, found in a child that can be stopped, and its trace on platforms."""
    started = time.monotonic()
    from nfverify.equivalence.fastpath.verdict import FastQuestion, FastReport, FastUnknown
    from nfverify.equivalence.supervise import Known, Notify, supervised
    from nfverify.smat.load import load

    network = load(args.a)
    question = FastQuestion(
        args.policy,
        args.fault,
        operators(split_operators(args.ops)[0]) or None,
        args.non_ip == "drop",
        args.time_limit,
        args.depth,
        started,
        audit_options.audit(args, f"Question: does {args.a} with its fast path do what it does?"),
    )

    def answer(notify: Notify, known: Known) -> FastVerdict:
        from nfverify.equivalence.fastpath.prove import prove_chain

        return prove_chain(network, question, notify, known)

    def unknown(reason: str, depth: int) -> FastVerdict:
        seconds = time.monotonic() - started
        report = FastReport(network.name, question, None, (), seconds, 0.0)
        return FastUnknown(report, reason, depth, ())

    from nfverify.cli.equiv import progress

    with progress(args.quiet) as notify:
        verdict = supervised(
            answer, unknown, args.time_limit, started, memory=args.memory_limit, notify=notify
        )
    replays = _replays(args, verdict, network)
    if args.save is not None:
        _save(args, verdict, network, replays)
    return verdict, replays


def _replays(args: argparse.Namespace, verdict: FastVerdict, network: Network) -> Replays | None:
    """The trace on platforms: on the chain, and with the fast path, the planted fault in it."""
    from nfverify.equivalence.fastpath.verdict import FastDifferent

    if args.confirm_on is None or not isinstance(verdict, FastDifferent):
        return None
    from nfverify.equivalence.fastpath.derive import derive
    from nfverify.equivalence.fastpath.prove import with_fault

    plan = with_fault(derive(network, args.policy), args.fault)
    chain = confirm.side(args, "a", network)
    fast = confirm.side(args, "b", network, plan=plan)
    return confirm.replays(args, confirm.trace_of(verdict.counterexample, network), chain, fast)


def _save(
    args: argparse.Namespace, verdict: FastVerdict, network: Network, replays: Replays | None
) -> None:
    from nfverify.cli.equiv import Side, named
    from nfverify.report.fastpath_files import save

    side = Side(args.a, network)
    model = named("a", side)
    files = tuple(str(Path(file).resolve()) for file in split_operators(args.ops)[0])
    source = network.instances[0].program.span.source.text if model.beside else ""
    save(Path(args.save), verdict, model, files, source, replays)
