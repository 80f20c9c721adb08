"""`--confirm-on`: a counterexample that was found, replayed on platforms."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nfverify.cli.options import UsageError, building, split_operators
from nfverify.cli.platform_options import add_capacity

if TYPE_CHECKING:
    from nfverify.equivalence.verdict import Counterexample
    from nfverify.fastpath.plan import Plan
    from nfverify.oracles.platforms.confirming import Side
    from nfverify.oracles.trace import Trace
    from nfverify.report.confirmations import Replays
    from nfverify.semantics.machine import Output
    from nfverify.smat.ir import Network

CAPACITY = 65_536  # keys where --capacity isn't given: a trace is short, and overflow ends a run


def add_confirm(parser: argparse.ArgumentParser) -> None:
    """`--confirm-on`, and what platforms are told."""
    what = "replay a counterexample on these platforms, with commas (see `nfverify platforms`)"
    parser.add_argument("--confirm-on", metavar="LIST", help=what)
    add_capacity(parser)


def check_confirm(args: argparse.Namespace) -> None:
    """UsageError for platforms that there aren't, and for options that need --confirm-on."""
    if args.confirm_on is None:
        if args.capacity is not None and not getattr(args, "engines", None):
            raise UsageError("--capacity is of platforms: add --confirm-on P")
        return
    from nfverify.oracles.platforms.registry import names, platform

    given = _names(args)
    for name in given:
        if name not in names():
            known = ", ".join(names())
            raise UsageError(f"--confirm-on: no platform {name!a}; there are {known}")
        platform(name)  # a broken one is known before anything is proved
    if not given:
        raise UsageError("--confirm-on names no platform")


def _names(args: argparse.Namespace) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in args.confirm_on.split(",") if name))


def side(
    args: argparse.Namespace,
    name: str,
    network: Network,
    state: str | None = None,
    plan: Plan | None = None,
    steps: tuple[tuple[Output, ...], ...] | None = None,
) -> Side:
    """A model as one that is replayed, from a state in JSON, with the plan of a fast path; `steps`
    are what it did."""
    from nfverify.cli.options import operators
    from nfverify.fastpath.machine import FastMachine
    from nfverify.oracles.platforms.confirming import Side
    from nfverify.oracles.platforms.platform import Build
    from nfverify.semantics import state_json
    from nfverify.semantics.machine import Machine

    python, user = split_operators(args.ops)
    given = operators(python)
    start = None if state is None else state_json.load(network, state, args.start)
    if plan is not None:
        machine: Machine = FastMachine(plan, operators=given, non_ip=args.non_ip, state=start)
    else:
        machine = Machine(network, operators=given, non_ip=args.non_ip, state=start)
    capacity = args.capacity or CAPACITY
    build = Build(network, user=tuple(user), fast=plan, capacity=capacity)
    return Side(name, build, machine, start, steps)


def trace_of(example: Counterexample, network: Network) -> Trace:
    """The packets of a counterexample."""
    from nfverify.oracles.trace import Event, port_names

    ports = port_names(network)
    return tuple(Event(e.time, ports.index(e.port), e.frame) for e in example.events)


def steps_of(example: Counterexample, network: Network) -> tuple[tuple[Output, ...], ...]:
    """What came out of A at each event of a counterexample."""
    from nfverify.oracles.trace import port_names
    from nfverify.semantics.machine import Output

    ports = port_names(network)
    return tuple(
        tuple(Output(o.time, ports.index(o.port), o.frame) for o in event.a.outputs)
        for event in example.events
    )


def replays(args: argparse.Namespace, trace: Trace, *sides: Side) -> Replays | None:
    """The trace on the platforms of --confirm-on; None without it."""
    if args.confirm_on is None:
        return None
    from nfverify.oracles.platforms.confirming import confirm
    from nfverify.oracles.trace import port_names
    from nfverify.report.confirmations import Replays

    network = sides[0].build.network
    names = _names(args)
    with building(args.quiet, f"{network.name} for {', '.join(names)}"):
        found = confirm(names, trace, sides)
    ports = max((port_names(each.build.network) for each in sides), key=len)
    return Replays(found, trace, ports)
