"""parse and deparse against scapy: 100,000 generated frames, every field and every byte."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from socket import AF_INET6, inet_aton, inet_ntoa, inet_ntop, inet_pton
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from nfverify.packet.codec import Packet, deparse, parse
from nfverify.packet.fields import FIELDS

BATCHES = 20
FRAMES = 5_000  # in a batch
PARSED = [name for name in FIELDS if name != "iface"]
EXTENSIONS = (IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment)
FLAGS = ("flag_fin", "flag_syn", "flag_rst", "flag_psh", "flag_ack", "flag_urg")


@pytest.fixture(autouse=True)
def headers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scapy takes what follows L4 as raw bytes, whatever the ports say."""
    for layer in (TCP, UDP, ICMP, ICMPv6EchoRequest, ICMPv6EchoReply):
        monkeypatch.setattr(layer, "payload_guess", [])


# Frames, written with struct so that neither side makes its own input.


@dataclass(slots=True)
class Generated:
    """`right` has right checksums, at these offsets (0: none); `frame` may have wrong ones."""

    right: bytes
    frame: bytes
    ip_checksum_at: int = 0
    l4_checksum_at: int = 0
    udp: bool = False


def complement_sum(data: bytes) -> int:
    """The Internet checksum, word by word."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def patch(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + struct.pack("!H", value) + data[at + 2 :]


def tcp(rng: Random) -> bytes:
    options = b""
    if rng.random() < 0.1:
        options = rng.choice((b"\x02\x04\x05\xb4", b"\x01\x01\x08\x0a" + rng.randbytes(8)))
    offset = (5 + len(options) // 4) << 4 | rng.getrandbits(1)  # and the bit once called NS
    flags = bytes((offset, rng.getrandbits(8)))
    return rng.randbytes(12) + flags + rng.randbytes(2) + b"\0\0" + rng.randbytes(2) + options


def transport(rng: Random, kind: str, version: int, payload: bytes) -> tuple[int, bytes, int]:
    """(protocol number, L4 header with checksum 0, where its checksum is)."""
    if kind == "tcp":
        return 6, tcp(rng), 16
    if kind == "udp":
        return 17, rng.randbytes(4) + struct.pack("!HH", 8 + len(payload), 0), 6
    if kind == "icmp":
        icmp_type = rng.choice((0, 8, 15, 16, 41, 220) if version == 4 else (128, 129))
        start = bytes((icmp_type, rng.getrandbits(8)))
        return 1 if version == 4 else 58, start + b"\0\0" + rng.randbytes(4), 2
    return rng.choice((89, 132, 253)), b"", 0


def ipv4(rng: Random, link: bytes, kind: str, payload: bytes) -> Generated:
    proto, l4, checksum_at = transport(rng, kind, 4, payload)
    options = b""
    if rng.random() < 0.1:
        options = rng.choice((b"\x01\x01\x01\x00", b"\x94\x04\0\0\x01\x01\x01\0"))
    fragment = rng.choice((0, 0, 0, 0x4000, 0x2000, 0x8000, rng.getrandbits(16)))
    if fragment & 0x1FFF:
        l4 = b""
    first, size = 0x45 + len(options) // 4, 20 + len(options) + len(l4) + len(payload)
    head = struct.pack("!BBHHH", first, rng.getrandbits(8), size, rng.getrandbits(16), fragment)
    head += bytes((rng.getrandbits(8), proto)) + b"\0\0" + rng.randbytes(8) + options
    head = patch(head, 10, complement_sum(head))
    if l4:
        pseudo = b"" if proto == 1 else head[12:20] + struct.pack("!HH", proto, size - len(head))
        l4 = patch(l4, checksum_at, complement_sum(pseudo + l4 + payload))
    frame = link + head + l4 + payload
    l4_checksum_at = len(link) + len(head) + checksum_at if l4 else 0
    return Generated(frame, frame, len(link) + 10, l4_checksum_at, proto == 17)


def ipv6(rng: Random, link: bytes, kind: str, payload: bytes) -> Generated:
    proto, l4, checksum_at = transport(rng, kind, 6, payload)
    chain: list[tuple[int, bytes]] = []  # (its own number, all but its first byte)
    if rng.random() < 0.1:
        chain.append((0, b"\0" + b"\x01\x04\0\0\0\0"))
    if rng.random() < 0.1:  # no segment left, or scapy's pseudo header has the last address
        chain.append((43, b"\x02\0\0\0\0\0\0" + rng.randbytes(16)))
    if rng.random() < 0.1:
        chain.append((60, b"\x01" + b"\x01\x0c" + bytes(12)))
    if rng.random() < 0.25:
        fragment = rng.choice((0, 1, rng.getrandbits(16)))
        chain.append((44, b"\0" + struct.pack("!HI", fragment, rng.getrandbits(32))))
        if fragment >> 3:
            l4 = b""
    numbers = [number for number, _ in chain] + [proto]
    headers = b"".join(bytes((numbers[i + 1],)) + body for i, (_, body) in enumerate(chain))
    addresses = rng.randbytes(32)
    if l4:
        pseudo = addresses + struct.pack("!II", len(l4) + len(payload), proto)
        l4 = patch(l4, checksum_at, complement_sum(pseudo + l4 + payload))
    size = len(headers) + len(l4) + len(payload)
    head = struct.pack("!IH", 6 << 28 | rng.getrandbits(28), size)
    head += bytes((numbers[0], rng.getrandbits(8))) + addresses + headers
    frame = link + head + l4 + payload
    l4_checksum_at = len(link) + len(head) + checksum_at if l4 else 0
    return Generated(frame, frame, 0, l4_checksum_at, proto == 17)


def generate(rng: Random, count: int) -> Iterator[Generated]:
    for _ in range(count):
        link = rng.randbytes(12)
        shape = rng.random()
        if shape < 0.2:
            link += b"\x81\0" + rng.randbytes(2)
        elif shape < 0.3:
            link += b"\x88\xa8" + rng.randbytes(2) + b"\x81\0" + rng.randbytes(2)
        kind = rng.choice(("tcp", "tcp", "udp", "udp", "icmp", "none"))
        payload = rng.randbytes(rng.choice((0, 0, 1, 2, 3, 17, 40)))
        which = rng.random()
        if which < 0.03:
            frame = link + b"\x88\xb5" + payload
            yield Generated(frame, frame)
            continue
        g = (
            ipv4(rng, link + b"\x08\0", kind, payload)
            if which < 0.6
            else ipv6(rng, link + b"\x86\xdd", kind, payload)
        )
        if g.udp and g.l4_checksum_at and g.right[g.l4_checksum_at :][:2] == b"\0\0":
            g.right = patch(g.right, g.l4_checksum_at, 0xFFFF)
        g.right += bytes(rng.choice((0, 0, 0, 1, 6)))
        g.frame = g.right
        if rng.random() < 0.3:
            for at in filter(None, (g.ip_checksum_at, g.l4_checksum_at)):
                wrong = rng.choice((0, 0xFFFF, rng.getrandbits(16)))
                g.frame = patch(g.frame, at, wrong)
        yield g


# What scapy says.


@dataclass(slots=True)
class Dissected:
    """Scapy's layers of one frame; `tag` is the outer one, `last` the one with the protocol."""

    ether: Any
    tag: Any
    link: Any
    ip: Any
    last: Any
    l4: Any
    body: Any  # the layer whose payload is the packet's


def dissect(frame: bytes) -> Dissected:
    ether = Ether(frame)
    link, tag = ether, None
    while isinstance(link.payload, Dot1Q | Dot1AD):
        link = link.payload
        tag = tag or link
    ip = link.payload if isinstance(link.payload, IP | IPv6) else None
    last = ip
    while last is not None and isinstance(last.payload, EXTENSIONS):
        last = last.payload
    l4 = last.payload if last is not None else None
    known = isinstance(l4, TCP | UDP | ICMP | ICMPv6EchoRequest | ICMPv6EchoReply)
    return Dissected(ether, tag, link, ip, last, l4 if known else None, l4 if known else last)


def fields(d: Dissected) -> dict[str, Any]:
    """Every field but `iface`, by scapy."""
    f: dict[str, Any] = dict.fromkeys(PARSED, 0)
    f["dmac"] = int(d.ether.dst.replace(":", ""), 16)
    f["smac"] = int(d.ether.src.replace(":", ""), 16)
    f["ethertype"], f["payload"] = d.link.type, b""
    if d.tag is not None:
        f["vlan"] = d.tag.vlan
    ip, l4 = d.ip, d.l4
    if isinstance(ip, IP):
        f["IP4"] = 1
        f["sip"] = int.from_bytes(inet_aton(ip.src), "big")
        f["dip"] = int.from_bytes(inet_aton(ip.dst), "big")
        f["proto"], f["ttl"], f["tos"], f["ip_id"] = ip.proto, ip.ttl, ip.tos, ip.id
        f["size"] = f["iplen"] = ip.len
        f["FRAG"] = int(ip.frag > 0 or "MF" in ip.flags)
    elif isinstance(ip, IPv6):
        f["IP6"] = 1
        f["sip6"] = int.from_bytes(inet_pton(AF_INET6, ip.src), "big")
        f["dip6"] = int.from_bytes(inet_pton(AF_INET6, ip.dst), "big")
        f["proto"], f["ttl"], f["tos"], f["size"] = d.last.nh, ip.hlim, ip.tc, 40 + ip.plen
        if isinstance(d.last, IPv6ExtHdrFragment):
            f["FRAG"] = int(d.last.offset > 0 or d.last.m)
    else:
        return f
    f["L4"] = int(l4 is not None)
    if isinstance(l4, TCP):
        f["seq"], f["ack_no"], f["window"] = l4.seq, l4.ack, l4.window
        flags = int(l4.flags)
        for bit, name in enumerate(FLAGS):
            f[name] = flags >> bit & 1
    if isinstance(l4, TCP | UDP):
        f["sport"], f["dport"] = l4.sport, l4.dport
    elif l4 is not None:
        f["icmp_type"], f["icmp_code"] = l4.type, l4.code
        # Scapy names these two for some types only.
        f["icmp_id"], f["icmp_seq"] = struct.unpack_from("!HH", l4.original, 4)
    if isinstance(l4, ICMP | ICMPv6EchoRequest | ICMPv6EchoReply):
        f["payload"] = l4.original[8:]  # an echo over IPv6 has its data in a field
    elif type(d.body.payload) is Raw:
        f["payload"] = d.body.payload.load
    return f


# Writes, to both.


def ip_text(value: int) -> str:
    return inet_ntoa(value.to_bytes(4, "big"))


def ip6_text(value: int) -> str:
    return inet_ntop(AF_INET6, value.to_bytes(16, "big"))


def mac_text(value: int) -> str:
    return value.to_bytes(6, "big").hex(":")


TCP_NAMES = {"sport": "sport", "dport": "dport", "seq": "seq", "ack_no": "ack", "window": "window"}


def writable(d: Dissected, p: Packet) -> dict[str, tuple[Any, str, Any]]:
    """Field -> (scapy's layer, its name there, how it shows the value).

    Not `proto` under an L4 header, nor `iplen` under TCP and UDP: scapy's pseudo header ignores
    the one and follows the other. test_deparse.py has them.
    """
    w: dict[str, tuple[Any, str, Any]] = {
        "dmac": (d.ether, "dst", mac_text),
        "smac": (d.ether, "src", mac_text),
        "ethertype": (d.link, "type", int),
    }
    if d.tag is not None:
        w["vlan"] = (d.tag, "vlan", int)
    if isinstance(d.ip, IP):
        w |= {"sip": (d.ip, "src", ip_text), "dip": (d.ip, "dst", ip_text)}
        w |= {"ttl": (d.ip, "ttl", int), "tos": (d.ip, "tos", int), "ip_id": (d.ip, "id", int)}
        if not isinstance(d.l4, TCP | UDP):
            w["iplen"] = (d.ip, "len", int)
    elif d.ip is not None:
        w |= {"sip6": (d.ip, "src", ip6_text), "dip6": (d.ip, "dst", ip6_text)}
        w |= {"ttl": (d.ip, "hlim", int), "tos": (d.ip, "tc", int)}
    if d.ip is not None and d.l4 is None:
        w["proto"] = (d.last, "nh" if p.IP6 else "proto", int)
    if isinstance(d.l4, TCP):
        w |= {name: (d.l4, there, int) for name, there in TCP_NAMES.items()}
    elif isinstance(d.l4, UDP):
        w |= {name: (d.l4, name, int) for name in ("sport", "dport")}
    elif d.l4 is not None:
        w["icmp_code"] = (d.l4, "code", int)
        if p.icmp_type in (0, 8, 15, 16, 128, 129):
            w |= {"icmp_id": (d.l4, "id", int), "icmp_seq": (d.l4, "seq", int)}
    return w


def rewrite(rng: Random, p: Packet, d: Dissected) -> None:
    """A few fields get random values, in the packet and in scapy's layers."""
    offered = writable(d, p)
    for name in rng.sample(sorted(offered), min(len(offered), rng.choice((1, 2, 4, 20)))):
        layer, there, shown = offered[name]
        value = rng.choice((0, (1 << FIELDS[name].width) - 1, rng.getrandbits(FIELDS[name].width)))
        setattr(p, name, value)
        layer.setfieldval(there, shown(value))
    if isinstance(d.l4, TCP) and rng.random() < 0.5:
        flags = int(d.l4.flags)
        for bit, name in enumerate(FLAGS):
            value = rng.getrandbits(1)
            setattr(p, name, value)
            flags = flags & ~(1 << bit) | value << bit
        d.l4.flags = flags
    if d.ip is not None and type(d.body.payload) is Raw and rng.random() < 0.3:
        p.payload = rng.randbytes(len(p.payload))
        d.body.payload.load = p.payload
    for layer, there in ((d.ip, "chksum"), (d.l4, "chksum"), (d.l4, "cksum")):
        if layer is not None and there in layer.default_fields:
            layer.delfieldval(there)


def build(ether: Any) -> bytes:
    """Scapy's bytes; its search for fields with several values, a third of the time, is skipped."""
    layer = ether
    while layer:
        layer.explicit = True
        layer = layer.payload
    return bytes(ether)


def check(rng: Random, g: Generated) -> None:
    p = parse(g.frame)
    assert isinstance(p, Packet)
    d = dissect(g.frame)
    expected = fields(d)
    assert {name: getattr(p, name) for name in PARSED} == expected
    assert deparse(p) == g.frame
    rewrite(rng, p, d)
    built = build(d.ether)
    out = deparse(p)
    for at in filter(None, (g.ip_checksum_at, g.l4_checksum_at)):
        came, was, goes, right = (
            struct.unpack_from("!H", f, at)[0] for f in (g.frame, g.right, out, built)
        )
        if g.udp and at == g.l4_checksum_at and came == 0:
            assert goes == 0
        elif g.frame is g.right and right != 0xFFFF:
            assert goes == right
        else:  # 0xffff is the other zero, and right only over nothing but zeros
            assert (goes - right - came + was) % 0xFFFF == 0, "as wrong as it came in"
        out = patch(out, at, right)
    assert out == built


@pytest.mark.parametrize("batch", range(BATCHES))
def test_fields_and_bytes_are_scapys(batch: int) -> None:
    rng = Random(f"scapy {batch}")
    for number, g in enumerate(generate(rng, FRAMES)):
        try:
            check(rng, g)
        except Exception as e:
            e.add_note(f"frame {number} of batch {batch}: {g.frame.hex()}")
            raise
