"""Frames as people read and write them."""

import pytest
from hypothesis import given

from nfverify.packet.codec import Malformed, parse
from nfverify.strategies import Frame, frame, packets


@given(packets("lib:edge", hostile=True))
def test_a_frame_shows_the_call_that_makes_it(found: Frame) -> None:
    assert eval(repr(found), {"frame": frame, "Frame": Frame}) == found


def test_only_what_is_not_plain_is_shown() -> None:
    assert repr(frame()) == "frame()"
    shown = "frame(dip='203.0.113.7', proto=17, dport=53, payload=b'x')"
    assert repr(frame(dip="203.0.113.7", proto=17, dport=53, payload=b"x")) == shown
    assert repr(frame(sip6="fd00::1", flag_ack=1)) == "frame(sip6='fd00::1', flag_ack=1)"
    assert repr(Frame(b"short")) == "Frame.fromhex('73686f7274')"


def test_fields_as_text() -> None:
    packet = parse(frame(smac="02:00:00:00:00:09", sip="192.0.2.1", sport=7))
    assert not isinstance(packet, Malformed)
    assert (packet.smac, packet.sip, packet.sport) == (0x020000000009, 0xC0000201, 7)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sprot": 1}, "no frame has a field 'sprot' to choose"),
        ({"iface": 1}, "no frame has a field 'iface' to choose"),
        ({"dport": 65536}, "dport has 16 bits, 65536 does not fit"),
        ({"sip": "10.0.0"}, "no IPv4 address"),
        ({"payload": 1}, "payload can't be 1"),
        ({"dport": b"80"}, "dport can't be b'80'"),
    ],
)
def test_what_no_frame_has(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frame(**fields)
    with pytest.raises(ValueError, match=message):
        packets(**fields)


def test_what_is_no_value_at_all() -> None:
    with pytest.raises(TypeError, match="dport can't be None"):
        packets(dport=None)
