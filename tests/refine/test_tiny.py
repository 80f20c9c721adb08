"""Random tiny models that choose: `refines` against the exploration of all choices."""

from __future__ import annotations

from collections import Counter

import pytest
from tiny_choices import decide, included, pairs
from tiny_programs import World
from tiny_worlds import Outcome

from nfverify.smat.load import load_text

CHUNKS, CHUNK = 3, 12


def shown(outcome: Outcome) -> str:
    pair = outcome.pair
    return f"{pair.seed} ({', '.join(pair.how)}): {outcome.note}"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_disagreement(chunk: int) -> None:
    outcomes = [decide(pair) for pair in pairs(f"choices {chunk}", CHUNK)]
    assert [shown(o) for o in outcomes if o.agreement == "wrong"] == []
    assert sum(o.agreement == "unknown" for o in outcomes) <= 3
    lengths = Counter(o.pair.shortest for o in outcomes)
    assert lengths[None] >= 3
    assert sum(count for length, count in lengths.items() if (length or 0) > 1) >= 1


def test_the_exploration_itself() -> None:
    """By hand: what is chosen early may be guessed, what was shown may not change."""
    world = World((("sip", (0x0A000001,)),)).events
    early = """program nf { int x; int n;
        entry { match_state { n == 0 } action_state { choose v in 1..2; x = v; n = 1; } }
        entry { action_flow { f[tos] = x; } } }"""
    late = """program nf { int x; int n;
        entry { match_state { n == 0 } action_state { n = 1; } }
        entry { match_state { n == 1 } action_state { choose v in 1..2; x = v; n = 2; }
                action_flow { f[tos] = x; } }
        entry { action_flow { f[tos] = x; } } }"""
    fickle = """program nf { int n;
        entry { match_state { n == 0 } action_state { n = 1; } }
        entry { action_flow { choose v in 1..2; f[tos] = v; } } }"""
    a, b, c = map(load_text, (early, late, fickle))
    assert included(a, b, world) is None
    assert included(b, a, world) is None
    assert included(c, a, world) == included(c, b, world) == 3
    assert included(a, c, world) is None
