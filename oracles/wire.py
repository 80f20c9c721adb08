"""Plain frames from field values, quickly: what generated traffic is made of.

Values are a mapping by field name; what it lacks is as in the plainest frame, a TCP SYN from
10.0.0.1:1024 to 10.0.0.2:80 without payload. Unlike `packet.build.build`, which knows every header
and refuses what can't be, `wire` makes some frame of all values. About 5 microseconds each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from typing import cast

from nfverify.packet.checksum import internet_checksum
from nfverify.packet.codec import Malformed, parse
from nfverify.packet.fields import FIELDS, VXLAN_PORT
from nfverify.packet.packet import FLAG_VALUES, FRAG, ICMP, IP4, IP6, TCP, UDP, VLAN, Packet

Values = Mapping[str, int | bytes]

SMAC, DMAC = 0x020000000001, 0x020000000002
SIP, DIP = 0x0A000001, 0x0A000002
SIP6, DIP6 = 0x20010DB8 << 96 | 1, 0x20010DB8 << 96 | 2
SPORT, DPORT, TTL = 1024, 80, 64
SYN = 2  # the flags unless one is named
PLAIN: Mapping[str, int] = {
    "smac": SMAC,
    "dmac": DMAC,
    "sip": SIP,
    "dip": DIP,
    "sip6": SIP6,
    "dip6": DIP6,
    "proto": 6,
    "ttl": TTL,
    "sport": SPORT,
    "dport": DPORT,
}
MAX_SIZE = 9000  # bytes of IP that `size` may ask for
ICMP_OF = {4: 1, 6: 58}
ECHO = {1: (8, 0), 58: (128, 129)}  # request and reply by protocol
NON_IP = 0x88B5  # the IEEE's "local experimental" ethertype
NO_L4 = 253  # RFC 3692's protocol number for experiments
_TCP_FIELDS = frozenset({"seq", "ack_no", "window", *FLAG_VALUES})
_EXTENSIONS = (0, 43, 44, 60)  # IPv6 headers before the protocol's, of which eight may stand
_EIGHT = b"\x3c\0\x01\x04\0\0\0\0" * 8
_NAMES_OF_FLAGS = frozenset(FLAG_VALUES)
_ICMP_FIELDS = frozenset({"icmp_type", "icmp_code", "icmp_id", "icmp_seq"})
_SIDES = (("sip", "dip"), ("sip6", "dip6"), ("sport", "dport"), ("smac", "dmac"))

_IPV4 = Struct("!BBHHHBBHII")
_TCP = Struct("!HHIIBBHHH")
_UDP = Struct("!HHHH")
_ICMP = Struct("!BBHHH")
_PSEUDO = Struct("!IBBH")


def wire(values: Values) -> bytes:
    """A well-formed frame with these values, where frames have them.

    `sip6` or `dip6` makes it IPv6, an `ethertype` other than IP's no IP; `FRAG` 1 a first fragment,
    with `L4` 0 a later one; `size` fits the payload; `vni` VXLAN of the frame that is the payload,
    or of the plainest. Checksums are right.
    """
    if "vni" in values:
        values = _vxlan(values)
    number = _numbers(values)
    link = (number("dmac", DMAC) << 48 | number("smac", SMAC)).to_bytes(12, "big")
    if "vlan" in values:
        link += b"\x81\0" + (number("vlan", 0) & 0xFFF).to_bytes(2, "big")
    six = "sip6" in values or "dip6" in values
    ethertype = number("ethertype", 0x0800)
    if ethertype not in (0x0800, 0x86DD):
        return link + ethertype.to_bytes(2, "big")
    proto, later = _protocol(values, six)
    if six:
        return link + b"\x86\xdd" + _ip6(values, proto, later)
    return link + b"\x08\0" + _ip4(values, proto, later)


def _vxlan(values: Values) -> Values:
    """The same as UDP with a payload."""
    payload = values.get("payload", b"") or wire({})
    assert isinstance(payload, bytes)
    head = b"\x08\0\0\0" + _numbers(values)("vni", 0).to_bytes(3, "big") + b"\0"
    out = {name: value for name, value in values.items() if name != "vni"}
    return {**out, "proto": 17, "dport": VXLAN_PORT, "payload": head + payload}


def _numbers(values: Values) -> Callable[[str, int], int]:
    """`values.get` for all but the payload."""
    return cast(Mapping[str, int], values).get


def _protocol(values: Values, six: bool) -> tuple[int, bool]:
    """`proto`, and whether the frame has no L4 header although it could."""
    proto = _numbers(values)("proto", -1)
    if proto < 0:
        proto = 6
        if not _ICMP_FIELDS.isdisjoint(values):
            proto = ICMP_OF[6 if six else 4]
    if values.get("L4") != 0:
        return proto, False
    if values.get("FRAG") == 1:
        return proto, True
    return (proto if "proto" in values else NO_L4), False


def _ip4(values: Values, proto: int, later: bool) -> bytes:
    number = _numbers(values)
    source, target = number("sip", SIP), number("dip", DIP)
    body = _transport(values, proto, 4, source + target, later, 20)
    size = 20 + len(body)
    fragment = 0
    if "FRAG" in values and values["FRAG"] == 1:
        fragment = 1 if later else 0x2000
    tos, ip_id, ttl = number("tos", 0), number("ip_id", 0), number("ttl", TTL)
    total = 0x4500 + tos + size + ip_id + fragment + (ttl << 8) + proto + source + target
    check = 0xFFFF - (total % 0xFFFF or 0xFFFF)
    head = _IPV4.pack(0x45, tos, size, ip_id, fragment, ttl, proto, check, source, target)
    return head + body


def _ip6(values: Values, proto: int, later: bool) -> bytes:
    number = _numbers(values)
    source, target = number("sip6", SIP6), number("dip6", DIP6)
    extension, follows = b"", proto
    if values.get("FRAG") == 1:
        proto = NO_L4 if proto in _EXTENSIONS else proto
        extension, follows = bytes((proto, 0, 0, 8 if later else 1, 0, 0, 0, 0)), 44
    elif proto in _EXTENSIONS:  # the ninth: the last that a frame may have, and so its protocol
        extension, follows = _EIGHT[:-8] + bytes((proto,)) + _EIGHT[-7:], 60
    body = _transport(values, proto, 6, source + target, later, 40 + len(extension))
    first = 6 << 28 | number("tos", 0) << 20
    head = first << 32 | len(extension) + len(body) << 16
    head |= follows << 8 | number("ttl", TTL)
    return (head << 256 | source << 128 | target).to_bytes(40, "big") + extension + body


def _transport(
    values: Values, proto: int, version: int, addresses: int, later: bool, before: int
) -> bytes:
    """L4 header and payload; `addresses` is what they add to the checksum."""
    number = _numbers(values)
    payload = values.get("payload", b"")
    assert isinstance(payload, bytes)
    head = 0 if later else 20 if proto == 6 else 8 if proto in (17, ICMP_OF[version]) else 0
    if "size" in values or "iplen" in values:
        room = number("size", number("iplen", 0)) - before - head
        if 0 <= room <= MAX_SIZE:
            payload = (payload + bytes(room))[:room]
    if not head:
        return payload
    length = head + len(payload)
    if proto == 6:
        sport, dport = number("sport", SPORT), number("dport", DPORT)
        seq, ack, window = number("seq", 0), number("ack_no", 0), number("window", 0)
        flags = _flags(values)
        total = sport + dport + seq + ack + (0x5000 | flags) + window
        check = _checksum(total + addresses + proto + length, payload)
        return _TCP.pack(sport, dport, seq, ack, 0x50, flags, window, check, 0) + payload
    if proto == 17:
        sport, dport = number("sport", SPORT), number("dport", DPORT)
        check = _checksum(sport + dport + 2 * length + addresses + proto, payload)
        return _UDP.pack(sport, dport, length, check or 0xFFFF) + payload
    kind, code = number("icmp_type", ECHO[proto][0]), number("icmp_code", 0)
    ip_id, sequence = number("icmp_id", 0), number("icmp_seq", 0)
    total = (kind << 8) + code + ip_id + sequence
    if version == 6:
        total += addresses + proto + length
    return _ICMP.pack(kind, code, _checksum(total, payload), ip_id, sequence) + payload


def _checksum(total: int, payload: bytes) -> int:
    """Of the payload and of words that add up to `total`."""
    if payload:
        total += 0xFFFF - internet_checksum(payload)
    if not total:
        return 0xFFFF
    return 0xFFFF - (total % 0xFFFF or 0xFFFF)


def _flags(values: Values) -> int:
    if _NAMES_OF_FLAGS.isdisjoint(values):
        return SYN
    number = _numbers(values)
    return sum(number(name, 0) << bit for bit, name in enumerate(FLAG_VALUES))


# Values -----------------------------------------------------------------------------------


def merged(values: Values, changes: Iterable[tuple[str, int | bytes]]) -> dict[str, int | bytes]:
    """The values with some changed: a field of another header makes it a frame that has it."""
    out = dict(values)
    for name, value in changes:
        match name:
            case "sip6" | "dip6":
                _drop(out, _SIDES[0])
            case "sip" | "dip":
                _drop(out, _SIDES[1])
            case "IP4" | "IP6":
                six = (name == "IP6") == bool(value)
                _drop(out, _SIDES[0 if six else 1])
                if six:
                    out.setdefault("sip6", PLAIN["sip6"])
                continue
            case "ethertype" if value in (0x0800, 0x86DD):
                out.pop("ethertype", None)
                continue
        if name in _TCP_FIELDS and out.get("proto", 6) != 6:
            out["proto"] = 6
        elif name in _ICMP_FIELDS and out.get("proto", 6) not in ECHO:
            out["proto"] = ICMP_OF[6 if "sip6" in out or "dip6" in out else 4]
        elif name in ("sport", "dport") and out.get("proto", 6) not in (6, 17):
            out["proto"] = 17
        out[name] = value
    return out


def _drop(values: dict[str, int | bytes], names: Iterable[str]) -> None:
    for name in names:
        values.pop(name, None)


def answered(values: Values) -> dict[str, int | bytes]:
    """What the receiver sends back: both sides swapped, a SYN acknowledged, an echo replied to."""
    out, number = dict(values), _numbers(values)
    six = "sip6" in values or "dip6" in values
    for source, target in _SIDES:
        if source[1:3] == "ip" and (source[3:] == "6") != six:
            continue
        if source == "smac" and source not in values and target not in values:
            continue  # whoever forwards a packet has addresses of his own
        out[source], out[target] = number(target, PLAIN[target]), number(source, PLAIN[source])
    proto, _ = _protocol(values, six)
    if proto == 6 and _flags(values) == SYN:
        out["flag_syn"] = out["flag_ack"] = 1
    elif proto in ECHO:
        request, reply = ECHO[proto]
        if values.get("icmp_type", request) == request:
            out["icmp_type"] = reply
    return out


def values_of(frame: bytes) -> dict[str, int | bytes] | None:
    """The values from which `wire` makes such a frame; None if it is malformed."""
    packet = parse(frame)
    return None if isinstance(packet, Malformed) else values_of_packet(packet)


def values_of_packet(packet: Packet) -> dict[str, int | bytes]:
    """As `values_of`, of a parsed packet."""
    bits = packet.bits
    out: dict[str, int | bytes] = {}
    if (packet.smac, packet.dmac) != (SMAC, DMAC):
        out["smac"], out["dmac"] = packet.smac, packet.dmac
    if bits & VLAN:
        out["vlan"] = packet.vlan
    if not bits & (IP4 | IP6):
        out["ethertype"] = packet.ethertype
        return out
    names = ["sip", "dip", "ip_id"] if bits & IP4 else ["sip6", "dip6"]
    names += ["proto", "ttl", "tos"]
    if bits & (TCP | UDP):
        names += ["sport", "dport"]
    if bits & TCP:
        names += ["seq", "ack_no", "window", *FLAG_VALUES]
    if bits & ICMP:
        names += sorted(_ICMP_FIELDS)
    if bits & FRAG:
        names.append("FRAG")
        out["L4"] = packet.L4
    for name in names:
        out[name] = getattr(packet, name)
    if packet.vni and packet.payload[:4] == b"\x08\0\0\0" and not packet.payload[7]:
        out["vni"], out["payload"] = packet.vni, packet.payload[8:]
    elif packet.payload:
        out["payload"] = packet.payload
    return out


def plainly(values: Values) -> dict[str, int | bytes]:
    """Without what `wire` puts in anyway, in the order of the fields."""
    whole = wire(values)
    out = {name: values[name] for name in FIELDS if name in values}
    for name in sorted(out, key=lambda name: bool(out[name])):
        rest = {n: v for n, v in out.items() if n != name}
        if wire(rest) == whole:
            out = rest
    return out
