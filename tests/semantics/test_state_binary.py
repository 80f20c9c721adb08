"""The binary form of states: a round trip, and whatever else a file may hold."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_build import F, chain, delay, plain, program, udp

from nfverify.lang.source import ModelError
from nfverify.oracles.programs.networks import random_network
from nfverify.packet.codec import Packet
from nfverify.packet.pcap import CutFrame
from nfverify.semantics import state_json
from nfverify.semantics.machine import Machine, RunawayError
from nfverify.semantics.state import SavedState, Timer, packet_values
from nfverify.semantics.state_binary import MAGIC, dump, load
from nfverify.smat import ir

FRAMES = [
    udp(sport=a, dport=b, payload=p) for a in (0, 1) for b in (1, 2) for p in (b"hello", b"ab")
]
TYPES = (
    ir.BOOL, ir.BYTES, ir.INT, ir.IP, ir.IP6, ir.MAC, ir.TIME, ir.PORT,
    *(ir.Bits(w, s) for w in (1, 2, 5, 8, 12, 16, 17, 33, 63, 64, 65, 128) for s in (False, True)),
)  # fmt: skip


def value(rng, type_):
    match type_:
        case ir.Bool():
            return rng.random() < 0.5
        case ir.Bytes():
            return rng.randbytes(rng.choice((0, 1, 3, 300)))
        case ir.Bits():
            return ir.wrap(
                rng.choice((0, 1, -1, 1 << type_.width - 1, rng.getrandbits(128))), type_
            )


def row(rng, types):
    return tuple(value(rng, type_) for type_ in types)


def network_of_types(rng):
    """Two instances of one program whose variables have any types, aged ones among them."""
    state = []
    for number in range(rng.randrange(1, 5)):
        keys = tuple(rng.choices(TYPES, k=rng.randrange(4)))
        values = tuple(rng.choices(TYPES, k=rng.randrange(0 if keys else 1, 4)))
        kind = "plain" if not keys else "map" if values else "set"
        variable = ir.StateVar(f"v{number}", keys, values, row(rng, values), kind)
        if keys and rng.random() < 0.4:
            variable = replace(
                variable,
                timeout=rng.choice((None, 5)),
                capacity=rng.choice((7, 100)),
                overflow="evict oldest",
            )
        state.append(variable)
    return chain(*[program(state=tuple(state))] * 2)


def state_of(rng, network):
    now = rng.choice((None, 0, (1 << 62) - 1, 1_700_000_000_123_456_789))
    instances = {}
    for instance in network.instances:
        known = instances[instance.name] = {}
        for variable in instance.program.state:
            count = rng.randrange(8) if variable.keys else 1
            stamps = sorted(max(0, (now or 0) - rng.randrange(5)) for _ in range(count))
            found = {row(rng, variable.keys): row(rng, variable.values) for _ in range(count)}
            if variable.capacity is not None:
                pairs = zip(found.items(), stamps, strict=False)
                found = {key: (*values, stamp) for (key, values), stamp in pairs}
            known[variable.name] = found
    return SavedState(now, instances)


def seen(state):
    """A state as what can be compared: packets by all that engines can tell of them."""
    timers = [(t.due, t.instance, packet_values(t.packet), t.tags) for t in sorted(state.timers)]
    return state.now, state.instances, timers


@given(seed=st.integers(0, 2**32))
def test_every_type_comes_back(seed):
    rng = Random(seed)
    network = network_of_types(rng)
    state = state_of(rng, network)
    data = dump(network, state)
    back = load(network, data, "s")
    assert back == state
    assert dump(network, back) == data
    for instance, variables in state.instances.items():
        for name, rows in variables.items():
            if network.instances[0].program.variable(name).capacity is not None:
                assert list(back.instances[instance][name]) == list(rows)  # the order is kept


@given(seed=st.integers(0, 2**32))
def test_what_runs_reach_comes_back(seed):
    """Waiting packets among it; it is what the state as JSON says."""
    rng = Random(seed)
    network = random_network(rng)
    machine = Machine(network)
    now = 0
    for _ in range(12):
        now += rng.choice((0, 1, 60))
        try:
            machine.step(now, rng.randrange(3), rng.choice(FRAMES))
        except RunawayError:
            return
        state = machine.save()
        data = dump(network, state)
        back = load(network, data, "s")
        assert seen(back) == seen(state)
        assert dump(network, back) == data
        assert state_json.dump(network, back) == state_json.dump(network, state)


def test_before_the_first_packet():
    network = chain(program(state=(plain("n", value=3),)))
    state = Machine(network).save()
    assert load(network, dump(network, state), "s") == SavedState(None, {"n0": {"n": {(): (3,)}}})


def test_what_is_not_mentioned_begins_as_usual():
    network = chain(program(state=(plain("n", value=3), plain("m"))))
    data = dump(network, SavedState(5, {"n0": {"m": {(): (9,)}}}))
    machine = Machine(network, state=load(network, data, "s"))
    assert machine.snapshot() == {"n0": {"n": {(): (3,)}, "m": {(): (9,)}}}


def test_a_waiting_packet_keeps_its_length_on_the_wire():
    network = chain(program(ir.SetField("payload", F("payload")), delay(5)))
    frame = CutFrame(udp(payload=b"abc")[:-1])
    frame.original_length = 1_000
    machine = Machine(network)
    machine.step(0, 1, frame)
    packet = load(network, dump(network, machine.save()), "s").timers[0].packet
    assert packet.iface == 1
    assert isinstance(packet.frame, CutFrame)
    assert packet.frame.original_length == 1_000


@pytest.mark.parametrize("seed", range(30))
def test_no_bytes_do_harm(seed):
    """Every truncation and bit flip of a state is a state, or is refused."""
    rng = Random(seed)
    network = network_of_types(rng) if seed % 2 else random_network(rng)
    if seed % 2:
        state = state_of(rng, network)
    else:
        machine = Machine(network)
        for _ in range(6):
            machine.step(rng.randrange(100), 0, rng.choice(FRAMES))
        state = machine.save()
    data = dump(network, state)
    broken = [data[:n] for n in range(len(data))] + [data + b"\0"]
    for bad in broken:
        with pytest.raises(ModelError):
            load(network, bad, "s")
    for _ in range(600):
        flipped = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 3))):
            flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            found = load(network, bytes(flipped), "s")
        except ModelError:
            continue
        again = dump(network, found)
        assert dump(network, load(network, again, "s")) == again


def change(data, old, new):
    assert data.count(old) == 1
    return data.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (MAGIC, b"NFVSTAT_", "byte 0: not a state in the binary form"),
        (MAGIC + b"\1", MAGIC + b"\2", "byte 8: version 2 is not 1"),
        (b"\1\0n", b"\1\0k", "n0 has no variable 'k'"),
        (b"\2\0n0\1\0n", b"\2\0n1\1\0n", "the network has no instance 'n1'"),
        (b"n\0\0\1\1\1\x20\0", b"n\0\0\1\1\0\x20\0", "n0.n has another type in the network"),
        (b"\1\0\0\0\0\0\0\0\3\0\0\0", b"\2\0\0\0\0\0\0\0\3\0\0\0", "n has 2 values, not 1"),
    ],
)
def test_what_is_wrong(old, new, message):
    network = chain(program(state=(plain("n", value=3),)))
    data = dump(network, Machine(network).save())
    with pytest.raises(ModelError) as caught:
        load(network, data.replace(old, new, 1), "s.bin")
    assert message in str(caught.value)
    assert str(caught.value).startswith("s.bin:1:1: error: byte ")


def test_a_count_of_rows_makes_nothing_be_allocated():
    variable = ir.StateVar("m", (ir.INT,), (), (), "set")
    network = chain(program(state=(variable,)))
    data = dump(network, SavedState(0, {"n0": {"m": {}}}))
    huge = change(data, b"\x20\0" + bytes(8), b"\x20\0" + b"\xff" * 8)
    with pytest.raises(ModelError, match="ends too early"):
        load(network, huge, "s")


@pytest.mark.parametrize(
    ("stamps", "message"),
    [((3, 2), "before the last one"), ((3, 11), "after now"), ((1, 2, 3), "over max 2")],
)
def test_aged_rows_stand_in_order(stamps, message):
    variable = ir.StateVar("m", (ir.INT,), (), (), "set", capacity=2)
    network = chain(program(state=(variable,)))
    rows = {(number,): (stamp,) for number, stamp in enumerate(stamps)}
    data = dump(network, SavedState(10, {"n0": {"m": rows}}))
    with pytest.raises(ModelError, match=message):
        load(network, data, "s")


def test_timers_are_due_from_now_on():
    network = chain(program())
    timers = tuple(Timer(due, n, 0, Packet(), []) for n, due in enumerate(((1 << 65) - 1, 7)))
    data = dump(network, SavedState(7, {}, timers))
    assert [t.due for t in load(network, data, "s").timers] == [7, (1 << 65) - 1]
    with pytest.raises(ModelError, match="from now on"):
        load(network, dump(network, SavedState(8, {}, timers)), "s")
