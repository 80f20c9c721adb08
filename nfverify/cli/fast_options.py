"""`--fastpath` of the commands that execute models: the plan that it stands for."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from nfverify.cli.options import UsageError

if TYPE_CHECKING:
    from nfverify.fastpath.plan import Plan
    from nfverify.smat.ir import Network

_POLICIES = ("index", "epoch", "guard")


def add_fastpath(parser: argparse.ArgumentParser, what: str, *, auto: bool = False) -> None:
    """`--fastpath`, with `auto` also `--fastpath auto`, and what its plan is made with."""
    group = parser.add_argument_group("fast path")
    if auto:
        group.add_argument("--fastpath", nargs="?", const="yes", metavar="auto", help=what)
    else:
        group.add_argument("--fastpath", action="store_true", help=what)
    text = "how all changes of state reach records (default: what suits each variable)"
    group.add_argument("--policy", choices=_POLICIES, help=text)
    text = "plant this fault in it first (`nfverify fastpath --faults` lists them)"
    group.add_argument("--fault", metavar="NAME", default="", help=text)


def check_fastpath(args: argparse.Namespace) -> None:
    """UsageError for what needs --fastpath and lacks it."""
    if not args.fastpath:
        for name in ("policy", "fault"):
            if getattr(args, name):
                raise UsageError(f"--{name} needs --fastpath")


def fast_plan(args: argparse.Namespace, network: Network) -> Plan | None:
    """The plan of a network's fast path; None without --fastpath. ModelError, also
    for a fault that it has no place for."""
    if not args.fastpath:
        return None
    from nfverify.equivalence.fastpath.prove import with_fault

    return with_fault(_derived(args, network), args.fault)


def _derived(args: argparse.Namespace, network: Network) -> Plan:
    from nfverify.equivalence.fastpath.derive import derive

    if args.quiet or not sys.stderr.isatty():
        return derive(network, args.policy)
    from rich.console import Console

    with Console(stderr=True).status(f"deriving the fast path of {network.name}"):
        return derive(network, args.policy)
