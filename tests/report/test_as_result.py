"""Verdicts, findings and scores as results: status, places and what they say."""

import json
from dataclasses import replace

import pytest
from some_verdicts import DIFFERENT, EQUIVALENT, EXAMPLE, UNKNOWN

from nfverify.cli.main import main
from nfverify.equivalence.verdict import NOT_COMPARED, Event, SideOfEvent
from nfverify.oracles.coverage.instrument import instrument
from nfverify.oracles.coverage.measure import Measured
from nfverify.oracles.mutation.grading import Effort, grade
from nfverify.oracles.story import tell
from nfverify.oracles.tester import Options, contest_of, examine
from nfverify.oracles.trace import Event as Arrival
from nfverify.packet.codec import build
from nfverify.packet.fields import Header
from nfverify.report.as_result import (
    coverage_result,
    entry_places,
    example_of,
    finding_result,
    mutation_result,
    verdict_result,
)
from nfverify.report.finding import Test
from nfverify.report.growth import measured
from nfverify.report.plots import line
from nfverify.report.results import Place
from nfverify.report.text import text
from nfverify.smat.ir import Network
from nfverify.smat.load import load

MODEL = """program x {
    iface in, out;
    entry first { match_flow { f[ttl] <= 1 } action_flow { drop; } }
    entry {
        match_flow { f[sport] == 7 }
        action_flow { f[dport] := 9; }
    }
}
"""


def packet(ttl: int, sport: int) -> bytes:
    return build(Header.IP4 | Header.UDP, {"ttl": ttl, "sport": sport, "dport": 1})


@pytest.fixture
def network(tmp_path, monkeypatch) -> Network:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.nfd").write_text(MODEL)
    return load("x.nfd")


def test_each_verdict_has_its_status() -> None:
    results = [verdict_result("x", v, "x.nfd", "y.nfd") for v in (EQUIVALENT, DIFFERENT, UNKNOWN)]
    assert [result.status for result in results] == ["passed", "different", "unknown"]
    assert results[0].relation == ("a.n == b.n",)
    assert results[1].examples == (example_of(EXAMPLE),)
    assert results[2].reason == "time ran out"
    assert "not shown: (1)" in results[2].lines
    assert all("a: a note" in result.lines for result in results)
    refined = replace(EQUIVALENT, report=replace(EQUIVALENT.report, refine=True))
    assert verdict_result("x", refined, "a", "b").title.startswith("b allows all that a does")


def test_entries_have_places(network: Network) -> None:
    named, other = entry_places(network, ("x: first", "x: line 4", "x: no entry"), "a takes")
    assert named == Place("x.nfd", 3, 5, 3, 68, "a takes: x: first")
    assert (other.line, other.end_line) == (4, 7)


def test_a_difference_has_the_places_of_both_sides(network: Network) -> None:
    a, b = SideOfEvent((), ("x: first",)), SideOfEvent((), ("x: no entry",))
    example = replace(EXAMPLE, events=(Event(0, "in", packet(1, 1), a, b),))
    verdict = replace(DIFFERENT, counterexample=example)
    result = verdict_result("x", verdict, "x.nfd", "x.nfd", (network, network))
    # B took no entry: its model stands for it.
    assert [(place.line, place.says) for place in result.places] == [
        (3, "a takes: x: first"),
        (1, "x"),
    ]


def test_coverage_is_held_against_its_threshold(network: Network) -> None:
    found = Measured(instrument(network, "entries"))
    found.run("t", [Arrival(1, 0, packet(1, 1)), Arrival(2, 0, packet(9, 7))])
    goals = found.instrumented.goals
    some = coverage_result("c", "x.nfd", goals, found.first, least=1.0, series=measured(found))
    assert (some.status, some.title) == ("different", "2 of 3 goals reached, 100 % asked for")
    assert [place.path for place in some.places] == ["x.nfd"]
    assert some.series[0].points == ((0, 0), (1, 1), (2, 2))
    assert coverage_result("c", "x.nfd", goals, found.first, least=0.6).status == "passed"
    unreached = {goal.number for goal in goals} - found.first.keys()
    least = coverage_result("c", "x", goals, found.first, unreachable=unreached, least=1.0)
    assert (least.status, least.title) == ("passed", "2 of 2 goals reached, 100 % asked for")


def test_undecided_mutants_are_unknown_not_passed(network: Network) -> None:
    traces = [(Arrival(1, 0, packet(1, 1)),)]
    found = grade(network, traces, effort=Effort(0))
    assert found.count("undecided")
    assert mutation_result("m", "x.nfd", found).status == "passed"
    result = mutation_result("m", "x.nfd", found, least=0.99)
    assert result.status == "unknown"
    assert "undecided" in result.reason
    sure = replace(found, outcomes=tuple(replace(o, fate="different") for o in found.outcomes))
    assert mutation_result("m", "x.nfd", sure, least=0.01).status == "different"
    noticed, whole = result.series[0].points[-1][1], result.ratios[0]
    assert noticed == whole.reached == found.count("killed")


def test_a_finding_of_engines_is_a_trace(network: Network) -> None:
    options = Options(engines=("reference",), against="python3 -c pass", silence=5.0)
    result = examine(network, options, [("t", (Arrival(1, 0, packet(9, 7)),))], alone=True)
    assert result.finding is not None
    story = tell(contest_of(network, options), result.finding.divergence)
    found = finding_result("f", Test("x.nfd", network, options, result, story), 1.5)
    assert (found.status, found.seconds) == ("different", 1.5)
    assert found.targets == ("x.nfd", "python3 -c pass")
    (example,) = found.examples
    assert example.says
    assert example.steps[-1].outcomes[0].who == "reference"
    assert found.places[0].line == 4
    agreed = replace(result, finding=None)
    assert finding_result("f", Test("x", network, options, agreed, None)).status == "passed"
    nothing = replace(agreed, packets=0)
    assert finding_result("f", Test("x", network, options, nothing, None)).status == "unknown"


def test_plots_of_odd_series_are_drawn() -> None:
    from nfverify.report.results import Series

    assert line(Series("t", "x", "y", ())) == ""
    assert line(Series("t", "x", "y", ((float("nan"), 1.0),))) == ""
    for points in (
        ((0, 0),),
        ((0.0, 0.0),),
        ((5.0, -3.0), (5.0, 3.0)),
        ((1e-9, 1e12), (2e-9, 1e-12)),
    ):
        text = line(Series("t<", "x&", "y", points))
        assert text.startswith('<svg class="plot"')
        assert "nan" not in text
        assert "<title>t&lt;</title>" in text


def test_the_rule_that_decided_has_a_place(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for name, action in (("old", "accept"), ("new", "drop")):
        rules = f"action,dip,proto\naccept,10.0.0.1,udp\n{action},10.0.0.2,tcp\n"
        (tmp_path / f"{name}.csv").write_text(rules)
        (tmp_path / f"{name}.nfd").write_text(
            f'program fw {{ iface a, b; ruleset acl = load("{name}.csv");\n'
            "    entry { match_flow { f mismatches acl; } action_flow { drop; } } }\n"
        )
    assert main(["equiv", "old.nfd", "new.nfd", "--report", "sarif=-"]) == 1
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    (result,) = run["results"]
    places = [place["physicalLocation"] for place in result["locations"]]
    places += [place["physicalLocation"] for place in result["relatedLocations"]]
    found = [(p["artifactLocation"]["uri"], p["region"]["startLine"]) for p in places]
    assert found == [("old.csv", 3), ("new.csv", 3), ("new.nfd", 2)]


def test_a_title_says_what_a_proof_leaves_out() -> None:
    note = f"packets that arrive by dmz, which only b has, {NOT_COMPARED}"
    verdict = replace(EQUIVALENT, report=replace(EQUIVALENT.report, notes=(note, "another")))
    assert verdict_result("x", verdict, "a", "b").title == (
        f"a and b do the same, for every sequence of packets; but {note}"
    )
    assert text(verdict, "a", "b").splitlines()[1] == f"but {note}"
