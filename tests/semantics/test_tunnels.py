"""`push` and `pop` in programs and chains, on each engine (bytes: tests/packet/test_tunnel.py)."""

from __future__ import annotations

import pytest
from ir_build import (
    PASS,
    RESUBMIT,
    F,
    add,
    arp,
    c,
    chain,
    delay,
    entry,
    field_is,
    get,
    i,
    out,
    plain,
    program,
    put,
    table,
    udp,
)

from nfverify.packet import tunnel
from nfverify.packet.codec import parse
from nfverify.semantics import state_binary, state_json
from nfverify.semantics.operators import hash_of
from nfverify.smat import ir

A, B = 0xC0000201, 0xC0000202
VNI = ir.Bits(24)
FLOW = ("sip", "dip", "sip6", "dip6", "sport", "dport", "proto")
TAG = ir.Push("vlan", (c(5, ir.Bits(12)),))
IPIP = ir.Push("ipip", (c(A, ir.IP), c(B, ir.IP)))
VXLAN = ir.Push("vxlan", (c(A, ir.IP), c(B, ir.IP), c(77, VNI)))
POP = {kind: ir.Pop(kind) for kind in ir.PUSHED}
N = plain("n")
COUNT = put("n", add(get("n"), i(1)))


def value(machine, instance="n0"):
    return machine.snapshot()[instance]["n"][()][0]


def once(*body):
    """What a packet meets in its first pass only."""
    first = ir.Compare("==", ir.Tag("seen"), i(0))
    return table(entry(ir.SetTag("seen", i(1)), *body, on=(first,)))


def inner(frame):
    """The frame that VXLAN carries."""
    packet = parse(frame)
    assert packet.dport == 4789
    return packet.payload[8:]


def test_what_is_pushed_is_what_the_next_nf_sees(machine):
    seen = table(entry(COUNT, on=(field_is("vni", 77), field_is("dip", B), field_is("proto", 17))))
    m = machine(program(VXLAN), program(seen, state=(N,)), program(POP["vxlan"]))
    assert m.step(0, 0, udp()) == [(0, 1, udp())]
    assert value(m, "n1") == 1


def test_the_source_port_is_a_hash_of_the_inner_flow_as_it_is_then(machine):
    m = machine(program(ir.SetField("sport", c(7, ir.PORT)), VXLAN))
    [o] = m.step(0, 0, udp())
    packet = parse(inner(o.frame))
    flow = [getattr(packet, name) for name in FLOW]
    assert packet.sport == 7
    hashed = hash_of(tuple(ir.field_type(name) for name in FLOW))(*flow)
    assert parse(o.frame).sport == 49152 + hashed % 16384


def test_arguments_are_read_before(machine):
    swap = ir.Push("ipip", (F("dip"), F("sip")))
    m = machine(program(swap, ir.Push("vlan", (ir.Cast(F("ttl"), ir.Bits(12)),))))
    packet = parse(m.step(0, 0, udp())[0].frame)
    assert (packet.sip, packet.dip, packet.vlan) == (0x0A000002, 0x0A000001, 64)


def test_what_was_written_before_stays_inside(machine):
    m = machine(
        program(ir.SetField("dport", c(9, ir.PORT)), VXLAN, ir.SetField("ttl", c(3, ir.Bits(8))))
    )
    [o] = m.step(0, 0, udp())
    assert (parse(o.frame).ttl, parse(inner(o.frame)).ttl) == (3, 64)
    assert inner(o.frame) == udp(dport=9)


def test_headers_that_an_engine_has_read_are_read_again(machine):
    """Ports are there before, not in IPv4 around it, and there again behind."""
    write = ir.SetField("sport", c(9, ir.PORT))
    m = machine(program(IPIP, write, POP["ipip"]))
    assert m.step(0, 0, udp()) == [(0, 1, udp())]
    m = machine(program(IPIP, POP["ipip"], write))
    assert m.step(0, 0, udp()) == [(0, 1, udp(sport=9))]


@pytest.mark.parametrize(
    ("counter", "body", "frame"),
    [
        ("too_deep", (TAG, TAG, TAG), udp()),
        ("too_deep", (IPIP,) * 5, udp()),
        ("too_deep", (IPIP, POP["ipip"], VXLAN, POP["vxlan"], IPIP), udp()),
        ("too_big", (IPIP,), udp()[:16] + b"\xff\xf0" + udp()[18:]),
        ("malformed_inner", (POP["ipip"],), udp()[:23] + b"\x04" + udp()[24:]),
    ],
)
def test_what_fails_drops_for_good_and_the_rest_of_the_pass_runs(machine, counter, body, frame):
    m = machine(program(*body, COUNT, PASS, out(1), state=(N,)), program(COUNT, state=(N,)))
    assert m.step(0, 0, frame) == []
    assert (m.counters[counter], value(m), value(m, "n1")) == (1, 1, 0)
    assert sum(m.counters.values()) == 1


def test_a_failure_leaves_the_packet_as_it_was(machine):
    body = (TAG, TAG, TAG, put("n", ir.Cast(F("vlan"), ir.INT)), TAG)
    m = machine(program(*body, state=(N,)))
    m.step(0, 0, udp())
    assert (value(m), m.counters["too_deep"]) == (5, 2)


def test_what_is_not_there_is_ignored(machine):
    m = machine(program(*POP.values(), COUNT, state=(N,)))
    assert m.step(0, 0, udp()) == [(0, 1, udp())]
    assert m.step(0, 0, arp()) == [(0, 1, arp())]
    assert (value(m), sum(m.counters.values())) == (2, 0)


def test_a_dummy_ignores_all(machine):
    nf = program(
        TAG, IPIP, VXLAN, *POP.values(), put("n", ir.Cast(F("vni"), ir.INT)), COUNT,
        state=(N,), timers=(ir.InitTimer((), 10),),
    )  # fmt: skip
    m = machine(nf)
    m.step(0, 0, udp()[:20])
    assert m.advance(20) == []
    assert value(m) == 1


# Chains, copies, timers -------------------------------------------------------------------


def test_the_limit_is_of_a_packets_whole_way_through_the_chain(machine):
    two = program(IPIP, IPIP)
    m = machine(two, two)
    [o] = m.step(0, 0, udp())
    assert parse(o.frame).size == 33 + 80
    m = machine(two, two, program(POP["ipip"]))
    assert m.step(0, 0, udp()) == []
    assert m.counters["too_deep"] == 1
    assert m.step(0, 0, udp()) == []  # each packet counts for itself


def test_copies_go_on_by_themselves(machine):
    """The port names both copies; what one pops is still there for the other."""
    fork = program(VXLAN, out(0, 1), ports=(0, 1))
    network = ir.Network(
        "fork", ("a", "b"), (ir.Instance("x", fork), ir.Instance("y", program(POP["vxlan"]))),
        (ir.Wire(0, 0, 1),),
    )  # fmt: skip
    first, second = machine(network).step(0, 0, udp())
    assert (first.frame, inner(second.frame)) == (udp(), udp())


def test_passes_of_one_packet_go_on_where_the_last_one_ended(machine):
    m = machine(program(once(VXLAN, RESUBMIT), table(entry(COUNT, POP["vxlan"])), state=(N,)))
    assert m.step(0, 0, udp()) == [(0, 1, udp())]


@pytest.mark.parametrize("form", ["", "json", "binary"])
def test_a_held_packet_keeps_its_headers(machine, form):
    """And what was written to it; how often it was packed is forgotten."""
    write = ir.SetField("ttl", c(9, ir.Bits(8)))
    network = chain(
        program(once(TAG, IPIP, write, VXLAN, write, delay(10))), program(*POP.values())
    )
    m = machine(network)
    assert m.step(0, 0, udp()) == []
    if form == "json":
        text = state_json.dump(network, m.save())
        m = machine(network, state=state_json.load(network, text, "s"))
    elif form == "binary":
        m = machine(
            network, state=state_binary.load(network, state_binary.dump(network, m.save()), "s")
        )
    [timer] = m.timers
    assert (timer.packet.ttl, timer.packet.vni, timer.packet.tunnels) == (9, 77, 0)
    [o] = m.advance(10)
    packet = parse(o.frame)
    assert (packet.vlan, packet.proto, packet.ttl) == (5, 4, 9)


def test_a_held_packet_may_be_packed_again(machine):
    m = machine(program(once(*(IPIP,) * 4, delay(10))), program(IPIP, IPIP))
    m.step(0, 0, udp())
    [o] = m.advance(10)
    assert parse(o.frame).size == 33 + 120


# Frames that are not IP -------------------------------------------------------------------


def test_tags_and_vxlan_are_of_the_link_layer(machine):
    assert machine(program(COUNT, state=(N,))).step(0, 0, arp())[0].frame == arp()
    for statement, enters in ((TAG, 1), (POP["vlan"], 1), (VXLAN, 1), (POP["vxlan"], 1), (IPIP, 0)):
        m = machine(program(statement, COUNT, state=(N,)))
        m.step(0, 0, arp())
        assert value(m) == enters


def test_whether_a_frame_goes_past_an_nf_is_asked_of_what_it_is_then(machine):
    count = program(COUNT, state=(N,))
    m = machine(count, program(VXLAN), count, program(POP["vxlan"]), count)
    assert m.step(0, 0, arp()) == [(0, 1, arp())]
    assert [value(m, f"n{k}") for k in (0, 2, 4)] == [0, 1, 0]
    assert m.step(0, 0, udp()) == [(0, 1, udp())]
    assert [value(m, f"n{k}") for k in (0, 2, 4)] == [1, 2, 1]


def test_non_ip_drop_is_about_what_comes_in(machine):
    packed = machine(program(VXLAN)).step(0, 0, arp())[0].frame
    m = machine(program(POP["vxlan"]), non_ip="drop")
    assert m.step(0, 0, packed) == [(0, 1, arp())]
    assert (m.step(0, 0, arp()), m.counters["non_ip"]) == ([], 1)


def test_the_trace_shows_the_fields_that_a_header_changes(machine):
    visits = []
    m = machine(program(IPIP, TAG))
    m.trace = visits.append
    m.step(0, 0, udp())
    changed = {change.name: change.after for change in visits[0].fields}
    assert changed["vlan"] == 5
    assert (changed["sip"], changed["proto"], changed["dport"]) == (A, 4, 0)
    assert tunnel.MAX_TUNNELS == 4
