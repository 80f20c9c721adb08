"""`nfverify run --engine PLATFORM`: captures through a platform, or what comes by interfaces."""

from __future__ import annotations

import argparse
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli import states
from nfverify.cli.options import UsageError, building, positive, seconds
from nfverify.cli.platform_options import (
    add_capacity,
    build_of,
    found_platform,
    platform_options,
)
from nfverify.packet.files import STANDARD, replacing

if TYPE_CHECKING:
    from nfverify.cli.run import Files
    from nfverify.oracles.platforms.job import Job, Live, Outcome
    from nfverify.oracles.platforms.platform import Build, Platform
    from nfverify.smat.ir import Network

_LIVE = ("count", "idle", "stats", "option")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What only platforms have."""
    group = parser.add_argument_group("platforms (--engine linux, dpdk, xdp, ...)")
    add = group.add_argument
    what = "run on these interfaces: port i of the model is interface i"
    add("--live", metavar="IF0,IF1", help=what)
    add("--count", type=positive, metavar="N", help="end after so many packets")
    add("--idle", type=seconds, metavar="S", help="end when no packet came for so long")
    add("--stats", type=seconds, metavar="S", help="print statistics so often")
    what = "an option of the platform: mode=native or generic (xdp), eal='...' (dpdk)"
    add("--option", metavar="NAME=VALUE", action="append", default=[], help=what)
    add_capacity(parser)


def is_live(args: argparse.Namespace) -> bool:
    """Is it asked to run on interfaces? A platform's options alone may name them."""
    return args.live is not None or bool(args.option and not (args.input or args.inputs))


def check(args: argparse.Namespace, is_platform: bool) -> None:
    """UsageError for options of platforms without one, and for what platforms don't have."""
    if not is_platform:
        for name in ("live", *_LIVE, "capacity"):
            if getattr(args, name):
                raise UsageError(f"--{name} is of platforms: add --engine linux, say")
        return
    if args.trace:
        raise UsageError("--trace: a platform doesn't tell which entries were taken")
    if args.workers is not None:
        raise UsageError(f"--workers is of --engine cython; {args.engine} runs on one core")
    live = is_live(args)
    for name in () if live else _LIVE:
        if getattr(args, name):
            raise UsageError(f"--{name} needs --live")
    if live:
        for text, given in (
            ("IN.pcap", args.input),
            ("--in", args.inputs),
            ("-o", args.output),
            ("--out", args.outputs),
            ("--until", args.until),
        ):
            if given:
                raise UsageError(f"--live and {text} exclude each other")


def run_on(args: argparse.Namespace, network: Network, until: tuple[bool, int] | None) -> Outcome:
    """Runs the network on the platform `--engine`; the state goes where it is asked for."""
    from nfverify.cli.run import Files

    platform = found_platform(args.engine)
    if args.state:
        _check_writable(args.state)
    job: Job | Live
    if is_live(args):
        job = _live(args, network, platform)
    else:
        job = _job(args, network, Files.of(args, network), until)
    with building(args.quiet, network.name):
        build = build_of(args, network)
        platform.accept(build)
        platform.prepare(build)
    try:
        outcome = _run(platform, build, job)
    except ValueError as error:  # of a time that nothing can show
        raise UsageError(str(error)) from error
    if args.state and outcome.state is not None:
        _save(network, outcome.state, args.state)
    return outcome


def _run(platform: Platform, build: Build, job: Job | Live) -> Outcome:
    from nfverify.oracles.platforms.job import Live

    return platform.live(build, job) if isinstance(job, Live) else platform.run(build, job)


def _job(
    args: argparse.Namespace, network: Network, files: Files, until: tuple[bool, int] | None
) -> Job:
    from nfverify.oracles.platforms.job import Job

    return Job(
        tuple(files.inputs),
        tuple(files.outputs),
        _start(args, network),
        until,
        args.non_ip,
        args.quiet,
        bool(args.state),
    )


def _live(args: argparse.Namespace, network: Network, platform: Platform) -> Live:
    from nfverify.oracles.platforms.job import Live
    from nfverify.oracles.trace import port_names

    if not platform.lives:
        raise UsageError(f"--live: {platform.name} runs captures only")
    interfaces = tuple(args.live.split(",")) if args.live else ()
    ports = port_names(network)
    if interfaces and len(interfaces) != len(ports):
        raise UsageError(f"--live: {network.name} has {len(ports)} ports: {', '.join(ports)}")
    if "" in interfaces or len(set(interfaces)) < len(interfaces):
        raise UsageError("--live: an interface is named twice, or not at all")
    return Live(
        interfaces,
        args.count,
        args.idle,
        args.stats,
        start=_start(args, network),
        non_ip=args.non_ip,
        quiet=args.quiet,
        saves=bool(args.state),
        options=platform_options(args.option, platform),
    )


def _start(args: argparse.Namespace, network: Network) -> bytes | None:
    """The state of --from in the binary form. ModelError, UsageError, OSError."""
    if args.start is None:
        return None
    from nfverify.semantics import state_binary

    data = states.read(args.start)
    return state_binary.dump(network, states.decode(network, data, args.start))


def _check_writable(file: str) -> None:
    """OSError for a state that could not be written in the end."""
    folder = Path(file).resolve().parent
    if file != STANDARD and not os.access(folder, os.W_OK | os.X_OK):
        number = errno.EACCES if folder.is_dir() else errno.ENOENT
        raise OSError(number, os.strerror(number), file)


def _save(network: Network, state: bytes, file: str) -> None:
    from nfverify.semantics import state_binary

    if not states.is_binary(file):
        found = state_binary.load(network, state, "the state at the end")
        state = states.encode(network, found, file)
    with replacing(file) as stream:
        stream.write(state)
