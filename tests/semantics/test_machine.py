"""What the prover and the command line use of a machine: clones, snapshots, states, traces."""

import json

import pytest
from ir_build import F, add, c, delay, entry, field_is, get, i, plain, program, put, table, udp

from nfverify.lang.source import ModelError
from nfverify.packet.codec import parse
from nfverify.semantics.machine import Machine
from nfverify.semantics.state_json import dump, load
from nfverify.semantics.tracing import FieldChange
from nfverify.semantics.walk import StateWrite
from nfverify.smat import ir

COUNT = put("n", add(get("n"), i(1)))
TABLE = ir.StateVar("c", (ir.INT,), (ir.INT,), (0,), "map", (((1,), (2,)),), constant=True)
PAIRS = ir.StateVar("m", (ir.IP, ir.PORT), (ir.INT, ir.BOOL), (0, False), "map")
NF = program(
    COUNT,
    ir.Write("m", (F("sip"), F("sport")), (get("n"), ir.TRUE)),
    table(
        entry(ir.SetTag("x", i(1)), ir.SetField("ttl", c(9, ir.Bits(8))), delay(10),
              on=(field_is("dport", 5), ir.Compare("==", ir.Tag("x"), i(0))), name="wait"),
    ),
    state=(plain("n"), PAIRS, TABLE),
)  # fmt: skip


def test_process_leaves_the_packet_as_it_was(machine):
    m = machine(program(ir.SetField("dport", c(7, ir.PORT))))
    packet = parse(udp())
    [(port, sent)] = m.process(packet, 5, 0)
    assert (port, sent.dport, packet.dport, packet.iface) == (1, 7, 2000, 0)
    assert m.now == 5


def test_emissions_of_timers_come_first_with_their_times(machine):
    m = machine(NF)
    assert m.emit(parse(udp(dport=5)), 0, 0) == []
    assert [(e.time, e.port, e.packet.dport) for e in m.emit(parse(udp()), 30, 0)] == [
        (10, 1, 5),
        (30, 1, 2000),
    ]


def test_snapshots_have_scalars_under_the_empty_key_and_no_constants(machine):
    m = machine(NF)
    m.step(0, 0, udp())
    taken = m.snapshot()
    assert taken == {"n0": {"n": {(): (1,)}, "m": {(0x0A000001, 1000): (1, True)}}}
    m.step(0, 0, udp())
    assert taken["n0"]["n"] == {(): (1,)}


def test_clones_share_nothing_that_changes(machine):
    m = machine(NF)
    m.step(0, 0, udp(dport=5))
    copy = m.clone()
    assert [o.time for o in copy.step(50, 0, udp())] == [10, 50]
    assert copy.counters is not m.counters
    assert (m.now, len(m.timers), m.snapshot()["n0"]["n"]) == (0, 1, {(): (1,)})
    other = machine(NF, state=m.save())
    assert m.step(50, 0, udp()) == other.step(50, 0, udp())


def test_clones_share_no_waiting_packet(machine):
    lower = ir.SetField("ttl", add(F("ttl"), c(1, ir.Bits(8)), "-"))
    again = entry(delay(10), on=(ir.Compare("<", ir.Tag("x"), i(3)),))
    m = machine(program(lower, ir.SetTag("x", add(ir.Tag("x"), i(1))), table(again)))
    m.step(0, 0, udp())
    copy = m.clone()
    assert [parse(o.frame).ttl for o in copy.advance(50)] == [61]
    assert [(o.time, parse(o.frame).ttl) for o in m.advance(50)] == [(20, 61)]


def test_a_snapshot_can_be_the_start(machine):
    m = machine(program(COUNT, init=(put("n", i(50)),), state=(plain("n"),)),
                state={"n0": {"n": {(): (7,)}}})  # fmt: skip
    m.step(0, 0, udp())
    assert m.snapshot()["n0"]["n"] == {(): (8,)}
    with pytest.raises(ValueError, match=r"the network has no n0\.absent, other"):
        machine(NF, state={"other": {}, "n0": {"absent": {}}})


def test_the_trace_says_which_entry_and_what_changed(machine):
    m, seen = machine(NF), []
    m.trace = seen.append
    m.step(4, 0, udp(dport=5))
    m.advance(20)
    first, second = seen
    assert (first.instance, first.time, first.entries, first.outcome) == ("n0", 4, ("wait",), 10)
    assert first.fields == (FieldChange("ttl", 64, 9), FieldChange("x", 0, 1, is_tag=True))
    assert first.state == (
        StateWrite("n", (), (0,), (1,)),
        StateWrite("m", (0x0A000001, 1000), None, (1, True)),
    )
    assert (second.time, second.entries, second.outcome) == (14, (), None)


# States as JSON (26) ----------------------------------------------------------------------

WIDE = program(
    state=(
        plain("b", ir.BOOL, True),
        plain("t", ir.TIME, 1 << 60),
        plain("mac", ir.MAC, 0x020000000001),
        plain("raw", ir.BYTES, b"\0\xff"),
        ir.StateVar("s", (ir.IP6,), (), (), "set", (((2,), ()), ((1,), ()))),
        ir.StateVar(
            "m", (ir.IP, ir.INT), (ir.IP,), (0,), "map",
            (((2, -1), (3,)), ((1, 5), (0x0A000001,))),
        ),
        ir.StateVar("p", (), (ir.INT, ir.BOOL), (1, False), "plain"),
    ),
)  # fmt: skip


def test_json_of_every_type(machine):
    m = machine(WIDE)
    assert json.loads(dump(m.network, m.save())) == {
        "version": 1,
        "now": None,
        "instances": {
            "n0": {
                "b": True,
                "t": "1152921504606846976",
                "mac": "02:00:00:00:00:01",
                "raw": "00ff",
                "s": ["::1", "::2"],
                "m": [[["0.0.0.1", 5], "10.0.0.1"], [["0.0.0.2", -1], "0.0.0.3"]],
                "p": [1, False],
            }
        },
        "timers": [],
    }


def test_a_run_goes_on_from_its_json_as_if_it_had_not_stopped(machine):
    m = machine(NF)
    m.step(0, 1, udp(dport=5))
    text = dump(m.network, m.save())
    [timer] = json.loads(text)["timers"]
    assert timer == {
        "due": 10, "instance": "n0", "tags": {"x": 1}, "iface": 1,
        "frame": udp(dport=5).hex(), "fields": {"ttl": 9},
    }  # fmt: skip
    other = Machine(m.network, state=load(m.network, text, "S.json"))
    assert other.step(20, 0, udp()) == m.step(20, 0, udp())
    assert dump(m.network, other.save()) == dump(m.network, m.save())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deep"),
        ('{"version": 1, "now": NaN}', "NaN is no number"),
        ('{"version": 1, "version": 1}', "stands twice"),
        ("[]", "state: an object is expected"),
        ('{"version": 2}', "state: version 2 is not 1"),
        ('{"version": 1, "x": 0}', "unknown name 'x'"),
        ('{"version": 1, "now": -1}', "now: -1 does not fit"),
        ('{"version": 1, "now": "4611686018427387904"}', "now: times are below"),
        ('{"version": 1, "instances": {"z": {}}}', "instances: unknown name 'z'"),
        ('{"version": 1, "instances": {"n0": {"c": []}}}', "instances.n0: unknown name 'c'"),
        ('{"version": 1, "instances": {"n0": {"n": "x"}}}', "instances.n0.n: 'x' is no"),
        ('{"version": 1, "instances": {"n0": {"n": true}}}', "instances.n0.n: True is no"),
        ('{"version": 1, "instances": {"n0": {"n": 1.5}}}', "instances.n0.n: 1.5 is no"),
        ('{"version": 1, "instances": {"n0": {"n": 2147483648}}}', "does not fit signed integer"),
        ('{"version": 1, "instances": {"n0": {"m": [1]}}}', r"n0.m\[0\]: \[key, value\] is"),
        ('{"version": 1, "instances": {"n0": {"m": [[["10.0.0.256", 1], [1, true]]]}}}',
         r"n0.m\[0\]: '10.0.0.256' is no IPv4 address"),
        ('{"version": 1, "instances": {"n0": {"m": [[["0.0.0.1"], [1, true]]]}}}',
         r"n0.m\[0\]: 2 values are expected, not 1"),
        ('{"version": 1, "timers": [{"due": 1}]}', r"timers\[0\].due: a timer is due"),
        ('{"version": 1, "now": 5, "timers": [{"due": 7, "instance": "q"}]}',
         r"timers\[0\].instance: the network has no instance 'q'"),
        ('{"version": 1, "now": 5, "timers": [{"due": 7, "instance": "n0", "frame": "00"}]}',
         r"timers\[0\].frame: no well-formed frame"),
    ],
)  # fmt: skip
def test_wrong_states_say_where_and_why(text, message):
    network = Machine(ir.Network("x", ("0", "1"), (ir.Instance("n0", NF),), ())).network
    with pytest.raises(ModelError, match=message):
        load(network, text, "S.json")
