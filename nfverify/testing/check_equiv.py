"""A test with `equiv`: the verdict on two models is the expected one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from nfverify.equivalence.problem import Options, Problem, Side
from nfverify.equivalence.question import Question
from nfverify.equivalence.replay import NotReproduced, replay
from nfverify.equivalence.simulate import Arrival, Pair
from nfverify.equivalence.supervise import supervise
from nfverify.equivalence.verdict import (
    Counterexample,
    Different,
    Equivalent,
    Unknown,
    Verdict,
)
from nfverify.oracles.trace import Event
from nfverify.packet.codec import Malformed, parse
from nfverify.report.text import table, text
from nfverify.semantics.machine import Machine
from nfverify.semantics.operators import Function
from nfverify.smat.condition import assumption
from nfverify.smat.ir import Network
from nfverify.smat.load import load
from nfverify.testing.models import operators_of
from nfverify.testing.settings import DEFAULT_TIME, Settings
from nfverify.testing.spec import REFINED, VERDICTS, EquivTest
from nfverify.testing.stored import Store, Stored, keep, relative

_WORD = {Equivalent: "equivalent", Different: "different", Unknown: "unknown"}


@dataclass(frozen=True, slots=True)
class _Models:
    a: Network
    b: Network
    options: Options
    operators: Mapping[str, Function]


def check_equiv(test: EquivTest, settings: Settings, store: Store) -> Verdict:
    """The verdict; pytest's Failed or Skipped unless it is as expected. ModelError, OSError."""
    a = load(test.a)
    b = load(test.b, ports=a.ports)
    options = Options(
        observe_state=test.observe == "packets+state",
        ignore=test.common.ignore,
        assume=assumption(test.assume, a.ports, "assume"),
        drop_non_ip=test.common.non_ip == "drop",
    )
    models = _Models(a, b, options, operators_of(test.common.ops))
    setting: dict[str, object] = {
        "assume": list(test.assume),
        "observe": test.observe,
        "non-ip": test.common.non_ip,
    }
    if test.verdict == "equivalent" and not test.refine:
        for stored in store.load(models.a):
            if stored.setting == setting:
                _replayed(test, models, stored)
    limit = settings.time_limit or test.time_limit or DEFAULT_TIME
    question = Question(
        options=options,
        operators=models.operators or None,
        time_limit=limit,
        depth=test.depth,
        assumption=" && ".join(test.assume),
        refine=test.refine,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork where pytest has threads
        verdict = supervise(a, b, question)
    _judge(test, settings, verdict, store, setting, a.ports)
    return verdict


def _judge(
    test: EquivTest,
    settings: Settings,
    verdict: Verdict,
    store: Store,
    setting: Mapping[str, object],
    ports: tuple[str, ...],
) -> None:
    word = _WORD[type(verdict)]
    if word == test.verdict:
        return
    report = text(verdict, test.a, test.b).rstrip()
    if isinstance(verdict, Unknown) and (test.allow_unknown or settings.allow_unknown):
        pytest.skip(f"unknown, which is allowed: {verdict.reason}")
    head = "" if test.verdict == "equivalent" else f"expected: {_expected(test)}\n"
    if isinstance(verdict, Different) and not test.refine:  # whose choices a trace doesn't tell
        events = _events(verdict.counterexample, ports)
        report += "\n\n" + keep(store, events, report, setting)
    pytest.fail(head + report, pytrace=False)


def _expected(test: EquivTest) -> str:
    return REFINED[VERDICTS.index(test.verdict)] if test.refine else test.verdict


def _events(example: Counterexample, ports: tuple[str, ...]) -> list[Event]:
    return [
        Event(e.time, ports.index(e.port) if e.port in ports else int(e.port), e.frame)
        for e in example.events
    ]


def _replayed(test: EquivTest, models: _Models, stored: Stored) -> None:
    """Fails if a stored trace still tells the models apart."""
    problem = Problem(
        Side("a", models.a),
        Side("b", models.b),
        models.options,
        lambda terms: lambda ruleset, args: terms.true,
    )
    arrivals = []
    for event in stored.trace:
        packet = parse(event.frame)
        if isinstance(packet, Malformed):  # both drop it
            continue
        arrivals.append(Arrival(event.time, event.port, packet))
    non_ip = test.common.non_ip
    machines = (
        Machine(models.a, operators=models.operators, non_ip=non_ip),
        Machine(models.b, operators=models.operators, non_ip=non_ip),
    )
    try:
        events, differences = replay(problem, Pair(problem, machines), tuple(arrivals))
    except NotReproduced:
        return
    example = Counterexample(events, False, 0, differences)
    head = f"different: {test.a} and {test.b} part on a stored counterexample"
    shown = "\n".join(table(example))
    pytest.fail(f"{head}\n\n{shown}\n\nIt stands in {relative(stored.path)}", pytrace=False)
