"""From a solver's model to a frame, tags and tunnels too; and what holds of such frames only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nfverify.equivalence.layers import (
    IPV4,
    LENGTH_WIDTH,
    SIZE_WIDTH,
    Inner,
    SymbolicPacket,
    Tunnel,
    header_length,
)
from nfverify.equivalence.packets import (
    HEADERS,
    LEAST_L4,
    VXLAN_BYTES,
    is_tag,
    popped_there,
)
from nfverify.equivalence.terms import Term, Terms
from nfverify.equivalence.wrapping import tag_bytes
from nfverify.packet.codec import build, parse
from nfverify.packet.fields import FIELDS, IP, Header
from nfverify.packet.packet import Malformed

LONGEST = 70_000  # bytes of a frame, what is behind its packet too
ADDRESSES = 12  # bytes of both
HAS_VNI = b"\x08\0\0\0"  # how a VXLAN header begins

Value = Callable[[Term], int | bool]
Payload = Callable[[SymbolicPacket, int], bytes | None]
"""What is known of a packet's payload, of so many bytes."""


def least_size(terms: Terms, packet: SymbolicPacket) -> Term:
    """IP, extension and L4 header bytes of the frames that `build` makes, without options."""
    proto = packet.fields["proto"]
    extension = terms.any(terms.eq(proto, terms.const(p, 8)) for p in (0, 43, 44, 60))

    def const(value: int) -> Term:
        return terms.const(value, SIZE_WIDTH)

    # A ninth extension header is the payload's first: its number stands in `proto`.
    whole = terms.ite(extension, const(104), const(40))
    six = terms.ite(packet.present[Header.FRAG], const(48), whole)
    least = terms.ite(packet.present[Header.IP6], six, const(20))
    for header, length in LEAST_L4.items():
        least = terms.binary(
            "add", least, terms.ite(packet.present[header], const(length), const(0))
        )
    return least


def plain_size(terms: Terms, packet: SymbolicPacket) -> Term:
    """The size of an IP packet whose payload is what it must be: a tunnel's, else nothing."""
    size = least_size(terms, packet)
    for there, held in _held(terms, packet):
        size = terms.ite(there, terms.binary("add", size, held), size)
    return size


def plain_captured(terms: Terms, packet: SymbolicPacket) -> Term:
    """The length of a frame with nothing behind its packet."""
    assert packet.layer is not None
    size = terms.resize(packet.layer.size, LENGTH_WIDTH, False)
    return terms.binary("add", header_length(terms, packet), size)


def _held(terms: Terms, packet: SymbolicPacket) -> Iterator[tuple[Term, Term]]:
    """Conditions that exclude each other, and the bytes behind the headers."""
    if packet.arrived is None or packet.layer is None:
        return
    eight = terms.const(VXLAN_BYTES, SIZE_WIDTH)
    if "vxlan" not in packet.arrived.inner:
        yield packet.layer.vxlan, eight
    nothing = terms.const(0, SIZE_WIDTH)
    for kind, inner in packet.arrived.inner.items():
        there = popped_there(terms, kind, packet)
        before = eight if kind == "vxlan" else nothing
        held = terms.binary("add", before, _inside_size(terms, kind, inner))
        yield there, terms.ite(inner.valid, held, before)
        if kind == "vxlan":
            fragment = terms.and_(packet.layer.vxlan, terms.not_(there))
            yield fragment, eight


def _inside_size(terms: Terms, kind: Tunnel, inner: Inner) -> Term:
    layer = inner.packet.layer
    assert layer is not None
    if kind == "ipip":
        return layer.size
    return terms.resize(layer.captured, SIZE_WIDTH, False)


def realisable(terms: Terms, packet: SymbolicPacket) -> list[Term]:
    """What holds of the frames that can be built (beyond what holds of all frames)."""
    whole = _whole(terms, packet) if packet.arrived is not None else ()
    return [*_plain(terms, packet), *whole]


def _plain(terms: Terms, packet: SymbolicPacket) -> Iterator[Term]:
    ip = packet.has(terms, IP)
    size, least = packet.fields["size"], least_size(terms, packet)
    empty = terms.eq(packet.fields["payload"], terms.string(b""))
    tags = is_tag(terms, packet.fields["ethertype"])
    yield terms.implies(terms.and_(terms.not_(ip), tags), packet.present[Header.VLAN])
    for there in LEAST_L4:
        yield terms.implies(packet.present[there], ip)
    yield terms.implies(ip, terms.compare("ule", least, size))
    yield terms.implies(terms.and_(ip, terms.eq(size, least)), empty)


def _whole(terms: Terms, packet: SymbolicPacket, *, inside: bool = False) -> Iterator[Term]:
    """Headers are whole, and tunnels hold just what is in them."""
    layer, arrived = packet.layer, packet.arrived
    assert layer is not None
    assert arrived is not None
    vxlan, nothing = terms.const(VXLAN_BYTES, SIZE_WIDTH), terms.const(0, SIZE_WIDTH)
    least = least_size(terms, packet)
    least = terms.binary("add", least, terms.ite(layer.vxlan, vxlan, nothing))
    ip = packet.has(terms, IP)
    yield terms.implies(ip, terms.compare("ule", least, layer.size))
    if not inside:
        body = terms.resize(terms.ite(ip, least, nothing), LENGTH_WIDTH, False)
        headers = terms.binary("add", header_length(terms, packet), body)
        yield terms.compare("ule", headers, layer.captured)
        yield terms.compare("ule", layer.captured, terms.const(LONGEST, LENGTH_WIDTH))
    for kind, inner in arrived.inner.items():
        there = popped_there(terms, kind, packet)
        yield terms.implies(there, terms.eq(layer.size, plain_size(terms, packet)))
        whole = plain_captured(terms, packet)
        yield terms.implies(there, terms.compare("ule", whole, layer.captured))
        valid = terms.and_(there, inner.valid)
        if kind == "ipip":
            header: Term = terms.const(IPV4, LENGTH_WIDTH)
        else:
            header = terms.resize(least, LENGTH_WIDTH, False)
            header = terms.binary("add", header_length(terms, packet), header)
        yield terms.implies(valid, terms.eq(inner.header, header))
        facts = [
            *_plain(terms, inner.packet),
            *_whole(terms, inner.packet, inside=kind == "ipip"),
        ]
        yield from (terms.implies(valid, fact) for fact in facts)


def frame_of(terms: Terms, packet: SymbolicPacket, value: Value, payload: Payload) -> bytes:
    """The frame of a packet as it arrived, by the values of a model. ValueError if there is
    none."""
    present = Header.LINK
    for header in HEADERS:
        if value(packet.present[header]):
            present |= header
    values: dict[str, int | bytes] = {}
    for name, info in FIELDS.items():
        if info.headers & present and info.writable and info.on_wire and name != "payload":
            values[name] = int(value(packet.fields[name]))
    if present & IP:
        values["size"] = int(value(packet.fields["size"]))
    data = _tunnelled(terms, packet, value, payload) if packet.arrived is not None else None
    body = data if data is not None else _cut(terms, packet, value)
    if body is not None and present & IP:
        values["payload"] = body
    frame = build(present, values)
    found = parse(frame)
    if isinstance(found, Malformed):
        raise ValueError(found.reason)
    known = payload(packet, len(found.payload)) if present & IP else None
    if known is not None and data is None:
        values["payload"] = known
        frame = build(present, values)
    elif known is not None and known != data:
        raise ValueError("a tunnel with a payload of its own")
    return frame if packet.layer is None else _with_tags(packet, value, frame)


def _cut(terms: Terms, packet: SymbolicPacket, value: Value) -> bytes | None:
    """What is left of the payload of a frame that is shorter than its packet; None if it isn't."""
    if packet.layer is None or value(plain_captured(terms, packet)) <= value(packet.layer.captured):
        return None
    headers = int(value(header_length(terms, packet))) + int(value(least_size(terms, packet)))
    return bytes(int(value(packet.layer.captured)) - headers)


def _tunnelled(
    terms: Terms, packet: SymbolicPacket, value: Value, payload: Payload
) -> bytes | None:
    """The payload of a tunnel, None where there is none."""
    layer, arrived = packet.layer, packet.arrived
    assert layer is not None
    assert arrived is not None
    vni = HAS_VNI + int(value(packet.fields["vni"])).to_bytes(3, "big") + b"\0"
    start = vni if value(layer.vxlan) else b""
    for kind, inner in arrived.inner.items():
        if not value(popped_there(terms, kind, packet)):
            continue
        if not value(inner.valid):
            return start
        frame = frame_of(terms, inner.packet, value, payload)
        if kind == "vxlan":
            return start + frame
        found = parse(frame)
        assert not isinstance(found, Malformed)
        return frame[found.ip_at : found.ip_at + found.size]
    cut = _cut(terms, packet, value)
    size = int(value(layer.size)) - int(value(least_size(terms, packet)))
    return start.ljust(size if cut is None else len(cut), b"\0") if start else None


def _with_tags(packet: SymbolicPacket, value: Value, frame: bytes) -> bytes:
    """The frame with the tags that the model says."""
    layer = packet.layer
    assert layer is not None
    found = parse(frame)
    if isinstance(found, Malformed):
        raise ValueError(found.reason)
    mark, second, second_vid, second_mark, _ = (int(value(t)) for t in layer.tags.terms())
    tags = b""
    if value(packet.present[Header.VLAN]):
        tags = tag_bytes(mark, int(value(packet.fields["vlan"])))
    if second:
        tags += tag_bytes(second_mark, second_vid)
    frame = frame[:ADDRESSES] + tags + frame[found.type_at :]
    return frame.ljust(int(value(layer.captured)), b"\0")
