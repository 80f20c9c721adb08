"""Each rule of decisions 8, 10 and 18-20 about reading a frame, at its edges."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfverify.packet.codec import Malformed, Packet, deparse, parse
from nfverify.packet.fields import FIELDS, Header

MACS = bytes.fromhex("0a0b0c0d0e0f 010203040506")
TCP = struct.pack("!HHIIBBHHH", 1000, 2000, 0x01020304, 0x0A0B0C0D, 0x50, 0, 512, 0xBEEF, 0)
UDP = struct.pack("!HHHH", 53, 4000, 11, 0xBEEF)
ICMP = struct.pack("!BBHHH", 8, 3, 0xBEEF, 7, 9)
OPAQUE = 253
DESTINATION = 60  # IPv6 destination options
FRAGMENT = 44


def ethernet(ethertype: int, body: bytes, *tags: int) -> bytes:
    """`tags` are (TPID << 16 | TCI), the outer first."""
    return MACS + b"".join(struct.pack("!I", t) for t in tags) + struct.pack("!H", ethertype) + body


def ip4(
    proto: int,
    body: bytes,
    *,
    fragment: int = 0,
    options: bytes = b"",
    size: int | None = None,
    first: int | None = None,
) -> bytes:
    header = 20 + len(options)
    return ethernet(
        0x0800,
        struct.pack(
            "!BBHHHBBHII",
            0x40 | header // 4 if first is None else first,
            0xB9,
            header + len(body) if size is None else size,
            0x1234,
            fragment,
            61,
            proto,
            0xBEEF,
            0x0A000001,
            0xC0A80102,
        )
        + options
        + body,
    )


def ip6(proto: int, body: bytes, *, size: int | None = None, version: int = 6) -> bytes:
    word = version << 28 | 0xB9 << 20 | 0x12345
    head = struct.pack("!IHBB", word, len(body) if size is None else size, proto, 61)
    return ethernet(0x86DD, head + bytes(range(32)) + body)


def extension(next_header: int, units: int = 0) -> bytes:
    """An IPv6 options header of 8 * (units + 1) bytes."""
    return bytes((next_header, units)) + bytes(6 + 8 * units)


def fragment_header(next_header: int, offset: int, more: int) -> bytes:
    return struct.pack("!BBHI", next_header, 0, offset << 3 | more, 77)


def packet(frame: bytes) -> Packet:
    p = parse(frame)
    assert isinstance(p, Packet), p
    return p


def shown(p: Packet) -> dict[str, object]:
    """The fields that are not 0."""
    return {n: v for n in FIELDS if (v := getattr(p, n))}


def reason(frame: bytes) -> str:
    m = parse(frame)
    assert isinstance(m, Malformed), m
    return m.reason


LINK = {"dmac": 0x0A0B0C0D0E0F, "smac": 0x010203040506}
FOUR = LINK | {
    "ethertype": 0x0800,
    "IP4": 1,
    "sip": 0x0A000001,
    "dip": 0xC0A80102,
    "ttl": 61,
    "tos": 0xB9,
    "ip_id": 0x1234,
}
SIX = LINK | {
    "ethertype": 0x86DD,
    "IP6": 1,
    "sip6": int.from_bytes(bytes(range(16)), "big"),
    "dip6": int.from_bytes(bytes(range(16, 32)), "big"),
    "ttl": 61,
    "tos": 0xB9,
}


def test_every_field_of_tcp_over_ipv4() -> None:
    p = packet(ip4(6, TCP + b"data"))
    assert shown(p) == FOUR | {
        "proto": 6,
        "L4": 1,
        "iplen": 44,
        "size": 44,
        "sport": 1000,
        "dport": 2000,
        "seq": 0x01020304,
        "ack_no": 0x0A0B0C0D,
        "window": 512,
        "payload": b"data",
    }
    assert p.present == Header.LINK | Header.IP4 | Header.TCP


@pytest.mark.parametrize("bit", range(6))
def test_tcp_flags(bit: int) -> None:
    name = ("flag_fin", "flag_syn", "flag_rst", "flag_psh", "flag_ack", "flag_urg")[bit]
    tcp = TCP[:13] + bytes((0xC0 | 1 << bit,)) + TCP[14:]  # ECE and CWR are no fields
    assert [f for f in shown(packet(ip4(6, tcp))) if f.startswith("flag")] == [name]


def test_tcp_options_are_no_payload() -> None:
    tcp = TCP[:12] + b"\x70" + TCP[13:] + bytes(8)
    assert packet(ip4(6, tcp + b"data")).payload == b"data"


def test_every_field_of_udp_over_ipv6() -> None:
    p = packet(ip6(17, UDP + b"abc"))
    assert shown(p) == SIX | {
        "proto": 17,
        "L4": 1,
        "size": 51,
        "sport": 53,
        "dport": 4000,
        "payload": b"abc",
    }
    assert p.present == Header.LINK | Header.IP6 | Header.UDP


@pytest.mark.parametrize(("frame", "base"), [(ip4(1, ICMP + b"z"), FOUR), (ip6(58, ICMP), SIX)])
def test_every_field_of_icmp(frame: bytes, base: dict[str, object]) -> None:
    p = packet(frame)
    icmp = {"icmp_type": 8, "icmp_code": 3, "icmp_id": 7, "icmp_seq": 9, "L4": 1}
    rest = {k: v for k, v in shown(p).items() if k not in {"proto", "iplen", "size", "payload"}}
    assert rest == base | icmp
    assert p.present & Header.ICMP


@pytest.mark.parametrize("frame", [ip4(58, ICMP), ip6(1, ICMP)])
def test_icmp_belongs_to_its_ip_version(frame: bytes) -> None:
    p = packet(frame)
    assert (p.L4, p.icmp_type, p.payload) == (0, 0, ICMP)


def test_ports_exist_in_tcp_and_udp_only() -> None:
    for proto in (132, 33, 136):  # SCTP, DCCP, UDP-Lite
        p = packet(ip4(proto, TCP))
        assert (p.L4, p.sport, p.dport, p.payload) == (0, 0, 0, TCP)


def test_ipv4_options_are_stepped_over() -> None:
    p = packet(ip4(17, UDP + b"x", options=b"\x01" * 40))
    assert (p.sport, p.size, p.payload) == (53, 69, b"x")


# Tags


@pytest.mark.parametrize("tpid", [0x8100, 0x88A8])
def test_one_tag(tpid: int) -> None:
    inner = ip4(17, UDP)[14:]
    p = packet(ethernet(0x0800, inner, tpid << 16 | 0xF123))
    assert (p.vlan, p.ethertype, p.sport) == (0x123, 0x0800, 53)
    assert p.present == Header.LINK | Header.VLAN | Header.IP4 | Header.UDP


@pytest.mark.parametrize("outer", [0x8100, 0x88A8])
@pytest.mark.parametrize("inner", [0x8100, 0x88A8])
def test_two_tags_show_the_outer_vid_and_the_ethertype_after_both(outer: int, inner: int) -> None:
    body = ip6(17, UDP)[14:]
    p = packet(ethernet(0x86DD, body, outer << 16 | 0x0005, inner << 16 | 0x0006))
    assert (p.vlan, p.ethertype, p.sport) == (5, 0x86DD, 53)


def test_three_tags_are_not_ip() -> None:
    tags = (0x81000001, 0x81000002, 0x81000003)
    p = packet(ethernet(0x0800, ip4(17, UDP)[14:], *tags))
    assert (p.vlan, p.ethertype, p.IP4, p.payload) == (1, 0x8100, 0, b"")
    assert p.present == Header.LINK | Header.VLAN
    # nor is the third one cut
    assert packet(MACS + bytes.fromhex("81000001 81000002 8100")).ethertype == 0x8100


@pytest.mark.parametrize("ethertype", [0x0806, 0x88CC, 0x8863, 0x8864, 0x8847, 0x0026])
def test_other_ethertypes_have_link_fields_only(ethertype: int) -> None:
    p = packet(ethernet(ethertype, ip4(17, UDP)[14:]))
    assert shown(p) == LINK | {"ethertype": ethertype}
    assert p.present == Header.LINK


def test_an_ethernet_header_alone_is_a_frame() -> None:
    assert shown(packet(ethernet(0x0806, b""))) == LINK | {"ethertype": 0x0806}


# Fragments


@pytest.mark.parametrize("fragment", [0x4000, 0x8000, 0])
def test_no_fragment_despite_df_and_the_reserved_bit(fragment: int) -> None:
    p = packet(ip4(17, UDP, fragment=fragment))
    assert (p.FRAG, p.L4) == (0, 1)


def test_first_fragment_has_l4() -> None:
    p = packet(ip4(17, UDP + b"abc", fragment=0x2000))
    assert (p.FRAG, p.L4, p.sport, p.payload) == (1, 1, 53, b"abc")
    assert Header.FRAG in p.present


@pytest.mark.parametrize("fragment", [1, 0x2001, 0x1FFF, 0x3FFF, 0x1000])
def test_later_fragment_has_none_and_is_all_payload(fragment: int) -> None:
    p = packet(ip4(17, UDP, fragment=fragment))
    assert (p.FRAG, p.L4, p.sport, p.proto, p.payload) == (1, 0, 0, 17, UDP)
    assert p.present == Header.LINK | Header.IP4 | Header.FRAG


def test_later_fragment_may_be_short() -> None:
    assert packet(ip4(6, b"", fragment=1)).payload == b""


@pytest.mark.parametrize(
    ("offset", "more", "frag", "l4"), [(0, 0, 0, 1), (0, 1, 1, 1), (1, 0, 1, 0), (8191, 1, 1, 0)]
)
def test_ipv6_fragments(offset: int, more: int, frag: int, l4: int) -> None:
    """An atomic fragment (RFC 6946: neither offset nor more) is a whole packet."""
    p = packet(ip6(FRAGMENT, fragment_header(17, offset, more) + UDP + b"abc"))
    assert (p.FRAG, p.L4, p.proto) == (frag, l4, 17)
    assert p.payload == (b"abc" if l4 else UDP + b"abc")


def test_nothing_is_read_behind_a_later_fragment_header() -> None:
    body = fragment_header(DESTINATION, 4, 0) + extension(17) + UDP
    p = packet(ip6(FRAGMENT, body))
    assert (p.proto, p.L4, p.payload) == (DESTINATION, 0, body[8:])


def test_the_reserved_bits_of_a_fragment_header_make_no_fragment() -> None:
    header = struct.pack("!BBHI", 17, 0xFF, 6, 77)
    p = packet(ip6(FRAGMENT, header + UDP))
    assert (p.FRAG, p.L4) == (0, 1)


# IPv6 extension headers


@pytest.mark.parametrize("kind", [0, 43, 60])
@pytest.mark.parametrize("units", [0, 1, 255])
def test_extension_headers_are_stepped_over(kind: int, units: int) -> None:
    p = packet(ip6(kind, extension(17, units) + UDP + b"abc"))
    assert (p.proto, p.sport, p.payload) == (17, 53, b"abc")
    assert p.size == 40 + 8 * (units + 1) + 11


def test_the_length_of_a_fragment_header_is_fixed() -> None:
    body = bytes((17, 200)) + bytes(6) + UDP
    assert packet(ip6(FRAGMENT, body)).sport == 53


def test_eight_extension_headers_and_no_more() -> None:
    eight = extension(DESTINATION) * 7 + extension(17)
    assert packet(ip6(DESTINATION, eight + UDP)).sport == 53
    p = packet(ip6(DESTINATION, extension(DESTINATION) + eight + UDP))
    assert (p.proto, p.L4, p.sport) == (DESTINATION, 0, 0)
    assert p.payload == extension(17) + UDP


@pytest.mark.parametrize("proto", [50, 51, 59, 135, 139, 140])
def test_esp_ah_and_other_next_headers_end_the_chain(proto: int) -> None:
    p = packet(ip6(DESTINATION, extension(proto) + UDP))
    assert (p.proto, p.L4, p.payload) == (proto, 0, UDP)


# Lengths


def test_padding_is_no_payload() -> None:
    assert packet(ip4(17, UDP + b"abc") + bytes(9)).payload == b"abc"
    assert packet(ip6(17, UDP + b"abc") + bytes(9)).payload == b"abc"


def test_a_payload_cut_by_the_snap_length_is_fine() -> None:
    p = packet(ip4(17, UDP + b"abc", size=1500))
    assert (p.size, p.iplen, p.payload) == (1500, 1500, b"abc")
    p = packet(ip6(17, UDP + b"abc", size=65535))
    assert (p.size, p.iplen, p.payload) == (65575, 0, b"abc")


def test_the_udp_length_says_nothing_about_the_payload() -> None:
    for length in (0, 7, 9, 0xFFFF):
        udp = UDP[:4] + struct.pack("!H", length) + UDP[6:]
        assert packet(ip4(17, udp + b"abc")).payload == b"abc"


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (b"", "shorter than an Ethernet header"),
        (MACS + b"\x08", "shorter than an Ethernet header"),
        (MACS + bytes.fromhex("8100"), "cut inside a VLAN tag"),
        (MACS + bytes.fromhex("8100 0001 08"), "cut inside a VLAN tag"),
        (MACS + bytes.fromhex("88a8 0001 8100"), "cut inside a VLAN tag"),
        (MACS + bytes.fromhex("88a8 0001 8100 0001 08"), "cut inside a VLAN tag"),
        (ethernet(0x0800, b""), "cut inside the IPv4 header"),
        (ip4(OPAQUE, b"")[:-1], "cut inside the IPv4 header"),
        (ip4(OPAQUE, b"", options=bytes(4))[:-1], "cut inside the IPv4 header"),
        (ip4(OPAQUE, b"", first=0x55), "IP version differs from the ethertype's"),
        (ip4(OPAQUE, b"", first=0x65), "IP version differs from the ethertype's"),
        (ethernet(0x0800, b"\x60"), "IP version differs from the ethertype's"),
        (ip4(OPAQUE, b"", first=0x44), "IHL below 5"),
        (ip4(OPAQUE, b"", size=19), "IPv4 total length shorter than the header"),
        (ip4(OPAQUE, b"", size=0), "IPv4 total length shorter than the header"),
        (ip4(OPAQUE, b"", options=bytes(4), size=23), "IPv4 total length shorter than the header"),
        (ethernet(0x86DD, b""), "cut inside the IPv6 header"),
        (ip6(OPAQUE, b"")[:-1], "cut inside the IPv6 header"),
        (ip6(OPAQUE, b"", version=4), "IP version differs from the ethertype's"),
        (ethernet(0x86DD, b"\x45"), "IP version differs from the ethertype's"),
    ],
)
def test_malformed_headers(frame: bytes, why: str) -> None:
    assert reason(frame) == why


@pytest.mark.parametrize(
    ("proto6", "header", "why"),
    [
        (6, TCP, "TCP header not inside capture and IP length"),
        (17, UDP, "UDP header not inside capture and IP length"),
        (58, ICMP, "ICMP header not inside capture and IP length"),
    ],
)
@pytest.mark.parametrize("version", [4, 6])
def test_l4_headers_not_inside(proto6: int, header: bytes, why: str, version: int) -> None:
    short = header[:-1]
    if version == 4:
        proto = 1 if proto6 == 58 else proto6
        cut, by_length = ip4(proto, header)[:-1], ip4(proto, header, size=20 + len(short))
        whole, later = ip4(proto, header), ip4(proto, short, fragment=1)
        first = ip4(proto, short, fragment=0x2000)
    else:
        cut, by_length = ip6(proto6, header)[:-1], ip6(proto6, header, size=len(short))
        whole = ip6(proto6, header)
        later = ip6(FRAGMENT, fragment_header(proto6, 1, 0) + short)
        first = ip6(FRAGMENT, fragment_header(proto6, 0, 1) + short)
    assert reason(cut) == reason(by_length) == reason(first) == why
    assert packet(whole).L4 == 1
    assert packet(later).L4 == 0


@pytest.mark.parametrize("offset", range(5))
def test_tcp_data_offset_below_5(offset: int) -> None:
    tcp = TCP[:12] + bytes((offset << 4,)) + TCP[13:]
    assert reason(ip4(6, tcp)) == "TCP data offset below 5"


def test_tcp_options_belong_to_its_header() -> None:
    tcp = TCP[:12] + b"\x60" + TCP[13:]
    why = "TCP header not inside capture and IP length"
    assert reason(ip4(6, tcp + bytes(3))) == why
    assert reason(ip4(6, tcp + bytes(4), size=43)) == why
    assert packet(ip4(6, tcp + bytes(4))).payload == b""


@pytest.mark.parametrize("kind", [0, 43, 60, 44])
def test_extension_headers_not_inside(kind: int) -> None:
    why = "IPv6 extension header not inside capture and payload length"
    assert reason(ip6(kind, extension(OPAQUE)[:7])) == why
    assert reason(ip6(kind, extension(OPAQUE), size=7)) == why
    assert packet(ip6(kind, extension(OPAQUE))).proto == OPAQUE
    if kind != 44:
        assert reason(ip6(kind, extension(OPAQUE, 1)[:15])) == why
        assert reason(ip6(kind, extension(OPAQUE, 1), size=15)) == why


def test_a_jumbogram_is_malformed() -> None:
    """Its payload length is 0, which is shorter than its headers."""
    option = bytes((17, 0)) + b"\xc2\x04" + struct.pack("!I", 70_000)
    assert "extension header" in reason(ip6(0, option + UDP, size=0))


# The packet itself


def test_a_copy_is_written_independently() -> None:
    p = packet(ip4(6, TCP + b"data"))
    q = p.copy()
    assert all(getattr(p, n) == getattr(q, n) for n in Packet.__slots__)
    q.sip = 1
    assert p.sip == 0x0A000001
    assert deparse(p) == p.frame != deparse(q)


def test_a_dummy_has_all_fields_0_and_no_header() -> None:
    p = Packet()
    assert shown(p) == {}
    assert p.payload == b""
    assert p.present == Header(0)
    assert deparse(p) == b""


def test_a_packet_shows_what_it_has() -> None:
    assert "sport=53" in repr(packet(ip4(17, UDP)))
    assert "seq" not in repr(packet(ip4(17, UDP)))


WELL_FORMED = [
    ip4(6, TCP + b"data"),
    ip4(17, UDP, options=b"\x01" * 8),
    ip4(1, ICMP + b"xyz", fragment=0x2000),
    ip6(DESTINATION, extension(FRAGMENT) + fragment_header(6, 0, 1) + TCP + b"q"),
    ip6(43, extension(58, 2) + ICMP),
    ethernet(0x86DD, ip6(17, UDP)[14:], 0x88A80001, 0x8100E002),
]


@given(
    st.sampled_from(WELL_FORMED),
    st.lists(st.tuples(st.integers(12, 90), st.integers(0, 255)), max_size=4),
    st.integers(0, 120),
)
def test_no_frame_does_harm(frame: bytes, changes: list[tuple[int, int]], length: int) -> None:
    """Any bytes parse, to a packet that is put back as it came, or to a reason."""
    damaged = bytearray(frame)
    for at, value in changes:
        if at < len(damaged):
            damaged[at] = value
    damaged = damaged[:length]
    match parse(bytes(damaged)):
        case Malformed(reason=why):
            assert why
        case Packet() as p:
            assert deparse(p) == damaged
            for name, field in FIELDS.items():
                if not p.present & field.headers:
                    assert not getattr(p, name), name
            p.ttl ^= 1 if p.present & (Header.IP4 | Header.IP6) else 0
            assert len(deparse(p)) == len(damaged)


@given(st.binary(max_size=100))
def test_random_bytes_do_no_harm(data: bytes) -> None:
    p = parse(data)
    assert isinstance(p, Malformed) or deparse(p) == data


def test_no_proper_prefix_is_read_past_its_end() -> None:
    for frame in WELL_FORMED:
        for length in range(len(frame)):
            p = parse(frame[:length])
            assert isinstance(p, Malformed) or p.payload_at <= length
