"""Options that several commands share: their types, and what they stand for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nfverify.cythonized.host import NetworkFunction
    from nfverify.cythonized.options import Options
    from nfverify.fastpath.plan import Plan
    from nfverify.semantics.operators import Function
    from nfverify.smat.ir import Expr, Network

MODEL = "FILE.nfd, FILE.nfd:NAME or lib:NAME"
MAX_TEXT = 64 << 20


class UsageError(Exception):
    """Arguments that don't fit each other or the models."""


def seconds(text: str) -> float:
    """A time limit."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 < number < 10**9:
        raise argparse.ArgumentTypeError(f"{text!a} is no time in seconds, above 0")
    return number


def positive(text: str) -> int:
    """A count of at least 1."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!a} is no number from 1 on")
    return int(text)


def size(text: str) -> int:
    """Bytes: 8G, 512MB, 1000000."""
    from nfverify.testing.values import memory_size

    count = memory_size(text)
    if count is None:
        raise argparse.ArgumentTypeError(f"{text!a} is no size; write 8G or 512M")
    return count


def add_limits(parser: argparse.ArgumentParser, what: str) -> None:
    """`--time-limit` and `--memory-limit` of a proof."""
    limit = f"{what} within this time (default: 60)"
    parser.add_argument("--time-limit", type=seconds, default=60.0, metavar="SECONDS", help=limit)
    limit = "and within this much memory (default: 8G)"
    parser.add_argument("--memory-limit", type=size, default=8 << 30, metavar="SIZE", help=limit)


def add_executor(parser: argparse.ArgumentParser, what: str) -> None:
    """`--executor`: where independent pieces of work run. ExecutorError comes when it is used."""
    text = f"where {what}: local[:N], dask://HOST:PORT, dask://local?workers=N (default: here)"
    parser.add_argument("--executor", metavar="WHERE", default="", help=text)


def executor(args: argparse.Namespace) -> str:
    """The value of `--executor`, "" for none. ExecutorError, UsageError."""
    if args.executor:
        from nfverify.executors.opening import check

        check(args.executor)
        if getattr(args, "dump_smt", None):
            raise UsageError("--executor doesn't go with --dump-smt")
    return str(args.executor)


def add_operators(parser: argparse.ArgumentParser, *, c: bool = False) -> None:
    """`--ops`; with `c`, files in C too."""
    what = "Python functions of the models' own operators"
    if c:
        what += ", or C functions for compiled code"
    metavar = "FILE.py|FILE.c" if c else "FILE.py"
    parser.add_argument("--ops", metavar=metavar, action="append", default=[], help=what)


def operators(files: Sequence[str]) -> dict[str, Function]:
    """The functions in the files of `--ops`. ModelError if one doesn't run."""
    from nfverify.semantics.operators import load_operators

    found: dict[str, Function] = {}
    for file in files:
        found.update(load_operators(Path(file)))
    return found


def add_build_options(parser: argparse.ArgumentParser) -> None:
    """What the compiler is told: none of it changes what a model means."""
    group = parser.add_argument_group("compiled code, for comparison")
    for name, what in (
        ("batch", "one packet at a time"),
        ("prefetch", "don't fetch table entries ahead"),
        ("fuse", "keep the NFs of a chain apart"),
        ("classifier", "look through rulesets rule by rule"),
    ):
        group.add_argument(f"--no-{name}", action="store_true", help=what)


def build_options(args: argparse.Namespace) -> Options:
    """The options of `add_build_options`."""
    from nfverify.cythonized.options import Options

    return Options(
        batch=not args.no_batch,
        prefetch=not args.no_prefetch,
        fuse=not args.no_fuse,
        classifier=not args.no_classifier,
    )


def compiled(
    args: argparse.Namespace, network: Network, fast: Plan | None = None
) -> NetworkFunction:
    """The network compiled as `add_build_options`, `--ops` and `--non-ip` say, with a fast path."""
    from nfverify.cythonized.host import compile

    python, c = split_operators(args.ops)
    with building(args.quiet, network.name):
        return compile(
            network,
            options=build_options(args),
            operators=operators(python),
            c_operators=c,
            non_ip=args.non_ip,
            workers=getattr(args, "workers", None) or 1,
            fastpath=fast,
        )


def split_operators(files: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Files of `--ops`: those in Python, and the name and text of those in C."""
    in_c = [file for file in files if file.endswith(".c")]
    return [f for f in files if f not in in_c], [(Path(f).name, read_text(f)) for f in in_c]


@contextmanager
def building(quiet: bool, name: str) -> Iterator[None]:
    """Says on a terminal that a model is being built."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"building {name}"):
        yield


def load_pair(a: str, b: str) -> tuple[Network, Network]:
    """Both models; where they name the same ports in another order, B is numbered as A."""
    from nfverify.smat.load import load

    if a.partition(":")[0] == b.partition(":")[0] == "-":
        raise UsageError("standard input can be one of the models, not both")
    first = load(a)
    return first, load(b, ports=first.ports)


def read_text(file: str) -> str:
    """The text of a file, or of standard input for `-`. OSError, UsageError."""
    stream = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115
    with stream:
        data = stream.read(MAX_TEXT + 1)
    if len(data) > MAX_TEXT:
        raise UsageError(f"{file}: over {MAX_TEXT >> 20} MB")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: byte {error.start}: not UTF-8") from error


def ignored(names: Sequence[str]) -> tuple[str, ...]:
    """The fields of `--ignore`, in the order of the language's list."""
    from nfverify.packet.fields import FIELDS, PROTOCOL_BITS
    from nfverify.smat.report import did_you_mean

    wire = [name for name, info in FIELDS.items() if info.on_wire]
    for name in names:
        if name in PROTOCOL_BITS or (name in FIELDS and name not in wire):
            raise UsageError(f"--ignore {name}: it is not on the wire, so it is never compared")
        if name not in FIELDS:
            meant = did_you_mean(name, wire) or f"; the fields are {', '.join(wire)}"
            raise UsageError(f"--ignore {name!a}: no such field{meant}")
    return tuple(name for name in wire if name in names)


def assumption(texts: Sequence[str], network: Network) -> Expr | None:
    """The conjunction of all `--assume`, over the ports of a network. Raises ModelError."""
    from nfverify.smat import condition

    return condition.assumption(texts, network.ports, "--assume")


def proposed(texts: Sequence[str], a: Network, b: Network) -> tuple[Expr, ...]:
    """The claims of `--invariant` on the states of both. Raises ModelError."""
    from nfverify.smat.pairwise import pair_claims

    return pair_claims(texts, a, b, "--invariant")
