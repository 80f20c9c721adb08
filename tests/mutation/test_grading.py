"""The score of a suite, and what is said of the mutants that it misses."""

import json

import pytest
from ir_build import udp

from nfverify.oracles.mutation.grading import Effort, grade
from nfverify.oracles.mutation.killing import Kill, Suite
from nfverify.oracles.mutation.report import as_json, markdown, missing_tests, summary, text
from nfverify.oracles.trace import Event
from nfverify.smat import ir
from nfverify.smat.load import load_text

MODEL = """
program p {
    int n = 0;
    int seen = 0;
    entry old  { match_state { n >= 2 } action_flow { drop; } }
    entry web  { match_flow { f[dport] == 80 } action_state { n = n + 1; } action_flow { pass; } }
    entry rest { action_state { seen = seen + 1; } action_flow { pass; } }
}
"""


@pytest.fixture(scope="module")
def network() -> ir.Network:
    return load_text(MODEL)


def events(*ports: int) -> tuple[Event, ...]:
    return tuple(Event(n, 0, udp(dport=port)) for n, port in enumerate(ports, 1))


def test_a_suite_notices_at_the_first_packet_that_differs(network: ir.Network) -> None:
    suite = Suite(network, [events(1), events(80, 80, 1)])
    assert suite.packets == 4
    assert suite.kill(network) is None
    other = load_text(MODEL.replace("n >= 2", "n >= 1"))
    assert suite.kill(other) == Kill(1, 1)
    assert suite.kill(load_text(MODEL.replace("n >= 2", "n >= 3"))) == Kill(1, 2)
    assert suite.kill(load_text(MODEL.replace("seen + 1", "seen + 2"))) is None


TIMER = """
program p {{
    int n;
    init {{ f_dmy[T] = 1; f_dmy[output] = timer({0}); }}
    entry t {{
        match_flow   {{ f[T] == 1 }}
        action_state {{ n = n + 1; }}
        action_flow  {{ f[output] = timer({0}); }}
    }}
}}
"""


def test_a_mutant_that_runs_away_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nfverify.semantics.ticks.MAX_FIRINGS", 3000)
    trace = (Event(1, 0, udp()), Event(10**12, 0, udp()))
    suite = Suite(load_text(TIMER.format("1s")), [trace])
    assert suite.kill(load_text(TIMER.format("1ns"))) == Kill(0, 1)
    assert suite.kill(load_text(TIMER.format("2s"))) is None


def test_without_traces_nothing_is_noticed(network: ir.Network) -> None:
    found = grade(network, [], effort=Effort(0))
    assert found.score == 0
    assert found.count("equivalent") > 0, "the counter that nothing reads needs no prover"
    assert found.count("undecided") == len(found.outcomes) - found.count("equivalent")


def test_the_prover_decides_the_rest_and_gives_the_missing_tests(network: ir.Network) -> None:
    poor = grade(network, [events(1)], effort=Effort(10))
    assert 0 < poor.score < 1
    assert poor.count("undecided") == 0
    items = missing_tests(poor)
    assert items
    more = [events(1), *(o.trace for o in poor.outcomes if o.trace is not None)]
    rich = grade(network, more, effort=Effort(10))
    assert rich.score == 1
    assert rich.count("equivalent") == poor.count("equivalent")


def test_a_grade_for_people_and_for_programs(network: ir.Network) -> None:
    found = grade(network, [events(1)], effort=Effort(0))
    data = json.loads(as_json(found))
    assert len(data["mutants"]) == len(found.outcomes)
    assert data["mutants"][0]["at"].count(":") == 2
    assert summary(found) in text(found)
    assert text(found, brief=True) == summary(found) + "\n"
    assert "| operator |" in markdown(found)
    assert "Not noticed" in text(found)
