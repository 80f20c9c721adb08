"""Symbolic packets: one term for each field, one for each header's presence, and what is true of
every well-formed frame (semantics.md, decisions 8-10 and 18-20)."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from nfverify.equivalence.layers import (
    COUNT_WIDTH,
    ETHERNET,
    IPV4,
    LENGTH_WIDTH,
    MARK_WIDTH,
    MAX_FRAME,
    VID_WIDTH,
    VXLAN,
    Arrived,
    Inner,
    Layer,
    Tags,
    Tunnel,
    bytes_symbol,
    header_length,
)
from nfverify.equivalence.layers import SymbolicPacket as SymbolicPacket
from nfverify.equivalence.terms import BYTES_WIDTH, Term, Terms
from nfverify.packet.fields import FIELDS, Header

HEADERS = (
    Header.LINK, Header.VLAN, Header.IP4, Header.IP6, Header.TCP, Header.UDP, Header.ICMP,
    Header.FRAG,
)  # fmt: skip
_BITS = {"IP4": Header.IP4, "IP6": Header.IP6, "FRAG": Header.FRAG}
ETHERTYPE_IP4, ETHERTYPE_IP6 = 0x0800, 0x86DD
TPIDS = (0x8100, 0x88A8)
PROTO_IP4, PROTO_IP6 = 4, 41  # in IPv4
MOST_IPV4 = 60  # bytes of a header with options
VXLAN_PORT, VXLAN_BYTES = 4789, 8
LEAST_L4 = {Header.TCP: 20, Header.UDP: 8, Header.ICMP: 8}


def width_of(name: str) -> int:
    """Bits of the term that stands for a field."""
    return FIELDS[name].width or BYTES_WIDTH


def has_vxlan(prefix: str) -> str:
    """The symbol that says, of a frame to VXLAN's port, whether its header is there."""
    return f"{prefix}has_VXLAN"


def _bit_fields(terms: Terms, present: dict[Header, Term]) -> dict[str, Term]:
    fields = {name: terms.to_bits(present[header], 1) for name, header in _BITS.items()}
    l4 = terms.any(present[h] for h in LEAST_L4)
    fields["L4"] = terms.to_bits(l4, 1)
    return fields


def dummy_packet(terms: Terms, tags: dict[str, int]) -> SymbolicPacket:
    """What a timer submits: no headers, all fields 0, tags of its own."""
    present = dict.fromkeys(HEADERS, terms.false)
    fields = {name: terms.const(0, width_of(name)) for name in FIELDS}
    fields["payload"] = terms.string(b"")
    return SymbolicPacket(present, fields, {n: terms.const(v, 32) for n, v in tags.items()})


def arriving_packet(
    terms: Terms, prefix: str, ports: int, ip_only: bool, tunnels: bool = False
) -> tuple[SymbolicPacket, list[Term]]:
    """A packet of free fields, and what holds of every frame that is not malformed. With `tunnels`,
    headers can be pushed and popped; `inside_of` gathers more facts then."""
    present = {h: terms.var(f"{prefix}has_{h.name}", 0) for h in HEADERS}
    present[Header.LINK] = terms.true
    if ip_only:
        present[Header.IP4] = terms.not_(present[Header.IP6])
    captured = terms.var(f"{prefix}captured", LENGTH_WIDTH)
    packet, facts = _free(terms, prefix, present, captured)
    facts = [terms.compare("ult", packet.fields["iface"], terms.const(ports, 16)), *facts]
    if tunnels:
        return packet, [*facts, *_frame_facts(terms, packet)]
    return replace(packet, layer=None), facts


def _free(
    terms: Terms, prefix: str, present: dict[Header, Term], captured: Term, depth: int = 0
) -> tuple[SymbolicPacket, list[Term]]:
    fields: dict[str, Term] = {}
    for name, info in FIELDS.items():
        raw = terms.var(f"{prefix}{name}", width_of(name))
        if info.headers is Header.LINK:
            fields[name] = raw
        else:
            there = terms.any(present[h] for h in HEADERS if h & info.headers)
            fields[name] = terms.ite(there, raw, terms.const(0, raw.width))
    fields |= _bit_fields(terms, present)
    to_vxlan = terms.eq(fields["dport"], terms.const(VXLAN_PORT, 16))
    vxlan = terms.all((present[Header.UDP], to_vxlan, terms.var(has_vxlan(prefix), 0)))
    fields["vni"] = terms.ite(vxlan, fields["vni"], terms.const(0, width_of("vni")))
    layer = _free_layer(terms, prefix, present, fields, vxlan, captured, depth)
    packet = SymbolicPacket(present, fields, {}, layer)
    assert packet.arrived is not None
    packet.arrived.frame = packet
    return packet, _well_formed(terms, present, fields)


def _free_layer(
    terms: Terms,
    prefix: str,
    present: dict[Header, Term],
    fields: dict[str, Term],
    vxlan: Term,
    captured: Term,
    depth: int,
) -> Layer:
    vlan = present[Header.VLAN]
    second = terms.and_(vlan, terms.var(f"{prefix}second_tag", 0))

    def where(there: Term, name: str, width: int) -> Term:
        return terms.ite(there, terms.var(f"{prefix}{name}", width), terms.const(0, width))

    tags = Tags(
        where(vlan, "mark", MARK_WIDTH),
        second,
        where(second, "second_vid", VID_WIDTH),
        where(second, "second_mark", MARK_WIDTH),
        terms.and_(second, is_tag(terms, fields["ethertype"])),
    )
    return Layer(
        tags,
        fields["proto"],
        fields["size"],
        fields["payload"],
        vxlan,
        captured,
        bytes_symbol(terms, f"{prefix}rest"),
        terms.const(0, COUNT_WIDTH),
        ((terms.true, Arrived(prefix, depth)),),
    )


def is_tag(terms: Terms, ethertype: Term) -> Term:
    """Is it the TPID of a tag?"""
    return terms.any(terms.eq(ethertype, terms.const(tpid, 16)) for tpid in TPIDS)


def _frame_facts(terms: Terms, packet: SymbolicPacket) -> list[Term]:
    """What holds of the rest of a frame."""
    layer, ethertype = packet.layer, packet.fields["ethertype"]
    assert layer is not None
    tags = layer.tags
    with_vni = terms.binary("add", least_size(terms, packet.present), terms.const(VXLAN_BYTES, 17))
    return [
        terms.compare("ule", header_length(terms, packet), layer.captured),
        terms.compare("ult", layer.captured, terms.const(MAX_FRAME, LENGTH_WIDTH)),
        terms.implies(is_tag(terms, ethertype), tags.second),
        terms.implies(layer.vxlan, terms.compare("ule", with_vni, layer.size)),
    ]


def inside_of(terms: Terms, arrived: Arrived, kind: Tunnel) -> Inner:
    """The packet behind a header of a frame as it came in; made only once. Its Ethernet addresses
    and tags are only its own behind VXLAN."""
    if kind in arrived.inner:
        return arrived.inner[kind]
    outer = arrived.frame
    layer, prefix = outer.layer, f"{arrived.name}{kind}."
    assert layer is not None
    valid = terms.var(f"{prefix}valid", 0)
    header = terms.var(f"{prefix}header", LENGTH_WIDTH)
    captured = terms.binary("sub", layer.captured, header)
    present = {h: terms.var(f"{prefix}has_{h.name}", 0) for h in HEADERS}
    present[Header.LINK] = terms.true
    if kind == "ipip":
        present[Header.VLAN] = terms.false
        present[Header.IP6] = terms.eq(layer.proto, terms.const(PROTO_IP6, 8))
        present[Header.IP4] = terms.not_(present[Header.IP6])
    else:
        captured = terms.var(f"{prefix}captured", LENGTH_WIDTH)
    packet, facts = _free(terms, prefix, present, captured, arrived.depth + 1)
    packet.fields["iface"] = outer.fields["iface"]
    facts += _frame_facts(terms, packet)
    assert packet.layer is not None
    size = terms.resize(layer.size, LENGTH_WIDTH, False)
    if kind == "ipip":
        least, most = IPV4, MOST_IPV4
        wire = terms.resize(packet.layer.size, LENGTH_WIDTH, False)
        facts.append(terms.compare("ule", terms.binary("add", wire, header), size))
    else:
        least, most = ETHERNET + VXLAN, MAX_FRAME
        whole = terms.binary("add", captured, terms.const(VXLAN, LENGTH_WIDTH))
        facts.append(terms.compare("ule", whole, size))
        whole = terms.binary("add", captured, header)
        facts.append(terms.compare("ule", whole, layer.captured))
    facts += [
        terms.compare("ule", terms.const(least, LENGTH_WIDTH), header),
        terms.compare("ule", header, terms.const(most, LENGTH_WIDTH)),
        terms.compare("ule", header, layer.captured),
        popped_there(terms, kind, outer),
    ]
    guarded = tuple(terms.implies(valid, fact) for fact in facts)
    assert packet.arrived is not None
    found = Inner(valid, packet, header, packet.arrived, guarded)
    arrived.inner[kind] = found
    return found


def popped_there(terms: Terms, kind: Tunnel, packet: SymbolicPacket) -> Term:
    """Has a frame, as it was parsed, the header that `pop` takes off?"""
    layer = packet.layer
    assert layer is not None
    if kind == "vxlan":
        there = layer.vxlan
    else:
        numbers = (terms.const(n, 8) for n in (PROTO_IP4, PROTO_IP6))
        there = terms.any(terms.eq(layer.proto, n) for n in numbers)
        there = terms.and_(packet.present[Header.IP4], there)
    return terms.and_(there, terms.not_(packet.present[Header.FRAG]))


def _well_formed(terms: Terms, present: dict[Header, Term], fields: dict[str, Term]) -> list[Term]:
    def same(name: str, value: int) -> Term:
        return terms.eq(fields[name], terms.const(value, width_of(name)))

    ip4, ip6, frag = present[Header.IP4], present[Header.IP6], present[Header.FRAG]
    tcp, udp, icmp = present[Header.TCP], present[Header.UDP], present[Header.ICMP]
    ip = terms.or_(ip4, ip6)
    is_icmp = terms.or_(terms.and_(ip4, same("proto", 1)), terms.and_(ip6, same("proto", 58)))
    protocol = {tcp: same("proto", 6), udp: same("proto", 17), icmp: is_icmp}
    facts = [
        terms.not_(terms.and_(ip4, ip6)),
        terms.implies(frag, ip),
        terms.implies(ip4, same("ethertype", ETHERTYPE_IP4)),
        terms.implies(ip6, same("ethertype", ETHERTYPE_IP6)),
        terms.implies(same("ethertype", ETHERTYPE_IP4), ip),
        terms.implies(same("ethertype", ETHERTYPE_IP6), ip),
    ]
    for there, says in protocol.items():
        # A later fragment has no L4 header; whether a fragment is the first is free.
        facts.append(terms.implies(there, terms.and_(ip, says)))
        facts.append(terms.implies(terms.all((ip, says, terms.not_(frag))), there))
    size = fields["size"]
    least = least_size(terms, present)
    most = terms.ite(ip4, terms.const(65535, 17), terms.const(65575, 17))
    facts += [
        terms.implies(ip, terms.compare("ule", least, size)),
        terms.implies(ip, terms.compare("ule", size, most)),
        terms.implies(ip4, terms.eq(terms.resize(fields["iplen"], 17, False), size)),
    ]
    return facts


def least_size(terms: Terms, present: dict[Header, Term]) -> Term:
    """Bytes of the IP and L4 headers without options, of a frame that has them."""
    return reduce(
        lambda total, header: terms.binary(
            "add",
            total,
            terms.ite(present[header], terms.const(LEAST_L4[header], 17), terms.const(0, 17)),
        ),
        LEAST_L4,
        terms.ite(present[Header.IP4], terms.const(20, 17), terms.const(40, 17)),
    )
