"""Tiny worlds: 500 random pairs (300 without NFVERIFY_SEEK=1), decided by exhaustive exploration
and by the prover.

`benchmarks/tiny_worlds.py --seed N --pairs M` does the same for any seed.
"""

import os
from collections import Counter

import pytest
from tiny_explore import explore
from tiny_programs import World, network
from tiny_worlds import Outcome, decide, judge, pairs, prove

from nfverify.equivalence.verdict import Equivalent, Report, Unknown
from nfverify.smat.load import load_text

SEED = 2
CHUNKS, CHUNK = 5, 100
ASKED = CHUNKS if os.environ.get("NFVERIFY_SEEK") else 3
REPORT = Report("a", "b", "packets", (), "", "bypass", (), 0.0)


def shown(outcome: Outcome) -> str:
    pair = outcome.pair
    return f"{pair.seed} ({', '.join(pair.how)}): {outcome.note}"


@pytest.mark.parametrize("chunk", range(ASKED))
def test_no_disagreement(chunk: int) -> None:
    outcomes = [decide(pair) for pair in pairs(f"{SEED}.{chunk}", CHUNK)]
    assert [shown(o) for o in outcomes if o.agreement == "wrong"] == []
    unknown = [shown(o) for o in outcomes if o.agreement == "unknown"]
    assert len(unknown) <= CHUNK * 5 // 100, unknown


def test_the_pairs_are_worth_asking() -> None:
    """Both kinds, with lengths above 1, timers, chains, loops and resubmission among them."""
    found = [p for chunk in range(CHUNKS) for p in pairs(f"{SEED}.{chunk}", 20)]
    kinds = Counter(p.kind for p in found)
    assert kinds["rewrite"] == kinds["mutation"] == CHUNKS * 10
    assert all(p.shortest is None for p in found if p.kind == "rewrite")
    lengths = Counter(p.shortest for p in found if p.kind == "mutation")
    assert sum(count for length, count in lengths.items() if length) >= 15
    assert sum(count for length, count in lengths.items() if length and length > 1) >= 8
    text = [repr(p.a) for p in found]
    for construct in ("InitTimer(", "While(", "Resubmit(", "Wire(", "Delete("):
        assert any(construct in t for t in text), construct
    assert any(p.state_too and p.shortest for p in found)
    assert any(p.state_too and not p.shortest for p in found)


def test_a_wrong_verdict_is_called_wrong() -> None:
    """What the test above rests on: each way in which a verdict can disagree."""
    pair = next(p for p in pairs("judge", 40) if p.shortest == 2)
    verdict = prove(pair)
    assert judge(pair, verdict)[0] == "different"
    equal = next(p for p in pairs("judge", 40) if p.shortest is None)
    proved = prove(equal)
    assert isinstance(proved, Equivalent)
    assert judge(pair, proved)[0] == "wrong"
    assert judge(equal, verdict)[0] == "wrong"
    assert judge(pair, Unknown(REPORT, "", 2, ()))[0] == "wrong"
    assert judge(pair, Unknown(REPORT, "", 1, ()))[0] == "unknown"


def test_exploration_finds_the_shortest() -> None:
    """A counter to three, which was worked out by hand."""
    text = """program nf {{ int n;
        entry {{ match_state {{ n == {0} }} action_flow {{ drop; }} }}
        entry {{ action_state {{ n = n + 1; }} }} }}"""
    world = World((("sip", (0x0A000001, 0x0A000002)),))
    three, two = (load_text(text.format(n)) for n in (3, 2))
    assert explore(three, two, world.events).shortest == 3
    same = explore(three, three, world.events)
    assert (same.shortest, same.states, same.telling) == (None, 4, True)
    state = explore(three, two, world.events, state_too=True)
    assert state.shortest == 3  # the same count until then
    assert network([three.instances[0].program]).ports == ("in", "out")
