"""Platforms whose networks are programs of their own, from captures to captures.

A trace becomes a capture for each port and a schedule, which has the exact times and the order; the
program writes a capture for each port, a log of what caused each frame, and its state.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from nfverify.oracles.engines.base import Failure, Run, Setting
from nfverify.oracles.engines.process import run_to_end
from nfverify.oracles.needs import Needs
from nfverify.oracles.platforms.building import built
from nfverify.oracles.platforms.child import foreground
from nfverify.oracles.platforms.job import Job, Live, Outcome
from nfverify.oracles.platforms.platform import Build, Platform, PlatformEngine
from nfverify.oracles.trace import Event, capture, port_names, read_captures
from nfverify.packet.pcap import CaptureError
from nfverify.semantics import state_binary
from nfverify.semantics.machine import Output
from nfverify.semantics.state import SavedState
from nfverify.smat.ir import Network

SILENCE = 60.0  # s without an end that make a run hang
_RUNAWAY = "the timers fire over"  # what a program says that refuses to go on


class ProgramPlatform(Platform):
    """A platform whose networks become programs with the options of nf_program.hpp."""

    fast_paths: ClassVar[bool] = True
    given: ClassVar[Needs] = Needs(monotone=True)  # what its programs can be given

    def built(self, build: Build) -> Path:
        """The program. ModelError, BuildError."""
        variables = ("SANITIZE=1",) if build.options.sanitize else ()
        return built(self, self.sources(build), *variables)

    def engine(self, build: Build, setting: Setting) -> PlatformEngine:
        name = self.name if build.fast is None else f"{self.name}+fastpath"
        return ProgramEngine(name, self, self.built(build), build.network, setting, self.given)

    def prepare(self, build: Build) -> None:
        self.built(build)

    def write_trace(self, folder: Path, trace: Sequence[Event], ports: Sequence[str]) -> list[str]:
        """Writes a trace as the program reads it: the words that tell the program. The times and
        the order are those of the file `schedule`."""
        words = ["--schedule", str(folder / "schedule")]
        for port in sorted({event.port for event in trace}) or [0]:
            file = folder / f"in{port}.pcap"
            file.write_bytes(capture(event for event in trace if event.port == port))
            words += ("--in", f"{ports[port]}={file}")
        return words

    def read_frames(self, file: Path) -> Iterable[bytes]:
        """The frames in a file that the program wrote, in order. CaptureError, ValueError."""
        return (event.frame for event in read_captures([(0, file)]))

    def run(self, build: Build, job: Job) -> Outcome:
        ports = port_names(build.network)
        words: list[str] = []
        for port, file in job.inputs:
            words += ("--in", f"{ports[port]}={file}")
        for where, file in job.outputs:
            words += ("-o", file) if where is None else ("--out", f"{ports[where]}={file}")
        if job.until is not None:
            relative, time = job.until
            words += ("--until", f"+{time}" if relative else str(time))
        return self._outcome(build, job, words)

    def live(self, build: Build, live: Live) -> Outcome:
        words = ["--live", ",".join(live.interfaces)] if live.interfaces else []
        for option, value in (
            ("--count", live.count),
            ("--idle", live.idle),
            ("--stats", live.every),
            *((f"--{name}", text) for name, text in live.options.items()),
        ):
            if value is not None:
                words += (option, f"{value:g}" if isinstance(value, float) else str(value))
        return self._outcome(build, live, words)

    def _outcome(self, build: Build, job: Job | Live, words: list[str]) -> Outcome:
        program = self.built(build)
        with _folder() as folder:
            state = folder / "end.bin"
            words += ("--non-ip", job.non_ip, *(("--quiet",) if job.quiet else ()))
            words += _start(folder, job.start)
            words += ("--state", str(state)) if job.saves else ()
            code = foreground(program, words)
            found = state.read_bytes() if state.is_file() else None
        return Outcome(code, state=found)


@dataclass(frozen=True, slots=True)
class ProgramEngine:
    """A program as an engine: a process for each trace."""

    name: str
    platform: ProgramPlatform
    program: Path
    network: Network
    setting: Setting
    needs: Needs
    silence: float = SILENCE

    def with_silence(self, silence: float) -> ProgramEngine:
        """The same with another limit."""
        return replace(self, silence=silence)

    def run(
        self, trace: Sequence[Event], start: SavedState | None = None, until: int | None = None
    ) -> Run:
        ports = port_names(self.network)
        with _folder() as folder:
            command = [str(self.program), "--quiet", "--non-ip", self.setting.non_ip]
            schedule, log, state = folder / "schedule", folder / "log", folder / "end.bin"
            schedule.write_text("".join(f"{event.port} {event.time}\n" for event in trace))
            command += self.platform.write_trace(folder, trace, ports)
            outputs = {port: folder / f"out{port}.pcap" for port in range(len(ports))}
            for port, file in outputs.items():
                command += ("--out", f"{ports[port]}={file}")
            command += ("--log", str(log), "--state", str(state))
            given = None if start is None else state_binary.dump(self.network, start)
            command += _start(folder, given)
            command += () if until is None else ("--until", str(until))
            failure = run_to_end(command, b"", self.silence).failure
            count = len(trace) + (until is not None)
            try:
                found = self._steps(outputs, log, count)
            except (CaptureError, OSError, ValueError) as error:
                broken = Failure("output", f"what it wrote can't be read: {error}")
                return Run((), failure=failure or broken)
            if failure is not None:
                return Run(_complete(found), failure=_named(failure))
            end = state_binary.load(self.network, state.read_bytes(), "the state at the end")
        return Run(tuple(map(tuple, found)), end)

    def _steps(self, outputs: Mapping[int, Path], log: Path, count: int) -> list[list[Output]]:
        """What came out at each step, by the log. ValueError if it doesn't fit the files."""
        frames = {
            port: iter(self.platform.read_frames(file) if file.is_file() else ())
            for port, file in outputs.items()
        }
        steps: list[list[Output]] = [[] for _ in range(count)]
        lines = log.read_text(encoding="ascii").splitlines() if log.is_file() else []
        for number, line in enumerate(lines, 1):
            cause, port, time = map(int, line.split())
            frame = next(frames.get(port, iter(())), None)
            if frame is None or not 0 <= cause < count:
                raise ValueError(f"line {number} of the log has no frame, or no packet before it")
            steps[cause].append(Output(time, port, frame))
        if any(next(rest, None) is not None for rest in frames.values()):
            raise ValueError("there are frames of which the log doesn't tell")
        return steps


def _start(folder: Path, state: bytes | None) -> tuple[str, ...]:
    """The words that give a program the state to start from."""
    if state is None:
        return ()
    file = folder / "start.bin"
    file.write_bytes(state)
    return "--start", str(file)


def _complete(steps: Sequence[list[Output]]) -> tuple[tuple[Output, ...], ...]:
    """The steps of a run that broke off: those before the last that anything came out of."""
    last = max((number for number, step in enumerate(steps) if step), default=0)
    return tuple(tuple(step) for step in steps[:last])


def _named(failure: Failure) -> Failure:
    """A refusal to go on, which is no crash."""
    if failure.kind == "crash" and _RUNAWAY in failure.said:
        return Failure("refused", failure.said)
    return failure


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="nfverify-") as name:
        yield Path(name)
