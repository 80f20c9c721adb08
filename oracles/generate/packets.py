"""Packets made of other packets: changed in a field, reversed, moved in time."""

from __future__ import annotations

from collections.abc import Mapping

from nfverify.equivalence.reach.script import Loop, Script, expand
from nfverify.equivalence.simulate import Arrival, make_packet
from nfverify.oracles.trace import Event, Trace
from nfverify.packet.codec import deparse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import IP4, IP6, Packet

DERIVED = frozenset(("iplen", "size", "payload", "ethertype", "proto"))
"""What follows from the headers and the payload that a packet has."""
_ENDS = (("sip", "dip"), ("sip6", "dip6"), ("sport", "dport"), ("smac", "dmac"))


def values_of(packet: Packet) -> dict[str, int]:
    """The fields on the wire but the payload, by name."""
    return {n: getattr(packet, n) for n, f in FIELDS.items() if f.on_wire and f.width}


def changed(
    packet: Packet, values: Mapping[str, int], payload: bytes | None = None
) -> Packet | None:
    """A packet of the same headers with other fields; None if no frame has them."""
    payload = packet.payload if payload is None else payload
    return make_packet(packet.present, values_of(packet) | dict(values), payload)


def reversed_packet(packet: Packet) -> Packet | None:
    """From the destination to the source; a TCP SYN is answered by SYN and ACK, an echo request by
    its reply."""
    values = values_of(packet)
    for a, b in _ENDS:
        values[a], values[b] = values[b], values[a]
    if packet.flag_syn and not packet.flag_ack:
        values["flag_ack"] = 1
    if packet.icmp_type == 8 and packet.bits & IP4:
        values["icmp_type"] = 0
    elif packet.icmp_type == 128 and packet.bits & IP6:
        values["icmp_type"] = 129
    return make_packet(packet.present, values, packet.payload)


def ends(script: Script) -> tuple[int, Arrival]:
    """The time of the last packet of a script, and that packet."""
    last = script[-1]
    if isinstance(last, Loop):
        last = last.repetition(last.count - 1)
    return last.time, last


def events(script: Script) -> Trace:
    """The frames of a script, its loops written out."""
    return tuple(Event(a.time, a.port, deparse(a.packet)) for a in expand(script))
