"""Captures through the engine of a platform that has no reader of its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from heapq import merge

from nfverify.oracles.engines.base import Run
from nfverify.oracles.platforms.job import Job, Outcome
from nfverify.oracles.platforms.platform import PlatformEngine
from nfverify.oracles.trace import Event, arrivals
from nfverify.packet.files import replacing
from nfverify.packet.pcap import TIME_LIMIT, CaptureError, CutFrame, Writer, read
from nfverify.semantics import state_binary
from nfverify.semantics.state import SavedState
from nfverify.smat.ir import Network

FAILED = 2  # exit code
Arrivals = tuple[list[Event], CaptureError | None, bool]


def run_files(engine: PlatformEngine, network: Network, job: Job) -> Outcome:
    """The captures of a job as one trace, in memory, and what came out into captures."""
    trace, broken, nanosecond = _read(job.inputs)
    why = "" if broken is None else str(broken)
    for number, event in enumerate(trace):
        before = trace[number - 1] if number else None
        if engine.needs.fit(event, before) is None:
            why = f"packet {number + 1} ({len(event.frame)} bytes) can't be given to {engine.name}"
            trace = trace[:number]
            break
    start = None if job.start is None else state_binary.load(network, job.start, "the state")
    run = engine.run(trace, start, None if why else _until(trace, start, job))
    left = _write(job, trace, run, nanosecond)
    arrived = len(trace) if run.failure is None else min(len(trace), len(run.steps))
    summary = f"{arrived:,} packets in, {left:,} out"
    why = run.failure.what if run.failure else why
    state = None
    if job.saves and run.state is not None:
        state = state_binary.dump(network, run.state)
    return Outcome(FAILED if why else 0, summary, why, state)


def _read(inputs: Sequence[tuple[int, str]]) -> Arrivals:
    """All packets in order of time, what a capture broke off with, and are stamps finer than µs."""
    found: list[Event] = []
    with ExitStack() as stack:
        captures = [(port, stack.enter_context(read(file))) for port, file in inputs]
        nanosecond = any(capture.nanosecond for _, capture in captures)
        streams = [arrivals(port, capture) for port, capture in captures]
        try:
            for event in merge(*streams, key=lambda event: event.time):
                found.append(event)  # noqa: PERF402 - what came before a fault counts
        except CaptureError as error:
            return found, error, nanosecond
    return found, None, nanosecond


def _until(trace: Sequence[Event], start: SavedState | None, job: Job) -> int | None:
    """Up to when to run on, ns. ValueError for a time that no clock shows."""
    if job.until is None:
        return None
    relative, time = job.until
    if relative:
        begun = 0 if start is None or start.now is None else start.now
        time += max((begun, *(event.time for event in trace)))
    if time >= TIME_LIMIT:
        raise ValueError("times are below 2^62 ns")
    return time


def _write(job: Job, trace: Sequence[Event], run: Run, nanosecond: bool) -> int:
    """What came out into the captures of a job: how many packets that is."""
    frames = [event.frame for event in trace[: len(run.steps)]]
    lengths = [f.original_length if isinstance(f, CutFrame) else None for f in frames]
    lengths += [None] * (len(run.steps) - len(lengths))  # what came out after the last packet
    with ExitStack() as stack:
        writers = [
            (port, Writer(stack.enter_context(replacing(file)), nanosecond))
            for port, file in job.outputs
        ]
        for length, step in zip(lengths, run.steps, strict=True):
            for out in step:
                for port, writer in writers:
                    if port in (None, out.port):
                        writer.write(out.time, out.frame, length)
    return sum(map(len, run.steps))
