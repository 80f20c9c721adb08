"""Packets and times as a report shows them: what is plain is left out."""

from __future__ import annotations

from nfverify.packet.codec import Malformed, parse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import FLAG_VALUES, ICMP, IP4, IP6, TCP, UDP, Packet
from nfverify.packet.tunnel import has_vni, inside
from nfverify.semantics.shown import show
from nfverify.smat.ir import IP, Bits, field_type

_PROTOCOLS = {TCP: "tcp", UDP: "udp", ICMP: "icmp"}
_IP6 = Bits(128, shown="ip6")
_FLAGS = dict(zip(FLAG_VALUES, ("FIN", "SYN", "RST", "PSH", "ACK", "URG"), strict=True))
_IN_SUMMARY = {"sip", "dip", "sip6", "dip6", "sport", "dport", "proto", "ethertype", *_FLAGS}
# What a counterexample has where it doesn't matter.
PLAIN = {"ttl": (64,), "smac": (0, 0x020000000001), "dmac": (0, 0x020000000002)}
_LENGTHS = {"iplen", "size", "payload"}
MAX_CHANGES = 6
MAX_BYTES = 16
PADDING = 46  # bytes behind a packet in an Ethernet frame of the shortest length, at most


def clock(time: int) -> str:
    """Seconds with nine digits behind the point."""
    return f"{time // 10**9}.{time % 10**9:09d}"


def summary(frame: bytes) -> str:
    """Protocol, who sends to whom, flags, and every other field that is not plain; in brackets
    the same of a packet that it carries."""
    packet = parse(frame)
    if isinstance(packet, Malformed):
        return f"malformed ({packet.reason}), {len(frame)} bytes"
    return _summary(packet)


def _summary(packet: Packet) -> str:
    parts = [_ends(packet)]
    flags = [word for name, word in _FLAGS.items() if getattr(packet, name)]
    if flags:
        parts[0] += f" {'+'.join(flags)}"
    if packet.FRAG:
        parts.append("fragment")
    for name, info in FIELDS.items():
        if info.on_wire and name not in _IN_SUMMARY | _LENGTHS and packet.bits & info.headers.value:
            value = getattr(packet, name)
            if value not in PLAIN.get(name, (0,)):
                parts.append(f"{name} {show(value, field_type(name))}")
    if has_vni(packet):
        parts.append(f"vni {packet.vni}")
    inner = inside(packet)
    if inner is None and any(packet.payload):
        parts.append(f"payload {_bytes(packet.payload)}")
    elif inner is None and packet.payload:
        parts.append(f"payload of {len(packet.payload)} bytes")
    behind = len(packet.frame) - packet.ip_at - packet.size
    if packet.bits & (IP4 | IP6) and behind > PADDING:
        parts.append(f"{behind} bytes behind it")
    elif behind < 0:
        parts.append(f"cut off before its last {-behind} bytes")
    text = ", ".join(parts)
    return text if inner is None else f"{text} [{_summary(inner)}]"


def _ends(packet: Packet) -> str:
    if packet.bits & IP4:
        ends = [show(packet.sip, IP), show(packet.dip, IP)]
    elif packet.bits & IP6:
        ends = [show(packet.sip6, _IP6), show(packet.dip6, _IP6)]
    else:
        return f"ethertype {packet.ethertype:#06x}"
    names = [name for bit, name in _PROTOCOLS.items() if packet.bits & bit]
    if packet.bits & (TCP | UDP):
        form = "{}:{}" if packet.bits & IP4 else "[{}]:{}"
        ends = [form.format(*end) for end in zip(ends, (packet.sport, packet.dport), strict=True)]
    return f"{names[0] if names else f'protocol {packet.proto}'} {ends[0]} → {ends[1]}"


def changes(before: bytes, after: bytes) -> str:
    """What became of a packet: `unchanged`, its new values, or all of it."""
    if before == after:
        return "unchanged"
    old, new = parse(before), parse(after)
    if isinstance(old, Malformed) or isinstance(new, Malformed) or old.bits != new.bits:
        return summary(after)
    if len(before) != len(after):  # a header more, or less
        return summary(after)
    changed = [
        f"{name} = {_value(name, getattr(new, name))}"
        for name, info in FIELDS.items()
        if info.on_wire and getattr(old, name) != getattr(new, name)
    ]
    if not changed:
        return "unchanged but for bytes that no field shows"
    return ", ".join(changed) if len(changed) <= MAX_CHANGES else summary(after)


def _value(name: str, value: int | bytes) -> str:
    return _bytes(value) if isinstance(value, bytes) else show(value, field_type(name))


def _bytes(data: bytes) -> str:
    tail = f"… ({len(data)} bytes)" if len(data) > MAX_BYTES else ""
    return f"{data[:MAX_BYTES].hex()}{tail}"
