"""Sharding: workers that are reference machines, against one of them."""

import ctypes
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hostile_frames import frame
from hypothesis import given
from hypothesis import strategies as st
from ir_build import DROP, F, add, chain, delay, entry, get, i, plain, program, put, table, udp
from ir_flows import Flows

import nfverify
from nfverify.cythonized.sharding import SHARD_FIELDS, ShardKey, merge, shard_key, split
from nfverify.lang.source import ModelError
from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.traffic import Traffic
from nfverify.packet.codec import parse
from nfverify.semantics.machine import Machine, RunawayError
from nfverify.semantics.state import packet_values
from nfverify.smat import ir
from nfverify.smat.load import load

MODELS = Path(nfverify.__file__).parent / "models"
FLOW = ("sip", "dip", "sip6", "dip6", "sport", "dport", "proto")


class Dividable(Flows):
    """Functions without what all packets share, and mostly keyed by fields as they arrived; keys
    stand in wider types, or come from locals, and packets pass several times."""

    def declare(self):
        super().declare()
        self.state.pop()  # the plain variable
        for at, variable in enumerate(self.state):
            if self.rng.random() < 0.2:
                keys = tuple(ir.INT if t == ir.PORT else t for t in variable.keys)
                self.state[at] = replace(variable, keys=keys)

    def key(self, name):
        parts = super().key(name)
        types = next(v.keys for v in self.state if v.name == name)
        found = []
        for part, type_ in zip(parts, types, strict=True):
            saved = isinstance(part, ir.Field) and self.rng.random() < 0.2
            value = ir.Local(f"at_{part.name}", part.type) if saved else part
            found.append(value if value.type == type_ else ir.Cast(value, type_))
        return tuple(found)

    def action(self, depth):
        roll = self.rng.random()
        if roll < 0.03:
            return ir.SetOutput(ir.Resubmit())
        if roll < 0.06:
            hold = (ir.SetTag("held", i(1)), delay(self.rng.choice((5, 300, 10**6))))
            return ir.If(ir.Compare("==", ir.Tag("held"), i(0)), hold, ())
        while True:
            node = super().action(depth)
            if isinstance(node, ir.Write) and node.var == "next":
                continue
            if isinstance(node, ir.SetField) and node.name in FLOW and self.rng.random() < 0.8:
                continue
            return node

    def program(self, name):
        made = super().program(name)
        lets = tuple(ir.Let(f"at_{n}", F(n)) for n in (*FLOW, "smac", "dmac", "vlan"))
        return replace(made, body=lets + made.body)


def dividable(rng):
    maker = Dividable(rng, Options(capacities=rng.random() < 0.1))
    programs = [maker.program(f"p{k}") for k in range(rng.choice((1, 1, 2, 3)))]
    return chain(*programs)


class Workers:
    """Machines that share nothing but the time, and each start at the first packet."""

    def __init__(self, network, key, count, state=None):
        self.network, self.key, self.latest = network, key, 0
        parts = split(network, key, state, count) if state else [None] * count
        self.machines = [Machine(network, state=part) for part in parts]

    def step(self, time, port, frame):
        self.latest = max(self.latest, *(m.now or 0 for m in self.machines), time)
        if self.machines[0].now is None:
            for machine in self.machines:
                machine.wait(self.latest, start=True)
        number = self.key.worker_of_frame(frame, len(self.machines))
        return self.machines[number].step(self.latest, port, frame)

    def finish(self):
        return [out for machine in self.machines for out in machine.advance(self.latest)]

    def save(self):
        return merge(self.network, self.key, [machine.save() for machine in self.machines])

    @property
    def counters(self):
        return sum((Counter(m.counters) for m in self.machines), Counter())


def seen(state):
    timers = Counter(
        (t.due, t.instance, packet_values(t.packet), tuple(t.tags)) for t in state.timers
    )
    return state.now, state.instances, timers


def holds(network):
    nodes = [n for i in network.instances for n in ir.walk(i.program.body)]
    return any(isinstance(n, ir.SetOutput) and isinstance(n.output, ir.Delay) for n in nodes)


def check(network, key, rng, steps=60):
    """The same outputs, state and counters as one machine's."""
    one, many = Machine(network), Workers(network, key, rng.choice((2, 3, 8)))
    traffic = Traffic(network, rng)
    outputs, expected = [], []
    waiting = holds(network)
    for number in range(steps):
        event = traffic.event()
        try:
            wanted = one.step(*event)
            found = many.step(*event)
        except RunawayError:
            return
        traffic.saw(wanted)
        assert waiting or found == wanted, number
        outputs += found
        expected += wanted
        if rng.random() < 0.05:
            outputs += many.finish()
            counters = many.counters
            assert seen(many.save()) == seen(one.save())
            many = Workers(network, key, rng.choice((1, 2, 5)), one.save())
            many.machines[0].counters.update(counters)
    outputs += many.finish()
    assert Counter(outputs) == Counter(expected)
    assert seen(many.save()) == seen(one.save())
    assert many.counters == Counter(one.counters)


def tried(seed):
    """Was the network divided?"""
    rng = Random(seed)
    network = dividable(rng)
    try:
        key = shard_key(network)
    except ModelError:
        return False
    check(network, key, rng)
    return True


@given(seed=st.integers(0, 2**32))
def test_workers_do_what_one_does(seed):
    tried(seed)


def test_many_networks_are_divided():
    assert sum(map(tried, range(300))) > 60


@pytest.mark.parametrize("name", sorted(p.stem for p in MODELS.glob("*.nfd")))
def test_the_library(name):
    network = load(f"lib:{name}")
    try:
        key = shard_key(network)
    except ModelError as error:
        (found,) = error.diagnostics
        assert found.span.source.text
        assert name in (
            "edge",
            "edge-table",
            "lb",
            "lb-blacklist",
            "maglev",
            "napt",
            "rate-limiter",
        )
        return
    for seed in range(3):
        check(network, key, Random(seed))


# One rule at a time -----------------------------------------------------------------------

M = ir.StateVar("m", (ir.IP,), (ir.INT,), (0,), "map")
PAIR = ir.StateVar("m", (ir.IP, ir.IP), (ir.INT,), (0,), "map")
TAGGED = ir.Compare("==", ir.Tag("t"), i(1))
SIP_9 = ir.SetField("sip", ir.Const(9, ir.IP))


def count(*keys, name="m"):
    return put(name, add(get(name, keys=keys), i(1)), keys)


def fields(*body, state=(M,), **options):
    return shard_key(chain(program(*body, state=state, **options))).fields


def refused(*programs):
    with pytest.raises(ModelError) as caught:
        shard_key(chain(*programs))
    return str(caught.value)


def test_a_function_without_state_is_divided_by_flow():
    assert fields(DROP, state=()) == FLOW


def test_both_orders_of_a_pair():
    assert fields(count(F("sip"), F("dip")), count(F("dip"), F("sip")), state=(PAIR,)) == (
        "sip",
        "dip",
    )
    assert fields(count(F("sip"), F("dip")), count(F("sip"), i(0)), state=(PAIR,)) == ("sip",)
    sums = (count(F("sip"), F("dip")), count(F("dip"), F("dip")))
    assert fields(*sums, state=(PAIR,)) == ("dip",)
    mixed = (count(F("sip"), F("dip")), count(F("dip"), i(0)))
    assert "m can't be divided" in refused(program(*mixed, state=(PAIR,)))


def test_all_variables_hold_the_key():
    other = replace(M, name="other")
    assert fields(count(F("dip")), count(F("dip"), name="other"), state=(M, other)) == ("dip",)
    assert "other can't be divided" in refused(
        program(count(F("dip")), count(F("sip"), name="other"), state=(M, other))
    )


def test_a_field_is_as_it_arrived_until_it_is_written():
    assert fields(count(F("sip")), SIP_9) == ("sip",)
    assert fields(ir.Let("at", F("sip")), SIP_9, count(ir.Local("at", ir.IP))) == ("sip",)
    assert fields(ir.SetField("dip", F("sip")), count(F("sip"))) == ("sip",)
    refused(program(SIP_9, count(F("sip")), state=(M,)))
    refused(program(SIP_9, ir.Let("at", F("sip")), count(ir.Local("at", ir.IP)), state=(M,)))
    refused(program(SIP_9), program(count(F("sip")), state=(M,)))
    refused(program(ir.If(TAGGED, (SIP_9,), ()), count(F("sip")), state=(M,)))
    refused(program(table(entry(SIP_9, on=(TAGGED,)), entry()), count(F("sip")), state=(M,)))


def test_a_loop_may_have_written_before():
    loop = ir.While(TAGGED, 3, (count(F("sip")), SIP_9))
    refused(program(loop, state=(M,)))


@pytest.mark.parametrize("again", [ir.SetOutput(ir.Resubmit()), delay(5)])
def test_an_earlier_pass_may_have_written(again):
    rows = (entry(count(F("sip")), on=(TAGGED,)), entry(SIP_9, ir.SetTag("t", i(1)), again))
    refused(program(table(*rows), state=(M,)))


def test_entries_of_a_table_are_tried_before_any_runs():
    rows = (entry(SIP_9, on=(TAGGED,)), entry(count(F("sip"))))
    assert fields(table(*rows)) == ("sip",)


def test_conversions_hold_the_field():
    wide = replace(M, keys=(ir.TIME,))
    narrow = replace(M, keys=(ir.PORT,))
    assert fields(count(ir.Cast(F("sip"), ir.TIME)), state=(wide,)) == ("sip",)
    assert fields(count(ir.Cast(F("sip"), ir.INT)), state=(replace(M, keys=(ir.INT,)),)) == ("sip",)
    refused(program(count(ir.Cast(F("sip"), ir.PORT)), state=(narrow,)))
    twice = ir.Cast(ir.Cast(F("sip"), ir.INT), ir.TIME)  # sign extended: another number
    refused(program(count(ir.Cast(F("sip"), ir.TIME)), count(twice), state=(wide,)))


def test_reads_and_tests_are_accesses_too():
    for value in (get("m", keys=(F("dip"),)), ir.Cast(ir.Has("m", (F("dip"),)), ir.INT)):
        refused(program(count(F("sip")), ir.SetTag("x", value), state=(M,)))
    chosen = ir.Choose("c", ir.IP, F("dip"), F("sip"), ir.Has("m", (ir.Local("c", ir.IP),)))
    refused(program(count(F("sip")), chosen, state=(M,)))


def test_what_all_packets_share():
    assert "n is one for all packets" in refused(program(count(name="n"), state=(plain("n"),)))
    bounded = replace(M, capacity=5)
    assert "max of m" in refused(program(count(F("sip")), state=(bounded,)))
    assert fields(count(F("sip")), state=(replace(M, timeout=5),)) == ("sip",)
    timers = (ir.InitTimer((("t", 1),), 5),)
    assert "timers" in refused(program(count(F("sip")), state=(M,), timers=timers))


def test_what_only_init_writes_is_in_all_workers():
    init = (put("n", ir.Cast(ir.Now(), ir.INT)), put("m", i(3), (ir.Const(1, ir.IP),)))
    body = (put("o", add(get("n"), get("m", keys=(F("dip"),))), (F("sip"),)),)
    state = (plain("n"), M, replace(M, name="o"))
    network = chain(program(*body, state=state, init=init))
    key = shard_key(network)
    assert key.fields == ("sip",)
    for seed in range(5):
        check(network, key, Random(seed))


def test_rows_that_init_wrote_are_their_owner_s():
    init = tuple(put("m", i(3), (ir.Const(k, ir.IP),)) for k in range(20))
    network = chain(program(count(F("sip")), state=(M,), init=init))
    for seed in range(5):
        check(network, shard_key(network), Random(seed))


def test_the_message_names_the_line(tmp_path):
    model = tmp_path / "m.nfd"
    model.write_text(
        "program p {\n  map<IP, int> m;\n  entry {\n    action_state {\n"
        "      m[f[sip]] = 1;\n      m[f[dip]] = 2;\n    }\n  }\n}\n"
    )
    with pytest.raises(ModelError) as caught:
        shard_key(load(str(model)))
    assert "m.nfd:6:" in str(caught.value)


def test_packets_spread():
    key = shard_key(chain(program()))
    counts = Counter(
        key.worker(parse(udp(sip=a, dip=b, sport=c)), 8)
        for a in range(20)
        for b in range(20)
        for c in range(20)
    )
    assert min(counts.values()) > 700
    there, back = (
        parse(udp(sip=1, dip=2, sport=3, dport=4)),
        parse(udp(sip=2, dip=1, sport=4, dport=3)),
    )
    assert key.worker(there, 1 << 20) == key.worker(back, 1 << 20)


# Compiled ---------------------------------------------------------------------------------


def test_c_hashes_alike(compile_c):
    """Whatever the frame, and whichever the fields."""
    source = Path(__file__).parent / "c" / "shard.c"
    calls = ctypes.PyDLL(str(compile_c(source, shared=True, flags=("-O1",))))
    calls.nf_shard.argtypes = (ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint32)
    calls.nf_shard.restype = ctypes.c_uint32
    rng = Random(3)
    for _ in range(3_000):
        data = frame(rng)
        names = tuple(n for n in SHARD_FIELDS if rng.random() < 0.5)
        key = ShardKey(names, {})
        found = calls.nf_shard(data, len(data), key.mask)
        assert key.worker_of_frame(data, 1 << 32) == found
