"""A test with `replay`: what comes of packets is what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from nfverify.lang.source import NOWHERE, Diagnostic, ModelError
from nfverify.oracles.comparators import Comparison
from nfverify.oracles.engines.base import UNTOLD, Run, Setting
from nfverify.oracles.engines.table import make
from nfverify.oracles.states import difference
from nfverify.oracles.trace import Event, Trace, port_names, read_captures, read_folder
from nfverify.semantics.machine import Output
from nfverify.semantics.state_json import load as load_state
from nfverify.smat.ir import Network
from nfverify.smat.load import load
from nfverify.smat.report import did_you_mean
from nfverify.testing.models import setting_of, suite
from nfverify.testing.settings import Settings
from nfverify.testing.spec import ReplayTest
from nfverify.testing.steps import Sent, execute, table


@dataclass(frozen=True, slots=True)
class _Stream:
    """What must come out by a port (UNTOLD: by any), in order, and what says so. Without times."""

    name: str
    port: int
    sent: Sequence[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class _Case:
    """A trace and what must come of it; `outcome`: the ports by which each packet leaves."""

    name: str
    trace: Trace
    streams: tuple[_Stream, ...] = ()
    outcome: tuple[tuple[int, ...], ...] | None = None
    state: Path | None = None


@dataclass(frozen=True, slots=True)
class _Wrong:
    """The packet at which something else came of it, what should have, and that in words."""

    at: int
    what: str
    expected: tuple[Sent, ...] | None = None


def check_replay(test: ReplayTest, settings: Settings) -> None:
    """pytest's Failed unless every engine does what is expected. ModelError, CaptureError,
    BuildError, OSError."""
    network = load(test.model)
    setting = setting_of(test.common)
    comparison = Comparison(ignore=test.common.ignore)
    engines = [
        make(name, network, setting) for name in settings.engines or test.engines or ("reference",)
    ]
    for case in _cases(test, network):
        for engine in engines:
            run = engine.run(case.trace)
            if run.failure is not None:
                pytest.fail(f"{engine.name}: {run.failure.what}", pytrace=False)
            for wrong in _wrong(case, network, run, comparison):
                _fail(engine.name, test, case, network, setting, run, wrong)


def _cases(test: ReplayTest, network: Network) -> Iterator[_Case]:
    names = port_names(network)
    if test.suite is not None:
        for name, trace in suite(test.suite, network, test.common):
            folder = test.suite / name.rpartition("/")[2]
            out = read_folder(folder / "out", names)
            stream = _Stream(f"{name}/out", UNTOLD, [(event.port, event.frame) for event in out])
            yield _Case(f"{name}: ", trace, (stream,), None, folder / "state.json")
        return
    trace = read_captures([(_number(names, port, test), file) for port, file in test.inputs])
    if not trace:
        raise _error(test, "the captures hold no packets")
    streams = []
    for port, file in test.outputs or ():
        number = _number(names, port, test) if port else UNTOLD
        sent = [(number, event.frame) for event in read_captures([(0, file)])]
        streams.append(_Stream(file.name, number, sent))
    outcome = None
    if test.outcome is not None:
        outcome = tuple(tuple(_number(names, p, test) for p in ports) for ports in test.outcome)
        if len(outcome) != len(trace):
            raise _error(test, f"{len(outcome)} outcomes for {len(trace)} packets")
    yield _Case("", trace, tuple(streams), outcome, test.state)


def _number(names: Sequence[str], port: str, test: ReplayTest) -> int:
    """Of a port by its name; "" is the first."""
    if port in ("", *names):
        return names.index(port) if port else 0
    message = f"{test.model} has no port {port[:60]!a}{did_you_mean(port, names)}"
    raise _error(test, message, f"its ports are {', '.join(names)}")


def _error(test: ReplayTest, message: str, hint: str = "") -> ModelError:
    return ModelError(Diagnostic("error", "test", message, test.common.span, hint))


def _fail(
    engine: str,
    test: ReplayTest,
    case: _Case,
    network: Network,
    setting: Setting,
    run: Run,
    wrong: _Wrong,
) -> None:
    names = port_names(network)
    steps = execute(network, case.trace[: wrong.at + 1], setting)
    sides = {engine: tuple(_sent(out, names) for out in run.steps[wrong.at])}
    if wrong.expected is not None:
        sides["expected"] = wrong.expected
    head = f"{test.model}: {case.name}{wrong.what}"
    pytest.fail(f"{head}\n\n{table(steps, sides)}", pytrace=False)


def _sent(out: Output, names: Sequence[str]) -> Sent:
    return Sent(out.time, names[out.port], out.frame)


# What is wrong ----------------------------------------------------------------------------


def _wrong(case: _Case, network: Network, run: Run, comparison: Comparison) -> Iterator[_Wrong]:
    names = port_names(network)
    for at, (ports, out) in enumerate(zip(case.outcome or (), run.steps, strict=False)):
        left = tuple(output.port for output in out)
        if left != ports:
            told = [", ".join(names[port] for port in side) or "drop" for side in (ports, left)]
            yield _Wrong(at, f"packet {at + 1}: expected {told[0]}, and it was {told[1]}")
    for stream in case.streams:
        yield from _unlike(stream, case.trace, run, names, comparison)
    if case.state is not None and run.state is not None:
        wanted = load_state(network, _text(case.state), case.state.name)
        what = difference(network, run.state, wanted)
        if what:
            yield _Wrong(len(case.trace) - 1, f"the state at the end: {what}")


def _unlike(
    stream: _Stream, trace: Trace, run: Run, names: Sequence[str], comparison: Comparison
) -> Iterator[_Wrong]:
    got = [
        (at, out)
        for at, step in enumerate(run.steps)
        for out in step
        if stream.port in (UNTOLD, out.port)
    ]
    for number, ((port, frame), (at, out)) in enumerate(zip(stream.sent, got, strict=False)):
        same = comparison.view(frame) == comparison.view(out.frame)
        if not same or port not in (UNTOLD, out.port):
            what = f"packet {at + 1}: its output is not packet {number + 1} of {stream.name}"
            yield _Wrong(at, what, (_expected(trace[at], port, frame, names),))
            return
    if len(got) > len(stream.sent):
        at = got[len(stream.sent)][0]
        yield _Wrong(at, f"packet {at + 1}: {stream.name} ends, and more comes out", ())
    elif len(stream.sent) > len(got):
        last = len(trace) - 1
        missing = _expected(trace[last], *stream.sent[len(got)], names)
        what = f"{stream.name} has {len(stream.sent)} packets, and {len(got)} came out"
        yield _Wrong(last, f"{what}; the first that is missing:", (missing,))


def _expected(event: Event, port: int, frame: bytes, names: Sequence[str]) -> Sent:
    return Sent(event.time, "" if port == UNTOLD else names[port], frame)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        message = f"{path.name}: byte {error.start}: not UTF-8"
        raise ModelError(Diagnostic("error", "state", message, NOWHERE)) from None
