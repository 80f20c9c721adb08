"""How packets look in a report: what is plain is left out, what is not is there."""

import pytest

from nfverify.packet.codec import build
from nfverify.packet.fields import Header
from nfverify.report.packets import changes, clock, summary

ENDS = {"sip": 0x0A000001, "dip": 0x0A000002}
TCP = Header.IP4 | Header.TCP
PLAIN = {**ENDS, "sport": 1024, "dport": 80}


@pytest.mark.parametrize(
    ("present", "values", "text"),
    [
        (TCP, PLAIN, "tcp 10.0.0.1:1024 → 10.0.0.2:80"),
        (TCP, {**PLAIN, "flag_syn": 1}, "tcp 10.0.0.1:1024 → 10.0.0.2:80 SYN"),
        (
            TCP | Header.VLAN,
            {**PLAIN, "flag_fin": 1, "flag_ack": 1, "ttl": 1, "vlan": 7, "seq": 9},
            "tcp 10.0.0.1:1024 → 10.0.0.2:80 FIN+ACK, vlan 7, ttl 1, seq 9",
        ),
        (
            Header.IP4 | Header.UDP,
            {**PLAIN, "smac": 0x0200000000FF, "payload": b"\0\1"},
            "udp 10.0.0.1:1024 → 10.0.0.2:80, smac 02:00:00:00:00:ff, payload 0001",
        ),
        (
            Header.IP4 | Header.UDP,
            {**PLAIN, "payload": bytes(5)},
            "udp 10.0.0.1:1024 → 10.0.0.2:80, payload of 5 bytes",
        ),
        (
            Header.IP6 | Header.TCP,
            {"sip6": 1, "dip6": 0x20010DB8 << 96, "sport": 1, "dport": 2},
            "tcp [::1]:1 → [2001:db8::]:2",
        ),
        (
            Header.IP4 | Header.ICMP,
            {**ENDS, "icmp_type": 8},
            "icmp 10.0.0.1 → 10.0.0.2, icmp_type 8",
        ),
        (Header.IP4, {**ENDS, "proto": 47}, "protocol 47 10.0.0.1 → 10.0.0.2"),
        (
            Header.IP4 | Header.FRAG,
            {**ENDS, "proto": 6},
            "protocol 6 10.0.0.1 → 10.0.0.2, fragment",
        ),
        (Header.LINK, {"ethertype": 0x0806}, "ethertype 0x0806"),
    ],
)
def test_summary(present: Header, values: dict[str, int | bytes], text: str) -> None:
    assert summary(build(present, values)) == text


def test_a_malformed_frame_is_named() -> None:
    assert summary(b"\0" * 9).startswith("malformed (")


def test_changes_are_named() -> None:
    before = build(TCP, PLAIN)
    after = build(TCP, {**PLAIN, "sip": 0xCB007107, "ttl": 63})
    assert changes(before, before) == "unchanged"
    assert changes(before, after) == "sip = 203.0.113.7, ttl = 63"
    wrong = bytearray(before)
    wrong[24] ^= 1  # the checksum of the IPv4 header
    assert changes(before, bytes(wrong)) == "unchanged but for bytes that no field shows"


def test_a_packet_that_changed_much_is_shown_whole() -> None:
    before = build(TCP, PLAIN)
    other = {"sip": 3, "dip": 4, "sport": 5, "dport": 6, "ttl": 7, "tos": 8, "seq": 9}
    after = build(TCP, other)
    assert changes(before, after) == "tcp 0.0.0.3:5 → 0.0.0.4:6, ttl 7, tos 8, seq 9"
    tagged = build(TCP | Header.VLAN, PLAIN | {"vlan": 3})
    assert changes(before, tagged) == "tcp 10.0.0.1:1024 → 10.0.0.2:80, vlan 3"


def test_clock() -> None:
    assert clock(1_000_000_001) == "1.000000001"
    assert clock((1 << 62) - 1) == "4611686018.427387903"
