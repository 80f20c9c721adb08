"""`nfverify test`: engines, or a user's own program, held against a model on the same packets."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli import confirm
from nfverify.cli.options import (
    MODEL,
    UsageError,
    add_executor,
    add_operators,
    ignored,
    operators,
    positive,
    read_text,
    seconds,
    split_operators,
)
from nfverify.cli.report_options import add_reports, results_of, to_stdout, write_reports
from nfverify.cli.run import port_and_file

if TYPE_CHECKING:
    from nfverify.oracles.story import Story
    from nfverify.oracles.tester import Options, Seen
    from nfverify.oracles.trace import Trace
    from nfverify.report.confirmations import Replays
    from nfverify.report.finding import Test
    from nfverify.smat.ir import Network

EXIT_CODE = {"agree": 0, "different": 1, "unknown": 3}
_STYLE = {"agree": "bold green", "different": "bold red", "unknown": "bold yellow"}
_COMPARISONS = ("exact", "per-flow", "l2-ttl", "renaming")
_EPILOG = """\
CMD is run without a shell. With {in} and {out} it reads a capture of what arrives by the first port
and writes one of all that comes out; {in:PORT} and {out:PORT} are of one port. Without them it
speaks the line protocol: TIME PORT HEX in, PORTS HEX ... out.

Exit codes: 0 they agree, 1 they differ (with the trace), 2 the command or a model is wrong,
3 unknown (nothing could be sent, or a difference did not show again), 130 Ctrl-C."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `test`."""
    parser = subparsers.add_parser(
        "test",
        help="hold engines, or your own program, against a model",
        description="Run the same packets, aimed at the model, through several executions of it,"
        " and show the first at which two of them part.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help=MODEL)
    what = "which executions, with commas; the first is believed (default: reference,symbolic,"
    add("--engines", metavar="LIST", help=what + "cython, with --against: reference)")
    add("--against", metavar="CMD", help="a program that should do as the model does")
    amount = parser.add_mutually_exclusive_group()
    what = "how many packets (default: 10000)"
    amount.add_argument("--examples", type=positive, default=10_000, metavar="N", help=what)
    amount.add_argument("--seconds", type=seconds, metavar="S", help="as many as this time allows")
    add("--seed", type=_seed, default=1, metavar="X", help="other packets (default: 1)")
    what = "run this capture alone, as what arrives by the first port"
    add("--trace", metavar="IN.pcap", help=what)
    what = "run these alone, as what arrives by a port; several are merged by time"
    add("--in", dest="inputs", metavar="PORT=FILE", action="append", default=[], help=what)
    what = "run the traces of this suite, which `nfverify gen` wrote, before others"
    add("--suite", metavar="DIR", help=what)
    what = "where findings are kept; those that are there are tried first"
    add("-o", dest="output", metavar="DIR", help=what)
    what = "what of the outputs counts (default: exact; others may be combined)"
    add("--compare", choices=_COMPARISONS, action="append", default=[], help=what)
    what = "a header field that need not be equal (may be repeated)"
    add("--ignore", metavar="FIELD", action="append", default=[], help=what)
    add("--well-formed", action="store_true", help="send no malformed frames")
    what = "what becomes of frames that are not IP (default: bypass)"
    add("--non-ip", choices=("bypass", "drop"), default="bypass", help=what)
    what = "a program that is silent for so long hangs (default: 5)"
    add("--answer-limit", type=seconds, default=5.0, metavar="SECONDS", help=what)
    add("--format", choices=("text", "json"), default="text", help="(default: text)")
    add_executor(parser, "new traces are run")
    add_reports(parser)
    add_operators(parser, c=True)
    confirm.add_confirm(parser)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"{text!a} is no number from 0 on")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit code of the verdict."""
    started = time.monotonic()
    from nfverify.oracles.engines.command import CommandError
    from nfverify.oracles.story import tell
    from nfverify.oracles.tester import contest_of, examine
    from nfverify.report.as_result import finding_result
    from nfverify.report.finding import Test, verdict
    from nfverify.smat.load import load

    confirm.check_confirm(args)
    options = _options(args)
    if args.output is not None and Path(args.output).exists() and not Path(args.output).is_dir():
        raise UsageError(f"-o {args.output}: it is there, and is no folder")
    network = load(args.model)
    given, alone = _given(args, network)
    folder = None
    try:
        with _progress(args.quiet) as notify, _seen(args, network, options) as seen:
            result = examine(network, options, given, notify, alone=alone, seen=seen)
            story = None
            if result.finding is not None:
                story = tell(contest_of(network, options), result.finding.divergence)
            test = Test(args.model, network, options, result, story, _replays(args, network, story))
            if story is not None:
                test, folder = _kept(args, test)
    except CommandError as error:
        about = "--against: " if args.against is not None else ""
        raise UsageError(f"{about}{error}") from None
    found = finding_result(args.model, test, time.monotonic() - started)
    write_reports(args.report, results_of("nfverify test", found))
    if not to_stdout(args.report):
        _print(args, test, folder)
    return EXIT_CODE[verdict(test)]


def _replays(args: argparse.Namespace, network: Network, story: Story | None) -> Replays | None:
    """The trace of a finding on platforms, which should do as the reference does."""
    if args.confirm_on is None or story is None:
        return None
    model = confirm.side(args, "the model", network)
    return confirm.replays(args, story.divergence.trace, model)


@contextmanager
def _seen(
    args: argparse.Namespace, network: Network, options: Options
) -> Iterator[Iterator[Seen] | None]:
    """New traces that `--executor` runs ahead."""
    if not args.executor:
        yield None
        return
    from nfverify.executors import opened
    from nfverify.oracles.shards import Shared, surveyed

    files = {name: read_text(name) for name in split_operators(args.ops)[0]}
    with opened(args.executor) as executor:
        traces = surveyed(executor, Shared.of(network, options, files))
        with closing(traces):
            yield traces


def _options(args: argparse.Namespace) -> Options:
    from nfverify.oracles.comparators import Comparison
    from nfverify.oracles.tester import DEFAULT_ENGINES, Options, check_names

    engines = DEFAULT_ENGINES if args.against is None else DEFAULT_ENGINES[:1]
    if args.engines is not None:
        engines = tuple(dict.fromkeys(name for name in args.engines.split(",") if name))
        wrong = check_names(engines)
        if wrong:
            raise UsageError(f"--engines: {wrong}")
    if len(engines) + (args.against is not None) < 2 or not engines:
        raise UsageError("two executions are needed: more --engines, or --against CMD")
    python, user = split_operators(args.ops)
    return Options(
        engines=engines,
        against=args.against,
        comparison=Comparison.of(args.compare, ignored(args.ignore)),
        examples=args.examples,
        seconds=args.seconds,
        seed=args.seed,
        non_ip=args.non_ip,
        operators=operators(python),
        silence=args.answer_limit,
        well_formed=args.well_formed,
        user=tuple(user),
        capacity=args.capacity,
    )


def _given(args: argparse.Namespace, network: Network) -> tuple[list[tuple[str, Trace]], bool]:
    """Traces that are run first, and whether they are all."""
    from nfverify.oracles.trace import port_names, read_captures
    from nfverify.report.finding_files import saved

    sources: list[tuple[int, str]] = [] if args.trace is None else [(0, args.trace)]
    sources += [port_and_file(network, text) for text in args.inputs]
    if sources:
        return [(", ".join(file for _, file in sources), read_captures(sources))], True
    found: list[tuple[str, Trace]] = []
    if args.output is not None and Path(args.output).is_dir():
        found += saved(Path(args.output), port_names(network), args.model)
    if args.suite is not None:
        found += _suite(args.suite, network)
    return found, False


def _suite(folder: str, network: Network) -> list[tuple[str, Trace]]:
    """The traces of a suite by name. UsageError for what is none."""
    from nfverify.oracles.generate.folder import traces
    from nfverify.oracles.generate.manifest import BadManifest

    try:
        found = traces(Path(folder), network)
    except BadManifest as error:
        raise UsageError(f"--suite {error}") from None
    return [(f"{folder}, trace {number}", trace) for number, trace in enumerate(found, 1)]


def _kept(args: argparse.Namespace, test: Test) -> tuple[Test, Path | None]:
    """The finding written down, and its folder if it stays; it counts only if what was written
    shows it once more."""
    with tempfile.TemporaryDirectory(prefix="nfverify-") as passing:
        folder = _save(args, test, Path(args.output or passing))
        if _reproduced(test, folder):
            return test, folder if args.output else None
    finding = test.result.finding
    assert finding is not None  # it was written
    once = f"{finding.origin}: a difference that its files, in {folder}, don't show"
    result = replace(test.result, finding=None, unsettled=(*test.result.unsettled, once))
    return replace(test, result=result, story=None), None


def _reproduced(test: Test, folder: Path) -> bool:
    """Do the trace in finding.json and the one in the captures show the difference?"""
    from nfverify.oracles.tester import contest_of
    from nfverify.oracles.trace import port_names
    from nfverify.report.finding_files import FINDING, from_captures, read

    assert test.story is not None
    ports, found = port_names(test.network), test.story.divergence
    trace = read(folder / FINDING, ports, test.target)
    frames = [(event.port, event.frame) for event in from_captures(folder, ports)]
    if trace != found.trace or frames != [(event.port, event.frame) for event in trace]:
        return False
    again = contest_of(test.network, test.options).run(trace)
    return again is not None and again.kind == found.kind and again.trace == found.trace


def _save(args: argparse.Namespace, test: Test, parent: Path) -> Path:
    """Writes the finding. The model of a saved test is found again, or stands beside it."""
    from nfverify.report.finding_files import save
    from nfverify.report.pytest_file import Model
    from nfverify.smat.load import LIBRARY

    target, file, beside = args.model, "", ""
    if target.partition(":")[0] == "-":
        beside = "model.nfd"
    elif not target.startswith(LIBRARY):
        file = target if Path(target).exists() else target.rpartition(":")[0]
    absolute = str(Path(file).resolve()) if file else ""
    model = Model(target, test.network, file, absolute, beside)
    return save(parent, test, model, [str(Path(o).resolve()) for o in args.ops])


# Output -----------------------------------------------------------------------------------


def _print(args: argparse.Namespace, test: Test, folder: Path | None) -> None:
    from nfverify.report.finding import dump, text

    if args.format == "json":
        sys.stdout.write(dump(test))
        return
    shown = text(test)
    if folder is not None:
        shown += f"\nWritten to {folder}: trace.pcap, test_finding.py, …\n"
    if args.quiet:
        shown = shown.partition("\n")[0] + "\n"
    if args.no_color or not sys.stdout.isatty():
        sys.stdout.write(shown)
        return
    from rich.console import Console
    from rich.text import Text

    word = shown.partition(":")[0]
    styled = Text(shown)
    styled.stylize(_STYLE[word], 0, len(word))
    Console(soft_wrap=True, highlight=False).print(styled, end="")


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int], None]]:
    """Shows on a terminal how many packets were tested."""
    if quiet or not sys.stderr.isatty():
        yield lambda packets: None
        return
    from rich.console import Console

    with Console(stderr=True).status("testing") as status:
        yield lambda packets: status.update(f"{packets:,} packets")
