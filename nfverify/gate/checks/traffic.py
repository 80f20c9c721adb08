"""Checks that send packets: tests on engines, coverage, mutation."""

from __future__ import annotations

import time
from dataclasses import replace

from nfverify.equivalence.reach.outcome import Open, Unreachable
from nfverify.gate.checks.models import functions_of
from nfverify.gate.spec import CheckError, Coverage, Mutation, Test
from nfverify.oracles.comparators import Comparison
from nfverify.oracles.coverage.instrument import instrument
from nfverify.oracles.coverage.measure import Measured
from nfverify.oracles.generate.outcome import Hit
from nfverify.oracles.generate.packets import events
from nfverify.oracles.generate.pipeline import Limits, generate
from nfverify.oracles.given import given
from nfverify.oracles.mutation.grading import Effort, grade
from nfverify.oracles.story import tell
from nfverify.oracles.tester import DEFAULT_ENGINES, SILENCE, Options, contest_of, examine
from nfverify.oracles.trace import Trace
from nfverify.report.as_result import coverage_result, enough, finding_result, mutation_result
from nfverify.report.finding import Test as Tested
from nfverify.report.growth import generated, measured
from nfverify.report.results import Result
from nfverify.smat.ir import Network
from nfverify.smat.load import load


def check_test(check: Test) -> Result:
    """What `nfverify test` finds."""
    started, common = time.monotonic(), check.common
    network = load(check.model)
    default = DEFAULT_ENGINES if check.against is None else DEFAULT_ENGINES[:1]
    options = Options(
        engines=check.engines or default,
        against=check.against,
        comparison=Comparison.of(check.compare, check.ignore),
        examples=check.packets,
        seed=check.seed,
        non_ip=common.non_ip,
        operators=functions_of(common),
        silence=check.answer_limit or SILENCE,
        well_formed=check.well_formed,
    )
    result = examine(network, options, given(check.suite, check.traces, network))
    story = None
    if result.finding is not None:
        story = tell(contest_of(network, options), result.finding.divergence)
    tested = Tested(check.model, network, options, result, story)
    return finding_result(common.name, tested, time.monotonic() - started)


def check_coverage(check: Coverage) -> Result:
    """What of a model the traffic reaches; what is made for it, and proved unreachable, too."""
    started, common = time.monotonic(), check.common
    network = load(check.model)
    functions = functions_of(common)
    if check.suite is not None or check.traces:
        traces = _packets(given(check.suite, check.traces, network))
        found = Measured(instrument(network, check.level), functions, common.non_ip)
        for name, trace in traces:
            found.run(name, trace)
        return coverage_result(
            common.name,
            check.model,
            found.instrumented.goals,
            found.first,
            least=check.least,
            seconds=time.monotonic() - started,
            series=measured(found),
        )
    limits = Limits(seconds=common.time_limit)
    made = generate(network, check.level, operators=functions, limits=limits)
    fates = made.fates
    result = coverage_result(
        common.name,
        check.model,
        made.goals,
        {number for number, fate in fates.items() if isinstance(fate, Hit)},
        unreachable={number for number, fate in fates.items() if isinstance(fate, Unreachable)},
        least=check.least,
        seconds=time.monotonic() - started,
        series=generated(made),
    )
    open_ = made.count(Open)
    whole = result.ratios[0]
    if result.status == "different" and enough(replace(whole, total=whole.total - open_)):
        reason = f"{open_} goals are neither reached nor proved unreachable"
        return replace(result, status="unknown", reason=reason)
    return result


def check_mutation(check: Mutation) -> Result:
    """How many small mistakes the traffic notices."""
    network = load(check.model)
    functions = functions_of(check.common)
    traces: list[Trace]
    if check.suite is not None or check.traces:
        traces = [trace for _, trace in _packets(given(check.suite, check.traces, network))]
    else:
        traces = _made(network, check)
    found = grade(network, traces, operators=functions, effort=Effort(check.prove_limit))
    return mutation_result(check.common.name, check.model, found, least=check.least)


def _made(network: Network, check: Mutation) -> list[Trace]:
    """What `gen --coverage full` makes."""
    limits = Limits(seconds=check.common.time_limit, prove=False)
    made = generate(network, "full", operators=functions_of(check.common), limits=limits)
    return [events(item.script) for item in made.items]


def _packets(traces: list[tuple[str, Trace]]) -> list[tuple[str, Trace]]:
    if not any(trace for _, trace in traces):
        raise CheckError("the suite has no packets")
    return traces
