"""Symbolic packets: one term for each field, one for each header's presence, and what is true of
every well-formed frame (semantics.md, decisions 8-10 and 18-20)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from nfverify.equivalence.terms import BYTES_WIDTH, Term, Terms
from nfverify.packet.fields import FIELDS, Header

HEADERS = (
    Header.LINK, Header.VLAN, Header.IP4, Header.IP6, Header.TCP, Header.UDP, Header.ICMP,
    Header.FRAG,
)  # fmt: skip
_BITS = {"IP4": Header.IP4, "IP6": Header.IP6, "FRAG": Header.FRAG}
ETHERTYPE_IP4, ETHERTYPE_IP6 = 0x0800, 0x86DD
LEAST_L4 = {Header.TCP: 20, Header.UDP: 8, Header.ICMP: 8}


@dataclass(frozen=True, slots=True)
class SymbolicPacket:
    """`fields` are as they are now; `present` never changes on the way."""

    present: dict[Header, Term]
    fields: dict[str, Term]
    tags: dict[str, Term]

    def has(self, terms: Terms, headers: Header) -> Term:
        """Has the packet any of these headers?"""
        return terms.any(self.present[h] for h in HEADERS if h & headers)


def width_of(name: str) -> int:
    """Bits of the term that stands for a field."""
    return FIELDS[name].width or BYTES_WIDTH


def _bit_fields(terms: Terms, present: dict[Header, Term]) -> dict[str, Term]:
    fields = {name: terms.to_bits(present[header], 1) for name, header in _BITS.items()}
    l4 = terms.any(present[h] for h in LEAST_L4)
    fields["L4"] = terms.to_bits(l4, 1)
    return fields


def dummy_packet(terms: Terms, tags: dict[str, int]) -> SymbolicPacket:
    """What a timer submits: no headers, all fields 0, tags of its own."""
    present = dict.fromkeys(HEADERS, terms.false)
    fields = {name: terms.const(0, width_of(name)) for name in FIELDS}
    return SymbolicPacket(present, fields, {n: terms.const(v, 32) for n, v in tags.items()})


def arriving_packet(
    terms: Terms, prefix: str, ports: int, ip_only: bool
) -> tuple[SymbolicPacket, list[Term]]:
    """A packet of free fields, and what holds of every frame that is not malformed."""
    present = {h: terms.var(f"{prefix}has_{h.name}", 0) for h in HEADERS}
    present[Header.LINK] = terms.true
    if ip_only:
        present[Header.IP4] = terms.not_(present[Header.IP6])
    fields: dict[str, Term] = {}
    for name, info in FIELDS.items():
        raw = terms.var(f"{prefix}{name}", width_of(name))
        if info.headers is Header.LINK:
            fields[name] = raw
        else:
            there = terms.any(present[h] for h in HEADERS if h & info.headers)
            fields[name] = terms.ite(there, raw, terms.const(0, raw.width))
    fields |= _bit_fields(terms, present)
    facts = _well_formed(terms, present, fields, ports)
    return SymbolicPacket(present, fields, {}), facts


def _well_formed(
    terms: Terms, present: dict[Header, Term], fields: dict[str, Term], ports: int
) -> list[Term]:
    def same(name: str, value: int) -> Term:
        return terms.eq(fields[name], terms.const(value, width_of(name)))

    ip4, ip6, frag = present[Header.IP4], present[Header.IP6], present[Header.FRAG]
    tcp, udp, icmp = present[Header.TCP], present[Header.UDP], present[Header.ICMP]
    ip = terms.or_(ip4, ip6)
    is_icmp = terms.or_(terms.and_(ip4, same("proto", 1)), terms.and_(ip6, same("proto", 58)))
    protocol = {tcp: same("proto", 6), udp: same("proto", 17), icmp: is_icmp}
    facts = [
        terms.compare("ult", fields["iface"], terms.const(ports, 16)),
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
    least = reduce(
        lambda total, header: terms.binary(
            "add",
            total,
            terms.ite(present[header], terms.const(LEAST_L4[header], 17), terms.const(0, 17)),
        ),
        LEAST_L4,
        terms.ite(ip4, terms.const(20, 17), terms.const(40, 17)),
    )
    most = terms.ite(ip4, terms.const(65535, 17), terms.const(65575, 17))
    facts += [
        terms.implies(ip, terms.compare("ule", least, size)),
        terms.implies(ip, terms.compare("ule", size, most)),
        terms.implies(ip4, terms.eq(terms.resize(fields["iplen"], 17, False), size)),
    ]
    return facts
