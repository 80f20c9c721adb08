"""`nfverify cover`: what of a model a user's own traffic reaches."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli.options import MODEL, UsageError, add_operators, operators
from nfverify.cli.report_options import add_reports, results_of, to_stdout, write_reports
from nfverify.cli.run import counting, intermix, port_and_file
from nfverify.lang.visible import one_line, several_lines
from nfverify.packet.files import STANDARD

if TYPE_CHECKING:
    from nfverify.oracles.trace import Event
    from nfverify.smat.ir import Network

COVERAGES = ("entries", "pairs", "boundaries", "full")
REFRESH = 1 << 12  # packets between two looks of the progress bar
_EPILOG = """\
Each TRACE is run from the initial state: a capture, whose packets arrive by the first port; a
folder that `nfverify gen` wrote, or one trace of it. `--in` are the ports of one more trace.
A capture that breaks off: the packets before it count, exit 2."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `cover`."""
    parser = subparsers.add_parser(
        "cover",
        help="say what of a model a capture reaches",
        description="Say which entries, pairs, boundaries of a model your own packets reach.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help=MODEL)
    add("traces", metavar="TRACE", nargs="*", help="a capture, or a folder of traces")
    what = "what arrives by a port; several are merged by time"
    add("--in", dest="inputs", metavar="PORT=FILE", action="append", default=[], help=what)
    what = "entries; pairs of entries on one key; boundaries of comparisons; or all and more"
    add("--coverage", choices=COVERAGES, default="full", help=f"{what} (default: full)")
    add("--format", choices=("text", "json"), default="text", help="default: text")
    add_operators(parser)
    what = "what becomes of frames that are not IP (default: bypass)"
    add("--non-ip", choices=("bypass", "drop"), default="bypass", help=what)
    add_reports(parser)
    intermix(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; 0, or 2 after a broken capture."""
    from nfverify.oracles.coverage import measure
    from nfverify.oracles.coverage.instrument import instrument
    from nfverify.packet.pcap import CaptureError
    from nfverify.report.as_result import coverage_result
    from nfverify.report.document import text_of
    from nfverify.report.growth import measured
    from nfverify.smat.load import load

    network = load(args.model)
    traces = _traces(args, network)
    found = measure.Measured(instrument(network, args.coverage), operators(args.ops), args.non_ip)
    broken: CaptureError | None = None
    with counting(args.quiet) as count:
        for name, sources in traces:
            try:
                found.run(name, _counted(_events(sources, network), count))
            except CaptureError as error:
                broken = error
                break
    result = coverage_result(
        args.model, args.model, found.instrumented.goals, found.first, series=measured(found)
    )
    write_reports(args.report, results_of("nfverify cover", result))
    if to_stdout(args.report):
        pass
    elif args.format == "json":
        shown = measure.document(found, args.model, args.coverage)
        sys.stdout.write(text_of(shown, indent=1))
    else:
        print(measure.summary(found))
        if not args.quiet:
            sys.stdout.write(several_lines("\n" + measure.text(found)))
    if broken is not None:
        sys.stdout.flush()
        print(f"nfverify: error: {one_line(str(broken))}", file=sys.stderr)
        print("What was before it counts.", file=sys.stderr)
        return 2
    return 0


Sources = list[tuple[int, str]]


def _traces(args: argparse.Namespace, network: Network) -> list[tuple[str, Sources | Path]]:
    """Each trace by name: its captures and their ports, or its folder. UsageError."""
    found: list[tuple[str, Sources | Path]] = []
    for name in args.traces:
        path = Path(name)
        found += _folder(path) if path.is_dir() else [(name, [(0, name)])]
    merged = [port_and_file(network, text) for text in args.inputs]
    if merged:
        found.append((", ".join(file for _, file in merged), merged))
    if not found:
        raise UsageError("no packets: name TRACE or --in PORT=FILE")
    if [file for _, s in found if isinstance(s, list) for _, file in s].count(STANDARD) > 1:
        raise UsageError("standard input is named twice")
    return found


def _folder(path: Path) -> list[tuple[str, Path]]:
    """The traces of a suite, in order."""
    from nfverify.oracles.trace import ALL

    for name in (".", "in"):
        if (path / name / ALL).is_file():
            return [(str(path), path / name)]
    inner = sorted(p for p in path.iterdir() if (p / "in" / ALL).is_file())
    if not inner:
        raise UsageError(f"{path}: no traces; name captures, or a folder that gen wrote")
    return [(str(p), p / "in") for p in inner]


def _events(sources: Sources | Path, network: Network) -> Iterable[Event]:
    from nfverify.oracles.trace import port_names, read_folder, stream_captures

    if isinstance(sources, Path):
        return read_folder(sources, port_names(network))
    return stream_captures(sources)


def _counted(events: Iterable[Event], count: Callable[[int], None]) -> Iterator[Event]:
    for number, event in enumerate(events):
        if not number % REFRESH:
            count(number)
        yield event
