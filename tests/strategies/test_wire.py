"""Plain frames from values, and back."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfverify.oracles.oddities import ODDITIES
from nfverify.oracles.wire import PLAIN, answered, merged, plainly, values_of, wire
from nfverify.packet.build import build
from nfverify.packet.codec import Malformed, parse
from nfverify.packet.fields import FIELDS, Header

GIVEN = ("proto", "iplen", "size", "ethertype", "payload")


def test_wire_writes_what_build_writes() -> None:
    rng = Random(1)
    for _ in range(3000):
        six = rng.random() < 0.4
        l4 = rng.choice((Header.TCP, Header.UDP, Header.ICMP, Header(0)))
        present = Header.LINK | (Header.IP6 if six else Header.IP4) | l4
        present |= rng.choice((Header(0), Header.FRAG)) | rng.choice((Header(0), Header.VLAN))
        values: dict[str, int | bytes] = {
            "proto": {Header.TCP: 6, Header.UDP: 17, Header.ICMP: 58 if six else 1}.get(
                l4, rng.choice((89, 253, 0, 60) if six else (89, 253, 0))
            )
        }
        for name, info in FIELDS.items():
            if info.on_wire and present & info.headers and name not in GIVEN:
                limit = (1 << info.width) - 1
                values[name] = rng.choice((0, limit, rng.getrandbits(info.width)))
        if present & Header.FRAG and not l4:
            values["proto"] = 89
        values["payload"] = rng.randbytes(rng.randrange(40))
        expected = build(present, values)
        if present & Header.FRAG:
            values |= {"FRAG": 1, "L4": int(bool(l4))}
        assert wire(values) == expected
        found = values_of(expected)
        assert found is not None
        assert wire(found) == wire(plainly(found)) == expected


def test_the_plainest_frame() -> None:
    packet = parse(wire({}))
    assert not isinstance(packet, Malformed)
    assert {name: getattr(packet, name) for name in PLAIN if not name.endswith("6")} == {
        name: value for name, value in PLAIN.items() if not name.endswith("6")
    }
    assert (packet.flag_syn, packet.flag_ack, packet.payload) == (1, 0, b"")
    assert plainly(values_of(wire({})) or {"sip": 0}) == {}


@pytest.mark.parametrize("size", [40, 41, 576, 9000])
def test_size_fits_the_payload(size: int) -> None:
    packet = parse(wire({"size": size}))
    assert not isinstance(packet, Malformed)
    assert (packet.size, len(packet.payload)) == (size, size - 40)


def test_a_size_that_cannot_be_is_left_out() -> None:
    assert wire({"size": 39}) == wire({"size": 1 << 16}) == wire({})


def test_answers_swap_both_sides() -> None:
    sent = {"sip": 1, "sport": 2, "dport": 3}
    back = parse(wire(answered(sent)))
    assert not isinstance(back, Malformed)
    assert (back.sip, back.dip, back.sport, back.dport) == (PLAIN["dip"], 1, 3, 2)
    assert (back.flag_syn, back.flag_ack) == (1, 1)
    reply = parse(wire(answered({"proto": 58, "sip6": 5})))
    assert not isinstance(reply, Malformed)
    assert (reply.icmp_type, reply.dip6) == (129, 5)
    assert wire(answered(answered({"proto": 17, "dport": 53}))) == wire({"proto": 17, "dport": 53})


def test_a_field_brings_its_header() -> None:
    udp = {"proto": 17}
    for name, value, header in (
        ("flag_ack", 1, Header.TCP),
        ("icmp_type", 3, Header.ICMP),
        ("dip6", 7, Header.IP6),
        ("IP6", 1, Header.IP6),
        ("vlan", 9, Header.VLAN),
    ):
        packet = parse(wire(merged(udp, [(name, value)])))
        assert not isinstance(packet, Malformed)
        assert packet.present & header
    packet = parse(wire(merged(merged(udp, [("dip6", 7)]), [("dip", 8)])))
    assert not isinstance(packet, Malformed)
    assert (packet.dip, packet.dip6) == (8, 0)


@given(st.sampled_from(ODDITIES), st.binary(max_size=80) | st.just(wire({"sip6": 1})))
def test_any_frame_can_be_made_odd(odd: object, frame: bytes) -> None:
    assert callable(odd)
    assert isinstance(odd(frame), bytes)


def test_oddities_are_odd_each_in_its_own_way() -> None:
    frames = [wire({}), wire({"sip6": 1, "proto": 17})]
    made = {tuple(odd(frame) for frame in frames) for odd in ODDITIES}
    assert len(made) == len(ODDITIES)
    assert tuple(frames) not in made
    malformed = sum(isinstance(parse(frame), Malformed) for pair in made for frame in pair)
    assert 10 < malformed < 40
