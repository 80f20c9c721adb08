"""Could B have sent that? The solver and the reference, asked apart, say the same."""

from __future__ import annotations

import time
from random import Random

import pytest
from choosing import entry, nf
from tiny_choices import make_pair

from nfverify.equivalence.concrete import Reality
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import Options, Problem, Side
from nfverify.equivalence.refine.hands import Misfit, Scripted, first
from nfverify.equivalence.refine.membership import (
    Allowed,
    Judgement,
    Observed,
    Refused,
    Solving,
    Trying,
    observe,
)
from nfverify.equivalence.refine.pair import RefinePair, refine_pair
from nfverify.equivalence.refine.witness import Bound, Strategy, places
from nfverify.equivalence.simulate import START, Arrival
from nfverify.packet.codec import Malformed, build, parse
from nfverify.packet.fields import Header
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.smat.load import load_text


def sides(a: ir.Network, b: ir.Network) -> tuple[Problem, RefinePair]:
    problem = Problem(Side("a", a), Side("b", b), Options(), RulesetPlan())
    strategy = Strategy(tuple((place, Bound(False)) for place in places(b)))
    pair = refine_pair(problem, lambda n, h: Machine(n, chooser=h if places(n) else None), strategy)
    return problem, pair


def both(problem: Problem, pair: RefinePair, seen: Observed) -> tuple[Judgement, Judgement]:
    solving = Solving(problem, pair, seen, Reality({}, {}), time.monotonic() + 60)
    return solving.judge(), Trying(pair, seen).judge()


def test_random_runs() -> None:
    found = {Allowed: 0, Refused: 0}
    for seed in range(60):
        made = make_pair(f"runs {seed}")
        if made is None or any(i.program.timers for i in made.a.instances):
            continue
        rng = Random(seed)
        events = made.world.events
        for a, b in ((made.a, made.b), (made.b, made.a)):
            problem, pair = sides(a, b)
            run = pair.like(pair.strategy, "random")
            trace = tuple(
                Arrival(START, event.port, event.packet)
                for event in (rng.choice(events) for _ in range(4))
            )
            for arrival in trace:
                run.step(arrival)
            seen = observe(pair, trace, run.made)
            for this in (seen, otherwise(seen, rng)):
                one, other = both(problem, pair, this)
                assert type(one) is type(other), (seed, one, other)
                if isinstance(one, Refused) and isinstance(other, Refused):
                    assert one.at == other.at, seed
                    assert observe_b(pair, trace, one) == sent_by_a(pair, this, one.at), seed
                found[type(one)] += 1
    assert found[Allowed] >= 8
    assert found[Refused] >= 8


def otherwise(seen: Observed, rng: Random) -> Observed:
    """One packet comes out with another value, or by another port."""
    outputs = [list(out) for out in seen.outputs]
    out = rng.choice(outputs)
    for n, emission in enumerate(out[:1]):
        changed = emission.packet.copy()
        changed.tos ^= rng.randrange(4)
        out[n] = emission._replace(packet=changed, port=rng.choice((0, 1)))
    return Observed(seen.trace, tuple(map(tuple, outputs)))


def sent_by_a(pair: RefinePair, seen: Observed, until: int) -> list[object]:
    return [[(e.port, pair.observed(e.packet)) for e in out] for out in seen.outputs[:until]]


def observe_b(pair: RefinePair, trace: tuple[Arrival, ...], refused: Refused) -> list[object]:
    """What B sends until then, if it chooses as is said."""
    machine, hand = pair.machines[1].clone(), pair.hands[1]
    out: list[object] = []
    for arrival, script in zip(trace, refused.made, strict=False):
        hand.decide = Scripted(script)
        sent = machine.emit(arrival.packet, arrival.time, arrival.port)
        out.append([(e.port, pair.observed(e.packet)) for e in sent])
        hand.decide = first
    return out


def packet(**values: int) -> Arrival:
    parsed = parse(build(Header.LINK | Header.IP4 | Header.UDP, values))
    assert not isinstance(parsed, Malformed)
    return Arrival(START, 0, parsed)


def test_a_guess_that_only_later_shows() -> None:
    b = nf(
        "int x; int n;",
        entry("", "n == 0", "choose v in 1..3; x = v; n = 1;"),
        entry(action="f[tos] = x;"),
    )
    shows = nf("int n;", entry("", "n == 0", "n = 1;"), entry(action="f[tos] = {0};"))
    for value, kind in ((1, Allowed), (3, Allowed), (4, Refused)):
        a = load_text(shows.replace("{0}", str(value)))
        problem, pair = sides(a, load_text(b))
        seen = observe(pair, [packet()] * 3, [()] * 3)
        for judgement in both(problem, pair, seen):
            assert isinstance(judgement, kind)
            if isinstance(judgement, Refused):
                assert judgement.at == 1
            if isinstance(judgement, Allowed):
                assert judgement.made == ((value,), (), ())


def test_a_script_that_a_may_not_follow() -> None:
    a = nf("int n;", entry(action="choose v in 1..3 where v != n; n = v; f[tos] = v;"))
    problem, pair = sides(load_text(a), load_text(a))
    for script in ([(1,), (1,)], [(4,), (1,)], [(None,), (1,)], [(), (1,)], [(1, 2), (1,)]):
        with pytest.raises(Misfit):
            observe(pair, [packet()] * 2, script)
    seen = observe(pair, [packet()] * 2, [(1,), (3,)])
    for judgement in both(problem, pair, seen):
        assert judgement == Allowed(((1,), (3,)))
