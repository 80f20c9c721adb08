"""`push` and `pop` as the engines run them: the bytes are `nfverify.packet.tunnel`'s."""

from __future__ import annotations

from nfverify.packet import tunnel
from nfverify.packet.fields import FLOW_FIELDS
from nfverify.packet.packet import Packet
from nfverify.semantics.operators import hash_of
from nfverify.semantics.values import number
from nfverify.smat.ir import HeaderKind, Value, field_type

FIRST_PORT = 49152  # of those that VXLAN's source ports are taken from (RFC 7348, section 5)
_flow_hash = hash_of(tuple(map(field_type, FLOW_FIELDS)))


def push(packet: Packet, kind: HeaderKind, *args: Value) -> str | None:
    """Puts a header in front; the counter of what drops the packet for good, None if nothing."""
    match kind, [number(arg) for arg in args]:
        case "vlan", [vid]:
            return tunnel.push_vlan(packet, vid)
        case "ipip", [sip, dip]:
            return tunnel.push_ipip(packet, sip, dip)
        case "vxlan", [sip, dip, vni]:
            return tunnel.push_vxlan(packet, sip, dip, vni, _source_port(packet))
    raise AssertionError(f"push {kind} of {len(args)} arguments")


def pop(packet: Packet, kind: HeaderKind) -> str | None:
    """As `push`, of the outermost header."""
    match kind:
        case "vlan":
            return tunnel.pop_vlan(packet)
        case "ipip":
            return tunnel.pop_ipip(packet)
        case "vxlan":
            return tunnel.pop_vxlan(packet)


def _source_port(packet: Packet) -> int:
    """By the packet's flow as it is now, as `hash(f)`."""
    flow = (getattr(packet, name) for name in FLOW_FIELDS)
    return FIRST_PORT + number(_flow_hash(*flow)) % (1 << 14)
