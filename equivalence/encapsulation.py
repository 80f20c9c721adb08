"""Headers pushed and popped on symbolic packets, as nfverify.packet.tunnel does on real ones.

A push keeps the packet as it is, and its bytes become an uninterpreted function of all that it has.
A pop brings back what was pushed; what had arrived inside is free. What neither of them is (the
payload was written to, a timer held the packet) is Unsupported where it can happen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, assert_never

from nfverify.equivalence.expressions import words
from nfverify.equivalence.layers import (
    COUNT_WIDTH,
    ETHERNET,
    IPV4,
    LENGTH_WIDTH,
    MARK_WIDTH,
    SIZE_WIDTH,
    TAG,
    VID_WIDTH,
    VXLAN,
    Arrived,
    Inside,
    Layer,
    Opaque,
    Pushed,
    SymbolicPacket,
    Tags,
    Tunnel,
    header_length,
    merge_packets,
    no_tags,
)
from nfverify.equivalence.packets import (
    ETHERTYPE_IP4,
    ETHERTYPE_IP6,
    HEADERS,
    PROTO_IP4,
    PROTO_IP6,
    VXLAN_PORT,
    inside_of,
    popped_there,
    width_of,
)
from nfverify.equivalence.state import Unsupported
from nfverify.equivalence.terms import BYTES_WIDTH, Term, Terms
from nfverify.lang.source import Span
from nfverify.packet.fields import FIELDS, FLOW_FIELDS, IP, Header
from nfverify.packet.tunnel import MAX_TUNNELS
from nfverify.smat import ir

LARGEST = 0xFFFF  # bytes of an IPv4 packet
FIRST_PORT, PORT_BITS = 49152, 0x3FFF  # UDP source ports of VXLAN, by the flow inside
LINK_FIELDS = ("dmac", "smac", "vlan")  # of Ethernet, beside the ethertype
INNER_HEADERS = tuple(h for h in HEADERS if h is not Header.LINK)
ON_WIRE = tuple(n for n, f in FIELDS.items() if f.on_wire)
IP_FIELDS = tuple(n for n in ON_WIRE if not FIELDS[n].headers & (Header.LINK | Header.VLAN))


@dataclass(frozen=True, slots=True)
class Changed:
    """The packet afterwards, and when it drops for good instead, by counter."""

    packet: SymbolicPacket
    faults: tuple[tuple[Term, str], ...] = ()


class Encapsulation(Protocol):
    """How an executor pushes and pops headers. `guard` only serves feasibility."""

    def push(
        self, packet: SymbolicPacket, node: ir.Push, args: Sequence[Term], guard: Term
    ) -> Changed: ...

    def pop(self, packet: SymbolicPacket, node: ir.Pop, guard: Term) -> Changed: ...


@dataclass(frozen=True, slots=True)
class Layers:
    """By layers of symbols."""

    terms: Terms
    feasible: Callable[[Term], bool]

    def push(
        self, packet: SymbolicPacket, node: ir.Push, args: Sequence[Term], guard: Term
    ) -> Changed:
        """Raises Unsupported for a packet that wasn't made for it."""
        if packet.present[Header.LINK] is self.terms.false:
            return Changed(packet)  # a timer's own
        layer = _layer(packet, node.span)
        if node.kind == "vlan":
            return self._push_tag(packet, layer, args[0])
        terms = self.terms
        there = packet.has(terms, IP) if node.kind == "ipip" else terms.true
        deep = self._possible(guard, terms.and_(there, self._deep(layer)))
        wire = self._wire_size(packet, layer)
        if node.kind == "ipip":
            size = _plus(terms, wire, IPV4)
        else:
            whole = terms.binary("add", header_length(terms, packet), wire)
            longer = terms.and_(packet.has(terms, IP), terms.compare("ult", layer.captured, whole))
            size = _plus(terms, terms.ite(longer, whole, layer.captured), VXLAN)
        fits = terms.compare("ule", size, terms.const(LARGEST, LENGTH_WIDTH))
        big = self._possible(guard, terms.all((there, terms.not_(deep), terms.not_(fits))))
        taken = terms.all((there, terms.not_(deep), terms.not_(big)))
        make = self._ipip if node.kind == "ipip" else self._vxlan
        outer = make(packet, layer, args, size)
        after = merge_packets(terms, packet, [(taken, outer)])
        return Changed(after, ((deep, "too_deep"), (big, "too_big")))

    def pop(self, packet: SymbolicPacket, node: ir.Pop, guard: Term) -> Changed:
        """Raises Unsupported if something may be inside that can't be known."""
        terms = self.terms
        if packet.present[Header.LINK] is terms.false:
            return Changed(packet)
        layer = _layer(packet, node.span)
        if node.kind == "vlan":
            return self._pop_tag(packet, layer)
        there = popped_there(terms, node.kind, packet)
        deep = self._possible(guard, terms.and_(there, self._deep(layer)))
        taken = terms.and_(there, terms.not_(deep))
        as_was = terms.eq(packet.fields["payload"], layer.payload)
        self._refuse(terms.all((guard, taken, terms.not_(as_was))), "pop", node)
        branches: list[tuple[Term, SymbolicPacket]] = []
        malformed: list[Term] = []
        for condition, inside in layer.inside:
            if _impossible(inside, node.kind):
                continue
            here = self._possible(guard, terms.and_(taken, condition))
            if here is terms.false:
                continue
            left = terms.and_(condition, terms.not_(taken))
            if self._possible(guard, left) is terms.false:
                here = condition  # the very condition of the push, so that both cancel out
            found = self._inner(packet, inside, node.kind)
            if found is None:
                self._refuse(terms.and_(guard, here), "pop", node)
                continue
            valid, inner = found
            malformed.append(terms.and_(here, terms.not_(valid)))
            branches.append((terms.and_(here, valid), inner))
        after = merge_packets(terms, packet, branches)
        return Changed(after, ((deep, "too_deep"), (terms.any(malformed), "malformed_inner")))

    def _refuse(self, condition: Term, what: str, node: ir.Push | ir.Pop) -> None:
        if condition is not self.terms.false and self.feasible(condition):
            raise Unsupported(
                f"`{what} {node.kind}` of a packet whose payload was written to or that was held",
                node.span,
            )

    def _possible(self, guard: Term, condition: Term) -> Term:
        """The condition, or false where it can't hold."""
        if condition.is_const or self.feasible(self.terms.and_(guard, condition)):
            return condition
        return self.terms.false

    def _deep(self, layer: Layer) -> Term:
        return self.terms.eq(layer.count, self.terms.const(MAX_TUNNELS, COUNT_WIDTH))

    # Tags -----------------------------------------------------------------------------------

    def _push_tag(self, packet: SymbolicPacket, layer: Layer, vid: Term) -> Changed:
        terms, tags = self.terms, layer.tags
        tagged = packet.present[Header.VLAN]
        none = terms.const(0, MARK_WIDTH)
        more = Tags(none, tagged, packet.fields["vlan"], tags.mark, terms.false)
        after = packet.fork()
        after.fields["vlan"] = terms.resize(vid, VID_WIDTH, False)
        after = SymbolicPacket(
            packet.present | {Header.VLAN: terms.true},
            after.fields,
            after.tags,
            replace(layer, tags=more, captured=_plus(terms, layer.captured, TAG)),
        )
        merged = merge_packets(terms, packet, [(terms.not_(tags.second), after)])
        return Changed(merged, ((tags.second, "too_deep"),))

    def _pop_tag(self, packet: SymbolicPacket, layer: Layer) -> Changed:
        terms, tags = self.terms, layer.tags
        tagged = packet.present[Header.VLAN]
        deep = terms.and_(tagged, tags.more)
        none = no_tags(terms)
        fewer = replace(none, mark=tags.second_mark)
        after = packet.fork()
        after.fields["vlan"] = tags.second_vid
        after = SymbolicPacket(
            packet.present | {Header.VLAN: tags.second},
            after.fields,
            after.tags,
            replace(layer, tags=fewer, captured=_plus(terms, layer.captured, -TAG)),
        )
        taken = terms.and_(tagged, terms.not_(deep))
        return Changed(merge_packets(terms, packet, [(taken, after)]), ((deep, "too_deep"),))

    # Pushing --------------------------------------------------------------------------------

    def _wire_size(self, packet: SymbolicPacket, layer: Layer) -> Term:
        """Bytes of the IP packet as its frame says; IPv6's length field is no field."""
        terms = self.terms
        four = terms.resize(packet.fields["iplen"], LENGTH_WIDTH, False)
        six = terms.resize(layer.size, LENGTH_WIDTH, False)
        return terms.ite(packet.present[Header.IP4], four, six)

    def _ipip(
        self, packet: SymbolicPacket, layer: Layer, args: Sequence[Term], size: Term
    ) -> SymbolicPacket:
        terms = self.terms
        numbers = (terms.const(n, 8) for n in (PROTO_IP4, PROTO_IP6))
        proto = terms.ite(packet.present[Header.IP4], *numbers)
        headers = (Header.LINK, Header.VLAN)
        fields = {n: packet.fields[n] for n in LINK_FIELDS}
        outer, about = self._ipv4(packet, headers, fields, proto, size, args), self._about(packet)
        return self._around(
            outer, "ipip", packet, _plus(terms, layer.captured, IPV4), about, layer.tags
        )

    def _vxlan(
        self, packet: SymbolicPacket, layer: Layer, args: Sequence[Term], size: Term
    ) -> SymbolicPacket:
        terms = self.terms
        flow = [w for name in FLOW_FIELDS for w in words(terms, packet.fields[name])]
        number = terms.uf(f"hash{len(flow)}", flow, 32)
        low = terms.binary("and", number, terms.const(PORT_BITS, 32))
        port = terms.binary("add", low, terms.const(FIRST_PORT, 32))
        fields = {n: packet.fields[n] for n in ("dmac", "smac")} | {
            "sport": terms.resize(port, 16, False),
            "dport": terms.const(VXLAN_PORT, 16),
            "vni": terms.resize(args[2], width_of("vni"), False),
            "L4": terms.const(1, 1),
        }
        outer = self._ipv4(packet, (Header.LINK,), fields, terms.const(17, 8), size, args)
        outer.present[Header.UDP] = terms.true
        about = [fields["vni"], *self._about(packet, link=True)]
        captured = _plus(terms, layer.captured, ETHERNET + VXLAN)
        return self._around(outer, "vxlan", packet, captured, about, no_tags(terms))

    def _ipv4(
        self,
        packet: SymbolicPacket,
        headers: Sequence[Header],
        fields: dict[str, Term],
        proto: Term,
        size: Term,
        args: Sequence[Term],
    ) -> SymbolicPacket:
        terms = self.terms
        made = {name: terms.const(0, width_of(name)) for name in FIELDS} | fields
        made |= {
            "iface": packet.fields["iface"],
            "ethertype": terms.const(ETHERTYPE_IP4, 16),
            "IP4": terms.const(1, 1),
            "sip": args[0],
            "dip": args[1],
            "proto": proto,
            "ttl": terms.const(64, 8),
            "tos": packet.fields["tos"],
            "iplen": terms.resize(size, 16, False),
            "size": terms.resize(size, SIZE_WIDTH, False),
        }
        present = dict.fromkeys(HEADERS, terms.false) | {h: packet.present[h] for h in headers}
        present[Header.IP4] = terms.true
        return SymbolicPacket(present, made, dict(packet.tags))

    def _about(self, packet: SymbolicPacket, link: bool = False) -> list[Term]:
        """All that the bytes of a packet, or of its whole frame, depend on."""
        layer = packet.layer
        assert layer is not None
        fields = ON_WIRE if link else IP_FIELDS
        headers = [h for h in INNER_HEADERS if link or h is not Header.VLAN]
        return [
            *[self.terms.to_bits(packet.present[h], 1) for h in headers],
            *[packet.fields[n] for n in fields],
            *([self.terms.to_bits(t, 1) if not t.width else t for t in layer.tags.terms()] * link),
            layer.rest,
        ]

    def _around(
        self,
        outer: SymbolicPacket,
        kind: Tunnel,
        inner: SymbolicPacket,
        captured: Term,
        about: Sequence[Term],
        tags: Tags,
    ) -> SymbolicPacket:
        """The packet with its payload, and what is known of it."""
        terms, layer = self.terms, inner.layer
        assert layer is not None
        payload = terms.uf(f"bytes in {kind}", about, BYTES_WIDTH)
        outer.fields["payload"] = payload
        rest = terms.uf(f"rest around {kind}", about, BYTES_WIDTH)
        made = Layer(
            tags,
            outer.fields["proto"],
            outer.fields["size"],
            payload,
            terms.boolean(kind == "vxlan"),
            captured,
            rest,
            _counted(terms, layer),
            ((terms.true, Pushed(kind, inner.fork())),),
        )
        return replace(outer, layer=made)

    # Popping --------------------------------------------------------------------------------

    def _inner(
        self, outer: SymbolicPacket, inside: Inside, kind: Tunnel
    ) -> tuple[Term, SymbolicPacket] | None:
        """What is inside, if it is well-formed, as it is without the header."""
        terms = self.terms
        layer = outer.layer
        assert layer is not None
        match inside:
            case Pushed(packet=packet):
                captured = _plus(terms, layer.captured, -IPV4)
                return terms.true, self._bare(outer, packet, kind, captured)
            case Arrived():
                found = inside_of(terms, inside, kind)
                captured = terms.binary("sub", layer.captured, found.header)
                return found.valid, self._bare(outer, found.packet, kind, captured)
            case Opaque():
                return None
            case _:
                assert_never(inside)

    def _bare(
        self, outer: SymbolicPacket, packet: SymbolicPacket, kind: Tunnel, captured: Term
    ) -> SymbolicPacket:
        """The inner packet; behind IPv4 in IPv4 it gets the outer one's Ethernet header and tags.

        Where it came in and its tags of the chain stay as they are now."""
        terms = self.terms
        layer, around = packet.layer, outer.layer
        assert layer is not None
        assert around is not None
        layer = replace(layer, count=_counted(terms, around))
        fields, present = dict(packet.fields), packet.present
        fields["iface"] = outer.fields["iface"]
        if kind == "ipip":
            fields |= {n: outer.fields[n] for n in LINK_FIELDS}
            types = (terms.const(t, 16) for t in (ETHERTYPE_IP4, ETHERTYPE_IP6))
            fields["ethertype"] = terms.ite(present[Header.IP4], *types)
            present = present | {Header.VLAN: outer.present[Header.VLAN]}
            layer = replace(layer, tags=around.tags, captured=captured)
        return SymbolicPacket(present, fields, dict(outer.tags), layer)


def _impossible(inside: Inside, kind: Tunnel) -> bool:
    """Is it never inside where that header is there, and not too deep? As both are merged alike,
    one in another header isn't; and so many pops would have been counted."""
    match inside:
        case Pushed(kind=other):
            return other != kind
        case Arrived(depth=depth):
            return depth >= MAX_TUNNELS
        case Opaque():
            return False
        case _:
            assert_never(inside)


def _layer(packet: SymbolicPacket, span: Span) -> Layer:
    if packet.layer is None:
        raise Unsupported("header push and pop", span)
    return packet.layer


def _counted(terms: Terms, layer: Layer) -> Term:
    return terms.binary("add", layer.count, terms.const(1, COUNT_WIDTH))


def _plus(terms: Terms, length: Term, more: int) -> Term:
    return terms.binary("add", length, terms.const(more, LENGTH_WIDTH))
