"""Pushed and popped headers: against scapy, and as each other's inverse."""

from __future__ import annotations

from random import Random

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from nfverify.oracles.frames import Frames
from nfverify.packet import tunnel
from nfverify.packet.build import build
from nfverify.packet.codec import Malformed, Packet, deparse, parse
from nfverify.packet.fields import FIELDS, Header
from nfverify.packet.packet import IP4, IP6, VLAN
from nfverify.packet.pcap import CutFrame

A, B, VTEP = 0x0A000001, 0x0A000002, 0xC0000201
COUNT = 3_000
ATTRIBUTES = [name for name in Packet.__slots__ if name != "tunnels"]


def packet(
    present: Header = Header.IP4 | Header.UDP, tail: bytes = b"", **values: object
) -> Packet:
    plain = {"smac": 1, "dmac": 2, "sip": A, "dip": B} if present & Header.IP4 else {}
    found = parse(build(present, plain | values) + tail)  # type: ignore[arg-type]  # of fields
    assert isinstance(found, Packet)
    return found


def packets(seed: str, plain: float = 0.3) -> list[Packet]:
    rng = Random(seed)
    frames = Frames(rng, plain)
    found: list[Packet] = []
    while len(found) < COUNT:
        want = rng.choice(({}, {"sip": A, "dip": B}, {"sip6": 1}, {"ethertype": 0x0806}))
        p = parse(frames.frame(want, rng.randbytes(rng.randrange(40))))
        if isinstance(p, Packet):
            if rng.random() < 0.3:
                for name, value in (("ttl", 9), ("tos", 7), ("dport", 4789), ("smac", 7)):
                    if p.bits & FIELDS[name].headers.value:
                        setattr(p, name, value)
                p.vlan = rng.randrange(4096) if p.bits & VLAN else 0
                p.size = 3 if p.bits & (IP4 | IP6) else 0
            found.append(p)
    return found


def push(p: Packet, kind: str, sport: int = 50_000) -> str | None:
    match kind:
        case "vlan":
            return tunnel.push_vlan(p, 5)
        case "ipip":
            return tunnel.push_ipip(p, VTEP, VTEP + 1)
        case _:
            return tunnel.push_vxlan(p, VTEP, VTEP + 1, 77, sport)


POP = {"vlan": tunnel.pop_vlan, "ipip": tunnel.pop_ipip, "vxlan": tunnel.pop_vxlan}
KINDS = sorted(POP)


def attributes(p: Packet) -> dict[str, object]:
    return {name: getattr(p, name) for name in ATTRIBUTES}


# The bytes --------------------------------------------------------------------------------


def test_an_ipv4_header_is_scapys():
    for tail in (b"", bytes(9)):
        p = packet(payload=b"hello", tos=0xB8, tail=tail)
        inner = deparse(p)
        assert push(p, "ipip") is None
        outer = IP(src="192.0.2.1", dst="192.0.2.2", tos=0xB8, flags="DF", id=0, ttl=64, proto=4)
        ether = Ether(inner[:14], type=0x0800)
        ether.remove_payload()
        assert deparse(p) == bytes(ether / outer / inner[14 : len(inner) - len(tail)]) + tail
        assert (p.sip, p.dip, p.proto, p.L4) == (VTEP, VTEP + 1, 4, 0)
        assert p.payload == inner[14 : len(inner) - len(tail)]


def test_an_ipv4_header_goes_around_ipv6_too():
    p = packet(Header.IP6 | Header.TCP | Header.VLAN, tos=3, vlan=9, payload=b"six")
    inner = deparse(p)
    assert push(p, "ipip") is None
    frame = deparse(p)
    assert frame[:18] == inner[:16] + b"\x08\0"
    assert frame[38:] == inner[18:]
    shown = Ether(frame)[IP]
    assert (shown.proto, shown.tos, shown.len) == (41, 3, 20 + len(inner) - 18)
    assert POP["ipip"](p) is None
    assert p.ethertype == 0x86DD
    assert deparse(p) == inner


def test_vxlan_is_scapys():
    for present in (Header.IP4 | Header.TCP, Header.VLAN, Header.IP6 | Header.UDP):
        p = packet(present, tail=bytes(3), dmac=2, smac=1)
        inner = deparse(p)
        assert push(p, "vxlan") is None
        made = Ether(dst="00:00:00:00:00:02", src="00:00:00:00:00:01", type=0x0800)
        made /= IP(src="192.0.2.1", dst="192.0.2.2", flags="DF", id=0, ttl=64)
        made /= UDP(sport=50_000, dport=4789, chksum=0)
        made /= VXLAN(vni=77, flags=8)
        assert deparse(p) == bytes(made / Raw(inner))
        assert (p.vni, p.dport, p.vlan, p.bits & VLAN) == (77, 4789, 0, 0)


def test_a_tag_is_scapys():
    p = packet(Header.IP4 | Header.TCP)
    plain = Ether(deparse(p))
    assert push(p, "vlan") is None
    tagged = Ether(src=plain.src, dst=plain.dst) / Dot1Q(vlan=5) / plain.payload
    assert deparse(p) == bytes(tagged)
    p.vlan = 6
    assert push(p, "vlan") is None
    two = Ether(src=plain.src, dst=plain.dst) / Dot1Q(vlan=5) / Dot1Q(vlan=6) / plain.payload
    assert deparse(p) == bytes(two)


def test_what_scapy_packs_is_unpacked():
    inner = Ether(src="00:00:00:00:00:0a", dst="00:00:00:00:00:0b") / IP(src="10.9.8.7") / UDP()
    outer = Ether() / Dot1Q(vlan=3) / IP(options=b"\x01" * 4) / UDP(dport=4789)
    p = parse(bytes(outer / VXLAN(vni=0xABCDEF, flags=8) / inner))
    assert isinstance(p, Packet)
    assert p.vni == 0xABCDEF
    assert tunnel.pop_vxlan(p) is None
    assert p.frame == bytes(inner)
    assert p.sip == 0x0A090807
    p = parse(bytes(Ether() / Dot1Q(vlan=3) / IP(options=b"\x01" * 4) / inner[IP]))
    assert isinstance(p, Packet)
    assert tunnel.pop_ipip(p) is None
    assert p.sip == 0x0A090807
    assert p.vlan == 3
    assert p.frame == bytes(Ether() / Dot1Q(vlan=3) / inner[IP])


# Inverses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_push_then_pop_is_nothing(kind):
    """Whatever came in, and whatever was written before: each field, each byte."""
    done = 0
    for p in packets(f"inverse {kind}"):
        before, sent, third = attributes(p.copy()), deparse(p), p.type_at == 20
        failure = push(p, kind)
        if kind == "vlan" and third:
            assert failure == "too_deep"
        elif p.tunnels or kind == "vlan":
            assert failure is None
            assert POP[kind](p) is None
            done += 1
        else:
            assert failure == "too_big" or (kind == "ipip" and not p.bits & (IP4 | IP6))
        after = attributes(p)
        if kind != "vxlan" and after["frame"] != before["frame"]:
            assert deparse(p) == sent  # what was written to the Ethernet header is in the frame now
            before |= {"frame": p.frame, "original": (*p.original[:4], *before["original"][4:])}
        assert after == before
    assert done > COUNT / 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_fields_after_a_push_are_those_of_the_frame(kind):
    for p in packets(f"fields {kind}"):
        if push(p, kind) is None and (p.tunnels or kind == "vlan"):
            again = parse(deparse(p))
            assert isinstance(again, Packet)
            written = p.size == 3 and kind == "vlan"  # a tag changes nothing but itself
            names = FIELDS.keys() - ({"size", "vni"} if written else set())
            assert {n: getattr(p, n) for n in names} == {n: getattr(again, n) for n in names}


@pytest.mark.parametrize("kind", ["ipip", "vxlan"])
def test_a_pushed_frame_that_arrives_is_unpacked_to_what_was_sent(kind):
    """The other end of the tunnel gets the frame, or one that decision 18 calls malformed."""
    good = 0
    for p in packets(f"arrives {kind}"):
        sent = deparse(p)
        if push(p, kind) is not None or not p.tunnels:
            continue
        there, inner = parse(deparse(p)), parse(sent)
        assert isinstance(there, Packet)
        failure = POP[kind](there)
        if isinstance(inner, Malformed):
            assert failure == "malformed_inner"
        else:
            assert failure is None
            good += 1
            assert there.payload == inner.payload
            assert there.frame == sent if kind == "vxlan" else there.frame[14:] == sent[14:]
    assert good > COUNT / 3


def test_layers_are_a_stack():
    p = packet(payload=b"x", ttl=9)
    before = attributes(p.copy())
    p.ttl = 8
    assert [push(p, kind) for kind in ("ipip", "vlan", "vxlan")] == [None] * 3
    assert p.tunnels == 2
    assert p.vlan == 0
    assert POP["ipip"](p) is None
    assert p.tunnels == 2
    assert POP["vxlan"](p) is None
    assert p.vlan == 5
    assert POP["ipip"](p) is None
    assert p.vlan == 5
    assert p.ttl == 8
    assert POP["vlan"](p) is None
    p.ttl = 9
    assert attributes(p) == before


# Writes -----------------------------------------------------------------------------------


def test_writes_go_to_the_outermost_header():
    p = packet(ttl=9, payload=b"data")
    p.ttl, p.sport = 8, 99
    assert push(p, "vxlan") is None
    p.ttl, p.sport, p.smac = 7, 100, 0xAA
    frame = Ether(deparse(p))
    inner = frame[VXLAN][Ether]
    assert (frame[IP].ttl, frame[UDP].sport, frame[UDP].chksum) == (7, 100, 0)
    assert (inner[IP].ttl, inner[UDP].sport, inner.src) == (8, 99, "00:00:00:00:00:01")
    for layer in (frame, inner):
        right = Ether(bytes(layer))
        del right[IP].chksum
        assert layer[IP].chksum == Ether(bytes(right))[IP].chksum
    del frame[IP].payload
    assert POP["vxlan"](p) is None
    assert (p.ttl, p.sport, p.smac) == (8, 99, 1)


def test_the_ethernet_header_of_an_unpacked_ip_packet_is_the_outer_ones():
    p = packet(Header.IP4 | Header.UDP | Header.VLAN, vlan=3)
    assert push(p, "ipip") is None
    p.smac, p.dmac, p.vlan, p.ethertype = 7, 8, 9, 0x1234
    assert POP["ipip"](p) is None
    assert (p.smac, p.dmac, p.vlan, p.ethertype) == (7, 8, 9, 0x0800)
    assert deparse(p)[:18] == bytes.fromhex("000000000008 000000000007 8100 0009 0800")


def test_a_checksum_takes_one_step_from_arrival_to_departure():
    """As in a chain that pushes nothing: 0xffff, which no sender makes, tells steps apart."""
    p = packet(Header.IP4 | Header.TCP)
    frame = bytearray(p.frame)
    frame[p.l4_at + 16 : p.l4_at + 18] = b"\xff\xff"
    arrived, plain = parse(bytes(frame)), parse(bytes(frame))
    assert isinstance(arrived, Packet)
    assert isinstance(plain, Packet)
    arrived.sport += 1
    assert push(arrived, "ipip") is None
    assert POP["ipip"](arrived) is None
    arrived.sport -= 1
    assert deparse(arrived) == bytes(frame)


@pytest.mark.parametrize("kind", ["ipip", "vxlan"])
def test_a_written_payload_is_what_is_unpacked(kind):
    p = packet(payload=b"abc", ttl=9)
    assert push(p, kind) is None
    at = p.payload.rindex(b"abc")
    p.payload = p.payload[:at] + b"xyz"
    assert POP[kind](p) is None
    assert p.payload == b"xyz"
    assert p.under is None
    assert p.frame.endswith(b"xyz")
    assert push(p, kind) is None
    p.payload = bytes(20) + b"\x08\0" + bytes(len(p.payload) - 22)
    before = attributes(p)
    assert POP[kind](p) == "malformed_inner"
    assert attributes(p) == before


@pytest.mark.parametrize(("name", "value"), [("proto", 17), ("dport", 80), ("iplen", 25)])
def test_what_is_there_is_not_asked_of_written_fields(name, value):
    for kind in ("ipip", "vxlan"):
        p = packet()
        assert push(p, kind) is None
        if FIELDS[name].headers.value & p.bits:
            p = parse(deparse(p))
            setattr(p, name, value)
            assert POP[kind](p) is None
            assert p.tunnels == 1
            assert p.proto == 17


# What can't be ----------------------------------------------------------------------------


def test_what_is_not_there_is_not_popped():
    for p in (packet(), packet(Header.IP6 | Header.TCP), packet(Header.LINK), Packet()):
        before = attributes(p)
        assert [pop(p) for pop in POP.values()] == [None] * 3
        assert attributes(p) == before
        assert p.tunnels == 0


def test_a_dummy_has_no_headers():
    p = Packet()
    before = attributes(p)
    assert [push(p, kind) for kind in KINDS] == [None] * 3
    assert attributes(p) == before


def test_ipv4_goes_around_ip_only():
    p = packet(Header.LINK)
    before = attributes(p)
    assert push(p, "ipip") is None
    assert attributes(p) == before
    assert push(p, "vxlan") is None
    assert p.vni == 77


@pytest.mark.parametrize(
    ("present", "values"),
    [
        (Header.IP4 | Header.UDP | Header.FRAG, {"vni": 5}),
        (Header.IP4 | Header.FRAG, {"proto": 4}),
        (Header.IP4 | Header.UDP, {"dport": 4789, "payload": b"\0" * 40}),  # no I flag
        (Header.IP4 | Header.UDP, {"dport": 4789, "payload": b"\x08" + b"\0" * 6}),
        (Header.IP6, {"proto": 4}),
    ],
)
def test_fragments_and_halves_of_headers_are_no_tunnels(present, values):
    p = packet(present, **values)
    before = attributes(p)
    assert tunnel.pop_ipip(p) is tunnel.pop_vxlan(p) is None
    assert attributes(p) == before


def test_vni_0_is_one():
    p = packet(dport=4789, payload=b"\x08" + bytes(7) + packet().frame)
    assert p.vni == 0
    assert tunnel.pop_vxlan(p) is None
    assert p.tunnels == 1


def test_four_tunnel_headers_at_most():
    p = packet()
    for kind in ("ipip", "vxlan", "ipip"):
        assert push(p, kind) is None
    assert POP["vxlan"](p) is None
    assert POP["ipip"](p) is None
    assert p.tunnels == 4
    assert push(p, "vlan") is None
    assert POP["vlan"](p) is None
    before = attributes(p)
    assert push(p, "ipip") == push(p, "vxlan") == POP["vxlan"](p) == "too_deep"
    assert POP["ipip"](p) is None  # not there: it isn't asked
    assert attributes(p) == before


def test_two_tags_at_most():
    p = packet()
    assert push(p, "vlan") is push(p, "vlan") is None
    before = attributes(p)
    assert push(p, "vlan") == "too_deep"
    assert attributes(p) == before
    three = parse(p.frame[:12] + b"\x88\xa8\0\x07" + p.frame[12:])
    assert isinstance(three, Packet)
    assert not three.IP4
    assert POP["vlan"](three) == push(three, "vlan") == "too_deep"
    assert POP["vlan"](p) is POP["vlan"](p) is POP["vlan"](p) is None
    assert p.bits & VLAN == 0


@pytest.mark.parametrize(("kind", "header"), [("ipip", 20), ("vxlan", 50)])
def test_the_largest_packet(kind, header):
    size = 0xFFFF - header
    for more in (0, 1):
        p = packet(size=size + more)
        assert push(p, kind) == ("too_big" if more else None)
    cut = parse(packet(size=size).frame[:60])  # the length on the wire counts
    assert isinstance(cut, Packet)
    assert push(cut, kind) is None
    assert cut.size == 0xFFFF
    cut = parse(packet(size=size + 1).frame[:60])
    assert isinstance(cut, Packet)
    assert push(cut, kind) == "too_big"


def test_an_inner_packet_longer_than_its_place_is_malformed():
    p = packet(payload=bytes(20), tail=bytes(30))
    assert push(p, "ipip") is None
    frame = bytearray(p.frame)
    frame[16:18] = (67).to_bytes(2, "big")  # a byte less
    p = parse(bytes(frame))
    assert isinstance(p, Packet)
    assert tunnel.pop_ipip(p) == "malformed_inner"
    p = parse(bytes(frame[:16]) + (69).to_bytes(2, "big") + bytes(frame[18:]))
    assert isinstance(p, Packet)
    assert tunnel.pop_ipip(p) is None
    assert p.size == 48


def test_the_protocol_says_which_version_is_inside():
    p = packet()
    assert push(p, "ipip") is None
    frame = bytearray(p.frame)
    frame[23] = 41
    p = parse(bytes(frame))
    assert isinstance(p, Packet)
    assert tunnel.pop_ipip(p) == "malformed_inner"


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_frame_lacks_as_many_bytes(kind):
    frame = CutFrame(packet(size=200).frame[:80])
    frame.original_length = 214
    p = parse(frame)
    assert isinstance(p, Packet)
    assert push(p, kind) is None
    assert isinstance(p.frame, CutFrame)
    assert p.frame.original_length - len(p.frame) == 134
    assert p.size == {"vlan": 200, "ipip": 220, "vxlan": 250}[kind]
    p.under = None
    assert POP[kind](p) is None
    assert isinstance(p.frame, CutFrame)
    assert (p.frame, p.frame.original_length) == (frame, 214)
