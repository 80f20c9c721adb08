"""Membership against exhaustive trying: small programs that choose, all their behaviours, and what
is none of them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from agreement import shape
from behaviours import Outputs, TooMany, behaviours
from choice_programs import choosing_events, choosing_network

from nfverify.equivalence.evaluation.oracle import SymbolicOracle
from nfverify.equivalence.evaluation.verdicts import Allowed, NotAllowed
from nfverify.oracles.trace import Event
from nfverify.packet.codec import Malformed, deparse, parse
from nfverify.semantics.machine import Output
from nfverify.semantics.state import SavedState
from nfverify.smat import ir


def told(network: ir.Network, state: SavedState) -> str:
    """A state as text; the order of rows counts where the language gives it one."""
    found = shape(network, state).items()
    return repr({k: sorted(v.items()) if isinstance(v, dict) else v for k, v in found})


def changed(rng: Random, out: Outputs, at: int) -> tuple[Output, ...]:
    """What came out at an event, put wrong; or what came out at another."""
    step = out[at]
    kind = rng.randrange(4)
    if kind == 0 or not step:
        return rng.choice(((), *out))
    first, *rest = step
    if kind == 1:
        frame = bytearray(first.frame)
        frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
        return (first._replace(frame=bytes(frame)), *rest)
    packet = parse(first.frame)
    assert not isinstance(packet, Malformed)
    setattr(packet, rng.choice(("dport", "tos", "ttl")), rng.randrange(4))
    port = rng.randrange(2) if kind == 2 else first.port
    return (first._replace(frame=deparse(packet), port=port), *rest)


def follow(oracle: SymbolicOracle, events: Sequence[Event], out: Outputs) -> list[object]:
    """The judgements, up to the first that is not Allowed."""
    found: list[object] = []
    for event, outputs in zip(events, out, strict=False):
        found.append(oracle.allows(*event, outputs))
        if not isinstance(found[-1], Allowed):
            break
    return found


def compare(seed: int) -> tuple[int, int, int]:
    """How many behaviours were found allowed, how many of them left the state open, and how many
    wrong ones were refuted."""
    rng = Random(seed)
    network, events = choosing_network(rng), choosing_events(rng, 4)
    possible: dict[Outputs, dict[str, SavedState]] = {}
    try:
        for out, state in behaviours(network, events):
            possible.setdefault(out, {})[told(network, state)] = state
    except TooMany:
        return 0, 0, 0
    fresh = SymbolicOracle(network)
    sample = rng.sample(list(possible), min(4, len(possible)))
    for out in sample:
        oracle = fresh.clone()
        judgements = follow(oracle, events, out)
        assert all(isinstance(j, Allowed) for j in judgements), (seed, out, judgements)
        states = {told(network, s) for s in oracle.states(2000)}
        assert states == set(possible[out]), (seed, out)
    prefixes = {out[:n] for out in possible for n in range(1, len(events) + 1)}
    refuted = 0
    for _ in range(8):
        out, at = rng.choice(sample), rng.randrange(len(events))
        wrong = (*out[:at], changed(rng, out, at))
        last = follow(fresh.clone(), events, wrong)[-1]
        expected = Allowed if wrong in prefixes else NotAllowed
        assert isinstance(last, expected), (seed, wrong, last)
        refuted += wrong not in prefixes
    return len(sample), sum(len(possible[out]) > 1 for out in sample), refuted


SEEDS = range(24)


@pytest.fixture(scope="module")
def counts() -> dict[int, tuple[int, int, int]]:
    return {}


@pytest.mark.parametrize("seed", SEEDS)
def test_exactly_what_the_model_may_do_is_allowed(
    seed: int, counts: dict[int, tuple[int, int, int]]
) -> None:
    counts[seed] = compare(seed)


def test_these_programs_leave_states_open_and_much_to_refute(
    counts: dict[int, tuple[int, int, int]],
) -> None:
    if len(counts) < len(SEEDS):
        pytest.skip("the other tests ran elsewhere")
    allowed, left_open, refuted = (sum(c) for c in zip(*counts.values(), strict=True))
    assert allowed >= 24
    assert left_open >= 5
    assert refuted >= 60
