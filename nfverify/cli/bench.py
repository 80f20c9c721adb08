"""`nfverify bench`: how fast a model is on the packets of a capture, from memory."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from nfverify.cli.bench_sides import BuildSide, CommandSide, EngineSide, Round, Side
from nfverify.cli.fast_options import add_fastpath, check_fastpath, fast_plan
from nfverify.cli.options import (
    UsageError,
    add_build_options,
    add_operators,
    build_options,
    building,
    operators,
    positive,
    split_operators,
)
from nfverify.lang.visible import several_lines

if TYPE_CHECKING:
    from nfverify.cythonized.bench import Traffic
    from nfverify.cythonized.host import NetworkFunction
    from nfverify.fastpath.plan import Plan
    from nfverify.packet.pcap import Record
    from nfverify.semantics.operators import Function
    from nfverify.smat.ir import Network

ENGINES = ("cython", "closures", "walk")
PACKETS = 1_000_000
_EPILOG = """\
In a round everything that is compared takes its turn: a build runs all packets once from a state
made afresh (`first`), then at least five times more, of which the median counts; the reference
engines run the first 20,000 packets. `ratio` is the first line's median to this line's.
`--vs`: the command is run by the shell in each round. If it prints med_ns=NUMBER or ns=NUMBER, that
is its figure, else its whole time divided by the packets."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `bench`."""
    parser = subparsers.add_parser(
        "bench",
        help="measure how fast a model is",
        description="Measure a model on packets in memory: ns for each, memory, entries taken.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="FILE.nfd, FILE.nfd:NAME or lib:NAME")
    add("trace", metavar="TRACE.pcap", help="what arrives, by the first port")
    add("--engine", choices=ENGINES, default="cython", help="how it is executed (default: cython)")
    add("--rounds", type=positive, default=5, metavar="N", help="default: 5")
    packets = f"at most so many, from the front (default: {PACKETS:,})"
    add("--packets", type=positive, default=PACKETS, metavar="N", help=packets)
    for name, metavar, what in (
        ("--against-engine", "ENGINE", "the same model on another engine"),
        ("--against", "MODEL", "another model on the same engine"),
        ("--vs", "CMD", "a command"),
    ):
        choices = ENGINES if metavar == "ENGINE" else None
        text = f"{what}, in the same rounds"
        add(name, metavar=metavar, action="append", default=[], choices=choices, help=text)
    choices_of_non_ip = ("bypass", "drop")
    non_ip = "what becomes of frames that are not IP (default: bypass)"
    add("--non-ip", choices=choices_of_non_ip, default="bypass", help=non_ip)
    add_operators(parser, c=True)
    add_build_options(parser)
    add_fastpath(parser, "also with the fast path that is derived of it, in the same rounds")
    add("--format", choices=("text", "json"), default="text", help="default: text")


@dataclass(slots=True)
class Result:
    """The rounds of one side."""

    side: Side
    rounds: list[Round]

    @property
    def ns(self) -> list[float]:
        return [one.ns for one in self.rounds]

    @property
    def first(self) -> float | None:
        found = [one.first for one in self.rounds if one.first is not None]
        return median(found) if found else None

    @property
    def memory(self) -> int | None:
        found = [one.memory for one in self.rounds if one.memory is not None]
        return int(median(found)) if found else None


@dataclass(slots=True)
class _Bench:
    """What the sides are made of."""

    args: argparse.Namespace
    records: Sequence[Record]
    operators: Mapping[str, Function]
    c_operators: Sequence[tuple[str, str]]
    traffic: Traffic | None = None

    def side(self, name: str, network: Network, engine: str) -> Side:
        if engine == "cython":
            return BuildSide(name, self.function(network), self.memory())
        return self.reference(name, network, engine)

    def reference(self, name: str, network: Network, engine: str) -> EngineSide:
        args = self.args
        return EngineSide(name, network, engine, self.operators, args.non_ip, self.records)

    def memory(self) -> Traffic:
        """The packets, laid out once for all builds."""
        from nfverify.cythonized.bench import Traffic

        if self.traffic is None:
            frames = [record.frame for record in self.records]
            self.traffic = Traffic(frames, [record.time_ns for record in self.records])
        return self.traffic

    def function(
        self, network: Network, *, counting: bool = False, fast: Plan | None = None
    ) -> NetworkFunction:
        from nfverify.cythonized.host import compile

        with building(self.args.quiet, network.name):
            return compile(
                network,
                options=replace(build_options(self.args), count_entries=counting),
                operators=self.operators,
                c_operators=self.c_operators,
                non_ip=self.args.non_ip,
                fastpath=fast,
            )

    def entries(self, network: Network) -> tuple[dict[str, int], int]:
        """How many packets took each entry, and of how many."""
        if self.args.engine != "cython":
            side = self.reference("", network, self.args.engine)
            return side.entries(), side.packets
        from nfverify.cythonized.bench import measure

        traffic = self.memory()
        hits: dict[str, int] = {}
        with self.function(network, counting=True) as function:
            measure(
                function,
                traffic,
                passes=1,
                enough=0,
                after_first=lambda: hits.update(function.hits),
            )
        return hits, traffic.count


def run(args: argparse.Namespace) -> int:
    """Run the command; 0."""
    from nfverify.smat.load import load

    check_fastpath(args)
    if args.fastpath and args.engine != "cython":
        raise UsageError("--fastpath: what is measured is compiled code; leave out --engine")
    network = load(args.model)
    others = [(model, load(model)) for model in args.against]
    python, c_operators = split_operators(args.ops)
    bench = _Bench(args, records(args.trace, args.packets), operators(python), c_operators)
    sides = [bench.side(args.engine, network, args.engine)]
    fast = fast_plan(args, network)
    if fast is not None:
        sides.append(BuildSide("fast path", bench.function(network, fast=fast), bench.memory()))
    sides += [bench.side(engine, network, engine) for engine in args.against_engine]
    sides += [bench.side(model, other, args.engine) for model, other in others]
    sides += [CommandSide(command, len(bench.records)) for command in args.vs]

    results = [Result(side, []) for side in sides]
    for number in range(args.rounds):
        for result in results:
            _show_progress(args, number, result.side.name)
            result.rounds.append(result.side.round())
    _show_progress(args, args.rounds, "")
    entries, of = bench.entries(network)
    document = _document(args, bench.records, results, entries, of)
    if args.format == "json":
        print(json.dumps(document, indent=2))
    else:
        print(several_lines(_text(args, bench.records, results, entries, of)), end="")
    return 0


def records(file: str, limit: int) -> list[Record]:
    """The first packets of a capture, of which there must be one."""
    from itertools import islice

    from nfverify.packet.pcap import read

    with read(file) as capture:
        records = list(islice(capture, limit))
    if not records:
        raise UsageError(f"{file}: no packets")
    return records


def _show_progress(args: argparse.Namespace, number: int, name: str) -> None:
    if not args.quiet and sys.stderr.isatty():
        text = f"round {number + 1} of {args.rounds}: {name}" if name else ""
        print(f"\r\x1b[K{text[:70]}", end="", file=sys.stderr, flush=True)


# Output -----------------------------------------------------------------------------------


def _document(
    args: argparse.Namespace,
    records: Sequence[Record],
    results: Sequence[Result],
    entries: Mapping[str, int],
    of: int,
) -> dict[str, object]:
    base = median(results[0].ns)
    return {
        "version": 1,
        "model": args.model,
        "trace": args.trace,
        "packets": len(records),
        "bytes": sum(len(record.frame) for record in records),
        "rounds": args.rounds,
        "results": [
            {
                "name": result.side.name,
                "packets": result.side.packets,
                "ns": {
                    "min": min(result.ns),
                    "median": median(result.ns),
                    "max": max(result.ns),
                    "first": result.first,
                },
                "packets_per_second": 1e9 / median(result.ns),
                "memory": result.memory,
                "ratio": base / median(result.ns),
            }
            for result in results
        ],
        "entries": [
            {"entry": name, "packets": hits, "share": hits / of} for name, hits in entries.items()
        ],
    }


def _text(
    args: argparse.Namespace,
    records: Sequence[Record],
    results: Sequence[Result],
    entries: Mapping[str, int],
    of: int,
) -> str:
    mean = sum(len(record.frame) for record in records) / len(records)
    name = args.trace if args.trace == "-" else Path(args.trace).name
    lines = [
        f"{args.model} on {name}: {len(records):,} packets of {mean:,.0f} bytes, from memory;"
        f" {args.rounds} round{'s' * (args.rounds != 1)}",
        "",
        f"{'ns/packet':24}{'min':>10}{'median':>10}{'max':>10}{'first':>10}"
        f"{'packets/s':>15}{'memory':>10}{'ratio':>8}",
    ]
    base = median(results[0].ns)
    for result in results:
        ns = result.ns
        first = "" if result.first is None else f"{result.first:,.1f}"
        memory = "" if result.memory is None else f"{result.memory / 1e6:,.1f} MB"
        ratio = f"{base / median(ns):.2f}"
        lines.append(
            f"{_short(result.side.name):24}{min(ns):>10,.1f}{median(ns):>10,.1f}{max(ns):>10,.1f}"
            f"{first:>10}{1e9 / median(ns):>15,.0f}{memory:>10}{ratio:>8}"
        )
    if entries:
        width = max(len(name) for name in entries)
        note = "" if of == len(records) else f" (of the first {of:,})"
        lines += ["", f"packets that each entry took{note}"]
        lines += [f"  {name:{width}}  {100 * hits / of:5.1f} %" for name, hits in entries.items()]
    return "\n".join(lines) + "\n"


def _short(name: str) -> str:
    return name if len(name) < 24 else f"…{name[-22:]}"
