"""What a write changes on the wire, byte by byte, and which checksums follow it."""

from __future__ import annotations

import struct
from random import Random

import pytest

from nfverify.packet.codec import Packet, build, deparse, parse
from nfverify.packet.fields import FIELDS, IP, L4, Header
from nfverify.packet.packet import WIRE_VALUES

V4, V6, TAG, FRAG = Header.IP4, Header.IP6, Header.VLAN, Header.FRAG
KINDS = [
    tag | ip | l4 | fragment
    for tag in (Header(0), TAG)
    for ip in (V4, V6)
    for l4 in (Header(0), Header.TCP, Header.UDP, Header.ICMP)
    for fragment in (Header(0), FRAG)
]
UDP_CHECKSUM = {V4: 40, V6: 60}  # where, in an untagged frame


def filled(present: Header, rng: Random, payload: bytes) -> Packet:
    """A packet with random values and right checksums."""
    values: dict[str, int | bytes] = {
        name: rng.getrandbits(field.width)
        for name, field in FIELDS.items()
        if present & field.headers and field.writable and field.on_wire
        if name not in {"ethertype", "proto", "iplen", "payload"}
    }
    frame = build(present, values | {"payload": payload})
    # What `build` leaves 0 and a rewrite must keep: PCP and DEI, flow label, ECE and CWR.
    if present & TAG:
        frame = frame[:14] + bytes((frame[14] | 0xB0,)) + frame[15:]
    if present & V6:
        at = 15 + 4 * bool(present & TAG)
        frame = frame[:at] + bytes((frame[at] | 0x0A, 0x55, 0xAA)) + frame[at + 3 :]
    p = packet(frame + b"padding")
    if present & Header.TCP:
        at = p.l4_at + 12
        (word, checksum) = struct.unpack_from("!H2xH", frame, at)
        frame = frame[:at] + struct.pack("!H", word | 0x01C0) + frame[at + 2 :]
        frame = frame[: at + 4] + struct.pack("!H", (checksum - 0x01C0) % 0xFFFF) + frame[at + 6 :]
        p = packet(frame + b"padding")
        assert transport_sum(p, frame) == 0
    assert p.present == present | Header.LINK
    return p


def packet(frame: bytes) -> Packet:
    p = parse(frame)
    assert isinstance(p, Packet)
    return p


def ones_sum(data: bytes) -> int:
    """The one's complement sum modulo 0xffff: 0 over what a right checksum covers."""
    data += b"\0" * (len(data) % 2)
    return sum(struct.unpack(f"!{len(data) // 2}H", data)) % 0xFFFF


def network_sum(p: Packet, frame: bytes) -> int:
    """Of the IPv4 header; always 0 for IPv6."""
    return ones_sum(frame[p.ip_at : p.l4_at]) if p.IP4 else 0


def transport_sum(p: Packet, frame: bytes) -> int:
    """Of pseudo header, L4 header and payload, of a frame with p's layout; 0 without L4."""
    if not p.L4:
        return 0
    body = frame[p.l4_at : p.payload_at + len(p.payload)]
    start, end = (12, 20) if p.IP4 else (8, 40)
    addresses = frame[p.ip_at + start : p.ip_at + end]
    pseudo = addresses + struct.pack("!II", len(body), frame[p.proto_at])
    if p.IP4 and p.present & Header.ICMP:
        pseudo = b""
    return ones_sum(pseudo + body)


def checksum_at(p: Packet) -> int:
    where = {Header.TCP: 16, Header.UDP: 6, Header.ICMP: 2}
    return p.l4_at + where[p.present & L4]


@pytest.mark.parametrize("present", KINDS, ids=str)
@pytest.mark.parametrize("name", [n for n in WIRE_VALUES if n not in {"payload", "iplen"}])
def test_one_write(present: Header, name: str) -> None:
    """It is read back, nothing else changes but checksums, and right ones stay right."""
    rng = Random(f"{present} {name}")
    field = FIELDS[name]
    for payload in (b"", b"odd", b"even"):
        p = filled(present, rng, payload)
        q = p.copy()
        setattr(q, name, getattr(p, name) ^ (rng.getrandbits(field.width) | 1))
        out = deparse(q)
        assert len(out) == len(p.frame)
        if not (p.present & field.headers):
            assert out == p.frame
            continue
        assert out != p.frame
        assert out.endswith(b"padding")
        assert network_sum(p, out) == 0
        assert transport_sum(p, out) == 0
        if name in {"ethertype", "proto"}:  # what the bytes mean is another matter
            assert out[q.type_at :][:2] == struct.pack("!H", q.ethertype)
            assert not p.present & IP or out[q.proto_at] == q.proto
            continue
        back = packet(out)
        assert all(getattr(back, n) == getattr(q, n) for n in WIRE_VALUES)
        differing = {i for i in range(len(out)) if out[i] != p.frame[i]}
        written = (field.width + 7) // 8 + 1
        checksums = {p.ip_at + 10, p.ip_at + 11} if p.IP4 else set()
        if p.L4:
            checksums |= {checksum_at(p), checksum_at(p) + 1}
        assert len(differing - checksums) <= written
        setattr(back, name, getattr(p, name))
        assert deparse(back) == p.frame


@pytest.mark.parametrize("present", KINDS, ids=str)
def test_all_writes_at_once_and_back(present: Header) -> None:
    rng = Random(str(present))
    for _ in range(20):
        p = filled(present, rng, rng.randbytes(rng.randrange(5)))
        q, other = p.copy(), filled(present, rng, rng.randbytes(len(p.payload)))
        for name in WIRE_VALUES:
            if name != "iplen":
                setattr(q, name, getattr(other, name))
        out = deparse(q)
        assert (network_sum(p, out), transport_sum(p, out)) == (0, 0)
        back = packet(out)
        for name in WIRE_VALUES:
            setattr(back, name, getattr(p, name))
        assert deparse(back) == p.frame


@pytest.mark.parametrize("present", [k for k in KINDS if k & L4], ids=str)
def test_a_wrong_checksum_stays_exactly_as_wrong(present: Header) -> None:
    rng = Random(str(present))
    for _ in range(20):
        p = filled(present, rng, b"odd")
        frame = bytearray(p.frame)
        places = [checksum_at(p), p.ip_at + 10][: 1 + p.IP4]
        for at in places:
            frame[at : at + 2] = struct.pack("!H", rng.randrange(1, 0xFFFF))
        wrong = packet(bytes(frame))
        errors = network_sum(wrong, wrong.frame), transport_sum(wrong, wrong.frame)
        for name in ("sip", "dip", "ttl", "tos") if p.IP4 else ("sip6", "dip6", "ttl"):
            setattr(wrong, name, rng.getrandbits(FIELDS[name].width))
        wrong.payload = rng.randbytes(3)
        out = deparse(wrong)
        assert (network_sum(wrong, out), transport_sum(wrong, out)) == errors


@pytest.mark.parametrize("present", KINDS, ids=str)
def test_what_is_not_written_is_the_frame_itself(present: Header) -> None:
    p = filled(present, Random(0), b"data")
    assert deparse(p) is p.frame
    sip, sip6, ttl = p.sip, p.sip6, p.ttl
    p.sip, p.sip6, p.ttl = sip ^ 1, sip6 ^ 1, ttl ^ 1
    p.sip, p.sip6, p.ttl = sip, sip6, ttl
    assert deparse(p) is p.frame


def with_checksum(p: Packet, value: int) -> Packet:
    at = checksum_at(p)
    return packet(p.frame[:at] + struct.pack("!H", value) + p.frame[at + 2 :])


@pytest.mark.parametrize("ip", [V4, V6], ids=str)
def test_udp_checksum_0_stays_0(ip: Header) -> None:
    p = with_checksum(filled(ip | Header.UDP, Random(1), b"data"), 0)
    p.sport ^= 1
    p.payload = b"atad"
    p.sip, p.sip6 = (p.sip ^ 1, 0) if ip is V4 else (0, p.sip6 ^ 1)
    out = deparse(p)
    assert out[UDP_CHECKSUM[ip] :][:2] == b"\0\0"
    assert network_sum(p, out) == 0
    assert out[p.payload_at :][:4] == b"atad"


@pytest.mark.parametrize(
    ("l4", "sent"), [(Header.UDP, 0xFFFF), (Header.TCP, 0), (Header.ICMP, 0)], ids=str
)
def test_a_result_of_0_is_sent_as_0xffff_by_udp_only(l4: Header, sent: int) -> None:
    p = filled(V6 | l4, Random(2), b"data")
    (checksum,) = struct.unpack_from("!H", p.frame, checksum_at(p))
    # Add to a word what the checksum lacks to 0: the word may carry, so take one that does not.
    low = p.dip6 & 0xFFFF
    p.dip6 += checksum if low + checksum <= 0xFFFF else checksum - 0xFFFF
    out = deparse(p)
    assert struct.unpack_from("!H", out, checksum_at(p)) == (sent,)
    assert transport_sum(p, out) == 0


def test_a_checksum_whose_words_do_not_differ_keeps_its_bytes() -> None:
    """0xffff and 0 are the same sum; neither turns into the other by a write elsewhere."""
    p = filled(V4 | Header.TCP, Random(3), b"data")
    for value in (0, 0xFFFF):
        q = with_checksum(p, value)
        q.ttl ^= 1
        q.ip_id ^= 1
        q.smac ^= 1
        assert struct.unpack_from("!H", deparse(q), checksum_at(q)) == (value,)
    frame = p.frame[:24] + b"\xff\xff" + p.frame[26:]
    q = packet(frame)
    q.sport ^= 1
    q.dmac ^= 1
    assert deparse(q)[24:26] == b"\xff\xff"


def test_swapped_addresses_do_differ() -> None:
    """Their sum is the same, so 0xffff becomes the 0 that the formula gives."""
    p = filled(V4 | Header.TCP, Random(4), b"")
    q = packet(p.frame[:24] + b"\xff\xff" + p.frame[26:])
    q.sip, q.dip = q.dip, q.sip
    assert deparse(q)[24:26] == b"\0\0"


def test_icmp_over_ipv4_has_no_pseudo_header_and_over_ipv6_it_has() -> None:
    p = filled(V4 | Header.ICMP, Random(5), b"data")
    at = checksum_at(p)
    p.sip ^= 1
    assert deparse(p)[at : at + 2] == p.frame[at : at + 2]
    p = filled(V6 | Header.ICMP, Random(5), b"data")
    at = checksum_at(p)
    p.sip6 ^= 1
    assert deparse(p)[at : at + 2] != p.frame[at : at + 2]


def test_later_fragments_have_no_l4_checksum() -> None:
    frame = bytearray(filled(V4 | Header.UDP, Random(6), b"data").frame)
    frame[20:22] = b"\0\x01"
    p = packet(bytes(frame))
    p.sip ^= 0xFF
    p.sport = 7  # absent: ignored
    out = deparse(p)
    assert out[34:] == p.frame[34:]
    assert out[26:30] == struct.pack("!I", p.sip)


def test_proto_changes_on_the_wire_and_in_the_pseudo_header_but_not_what_is_present() -> None:
    p = filled(V4 | Header.TCP, Random(7), b"data")
    p.proto = 17
    p.seq ^= 1
    out = deparse(p)
    assert out[23] == 17
    assert out[p.l4_at + 4 : p.l4_at + 8] == struct.pack("!I", p.seq)
    assert (network_sum(p, out), transport_sum(p, out)) == (0, 0)
    assert p.present == Header.LINK | V4 | Header.TCP


def test_proto_of_ipv6_stands_in_the_last_extension_header() -> None:
    inner = filled(V6 | Header.UDP, Random(8), b"data").frame
    routing = bytes((17, 2, 0, 0)) + bytes(20)
    head = inner[:18] + struct.pack("!H", 24 + 12) + bytes((43,)) + inner[21:54]
    p = packet(head + routing + inner[54:])
    assert p.present == Header.LINK | V6 | Header.UDP
    p.proto = 200
    out = deparse(p)
    assert (out[20], out[54]) == (43, 200)
    assert transport_sum(p, out) == transport_sum(p, p.frame) == 0
    # The pseudo header follows dip6, whatever the routing header has as the last address.
    p.dip6 ^= 0xABCD
    assert transport_sum(p, deparse(p)) == 0


def test_iplen_is_covered_by_the_ipv4_header_checksum_only() -> None:
    p = filled(V4 | Header.TCP, Random(9), b"data")
    p.iplen += 100
    out = deparse(p)
    assert out[16:18] == struct.pack("!H", p.iplen)
    assert network_sum(p, out) == 0
    assert out[p.l4_at :] == p.frame[p.l4_at :]


def test_size_is_never_on_the_wire() -> None:
    p = filled(V4 | Header.TCP, Random(10), b"data")
    p.size = 1
    assert deparse(p) is p.frame


@pytest.mark.parametrize("length", range(6))
def test_payloads_of_every_parity(length: int) -> None:
    rng = Random(length)
    for present in KINDS:
        p = filled(present, rng, rng.randbytes(length))
        p.payload = rng.randbytes(length)
        out = deparse(p)
        assert out[p.payload_at : p.payload_at + length] == p.payload
        assert transport_sum(p, out) == 0
        assert out.endswith(b"padding")


def test_the_udp_checksum_covers_what_the_udp_length_says() -> None:
    p = filled(V4 | Header.UDP, Random(11), b"covered!rest")
    at = p.l4_at + 4
    frame = p.frame[:at] + struct.pack("!H", 16) + p.frame[at + 2 :]
    q = packet(frame)
    q.payload = b"covered!REST"
    out = deparse(q)
    assert out[checksum_at(q) :][:2] == frame[checksum_at(q) :][:2]
    q.payload = b"COVERED!REST"
    out = deparse(q)
    before, after = (ones_sum(f[q.l4_at : q.l4_at + 16]) for f in (frame, out))
    assert before == after
    assert out != frame


@pytest.mark.parametrize("length", [0, 7, 0xFFFF])
def test_a_udp_length_that_is_none_leaves_the_ip_length(length: int) -> None:
    p = filled(V4 | Header.UDP, Random(12), b"data")
    at = p.l4_at + 4
    q = packet(p.frame[:at] + struct.pack("!H", length) + p.frame[at + 2 :])
    error = transport_sum(q, q.frame)
    q.payload = b"DATE"
    assert transport_sum(q, deparse(q)) == error


def test_a_payload_cut_by_the_snap_length_is_written_as_far_as_it_goes() -> None:
    p = packet(build(V4 | Header.UDP, {"payload": b"dat", "size": 1000}))
    error = transport_sum(p, p.frame)
    p.payload = b"DAT"
    out = deparse(p)
    assert out.endswith(b"DAT")
    assert (network_sum(p, out), transport_sum(p, out)) == (0, error)


@pytest.mark.parametrize("payload", [b"", b"dat", b"data!"])
def test_a_payload_of_another_length_is_an_error(payload: bytes) -> None:
    p = filled(V4 | Header.UDP, Random(13), b"data")
    p.payload = payload
    with pytest.raises(ValueError, match=f"payload of {len(payload)} bytes, 4 came in"):
        deparse(p)


@pytest.mark.parametrize("present", [TAG | V4 | Header.TCP, TAG | V6 | Header.ICMP], ids=str)
@pytest.mark.parametrize("name", [n for n in WIRE_VALUES if n != "payload"])
def test_a_value_wider_than_its_field_is_an_error(present: Header, name: str) -> None:
    for value in (1 << FIELDS[name].width, -1):
        p = filled(present, Random(14), b"")
        setattr(p, name, value)
        if p.present & FIELDS[name].headers:
            with pytest.raises(ValueError, match=f"{name} can't hold {value}"):
                deparse(p)


def test_a_frame_that_is_not_ip_has_its_link_fields_written() -> None:
    arp = bytes(range(12)) + bytes.fromhex("8100b001 0806") + b"who has"
    p = packet(arp)
    p.dmac, p.vlan, p.sip, p.payload = 1, 0xFFE, 5, b""
    assert deparse(p) == bytes(5) + b"\1" + arp[6:14] + b"\xbf\xfe" + arp[16:]
    p.ethertype = 0x1234
    assert deparse(p)[16:18] == b"\x12\x34"


def test_the_inner_tag_is_kept() -> None:
    frame = bytes(12) + bytes.fromhex("88a8a001 8100b002 0806")
    p = packet(frame)
    p.vlan = 7
    assert deparse(p) == bytes(12) + bytes.fromhex("88a8a007 8100b002 0806")
