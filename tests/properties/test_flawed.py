"""`models/flawed/`: each mistake is caught by its property in the shortest trace, and its mended
version keeps it."""

from pathlib import Path

import pytest

from nfverify.equivalence.properties.prove import prove
from nfverify.equivalence.properties.question import Question
from nfverify.equivalence.properties.verdict import Broken, Holds, Verdict
from nfverify.lang.formatter import format_text
from nfverify.lang.source import Source
from nfverify.smat.check import check_file
from nfverify.smat.stated import load_claims

FLAWED = Path(__file__).parents[2] / "models/flawed"
PACKETS = {
    "firewall-forgets-direction": 2,
    "firewall-lets-fin-in": 1,
    "firewall-wrong-key": 2,
    "lb-not-sticky": 2,
    "limiter-off-by-one": 1,
    "nat-forgets-the-port": 2,
    "nat-reuses-live-port": 3,
    "quota-charges-drops": 2,
    "resubmit-loop": 1,
    "state-before-check": 1,
    "strikes-wrap": 5,
    "timer-clears-early": 3,
}


def verdicts(name: str, which: str) -> list[Verdict]:
    _, claims = load_claims(f"{FLAWED / name}.nfd:{which}")
    assert claims
    return [prove(c.network, c.promise, Question(time_limit=90)) for c in claims]


def test_there_are_twelve() -> None:
    assert sorted(PACKETS) == sorted(path.stem for path in FLAWED.glob("*.nfd"))
    assert len(PACKETS) == 12


@pytest.mark.parametrize("name", PACKETS)
def test_the_mistake_is_shown_by_the_shortest_trace(name: str) -> None:
    for verdict in verdicts(name, "flawed"):
        assert isinstance(verdict, Broken)
        assert verdict.breach.minimal
        assert len(verdict.breach.events) == PACKETS[name]


@pytest.mark.parametrize("name", PACKETS)
def test_without_the_mistake_it_is_proved(name: str) -> None:
    for verdict in verdicts(name, "fixed"):
        assert isinstance(verdict, Holds), verdict
        assert not verdict.report.vacuous
        assert {o.result for o in verdict.proof.obligations} == {"proved"}


@pytest.mark.parametrize("name", PACKETS)
def test_each_says_what_is_wrong_and_what_catches_it(name: str) -> None:
    path = FLAWED / f"{name}.nfd"
    text = path.read_text()
    assert text.startswith("// Mistake: ")
    caught = text.split("// Caught by: ")[1].split(".")[0]
    stated = {c.promise.name for c in load_claims(f"{path}:flawed")[1]}
    assert any(name.startswith(caught.split(" and ")[0]) for name in stated)
    assert format_text(Source(str(path), text)) == text
    assert not [d for d in check_file(str(path)) if d.severity == "error"]
