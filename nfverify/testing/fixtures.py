"""What the fixtures `nf`, `oracle` and `nf_equiv` give."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

import nfverify
from nfverify.cythonized.host import NetworkFunction
from nfverify.equivalence.evaluation.verdicts import NotAllowed, Undecided
from nfverify.equivalence.verdict import Verdict
from nfverify.lang.source import NOWHERE, ModelError
from nfverify.oracles.comparators import Comparison
from nfverify.oracles.engines.base import UNTOLD, Setting
from nfverify.oracles.trace import Event
from nfverify.semantics.machine import Output
from nfverify.semantics.operators import Function
from nfverify.smat.ir import Network
from nfverify.smat.load import load
from nfverify.testing.faults import WORDED, failed
from nfverify.testing.models import chooses
from nfverify.testing.spec import (
    NON_IP,
    OBSERVE,
    VERDICTS,
    Common,
    EquivTest,
    Expected,
    NonIp,
    Observe,
)
from nfverify.testing.steps import Runner, Sent, Step, table

if TYPE_CHECKING:
    from nfverify.equivalence.evaluation.oracle import SymbolicOracle

Model = str | os.PathLike[str]
Answer = bytes | tuple[int, bytes] | tuple[int, int, bytes]  # frame; port, frame; time, port, frame


def located(model: Model, folder: Path) -> str:
    """A target as `load` takes it: a file beside the test, else as it is."""
    target = os.fspath(model)
    beside = os.path.relpath(folder / target)
    path, colon, _ = target.rpartition(":")
    named = bool(colon) and (folder / path).exists()
    if not target.startswith("lib:") and (named or (folder / target).exists()):
        return beside
    return target


def loaded(model: Model, folder: Path) -> Network:
    """The network; pytest's Failed, in the compiler's words, if the model is wrong."""
    try:
        return load(located(model, folder))
    except ModelError as error:
        raise failed(error) from None


class Compiled:
    """Models as machine code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        model: Model,
        *,
        operators: Mapping[str, Function] | None = None,
        non_ip: NonIp = "bypass",
    ) -> NetworkFunction:
        """A network function in its initial state. A build is made once and cached."""
        network = loaded(model, self.folder)
        try:
            return nfverify.compile(network, operators=operators, non_ip=non_ip)
        except WORDED as error:
            raise failed(error) from None


class Oracles:
    """What models say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        model: Model,
        *,
        operators: Mapping[str, Function] | None = None,
        non_ip: NonIp = "bypass",
        ignore: Sequence[str] = (),
    ) -> Oracle:
        """The oracle of a model, in its initial state; `ignore` are fields that don't count."""
        network = loaded(model, self.folder)
        return Oracle(network, Setting(operators or {}, non_ip), Comparison(ignore=tuple(ignore)))


class Oracle:
    """A model that says what must come out, and holds an implementation against it."""

    def __init__(self, network: Network, setting: Setting, comparison: Comparison) -> None:
        self.comparison = comparison
        self.runner = Runner(network, setting)
        self.steps: list[Step] = []
        self._open = _symbolic(network, setting) if chooses(network) else None
        if self._open is not None and not comparison.exact:
            raise ValueError("`ignore` is not for models that choose")

    def step(self, time: int, port: int, frame: bytes) -> tuple[Sent, ...]:
        """What must come out for a frame that arrives by `port` at `time`, ns; where the model may
        choose, one of its answers."""
        self.steps.append(self.runner.step(Event(time, port, frame)))
        return self.steps[-1].outputs

    def check(self, time: int, port: int, frame: bytes, outputs: Iterable[Answer]) -> None:
        """As `step`; fails, with all packets so far, unless that is what came out, or is one of the
        things that the model may choose."""
        self.step(time, port, frame)
        got = [_output(answer) for answer in outputs]
        if self._open is not None:
            self._allowed(self._open, Event(time, port, frame), got)
            return
        wanted = [
            Output(sent.time, self.runner.number(sent.port), sent.frame)
            for sent in self.steps[-1].outputs
        ]
        if not self.comparison.same(wanted, got):
            self._fail("what came out is not what the model says", "model", got)

    def _allowed(self, oracle: SymbolicOracle, event: Event, got: list[Output]) -> None:
        if any(out.port == UNTOLD for out in got):
            raise TypeError("of a model that chooses, the outputs must say by which port")
        outputs = [out if out.time != UNTOLD else (out.port, out.frame) for out in got]
        judgement = oracle.allows(*event, outputs)
        if isinstance(judgement, NotAllowed):
            what = f"the model does not allow what came out: {judgement.reason}"
            self._fail(what, "model, e.g.", got)
        elif isinstance(judgement, Undecided):
            self._fail(f"unknown: {judgement.reason}", "model, e.g.", got)

    def _fail(self, what: str, model: str, got: list[Output]) -> NoReturn:
        step = self.steps[-1]
        actual = tuple(
            Sent(
                step.time if out.time == UNTOLD else out.time,
                "" if out.port == UNTOLD else self.runner.name(out.port),
                out.frame,
            )
            for out in got
        )
        sides = {model: step.outputs, "actual": actual}
        head = f"packet {step.number}: {what}"
        pytest.fail(f"{head}\n\n{table(self.steps, sides)}", pytrace=False)


def _symbolic(network: Network, setting: Setting) -> SymbolicOracle:
    from nfverify.equivalence.evaluation.oracle import SymbolicOracle

    return SymbolicOracle(network, operators=setting.operators, non_ip=setting.non_ip)


def _output(answer: Answer) -> Output:
    match answer:
        case bytes() | bytearray():
            return Output(UNTOLD, UNTOLD, bytes(answer))
        case (int() as port, frame):
            return Output(UNTOLD, port, bytes(frame))
        case (int() as time, int() as port, frame):
            return Output(time, port, bytes(frame))
    raise TypeError(f"an output is a frame, (port, frame) or (time, port, frame), not {answer!r}")


class Equivalence:
    """The prover."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.request = request

    def __call__(
        self,
        a: Model,
        b: Model,
        *,
        verdict: Expected = "equivalent",
        observe: Observe = "packets",
        ignore: Sequence[str] = (),
        assume: Sequence[str] = (),
        non_ip: NonIp = "bypass",
        refine: bool = False,
        depth: int | None = None,
        time_limit: float | None = None,
        allow_unknown: bool = False,
    ) -> Verdict:
        """The verdict; fails, with the trace or the reason, unless it is the one expected."""
        from nfverify.testing.check_equiv import check_equiv
        from nfverify.testing.settings import settings, test_name

        for what, value, allowed in (
            ("verdict", verdict, VERDICTS),
            ("observe", observe, OBSERVE),
            ("non_ip", non_ip, NON_IP),
        ):
            if value not in allowed:
                raise ValueError(f"{what} is {value!r}; it can be {', '.join(allowed)}")
        request = self.request
        folder = request.path.parent
        test = EquivTest(
            Common(request.node.name, NOWHERE, tuple(ignore), non_ip, ()),
            located(a, folder),
            located(b, folder),
            verdict,
            observe,
            (assume,) if isinstance(assume, str) else tuple(assume),
            refine,
            depth,
            time_limit,
            allow_unknown,
        )
        options = settings(request.config)
        try:
            return check_equiv(test, options, options.store(request.path, test_name(request)))
        except WORDED as error:
            raise failed(error) from None
