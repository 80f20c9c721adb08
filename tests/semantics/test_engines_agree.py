"""Every engine against the walk, on random programs and packets."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_build import F, add, arp, chain, entry, get, i, plain, program, put, table, udp

from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.programs.networks import random_network
from nfverify.semantics.machine import ENGINES, Machine, RunawayError
from nfverify.semantics.state_json import dump, load
from nfverify.smat import ir

OTHERS = sorted(set(ENGINES) - {"walk"})
FRAMES = [
    udp(sip=a, dip=b, sport=s, dport=d, payload=p)
    for a in (0, 1)
    for b in (1, 2)
    for s in (0, 1)
    for d in (1, 2)
    for p in (b"hello", b"ab")
] + [arp(), b"short"]


def same(network, rng, name, steps):
    """Both engines over one trace, with a clone and a reloaded state taking over on the way."""
    engine, judge = Machine(network, engine=name), Machine(network, engine="walk")
    now = 0
    for step in range(steps):
        now += rng.choice((0, 1, 60, 500))
        event = (now, rng.randrange(max(2, len(network.ports))), rng.choice(FRAMES))
        try:
            expected = judge.step(*event)
        except RunawayError:
            with pytest.raises(RunawayError):
                engine.step(*event)
            return
        assert engine.step(*event) == expected, step
        assert engine.snapshot() == judge.snapshot(), step
        assert engine.counters == judge.counters, step
        if step == steps // 3:
            copy = engine.clone()
            engine.step(now + 5, 0, FRAMES[0])  # must not touch the copy
            engine = copy
        if step == steps // 2:
            text = dump(network, engine.save())
            state = load(network, text, "state")
            assert dump(network, state) == text
            counters = engine.counters
            engine = Machine(network, engine=name, state=state)
            engine.counters = counters
    assert dump(network, engine.save()) == dump(network, judge.save())


@pytest.mark.parametrize("name", OTHERS)
@given(seed=st.integers(0, 2**32))
def test_engines_agree_on_random_networks(name, seed):
    rng = Random(seed)
    same(random_network(rng), rng, name, 12)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("seed", range(150))
def test_engines_agree_on_these_networks(name, seed):
    rng = Random(seed)
    same(random_network(rng), rng, name, 12)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("seed", range(10))
def test_engines_agree_on_deep_programs(name, seed):
    rng = Random(seed)
    options = Options(depth=7, statements=6)
    same(random_network(rng, options), rng, name, 6)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("depth", [10, 60, 150, 280])
def test_engines_agree_on_what_python_itself_could_not_nest(name, depth):
    """Long sums, conditions and loops, deeper than Python's parser allows."""
    total, test, chosen, inner = F("sport"), ir.TRUE, i(1), i(1)
    body = (put("n", add(get("n"), i(1))),)
    for k in range(depth):
        total = add(total, ir.Cast(i(k), ir.PORT), "-" if k % 3 else "+")
        test = ir.Not(test) if k % 2 else ir.And((test, ir.Compare("==", F("dport"), F("dport"))))
        chosen = ir.Conditional(ir.Compare("<", F("dport"), F("sport")), chosen, i(k), ir.INT)
        inner = get("m", keys=(inner,)) if k % 2 else add(inner, i(1))
        body = (ir.While(ir.Compare("<", get("n"), i(3)), 1, body),) if k < depth // 3 else body
        body = (ir.If(test, body, ()),) if k >= depth // 3 and k < depth // 2 else body
    rows = tuple(entry(put("n", i(k)), on=(ir.Compare("==", F("sport"), total),)) for k in range(3))
    state = (plain("n"), ir.StateVar("m", (ir.INT,), (ir.INT,), (3,), "map"))
    writes = (ir.SetField("dport", total), put("m", chosen, (inner,)))
    nf = program(*body, table(*rows), *writes, state=state)
    same(chain(nf), Random(depth), name, 6)


@pytest.mark.parametrize("name", OTHERS)
def test_engines_agree_on_a_table_of_5000_entries(name):
    rows = tuple(
        entry(
            put("n", i(k)),
            on=(ir.Compare("==", F("sport"), ir.Const(k % 7 + 2 if k < 4990 else 1, ir.PORT)),),
        )
        for k in range(5000)
    )
    same(chain(program(table(*rows), state=(plain("n"),))), Random(1), name, 6)


@pytest.mark.parametrize("name", OTHERS)
def test_names_of_the_model_never_reach_python(name):
    """Whatever a text may call its things."""
    evil = "x'); import os #\n"
    state = plain(evil)
    body = (ir.Let(evil, i(3)), ir.SetTag(evil, ir.Local(evil, ir.INT)))
    nf = program(*body, put(evil, ir.Tag(evil)), state=(state,), name=evil)
    m = Machine(chain(nf), engine=name)
    m.step(0, 0, udp())
    assert m.snapshot() == {"n0": {evil: {(): (3,)}}}
