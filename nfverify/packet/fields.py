"""The header fields of language.md: width, header that holds them, whether they can be written.

A field whose header is absent reads as 0 and ignores writes (semantics.md, decisions 8-10, 18-20).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto
from functools import cache
from typing import Literal


class Header(Flag):
    """Headers present in a frame; a packet's `present` is the union of those that it has."""

    LINK = auto()  # always
    VLAN = auto()  # at least one 802.1Q/802.1ad tag
    IP4 = auto()
    IP6 = auto()
    TCP = auto()
    UDP = auto()
    ICMP = auto()  # proto 1 over IPv4, 58 over IPv6
    FRAG = auto()  # a fragment, first or later (never a place for fields)


IP = Header.IP4 | Header.IP6
PORTS = Header.TCP | Header.UDP
L4 = Header.TCP | Header.UDP | Header.ICMP


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field: `width` in bits (0 for payload), in frames that have any of `headers`."""

    name: str
    width: int
    headers: Header
    writable: bool = True
    shown: Literal["int", "ip", "ip6", "mac", "port", "bytes"] = "int"
    on_wire: bool = True


FIELDS: dict[str, FieldInfo] = {
    f.name: f
    for f in (
        FieldInfo("dmac", 48, Header.LINK, shown="mac"),
        FieldInfo("smac", 48, Header.LINK, shown="mac"),
        FieldInfo("ethertype", 16, Header.LINK),  # the one after the tags
        FieldInfo("vlan", 12, Header.VLAN),  # VID of the outer tag
        FieldInfo("sip", 32, Header.IP4, shown="ip"),
        FieldInfo("dip", 32, Header.IP4, shown="ip"),
        FieldInfo("sip6", 128, Header.IP6, shown="ip6"),
        FieldInfo("dip6", 128, Header.IP6, shown="ip6"),
        FieldInfo("proto", 8, IP),
        FieldInfo("ttl", 8, IP),
        FieldInfo("tos", 8, IP),
        FieldInfo("iplen", 16, Header.IP4),
        FieldInfo("ip_id", 16, Header.IP4),
        FieldInfo("sport", 16, PORTS, shown="port"),
        FieldInfo("dport", 16, PORTS, shown="port"),
        FieldInfo("seq", 32, Header.TCP),
        FieldInfo("ack_no", 32, Header.TCP),
        FieldInfo("flag_fin", 1, Header.TCP),
        FieldInfo("flag_syn", 1, Header.TCP),
        FieldInfo("flag_rst", 1, Header.TCP),
        FieldInfo("flag_psh", 1, Header.TCP),
        FieldInfo("flag_ack", 1, Header.TCP),
        FieldInfo("flag_urg", 1, Header.TCP),
        FieldInfo("window", 16, Header.TCP),
        FieldInfo("icmp_type", 8, Header.ICMP),
        FieldInfo("icmp_code", 8, Header.ICMP),
        FieldInfo("icmp_id", 16, Header.ICMP),
        FieldInfo("icmp_seq", 16, Header.ICMP),
        # 17 bits hold 40 + 65,535, and being narrower than 32 it converts to a signed int.
        FieldInfo("size", 17, IP, on_wire=False),
        FieldInfo("payload", 0, IP, shown="bytes"),
        FieldInfo("vni", 24, Header.UDP, writable=False, on_wire=False),  # where there is VXLAN
        FieldInfo("iface", 16, Header.LINK, writable=False, shown="port", on_wire=False),
        FieldInfo("IP4", 1, Header.LINK, writable=False, on_wire=False),
        FieldInfo("IP6", 1, Header.LINK, writable=False, on_wire=False),
        FieldInfo("L4", 1, Header.LINK, writable=False, on_wire=False),
        FieldInfo("FRAG", 1, Header.LINK, writable=False, on_wire=False),
    )
}


@cache
def carried(present: Header) -> frozenset[str]:
    """The fields that frames with these headers have."""
    return frozenset(name for name, info in FIELDS.items() if info.headers & present)


# f[TCP], f[UDP], f[ICMP] are one-bit tests of the current `proto` (even in later fragments); the
# lowering rewrites them to comparisons, so no engine sees them as fields.
PROTOCOL_BITS: dict[str, tuple[int, ...]] = {"TCP": (6,), "UDP": (17,), "ICMP": (1, 58)}

VXLAN_PORT = 4789  # of UDP; RFC 7348
LINK_FIELDS = frozenset({"smac", "dmac", "ethertype", "vlan"})
FLOW_FIELDS = ("sip", "dip", "sip6", "dip6", "sport", "dport", "proto")
