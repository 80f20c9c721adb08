"""A user's own program as an engine: by the line protocol, or from capture to capture."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nfverify.oracles.engines.base import UNTOLD, Failure, Run
from nfverify.oracles.engines.lines import MAX_LINE, NotAnAnswer, answer, question
from nfverify.oracles.engines.process import Process, run_to_end
from nfverify.oracles.needs import Needs
from nfverify.oracles.trace import Event, capture, read_captures
from nfverify.packet.pcap import CaptureError
from nfverify.semantics.machine import Output

MAX_STAMP = (1 << 32) * 10**9 - 1  # ns: the last one that a capture holds
_INTERPRETER = re.compile(r"(python|pypy|node|ruby|perl|lua|java|go|env|sudo|run|bash|sh)[0-9.]*")
_PLACE = re.compile(r"\{(in|out)(?::([^{}]*))?\}")


class CommandError(ValueError):
    """A command line that can't be used; says why."""


@dataclass(frozen=True, slots=True)
class LineProgram:
    """A program that answers each line with a line; a process for each trace."""

    name: str
    command: tuple[str, ...]
    ports: tuple[str, ...]
    silence: float  # s without an answer that make a hang
    needs: Needs = Needs(monotone=True)  # noqa: RUF009 - frozen

    def run(self, trace: Sequence[Event]) -> Run:
        data = b"".join(map(question, trace))
        finished = run_to_end(self.command, data, self.silence)
        lines = finished.output.split(b"\n")
        unfinished = lines.pop()
        steps: list[tuple[Output, ...]] = []
        for line in lines[: len(trace)]:
            try:
                steps.append(answer(line, self.ports))
            except NotAnAnswer as error:
                return Run(tuple(steps), failure=Failure("output", str(error)))
        failure = finished.failure
        if failure is None and len(steps) < len(trace):
            what = f"it ended after {len(steps)} answers to {len(trace)} packets"
            failure = Failure("short", what + (", inside a line" if unfinished else ""))
        if failure is None and (len(lines) > len(trace) or unfinished):
            failure = Failure("output", f"more than {len(trace)} answers to as many packets")
        return Run(tuple(steps), failure=failure)

    def start(self) -> LineSession:
        return LineSession(Process(self.command, self.silence), self.ports)

    def with_silence(self, silence: float) -> LineProgram:
        """The same with another limit."""
        return replace(self, silence=silence)


@dataclass(slots=True)
class LineSession:
    """Line by line, each answered before the next."""

    process: Process
    ports: tuple[str, ...]

    def step(self, event: Event) -> tuple[Output, ...] | Failure:
        process = self.process
        process.send(question(event))
        while b"\n" not in process.output:
            if process.closed:
                failure = process.finish()
                return failure or Failure("short", "it ended before it answered", process.said)
            failure = process.pump()
            if failure is None and len(process.output) > MAX_LINE:
                failure = Failure("output", f"a line of over {MAX_LINE >> 20} MB", process.said)
            if failure is not None:
                return failure
        line, _, rest = bytes(process.output).partition(b"\n")
        process.output[:] = rest
        try:
            return answer(line, self.ports)
        except NotAnAnswer as error:
            return Failure("output", str(error))

    def close(self) -> None:
        self.process.kill()


@dataclass(frozen=True, slots=True)
class CaptureProgram:
    """A program that reads captures and writes captures. Which packet caused an output is unknown,
    and with one capture for all, by which port it left."""

    name: str
    command: tuple[str, ...]
    ports: tuple[str, ...]
    silence: float
    inputs: Mapping[str, int]  # placeholder -> port
    outputs: Mapping[str, int]  # UNTOLD: of all ports
    needs: Needs

    def run(self, trace: Sequence[Event]) -> Run:
        with tempfile.TemporaryDirectory(prefix="nfverify-") as folder:
            files = {
                place: str(Path(folder, f"{number}.pcap"))
                for number, place in enumerate((*self.inputs, *self.outputs))
            }
            for place, port in self.inputs.items():
                rows = [event for event in trace if event.port == port]
                Path(files[place]).write_bytes(capture(rows))
            command = [_filled(word, files) for word in self.command]
            failure = run_to_end(command, b"", self.silence).failure
            sent: list[Output] = []
            for place, port in self.outputs.items():
                try:
                    written = read_captures([(0, files[place])])
                    sent += [Output(UNTOLD, port, event.frame) for event in written]
                except OSError:
                    failure = failure or Failure("short", f"it wrote no file for {place}")
                except CaptureError as error:
                    what = f"what it wrote for {place} is no capture: byte {error.offset}:"
                    failure = failure or Failure("output", f"{what} {error.reason}")
        return Run((tuple(sent),), failure=failure, flat=True)

    def with_silence(self, silence: float) -> CaptureProgram:
        """The same with another limit."""
        return replace(self, silence=silence)


def program(text: str, ports: tuple[str, ...], silence: float) -> LineProgram | CaptureProgram:
    """The engine of a command line, split as a shell does but run without one. CommandError."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise CommandError(f"{text!a}: {error}") from None
    if not words:
        raise CommandError("an empty command")
    places: dict[str, dict[str, int]] = {"in": {}, "out": {}}
    for word in words:
        for match in _PLACE.finditer(word):
            default = UNTOLD if match[1] == "out" else 0
            port = default if match[2] is None else _port(match[2], ports)
            places[match[1]][match[0]] = port
    inputs, outputs = places["in"], places["out"]
    name = _name(words)
    if not inputs and not outputs:
        return LineProgram(name, words, ports, silence)
    if not inputs or not outputs:
        raise CommandError(
            f"{text!a} has {{in}} or {{out}}, not both; a program without them reads lines"
        )
    for found in (inputs, outputs):
        if len(set(found.values())) < len(found) or (UNTOLD in found.values() and len(found) > 1):
            raise CommandError(f"{text!a} names a port twice: {', '.join(found)}")
    needs = Needs(
        monotone=True,
        ports=frozenset(inputs.values()),
        apart=1000 if len(inputs) > 1 else 0,
        latest=MAX_STAMP,
    )
    return CaptureProgram(name, words, ports, silence, inputs, outputs, needs)


def _name(words: tuple[str, ...]) -> str:
    """What a report calls a program: its file, without the interpreter."""
    for word in words:
        name = Path(word).name
        if name and not word.startswith("-") and not _INTERPRETER.fullmatch(name):
            return name[:40]
    return "program"


def _port(name: str, ports: tuple[str, ...]) -> int:
    if name not in ports:
        raise CommandError(f"no port {name!a}; the model has {', '.join(ports)}")
    return ports.index(name)


def _filled(word: str, files: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda match: files[match[0]], word)
