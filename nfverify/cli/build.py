"""`nfverify build`: a model compiled into files."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli.fast_options import add_fastpath, check_fastpath, fast_plan
from nfverify.cli.options import (
    MODEL,
    UsageError,
    add_build_options,
    add_operators,
    build_options,
    building,
    compiled,
    operators,
    split_operators,
)
from nfverify.cli.platform_options import add_capacity, build_of, found_platform
from nfverify.lang.visible import one_line

if TYPE_CHECKING:
    from nfverify.fastpath.plan import Plan
    from nfverify.smat.ir import Network

PACKETS = 1_000_000  # of a trace, at most
KINDS = ("pyx", "c", "so", "exe", "wheel")
_EPILOG = """\
pyx    NAME.pyx and NAME.h: Cython to be read, with the model's names and lines
c      NAME.c: the same as C, all in one file; its first lines say how to compile it
so     NAME.so: a library for Python (nfverify.compile) and for C (default)
exe    NAME: a program without Python; NAME --help says more
wheel  nf_NAME-….whl: a package that needs Python only, to be installed by pip

With --platform P: a folder of sources for that platform, with a Makefile and a README.md;
`nfverify platforms` lists them."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `build`."""
    parser = subparsers.add_parser(
        "build",
        help="compile a model",
        description="Compile a model or chain through Cython and C.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help=MODEL)
    add("-o", dest="folder", metavar="DIR", default=".", help="where to (default: here)")
    emit = "what to write: pyx, c, so, exe or wheel; may be given several times"
    what = "write its sources for this platform instead, with a Makefile"
    add("--platform", metavar="P", help=what)
    add_capacity(parser)
    add("--emit", choices=KINDS, metavar="KIND", action="append", default=[], help=emit)
    add_operators(parser, c=True)
    add_build_options(parser)
    what = "with the fast path that is derived of it; auto: if that is faster on --trace"
    add_fastpath(parser, what, auto=True)
    add("--trace", metavar="X.pcap", help="what --fastpath auto is measured on")
    add("--sanitize", action="store_true", help="with checks of memory and arithmetic, slower")


def run(args: argparse.Namespace) -> int:
    """Run the command: the paths of what is written on standard output; 0."""
    from nfverify.cythonized.emit import emit
    from nfverify.smat.load import load

    _check(args)
    if args.platform is not None:
        return _for_platform(args)
    kinds = list(dict.fromkeys(args.emit)) or ["so"]
    python, c = split_operators(args.ops)
    operators(python)  # a file that doesn't run is an error here too
    if python and {"exe", "wheel"} & set(kinds):
        raise UsageError(f"{python[0]}: what runs without nfverify needs its operators in C")
    if args.sanitize and "wheel" in kinds:
        raise UsageError("--sanitize: a package with checks could not be loaded; take exe")
    network = load(args.model)
    options = replace(build_options(args), sanitize=args.sanitize)
    folder = Path(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    fast = fast_plan(args, network)
    if args.fastpath == "auto" and fast is not None:
        fast = _faster(args, network, fast)
    for kind in kinds:
        with building(args.quiet, network.name):
            written = emit(network, options, c, kind, folder, fast)
        for path in written:
            print(one_line(str(path)))
    return 0


def _for_platform(args: argparse.Namespace) -> int:
    """Writes the sources for a platform: the paths of what is in the folder on standard output,
    without what stands in folders of it; 0."""
    from nfverify.oracles.platforms.building import write
    from nfverify.smat.load import load

    platform = found_platform(args.platform)
    network = load(args.model)
    build = build_of(args, network)
    platform.accept(build)
    sources = platform.sources(build)
    folder = Path(args.folder)
    write(sources, folder)
    for name in dict.fromkeys(file.partition("/")[0] for file in sources.files):
        print(one_line(str(folder / name)))
    return 0


def _check(args: argparse.Namespace) -> None:
    """UsageError for options that don't fit each other."""
    check_fastpath(args)
    if args.platform is None and args.capacity is not None:
        raise UsageError("--capacity is of platforms: add --platform P")
    if args.platform is not None:
        if args.emit:
            raise UsageError("--emit and --platform exclude each other: `make` builds the sources")
        if args.sanitize:
            raise UsageError("--sanitize: the sources have a Makefile: `make SANITIZE=1`")
        if args.fastpath == "auto":
            raise UsageError("--fastpath auto is of --emit; a platform gets --fastpath or none")
    if args.fastpath not in (None, "yes", "auto"):
        raise UsageError(f"--fastpath {args.fastpath!a}: only `auto` may follow; MODEL goes before")
    if (args.fastpath == "auto") != (args.trace is not None):
        raise UsageError("--fastpath auto and --trace X.pcap go together")


def _faster(args: argparse.Namespace, network: Network, plan: Plan) -> Plan | None:
    """The plan if the build is faster with it on `--trace`, which is said; else None."""
    from nfverify.cli.bench import records
    from nfverify.cythonized.auto import measured

    given = records(args.trace, PACKETS)
    args.non_ip = "bypass"
    chain, fast = compiled(args, network), compiled(args, network, plan)
    found = measured(chain, fast, [r.frame for r in given], [r.time_ns for r in given])
    if not args.quiet:
        which = "with" if found.better else "without"
        text = f"{found.fast:,.1f} ns a packet with the fast path, {found.chain:,.1f} without"
        print(f"{text}: built {which} it", file=sys.stderr)
    return plan if found.better else None
