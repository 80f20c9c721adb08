"""`build` makes a frame that parses to exactly the values asked for, or says why there is none."""

from __future__ import annotations

import re
from random import Random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether

from nfverify.packet.build import header_bytes
from nfverify.packet.codec import Packet, build, parse
from nfverify.packet.fields import FIELDS, Header
from nfverify.packet.fields import IP as IP_HEADERS

NONE = Header(0)
KINDS = [
    tag | ip | l4 | fragment
    for tag in (NONE, Header.VLAN)
    for ip in (NONE, Header.IP4, Header.IP6)
    for l4 in (NONE, Header.TCP, Header.UDP, Header.ICMP)
    for fragment in (NONE, Header.FRAG)
    if ip or not (l4 or fragment)
]


def read_back(present: Header, values: dict[str, int | bytes]) -> Packet:
    p = parse(build(present, values))
    assert isinstance(p, Packet)
    assert p.present == present | Header.LINK
    assert {n: getattr(p, n) for n in values} == values
    return p


@pytest.mark.parametrize("present", KINDS, ids=str)
def test_random_values_are_read_back(present: Header) -> None:
    rng = Random(str(present))
    for _ in range(50):
        payload = rng.randbytes(rng.randrange(20)) if present & IP_HEADERS else b""
        values: dict[str, int | bytes] = {
            name: rng.getrandbits(field.width)
            for name, field in FIELDS.items()
            if present & field.headers and field.writable
            if name not in {"ethertype", "proto", "iplen", "size", "payload"}
            if rng.random() < 0.7
        }
        if rng.random() < 0.7:
            values["payload"] = payload
        if rng.random() < 0.3 and present & IP_HEADERS:
            values["size"] = header_bytes(present) + len(payload) + rng.randrange(30)
        p = read_back(present, values)
        if present & IP_HEADERS and "size" not in values:
            assert p.size == header_bytes(present) + len(p.payload)


@pytest.mark.parametrize("present", KINDS, ids=str)
def test_defaults_are_plain(present: Header) -> None:
    p = read_back(present, {})
    shown = {n for n in FIELDS if getattr(p, n) and FIELDS[n].on_wire}
    assert shown <= {"ethertype", "proto", "ttl", "iplen"}
    assert p.payload == b""
    assert len(p.frame) == p.payload_at


@pytest.mark.parametrize("l4", [Header.TCP, Header.UDP, Header.ICMP], ids=str)
@pytest.mark.parametrize("ip", [Header.IP4, Header.IP6], ids=str)
def test_scapy_finds_the_checksums_right(ip: Header, l4: Header) -> None:
    rng = Random(str(ip | l4))
    for length in range(6):
        values: dict[str, int | bytes] = {"payload": rng.randbytes(length)}
        values |= {n: rng.getrandbits(32) for n in ("sip", "dip") if ip is Header.IP4}
        values |= {n: rng.getrandbits(128) for n in ("sip6", "dip6") if ip is Header.IP6}
        if l4 is Header.ICMP:
            values["icmp_type"] = 8 if ip is Header.IP4 else 128
        else:
            values |= {"sport": rng.randrange(50_000, 60_000), "dport": rng.randrange(50_000)}
        frame = build(ip | l4, values)
        built = Ether(frame)
        for layer, name in (
            (IP, "chksum"),
            (TCP, "chksum"),
            (UDP, "chksum"),
            (UDP, "len"),
            (ICMP, "chksum"),
            (ICMPv6EchoRequest, "cksum"),
            (IP, "len"),
            (IPv6, "plen"),
        ):
            if layer in built:
                built[layer].delfieldval(name)
        assert bytes(built) == frame


def test_size_without_a_payload_is_filled_with_zeros() -> None:
    assert read_back(Header.IP4 | Header.UDP, {"size": 30}).payload == bytes(2)
    assert read_back(Header.IP6 | Header.UDP, {"size": 65_575}).payload == bytes(65_575 - 48)
    assert read_back(Header.IP4, {"iplen": 65_535}).size == 65_535


def test_size_beyond_the_payload_is_a_snapped_frame() -> None:
    p = read_back(Header.IP4 | Header.UDP, {"size": 1500, "payload": b"a"})
    assert (p.iplen, p.payload, len(p.frame)) == (1500, b"a", 43)


def test_fragments() -> None:
    assert read_back(Header.IP4 | Header.FRAG | Header.UDP, {}).L4 == 1
    for ip in (Header.IP4, Header.IP6):
        for proto in (0, 1, 6, 17, 44, 58, 60, 255):
            assert read_back(ip | Header.FRAG, {"proto": proto, "FRAG": 1}).L4 == 0


def test_protocols_without_a_header() -> None:
    for proto in set(range(256)) - {6, 17, 1}:
        read_back(Header.IP4, {"proto": proto})
    for proto in set(range(256)) - {6, 17, 58}:
        p = read_back(Header.IP6, {"proto": proto})
        assert p.size == header_bytes(Header.IP6, proto)
        assert (p.size > 40) == (proto in {0, 43, 44, 60})  # eight headers stand before


def test_link_types_without_ip() -> None:
    for ethertype in (0, 0x0806, 0x8847, 0xFFFF):
        read_back(NONE, {"ethertype": ethertype})
    for third in (0x8100, 0x88A8):
        read_back(Header.VLAN, {"ethertype": third, "vlan": 9})


def test_read_only_bits_may_be_given_as_they_are() -> None:
    read_back(Header.IP4 | Header.TCP, {"IP4": 1, "IP6": 0, "L4": 1, "FRAG": 0, "sip6": 0})


@pytest.mark.parametrize(
    ("present", "values", "why"),
    [
        (Header.IP4 | Header.IP6, {}, "IPv4 or IPv6, not both"),
        (Header.IP4 | Header.TCP | Header.UDP, {}, "one of TCP, UDP and ICMP"),
        (Header.TCP, {}, "need IPv4 or IPv6"),
        (Header.FRAG, {}, "need IPv4 or IPv6"),
        (Header.IP4, {"sprot": 1}, "no field is called 'sprot'"),
        (Header.IP4, {"sip": b"1"}, "sip can't be b'1'"),
        (Header.IP4, {"payload": 1}, "payload can't be 1"),
        (Header.IP4, {"sip": 1 << 32}, "sip has 32 bits, 4294967296 does not fit"),
        (Header.IP4, {"ttl": -1}, "ttl has 8 bits, -1 does not fit"),
        (Header.IP4, {"sport": 1}, "sport is 0 in a frame without its header, not 1"),
        (NONE, {"payload": b"x"}, "payload is 0 in a frame without its header"),
        (Header.IP4, {"vlan": 1}, "vlan is 0 in a frame without its header"),
        (Header.IP4, {"IP4": 0}, "IP4 is 1 with these headers, not 0"),
        (Header.IP4, {"L4": 1}, "L4 is 0 with these headers, not 1"),
        (
            Header.IP4,
            {"ethertype": 0x86DD},
            "ethertype of an IP frame with these headers is 0x0800",
        ),
        (NONE, {"ethertype": 0x0800}, "ethertype 0x0800 makes it an IP frame"),
        (NONE, {"ethertype": 0x8100}, "ethertype 0x8100 makes it a tagged frame"),
        (Header.IP4 | Header.TCP, {"proto": 17}, "proto is 6 with these headers, not 17"),
        (Header.IP6 | Header.ICMP, {"proto": 1}, "proto is 58 with these headers, not 1"),
        (Header.IP4, {"proto": 6}, "proto 6 without its header is a later fragment"),
        (Header.IP6, {"proto": 58}, "proto 58 without its header is a later fragment"),
        (Header.IP4 | Header.TCP, {"size": 39}, "size is 40 to 65535 bytes"),
        (Header.IP4, {"iplen": 19}, "size is 20 to 65535 bytes"),
        (Header.IP4, {"size": 65_536}, "size is 20 to 65535 bytes"),
        (Header.IP6, {"size": 65_576}, "size is 40 to 65575 bytes"),
        (Header.IP6 | Header.FRAG, {"size": 47}, "size is 48 to 65575 bytes"),
        (Header.IP4, {"size": 22, "payload": b"abc"}, "size is 23 to 65535 bytes"),
        (Header.IP4, {"size": 30, "iplen": 31}, "iplen and size of an IPv4 frame differ"),
    ],
)
def test_what_no_frame_has(present: Header, values: dict[str, int | bytes], why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        build(present, values)
