"""`nfverify run`: a model executed: by the reference semantics, compiled, or on a platform."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli import run_platform, states
from nfverify.cli.fast_options import add_fastpath, check_fastpath, fast_plan
from nfverify.cli.options import (
    UsageError,
    add_build_options,
    add_operators,
    operators,
    positive,
)
from nfverify.lang.visible import one_line, several_lines
from nfverify.packet.files import STANDARD, replacing

if TYPE_CHECKING:
    from nfverify.cli.trace_text import Printer
    from nfverify.packet.pcap import Capture, CaptureError, Writer
    from nfverify.semantics.machine import Emission, Machine
    from nfverify.smat.ir import Network

ENGINES = ("closures", "walk", "cython")
UNITS = {"": 1, "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
REFRESH = 1 << 12  # packets between two looks of the progress bar
_TIME = re.compile(r"(\+?)([0-9]{1,19})(ns|us|ms|s|m|h|)", re.ASCII)

_EPILOG = """\
Times are in ns, or with a unit (ns us ms s m h); `--until +5s` is 5 s after the last packet.
A capture that breaks off: the packets before it are run, the outputs are written, exit 2."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `run`."""
    parser = subparsers.add_parser(
        "run",
        help="run a model on a packet capture",
        description="Run a model on packets, and write what comes out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="FILE.nfd, FILE.nfd:NAME or lib:NAME")
    add("input", metavar="IN.pcap", nargs="?", help="what arrives by the first port")
    add("-o", dest="output", metavar="OUT.pcap", help="everything that comes out")
    for name, dest, what in (
        ("--in", "inputs", "what arrives by a port; several are merged by time"),
        ("--out", "outputs", "what comes out by a port"),
    ):
        add(name, dest=dest, metavar="PORT=FILE", action="append", default=[], help=what)
    add("--state", metavar="S.json", help="write the state at the end; S.bin: in binary")
    add("--from", dest="start", metavar="S.json", help="start from this state, JSON or binary")
    add("--until", metavar="T", help="let time go on to T after the last packet")
    add("--trace", action="store_true", help="say which entries each packet took")
    add_operators(parser, c=True)
    choices = ("bypass", "drop")
    non_ip = "what becomes of frames that are not IP (default: bypass)"
    add("--non-ip", choices=choices, default="bypass", help=non_ip)
    what = "how it is executed: closures (as Python functions, the default), walk (by walking the"
    what += " model: the definition), cython (compiled), or a platform (see `nfverify platforms`)"
    add("--engine", default=ENGINES[0], metavar="ENGINE", help=what)
    workers = "compiled, on so many cores, if the model's state can be divided among them"
    add("--workers", type=positive, metavar="N", help=workers)
    add_build_options(parser)
    add_fastpath(parser, "with the fast path that is derived of the model")
    run_platform.add_options(parser)
    intermix(parser)


def intermix(parser: argparse.ArgumentParser) -> None:
    """Let options stand between MODEL and IN.pcap: argparse alone would take the latter as absent
    at the first option, for it may be left out."""

    def parse(
        args: list[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        del parser.parse_known_args  # the class's own serves the call below
        try:
            return parser.parse_known_intermixed_args(args, namespace)
        finally:
            intermix(parser)

    parser.parse_known_args = parse  # type: ignore[method-assign,assignment]  # of one parser


@dataclass(frozen=True, slots=True)
class Files:
    """What is read and written; port None stands for all ports."""

    inputs: list[tuple[int, str]]
    outputs: list[tuple[int | None, str]]

    @classmethod
    def of(cls, args: argparse.Namespace, network: Network) -> Files:
        """From the arguments. UsageError: nothing to read, or a file that has two uses."""
        inputs = [port_and_file(network, text) for text in args.inputs]
        outputs: list[tuple[int | None, str]] = [
            port_and_file(network, text) for text in args.outputs
        ]
        if args.input is not None:
            inputs.insert(0, (0, args.input))
        if args.output is not None:
            outputs.insert(0, (None, args.output))
        if not inputs:
            raise UsageError("no packets: name IN.pcap or --in PORT=FILE")
        read = [file for _, file in inputs] + ([args.start] if args.start else [])
        written = [file for _, file in outputs] + ([args.state] if args.state else [])
        if read.count(STANDARD) > 1:
            raise UsageError("standard input is named twice")
        if (written + [STANDARD] * args.trace).count(STANDARD) > 1:
            raise UsageError("standard output is used twice")
        paths = [Path(file).resolve() for file in written if file != STANDARD]
        for path in paths:
            if paths.count(path) > 1 and (path.is_file() or not path.exists()):
                raise UsageError(f"{path.name} would be written twice")
        return cls(inputs, outputs)


def run(args: argparse.Namespace) -> int:
    """Run the command; 0, or 2 after a broken capture."""
    from nfverify.smat.load import load

    _check(args)
    until = None if args.until is None else _time(args.until)
    network = load(args.model)
    execute = _run_built if args.engine == "cython" else _run_reference
    if args.engine not in ENGINES:
        return _run_platform(args, network, until)
    summary, broken = execute(args, network, until)
    return _ended(args, summary, broken)


def _ended(args: argparse.Namespace, summary: str, broken: str | None) -> int:
    """Says how a run ended: its exit code."""
    if summary and not args.quiet:
        print(several_lines(summary), file=sys.stderr)
    if broken:
        print(f"nfverify: error: {one_line(broken)}", file=sys.stderr)
        print("What was before it was run, and its outputs are written.", file=sys.stderr)
        return 2
    return 0


def _check(args: argparse.Namespace) -> None:
    """UsageError for options of one engine that another doesn't have."""
    check_fastpath(args)
    is_platform = args.engine not in ENGINES
    if is_platform:
        _check_engine(args.engine)
    run_platform.check(args, is_platform)
    if args.fastpath and args.trace:
        raise UsageError("--trace: what a record serves takes no entries; leave out --fastpath")
    if is_platform:
        return
    if args.engine == "cython":
        if args.trace:
            hint = "run it with --engine closures"
            raise UsageError(f"--trace: compiled code doesn't tell which entries it took; {hint}")
        return
    if args.workers is not None:
        raise UsageError("--workers is of compiled code: add --engine cython")
    for name in ("batch", "prefetch", "fuse", "classifier"):
        if getattr(args, f"no_{name}"):
            raise UsageError(f"--no-{name} is of compiled code: add --engine cython")
    if any(file.endswith(".c") for file in args.ops):
        raise UsageError("--ops FILE.c is of compiled code: add --engine cython")


def _check_engine(name: str) -> None:
    """UsageError for an engine that there isn't."""
    from nfverify.oracles.platforms.registry import names

    if name not in names():
        raise UsageError(
            f"--engine: no engine {name!a}; there are {', '.join((*ENGINES, *names()))}"
        )


Until = tuple[bool, int] | None


def _run_platform(args: argparse.Namespace, network: Network, until: Until) -> int:
    outcome = run_platform.run_on(args, network, until)
    return _ended(args, outcome.summary, outcome.broken) or outcome.code


def _run_built(args: argparse.Namespace, network: Network, until: Until) -> tuple[str, str | None]:
    from nfverify.cli.run_built import run_built

    return run_built(args, network, Files.of(args, network), until, counting(args.quiet))


def _run_reference(
    args: argparse.Namespace, network: Network, until: Until
) -> tuple[str, str | None]:
    """The captures through the reference semantics: a summary, and what an input broke off with."""
    machine = _machine(args, network)
    if args.start is not None:
        machine.restore(states.decode(network, states.read(args.start), args.start))
    files = Files.of(args, network)

    with ExitStack() as stack:
        captures = [(port, stack.enter_context(_capture(file))) for port, file in files.inputs]
        nanosecond = any(capture.nanosecond for _, capture in captures)
        job = _Job(machine, stack.enter_context(counting(args.quiet)))
        for port, file in files.outputs:
            job.write_to(port, file, stack, nanosecond)
        state = stack.enter_context(replacing(args.state)) if args.state else None
        if args.trace:
            job.trace()
        broken = job.feed(captures)
        if broken is None and until is not None:
            job.wait(*until)
        if state is not None:
            state.write(states.encode(network, machine.save(), args.state))
    return job.summary(), None if broken is None else str(broken)


def _machine(args: argparse.Namespace, network: Network) -> Machine:
    from nfverify.fastpath.machine import FastMachine
    from nfverify.semantics.machine import Machine

    given, plan = operators(args.ops), fast_plan(args, network)
    if plan is None:
        return Machine(network, operators=given, engine=args.engine, non_ip=args.non_ip)
    return FastMachine(plan, operators=given, engine=args.engine, non_ip=args.non_ip)


@dataclass(slots=True)
class _Job:
    """Packets through a machine into captures."""

    machine: Machine
    count: Callable[[int], None]
    writers: list[tuple[int | None, str, Writer]] = field(default_factory=list)
    printer: Printer | None = None
    arrived: int = 0
    left: int = 0

    def write_to(self, port: int | None, file: str, stack: ExitStack, nanosecond: bool) -> None:
        """What leaves by `port` (None: by any) goes to a capture."""
        from nfverify.packet.pcap import Writer

        self.writers.append((port, file, Writer(stack.enter_context(replacing(file)), nanosecond)))

    def trace(self) -> None:
        """Tell standard output of every packet."""
        from nfverify.cli.trace_text import Printer

        self.printer = Printer(self.machine.network, sys.stdout)
        self.machine.trace = self.printer.visit

    def feed(self, captures: list[tuple[int, Capture]]) -> CaptureError | None:
        """Runs every packet in order of time; returns what a capture broke off with."""
        from nfverify.packet.pcap import CaptureError

        packets = merge(*(_arrivals(port, capture) for port, capture in captures), key=_stamp)
        try:
            for time, port, frame in packets:
                self.arrived += 1
                if self.printer is not None:
                    self.write(self.machine.wait(time))
                    self.printer.arrival(max(time, self.machine.now or 0), port, frame)
                self.write(self.machine.receive(time, port, frame))
                if self.printer is not None:
                    self.printer.settled()
                if not self.arrived % REFRESH:
                    self.count(self.arrived)
        except CaptureError as error:
            return error
        return None

    def wait(self, relative: bool, time: int) -> None:
        """Time goes on without packets."""
        time += (self.machine.now or 0) if relative else 0
        if time >= 1 << 62:
            raise UsageError("--until: times are below 2^62 ns")
        self.write(self.machine.wait(time))

    def write(self, out: Iterable[Emission]) -> None:
        from nfverify.packet.codec import deparse
        from nfverify.packet.pcap import CutFrame

        for time, port, packet in out:
            self.left += 1
            if self.printer is not None:
                self.printer.output(port, packet)
            if not self.writers:
                continue
            frame, arrived = deparse(packet), packet.frame
            length = arrived.original_length if isinstance(arrived, CutFrame) else None
            for wanted, file, writer in self.writers:
                if wanted is None or wanted == port:
                    try:
                        writer.write(time, frame, length)
                    except ValueError as error:
                        raise UsageError(f"{file}: {error}") from error

    def summary(self) -> str:
        """How many came and left, and the errors of the model."""
        errors = [f"{name} {n:,}" for name, n in self.machine.counters.items() if n]
        text = f"{self.arrived:,} packets in, {self.left:,} out"
        return f"{text}; {', '.join(errors)}" if errors else text


def _arrivals(port: int, capture: Capture) -> Iterator[tuple[int, int, bytes]]:
    from nfverify.packet.pcap import CutFrame

    for record in capture:
        frame = record.frame
        if record.original_length > len(frame):
            frame = CutFrame(frame)
            frame.original_length = record.original_length
        yield record.time_ns, port, frame


def _stamp(arrival: tuple[int, int, bytes]) -> int:
    return arrival[0]


@contextmanager
def _capture(file: str) -> Iterator[Capture]:
    from nfverify.packet.pcap import read

    with read(file) as capture:
        yield capture


@contextmanager
def counting(quiet: bool) -> Iterator[Callable[[int], None]]:
    """Shows on a terminal how many packets were run."""
    if quiet or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading") as status:
        yield lambda count: status.update(f"{count:,} packets")


# Arguments --------------------------------------------------------------------------------


def _time(text: str) -> tuple[bool, int]:
    """Is it relative to the last packet; ns."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise UsageError(f"--until {text!a} is no time; write 5s, or +5s after the last packet")
    return bool(match[1]), int(match[2]) * UNITS[match[3]]


def port_and_file(network: Network, text: str) -> tuple[int, str]:
    """What PORT=FILE names. UsageError."""
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise UsageError(f"{text!a} is not PORT=FILE")
    names = network.ports or ("0", "1")
    if name not in names:
        raise UsageError(f"{network.name} has no port {name!a}; it has {', '.join(names)}")
    return names.index(name), file
