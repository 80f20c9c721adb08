"""A parsed packet: one attribute per field of fields.py, and where its headers lie in the frame."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from nfverify.packet.fields import Header

# Plain ints: testing an enum.Flag costs 20 times as much.
LINK = Header.LINK.value
VLAN = Header.VLAN.value
IP4 = Header.IP4.value
IP6 = Header.IP6.value
TCP = Header.TCP.value
UDP = Header.UDP.value
ICMP = Header.ICMP.value
FRAG = Header.FRAG.value

LINK_VALUES = ("dmac", "smac", "ethertype", "vlan")
PSEUDO_VALUES = ("sip", "dip", "sip6", "dip6", "proto")
NETWORK_VALUES = ("ttl", "tos", "iplen", "ip_id")
PORT_VALUES = ("sport", "dport")
FLAG_VALUES = ("flag_fin", "flag_syn", "flag_rst", "flag_psh", "flag_ack", "flag_urg")
TCP_VALUES = ("seq", "ack_no", *FLAG_VALUES, "window")
ICMP_VALUES = ("icmp_type", "icmp_code", "icmp_id", "icmp_seq")
TRANSPORT_VALUES = (*PORT_VALUES, *TCP_VALUES, *ICMP_VALUES)
# Everything that a model can write and that stands on the wire, in the order of `wire_values`.
WIRE_VALUES = (*LINK_VALUES, *PSEUDO_VALUES, *NETWORK_VALUES, *TRANSPORT_VALUES, "payload")
READ_ONLY = ("vni", "iface", "IP4", "IP6", "L4", "FRAG")

wire_values: attrgetter[tuple[Any, ...]] = attrgetter(*WIRE_VALUES)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A frame that is dropped before any table runs (decision 18), and why."""

    reason: str


class Packet:
    """The fields of one frame as they are now, absent ones 0; `bits` is `present` as a plain int.

    Values must fit the field's width. `Packet()` is a dummy: no header, every field 0. `iface` is 0
    until the machine sets it. `frame` is what came in; `deparse` writes the fields back over it.
    What was pushed or popped is a new `frame`: see `nfverify.packet.tunnel`.
    """

    __slots__ = (
        *WIRE_VALUES,
        "size",
        *READ_ONLY,
        "bits",
        "frame",
        "type_at",
        "ip_at",
        "proto_at",
        "l4_at",
        "payload_at",
        "original",
        "under",
        "tunnels",
    )

    dmac: int
    smac: int
    ethertype: int
    vlan: int
    sip: int
    dip: int
    sip6: int
    dip6: int
    proto: int
    ttl: int
    tos: int
    iplen: int
    ip_id: int
    sport: int
    dport: int
    seq: int
    ack_no: int
    flag_fin: int
    flag_syn: int
    flag_rst: int
    flag_psh: int
    flag_ack: int
    flag_urg: int
    window: int
    icmp_type: int
    icmp_code: int
    icmp_id: int
    icmp_seq: int
    payload: bytes
    size: int
    vni: int
    iface: int
    IP4: int
    IP6: int
    L4: int
    FRAG: int
    bits: int
    frame: bytes
    type_at: int  # offsets in `frame`: the ethertype after the tags
    ip_at: int
    proto_at: int  # the byte that holds `proto`
    l4_at: int
    payload_at: int
    original: tuple[Any, ...]  # `wire_values` of the frame as it came in
    under: Packet | None  # what the outermost header was pushed in front of, as it was then
    tunnels: int  # headers that hold a packet and were pushed or popped

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)
        self.payload = self.frame = b""
        self.under = None
        self.original = wire_values(self)

    @property
    def present(self) -> Header:
        """The headers that the frame has; no write changes it."""
        return Header(self.bits)

    def copy(self) -> Packet:
        """A packet with the same fields, of the same frame, to be written independently."""
        other = Packet.__new__(Packet)
        other.dmac = self.dmac
        other.smac = self.smac
        other.ethertype = self.ethertype
        other.vlan = self.vlan
        other.sip = self.sip
        other.dip = self.dip
        other.sip6 = self.sip6
        other.dip6 = self.dip6
        other.proto = self.proto
        other.ttl = self.ttl
        other.tos = self.tos
        other.iplen = self.iplen
        other.ip_id = self.ip_id
        other.sport = self.sport
        other.dport = self.dport
        other.seq = self.seq
        other.ack_no = self.ack_no
        other.flag_fin = self.flag_fin
        other.flag_syn = self.flag_syn
        other.flag_rst = self.flag_rst
        other.flag_psh = self.flag_psh
        other.flag_ack = self.flag_ack
        other.flag_urg = self.flag_urg
        other.window = self.window
        other.icmp_type = self.icmp_type
        other.icmp_code = self.icmp_code
        other.icmp_id = self.icmp_id
        other.icmp_seq = self.icmp_seq
        other.payload = self.payload
        other.size = self.size
        other.vni = self.vni
        other.iface = self.iface
        other.IP4 = self.IP4
        other.IP6 = self.IP6
        other.L4 = self.L4
        other.FRAG = self.FRAG
        other.bits = self.bits
        other.frame = self.frame
        other.type_at = self.type_at
        other.ip_at = self.ip_at
        other.proto_at = self.proto_at
        other.l4_at = self.l4_at
        other.payload_at = self.payload_at
        other.original = self.original
        other.under = self.under
        other.tunnels = self.tunnels
        return other

    def __repr__(self) -> str:
        shown = [f"{n}={v!r}" for n in (*WIRE_VALUES, "size") if (v := getattr(self, n))]
        return f"<Packet {self.present!r} {' '.join(shown)}>"
