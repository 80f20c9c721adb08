"""Conversations, also through networks that rewrite addresses."""

import pytest
from hypothesis import find, given, settings

from nfverify import load
from nfverify.oracles.flows import icmp_echo, tcp_session, udp_exchange
from nfverify.oracles.trace import Event, Trace
from nfverify.packet.codec import Malformed, Packet, parse
from nfverify.packet.fields import Header
from nfverify.semantics.machine import Machine
from nfverify.strategies import flows, icmp_echoes, tcp_sessions, udp_exchanges


def packets(trace: Trace) -> list[Packet]:
    found = [parse(event.frame) for event in trace]
    assert not any(isinstance(packet, Malformed) for packet in found)
    return found  # type: ignore[return-value]  # none is malformed


FLAGS = {"flag_syn": "S", "flag_ack": "A", "flag_psh": "P", "flag_fin": "F", "flag_rst": "R"}


def flags(packet: Packet) -> str:
    return "".join(letter for name, letter in FLAGS.items() if getattr(packet, name))


def test_a_session_has_a_handshake_data_and_an_end() -> None:
    trace = tcp_session(start=5, gap=10)
    assert [event.time for event in trace] == list(range(5, 85, 10))
    assert [event.port for event in trace] == [0, 1, 0, 0, 1, 0, 1, 0]
    found = packets(trace)
    assert [flags(packet) for packet in found] == ["S", "SA", "A", "AP", "AP", "AF", "AF", "A"]
    assert [packet.payload for packet in found][3:5] == [b"request", b"response"]


def test_each_acknowledges_what_the_other_sent() -> None:
    found = packets(tcp_session(data=(b"a", b"bc", b"d")))
    sent = {True: 0, False: 0}
    for packet in found:
        client = packet.dport == 80
        assert packet.seq == sent[client]
        if packet.flag_ack:
            assert packet.ack_no == sent[not client]
        sent[client] += len(packet.payload) + packet.flag_syn + packet.flag_fin


@pytest.mark.parametrize(("end", "last"), [("rst", "R"), ("none", "A")])
def test_other_ends_of_a_session(end: str, last: str) -> None:
    assert flags(packets(tcp_session(data=(), end=end))[-1]) == last


def test_exchanges_and_echoes() -> None:
    request, response = packets(udp_exchange({"dport": 53}))
    assert (request.dport, response.sport, response.dip) == (53, 53, request.sip)
    found = packets(icmp_echo({"sip6": 7, "icmp_id": 3}, count=2))
    assert [(p.icmp_type, p.icmp_id, p.icmp_seq) for p in found] == [
        *((128, 3, 0), (129, 3, 0), (128, 3, 1), (129, 3, 1))
    ]


NAPT = load("lib:napt")
START = Machine(NAPT)


@settings(max_examples=50)
@given(tcp_sessions(NAPT, end="fin", sip="10.0.0.5", dip="192.0.2.9"))
def test_servers_answer_what_reached_them(trace: Trace) -> None:
    machine = START.clone()
    assert len(trace) >= 6
    for event in trace:
        (out,) = machine.step(*event)
        assert out.port == 1 - event.port
    assert {packet.dip for packet in packets(trace)} == {0xC0000209, 0xCB007107}


@settings(max_examples=50)
@given(flows("lib:edge"))
def test_a_flow_is_one_conversation(trace: Trace) -> None:
    found = packets(trace)
    assert len({packet.proto for packet in found}) == 1
    times = [event.time for event in trace]
    assert times == sorted(set(times))


def test_every_kind_is_there() -> None:
    for header in (Header.TCP, Header.UDP, Header.ICMP):
        trace = find(flows(), lambda t, header=header: bool(packets(t)[0].present & header))
        assert len(trace) <= 8
    assert find(udp_exchanges(), lambda _: True)[0].port == 0


def test_plainest_conversations() -> None:
    shown = [repr(event) for event in find(udp_exchanges(), lambda _: True)]
    assert shown[0] == "Event(time=0, port=0, frame=frame(proto=17, payload=b'request'))"
    assert isinstance(find(icmp_echoes(), lambda _: True)[0], Event)


def test_fields_are_checked() -> None:
    with pytest.raises(ValueError, match="no frame has a field 'sprot'"):
        tcp_sessions(sprot=1)
