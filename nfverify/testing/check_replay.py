"""A test with `replay`: what comes of a capture is what it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from nfverify.lang.source import NOWHERE, Diagnostic, ModelError
from nfverify.oracles.comparators import Comparison
from nfverify.oracles.engines.base import UNTOLD, Run, Setting
from nfverify.oracles.engines.table import make
from nfverify.oracles.states import difference
from nfverify.oracles.trace import Trace, port_names, read_captures
from nfverify.semantics.machine import Output
from nfverify.semantics.state_json import load as load_state
from nfverify.smat.ir import Network
from nfverify.smat.load import load
from nfverify.smat.report import did_you_mean
from nfverify.testing.models import setting_of
from nfverify.testing.settings import Settings
from nfverify.testing.spec import ReplayTest
from nfverify.testing.steps import Sent, execute, table


def check_replay(test: ReplayTest, settings: Settings) -> None:
    """pytest's Failed unless every engine does what is expected. ModelError, CaptureError,
    BuildError, OSError."""
    network = load(test.model)
    setting = setting_of(test.common)
    trace = read_captures([(_number(network, port, test), file) for port, file in test.inputs])
    if not trace:
        what = "the captures hold no packets"
        raise ModelError(Diagnostic("error", "test", what, test.common.span))
    engines = settings.engines or test.engines or ("reference",)
    for name in engines:
        run = make(name, network, setting).run(trace)
        if run.failure is not None:
            pytest.fail(f"{name}: {run.failure.what}", pytrace=False)
        for check in (_outcome, _outputs, _state):
            wrong = check(test, network, trace, run)
            if wrong is not None:
                at, expected, what = wrong
                _fail(name, test, network, setting, trace[: at + 1], run.steps[at], expected, what)


Wrong = tuple[int, tuple[Sent, ...] | None, str]  # at which packet, what was expected, in words


def _fail(
    engine: str,
    test: ReplayTest,
    network: Network,
    setting: Setting,
    trace: Trace,
    got: Sequence[Output],
    expected: tuple[Sent, ...] | None,
    what: str,
) -> None:
    steps = execute(network, trace, setting)
    names = port_names(network)
    sides = {engine: tuple(Sent(out.time, names[out.port], out.frame) for out in got)}
    if expected is not None:
        sides["expected"] = expected
    head = f"{test.model}: {what}"
    pytest.fail(f"{head}\n\n{table(steps, sides)}", pytrace=False)


def _number(network: Network, port: str, test: ReplayTest) -> int:
    """Of a port by its name; "" is the first."""
    names = port_names(network)
    if port in ("", *names):
        return names.index(port) if port else 0
    message = f"{test.model} has no port {port[:60]!a}{did_you_mean(port, names)}"
    hint = f"its ports are {', '.join(names)}"
    raise ModelError(Diagnostic("error", "port", message, test.common.span, hint))


def _outcome(test: ReplayTest, network: Network, trace: Trace, run: Run) -> Wrong | None:
    """By which ports each packet left."""
    if test.outcome is None:
        return None
    names = port_names(network)
    wanted = [tuple(_number(network, port, test) for port in ports) for ports in test.outcome]
    for at, (ports, out) in enumerate(zip(wanted, run.steps, strict=False)):
        left = tuple(output.port for output in out)
        if left != ports:
            told = [", ".join(names[port] for port in side) or "drop" for side in (ports, left)]
            return at, None, f"packet {at + 1}: expected {told[0]}, and it was {told[1]}"
    if len(wanted) != len(trace):
        counts = f"{len(wanted)} outcomes for {len(trace)} packets"
        raise ModelError(Diagnostic("error", "test", counts, test.common.span))
    return None


def _outputs(test: ReplayTest, network: Network, trace: Trace, run: Run) -> Wrong | None:
    """What came out, in order, against captures: of all ports, or of one each. Without times."""
    if test.outputs is None:
        return None
    comparison = Comparison(ignore=test.common.ignore)
    for name, file in test.outputs:
        port = UNTOLD if not name else _number(network, name, test)
        wanted = [event.frame for event in read_captures([(0, file)])]
        got = [
            (at, out.frame)
            for at, step in enumerate(run.steps)
            for out in step
            if port in (UNTOLD, out.port)
        ]
        for number, (frame, (at, actual)) in enumerate(zip(wanted, got, strict=False)):
            if comparison.view(frame) != comparison.view(actual):
                what = f"packet {at + 1}: its output is not packet {number + 1} of {file.name}"
                return at, (Sent(trace[at].time, name, frame),), what
        if len(got) > len(wanted):
            at = got[len(wanted)][0]
            return at, (), f"packet {at + 1}: {file.name} ends, and more comes out"
        if len(wanted) > len(got):
            missing = Sent(trace[-1].time, name, wanted[len(got)])
            many = f"{len(wanted)} packets, and {len(got)} came out"
            return len(trace) - 1, (missing,), f"{file.name} has {many}; this one didn't"
    return None


def _state(test: ReplayTest, network: Network, trace: Trace, run: Run) -> Wrong | None:
    """The state at the end."""
    if test.state is None or run.state is None:
        return None
    wanted = load_state(network, _text(test.state), test.state.name)
    what = difference(network, run.state, wanted)
    return (len(trace) - 1, None, f"the state at the end: {what}") if what else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        message = f"{path.name}: byte {error.start}: not UTF-8"
        raise ModelError(Diagnostic("error", "state", message, NOWHERE)) from None
