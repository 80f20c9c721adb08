"""Plain frames from field values, quickly: what generated traffic is made of.

Values are a mapping by field name; what it lacks is as in the plainest frame, a TCP SYN from
10.0.0.1:1024 to 10.0.0.2:80 without payload. Unlike `packet.build.build`, which knows every header
and refuses what can't be, `wire` makes some frame of all values. About 5 microseconds each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import Struct

from nfverify.packet.checksum import internet_checksum
from nfverify.packet.codec import Malformed, parse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import FLAG_VALUES, FRAG, ICMP, IP4, IP6, TCP, UDP, VLAN, Packet

Values = Mapping[str, int | bytes]

PLAIN: dict[str, int] = {
    "smac": 0x020000000001,
    "dmac": 0x020000000002,
    "sip": 0x0A000001,
    "dip": 0x0A000002,
    "sip6": 0x20010DB8 << 96 | 1,
    "dip6": 0x20010DB8 << 96 | 2,
    "proto": 6,
    "ttl": 64,
    "sport": 1024,
    "dport": 80,
    "icmp_type": 8,
    "flag_syn": 1,  # unless another flag is named
}
MAX_SIZE = 9000  # bytes of IP that `size` may ask for
ICMP_OF = {4: 1, 6: 58}
ECHO = {1: (8, 0), 58: (128, 129)}  # request and reply by protocol
NON_IP = 0x88B5  # the IEEE's "local experimental" ethertype
NO_L4 = 253  # RFC 3692's protocol number for experiments
_TCP_FIELDS = frozenset({"seq", "ack_no", "window", *FLAG_VALUES})
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
    with `L4` 0 a later one; `size` fits the payload. Checksums are right.
    """
    get = {**PLAIN, **values}.__getitem__
    link = (_int(get("dmac")) << 48 | _int(get("smac"))).to_bytes(12, "big")
    if "vlan" in values:
        link += b"\x81\0" + (_int(get("vlan")) & 0xFFF).to_bytes(2, "big")
    six = "sip6" in values or "dip6" in values
    ethertype = _int(values.get("ethertype", 0x86DD if six else 0x0800))
    if ethertype not in (0x0800, 0x86DD):
        return link + ethertype.to_bytes(2, "big")
    link += b"\x86\xdd" if six else b"\x08\0"
    proto, later = _protocol(values, six)
    if six:
        return link + _ip6(values, proto, later)
    return link + _ip4(values, proto, later)


def _int(value: int | bytes) -> int:
    assert isinstance(value, int)
    return value


def _number(values: Values, name: str) -> int:
    value = values.get(name)
    return value if isinstance(value, int) else PLAIN.get(name, 0)


def _protocol(values: Values, six: bool) -> tuple[int, bool]:
    """`proto`, and whether the frame has no L4 header although it could."""
    proto = values.get("proto")
    if not isinstance(proto, int):
        proto = 6
        if not _ICMP_FIELDS.isdisjoint(values):
            proto = ICMP_OF[6 if six else 4]
    if values.get("L4") != 0:
        return proto, False
    if values.get("FRAG") == 1:
        return proto, True
    return (proto if "proto" in values else NO_L4), False


def _ip4(values: Values, proto: int, later: bool) -> bytes:
    addresses = _number(values, "sip"), _number(values, "dip")
    body = _transport(values, proto, 4, sum(addresses), later, 20)
    size = 20 + len(body)
    fragment = 0
    if values.get("FRAG") == 1:
        fragment = 1 if later else 0x2000
    tos, number, ttl = _number(values, "tos"), _number(values, "ip_id"), _number(values, "ttl")
    total = 0x4500 + tos + size + number + fragment + (ttl << 8) + proto
    total += sum(addresses)
    check = 0xFFFF - (total % 0xFFFF or 0xFFFF)
    return _IPV4.pack(0x45, tos, size, number, fragment, ttl, proto, check, *addresses) + body


def _ip6(values: Values, proto: int, later: bool) -> bytes:
    source, target = _number(values, "sip6"), _number(values, "dip6")
    extension = b""
    if values.get("FRAG") == 1:
        extension = bytes((proto, 0, 0, 8 if later else 1, 0, 0, 0, 0))
    body = _transport(values, proto, 6, source + target, later, 40 + len(extension))
    first = 6 << 28 | _number(values, "tos") << 20
    head = first << 32 | len(extension) + len(body) << 16
    head |= (44 if extension else proto) << 8 | _number(values, "ttl")
    return (head << 256 | source << 128 | target).to_bytes(40, "big") + extension + body


def _transport(
    values: Values, proto: int, version: int, addresses: int, later: bool, before: int
) -> bytes:
    """L4 header and payload; `addresses` is what they add to the checksum."""
    payload = values.get("payload", b"")
    assert isinstance(payload, bytes)
    size = values.get("size", values.get("iplen"))
    head = {6: 20, 17: 8, ICMP_OF[version]: 8}.get(proto, 0) if not later else 0
    if isinstance(size, int) and before + head <= size <= MAX_SIZE:
        payload = (payload + bytes(size - before - head))[: size - before - head]
    if not head:
        return payload
    length = head + len(payload)
    if proto == 6:
        ends = _number(values, "sport"), _number(values, "dport")
        numbers = _number(values, "seq"), _number(values, "ack_no")
        window, flags = _number(values, "window"), _flags(values)
        total = sum(ends) + sum(numbers) + (0x5000 | flags) + window
        check = _checksum(total + addresses + proto + length, payload)
        return _TCP.pack(*ends, *numbers, 0x50, flags, window, check, 0) + payload
    if proto == 17:
        source, target = _number(values, "sport"), _number(values, "dport")
        total = source + target + 2 * length + addresses + proto
        return _UDP.pack(source, target, length, _checksum(total, payload) or 0xFFFF) + payload
    kind = values.get("icmp_type")
    kind, code = ECHO[proto][0] if kind is None else _int(kind), _number(values, "icmp_code")
    number, sequence = _number(values, "icmp_id"), _number(values, "icmp_seq")
    total = (kind << 8) + code + number + sequence
    if version == 6:
        total += addresses + proto + length
    return _ICMP.pack(kind, code, _checksum(total, payload), number, sequence) + payload


def _checksum(total: int, payload: bytes) -> int:
    """Of the payload and of words that add up to `total`."""
    if payload:
        total += 0xFFFF - internet_checksum(payload)
    if not total:
        return 0xFFFF
    return 0xFFFF - (total % 0xFFFF or 0xFFFF)


def _flags(values: Values) -> int:
    flags, named = 0, False
    for bit, name in enumerate(FLAG_VALUES):
        if (value := values.get(name)) is not None:
            named = True
            flags |= _int(value) << bit
    return flags if named else 2


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
    out = dict(values)
    six = "sip6" in values or "dip6" in values
    for source, target in _SIDES:
        if (source[1:] == "ip6") != six and source[1:3] == "ip":
            continue
        out[source], out[target] = _number(values, target), _number(values, source)
    proto, _ = _protocol(values, six)
    if proto == 6 and _flags(values) == 2:
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
    out: dict[str, int | bytes] = {"smac": packet.smac, "dmac": packet.dmac}
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
    if packet.payload:
        out["payload"] = packet.payload
    return out


def plainly(values: Values) -> dict[str, int | bytes]:
    """Without what `wire` puts in anyway, in the order of the fields."""
    whole = wire(values)
    out = {name: values[name] for name in FIELDS if name in values}
    for name in list(out):
        rest = {n: v for n, v in out.items() if n != name}
        if wire(rest) == whole:
            out = rest
    return out
