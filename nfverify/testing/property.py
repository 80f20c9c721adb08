"""Property tests over traces: `trace_test`."""

from __future__ import annotations

import inspect
import linecache
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, wraps
from traceback import walk_tb
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given

from nfverify.oracles.comparators import Comparison
from nfverify.oracles.engines.base import Engine, Setting
from nfverify.oracles.engines.table import make
from nfverify.oracles.trace import Trace
from nfverify.semantics.machine import RunawayError
from nfverify.semantics.operators import Function
from nfverify.smat.ir import Network
from nfverify.strategies import traces
from nfverify.testing.fixtures import Model, loaded
from nfverify.testing.settings import DEFAULT_SEED, settings, test_name
from nfverify.testing.spec import NonIp
from nfverify.testing.steps import Step, execute, table
from nfverify.testing.stored import keep, relative

SUPPLIED = ("steps", "trace")
Test = Callable[..., None]


def trace_test(
    model: Model,
    *,
    examples: int = 100,
    packets: int = 30,
    hostile: bool = False,
    non_ip: NonIp = "bypass",
    operators: Mapping[str, Function] | None = None,
) -> Callable[[Test], Test]:
    """A test that must hold of every trace through a model; its argument `steps` is the trace as
    the reference runs it, `trace` its bare events. Other arguments are fixtures.

    `examples` traces of up to `packets` packets are tried, `hostile` ones with malformed frames,
    and before them those that failed once. With `--nf-engines`, all of these engines must do the
    same on them, too.
    """

    def decorate(function: Test) -> Test:
        signature = inspect.signature(function)
        wanted = [name for name in SUPPLIED if name in signature.parameters]
        if not wanted:
            raise TypeError(f"{function.__name__} needs an argument `steps` or `trace`")
        asks = "request" in signature.parameters

        @wraps(function)
        def run(*args: Any, request: pytest.FixtureRequest, **fixtures: Any) -> None:
            network = loaded(model, request.path.parent)
            setting = Setting(operators or {}, non_ip)
            if asks:
                fixtures["request"] = request

            def body(trace: Trace, steps: tuple[Step, ...]) -> None:
                supplied = {"trace": trace, "steps": steps}
                function(*args, **fixtures, **{name: supplied[name] for name in wanted})

            names = settings(request.config).engines or ()
            engines = [make(name, network, setting) for name in names]
            property_ = _Property(body, network, setting, engines, inspect.getfile(function))
            strategy = traces(network, max_size=packets, hostile=hostile, operators=operators)
            _search(property_, request, strategy, examples)

        kept = [p for p in signature.parameters.values() if p.name not in (*SUPPLIED, "request")]
        more = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY)
        run.__signature__ = signature.replace(parameters=[*kept, more])  # type: ignore[attr-defined]
        return run

    return decorate


class _Parted(AssertionError):
    """Two engines that don't do the same."""


@dataclass(slots=True)
class _Property:
    """What must hold of a trace; the last one of which it didn't, and why."""

    body: Callable[[Trace, tuple[Step, ...]], None]
    network: Network
    setting: Setting
    engines: Sequence[Engine]
    file: str
    failure: tuple[Trace, str] | None = field(default=None)

    def check(self, trace: Trace) -> None:
        """Raises what the test raises."""
        try:
            steps = execute(self.network, trace, self.setting)
        except RunawayError:  # timers that never rest: no trace for anyone
            hypothesis.reject()
        try:
            self._agree(trace)
            self.body(trace, steps)
        except hypothesis.errors.UnsatisfiedAssumption:
            raise
        except (Exception, pytest.fail.Exception) as error:
            self.failure = trace, f"{self._why(error)}\n\n{table(steps)}"
            raise

    def _agree(self, trace: Trace) -> None:
        if not self.engines:
            return
        first, *rest = self.engines
        wanted = first.run(trace)
        for other in rest:
            parted = Comparison().parted(wanted, other.run(trace))
            if parted is not None:
                raise _Parted(f"{first.name} and {other.name} part at packet {parted.at + 1}")

    def _why(self, error: BaseException) -> str:
        """What was wrong, and the line of the test that found it."""
        said = str(error).strip() or type(error).__name__
        if not isinstance(error, AssertionError | pytest.fail.Exception):
            said = f"{type(error).__name__}: {said}"
        lines = [n for frame, n in walk_tb(error.__traceback__) if self._ours(frame.f_code)]
        if isinstance(error, _Parted) or not lines:
            return said
        source = linecache.getline(self.file, lines[-1]).strip()
        return f"{os.path.relpath(self.file)}:{lines[-1]}: {source}\n{said}"

    def _ours(self, code: object) -> bool:
        return getattr(code, "co_filename", "") == self.file


def _search(
    property_: _Property, request: pytest.FixtureRequest, strategy: Any, examples: int
) -> None:
    """Stored traces first, then new ones; pytest's Failed with the packets."""
    options = settings(request.config)
    store = options.store(request.path, test_name(request))
    for stored in store.load(property_.network):
        _run(property_, partial(property_.check, stored.trace))
        if property_.failure is not None:
            _, report = property_.failure
            pytest.fail(f"{report}\n\nIt stands in {relative(stored.path)}", pytrace=False)
    seed = DEFAULT_SEED if options.seed is None else options.seed

    @hypothesis.seed(seed)
    @_settings(examples)
    @given(strategy)
    def search(trace: Trace) -> None:
        property_.check(trace)

    _run(property_, search)
    if property_.failure is not None:
        trace, report = property_.failure
        pytest.fail(f"{report}\n\n{keep(store, list(trace), report)}", pytrace=False)


def _run(property_: _Property, call: Callable[[], object]) -> None:
    """What fails is in `property_.failure` afterwards; faults of the search itself go up."""
    try:
        call()
    except hypothesis.errors.UnsatisfiedAssumption:  # of a stored trace
        return
    except (Exception, pytest.fail.Exception):
        if property_.failure is None:
            raise


def _settings(examples: int) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples,
        derandomize=False,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
