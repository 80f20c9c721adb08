"""What a symbolic packet is beside its fields, where headers are pushed and popped: tags, lengths,
the bytes that no field shows, and what is inside (semantics.md, "Pushing and popping").

What is inside depends on the way that a packet came: it is a list of alternatives whose guards
exclude each other. Where the frame arrived tunnelled, its inner packets are made when somebody
looks into it: free fields, and a symbol that says whether there is a well-formed packet at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from nfverify.equivalence.terms import BYTES_WIDTH, Term, Terms
from nfverify.packet.fields import Header

Tunnel = Literal["ipip", "vxlan"]
MARK_WIDTH = 5  # of a tag: whether its TPID is 0x88A8, then PCP and DEI
VID_WIDTH = 12
LENGTH_WIDTH = 32
SIZE_WIDTH = 17
COUNT_WIDTH = 3
MAX_FRAME = 1 << 24  # bytes; no capture has frames as long
ETHERNET, TAG, IPV4, VXLAN = 14, 4, 20, 36  # bytes; VXLAN's with IPv4 and UDP in front of it


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a frame: `mark` of the outer one, whose VID is a field, and the second one.
    `more`: a third one follows."""

    mark: Term
    second: Term
    second_vid: Term
    second_mark: Term
    more: Term

    def terms(self) -> tuple[Term, ...]:
        return (self.mark, self.second, self.second_vid, self.second_mark, self.more)


@dataclass(frozen=True, slots=True)
class Pushed:
    """The packet as it was when a header of this kind was put in front of it."""

    kind: Tunnel
    packet: SymbolicPacket


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something that was there once and isn't followed any more."""


@dataclass(slots=True, eq=False)
class Arrived:
    """What a frame had inside when it came in: `packets.inside_of` makes it."""

    name: str  # in front of the names of its symbols
    depth: int = 0  # headers that must have been popped to get there
    frame: SymbolicPacket = field(init=False)  # as it came in
    inner: dict[Tunnel, Inner] = field(default_factory=dict)

    def all_inner(self) -> Iterator[tuple[Tunnel, Inner]]:
        """Every packet that somebody has looked at, outer ones first."""
        for kind, inner in self.inner.items():
            yield kind, inner
            yield from inner.inside.all_inner()

    def facts(self) -> Iterator[Term]:
        """What holds of all of them."""
        for _, inner in self.all_inner():
            yield from inner.facts


@dataclass(frozen=True, slots=True)
class Inner:
    """The packet behind a header of an arrived frame; if not `valid`, what is there is none.
    `header`: bytes in front of it. `facts` hold of every frame."""

    valid: Term
    packet: SymbolicPacket
    header: Term
    inside: Arrived
    facts: tuple[Term, ...]


Inside = Pushed | Opaque | Arrived


@dataclass(frozen=True, slots=True)
class Layer:
    """`proto`, `size`, `payload` are as parsed; `vxlan`: a VXLAN header was there then. `captured`:
    bytes of the frame. `rest`: a number for all bytes that neither a field nor `tags` shows.
    `count`: headers that were pushed and popped, tags left out."""

    tags: Tags
    proto: Term
    size: Term
    payload: Term
    vxlan: Term
    captured: Term
    rest: Term
    count: Term
    inside: tuple[tuple[Term, Inside], ...]

    def terms(self) -> tuple[Term, ...]:
        return (
            self.proto, self.size, self.payload, self.vxlan, self.captured, self.rest, self.count,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SymbolicPacket:
    """`fields` are as they are now; `present` never changes but by headers pushed and popped, which
    needs a `layer`."""

    present: dict[Header, Term]
    fields: dict[str, Term]
    tags: dict[str, Term]
    layer: Layer | None = None

    def has(self, terms: Terms, headers: Header) -> Term:
        """Has the packet any of these headers?"""
        return terms.any(term for h, term in self.present.items() if h & headers)

    def fork(self) -> SymbolicPacket:
        """A copy to be written independently."""
        return SymbolicPacket(self.present, dict(self.fields), dict(self.tags), self.layer)

    @property
    def arrived(self) -> Arrived | None:
        """Of a packet just made by `arriving_packet`: what it has inside."""
        if self.layer is None or len(self.layer.inside) != 1:
            return None
        inside = self.layer.inside[0][1]
        return inside if isinstance(inside, Arrived) else None


def merge_packets(
    terms: Terms, base: SymbolicPacket, branches: Sequence[tuple[Term, SymbolicPacket]]
) -> SymbolicPacket:
    """`base` where no branch's condition holds; the conditions exclude each other."""
    fields, tags, present = dict(base.fields), dict(base.tags), base.present
    nought = terms.const(0, 32)
    for condition, branch in reversed(branches):
        for name, value in branch.fields.items():
            if value is not base.fields[name]:
                fields[name] = terms.ite(condition, value, fields[name])
        for name, value in branch.tags.items():
            if value is not base.tags.get(name, nought):
                tags[name] = terms.ite(condition, value, tags.get(name, nought))
        if branch.present is not base.present:
            present = {
                h: terms.ite(condition, term, present[h]) for h, term in branch.present.items()
            }
    layers = [(c, b.layer) for c, b in branches if b.layer is not base.layer]
    layer = base.layer
    if layer is not None and layers:
        layer = _merge_layers(terms, layer, layers)
    return SymbolicPacket(present, fields, tags, layer)


def _merge_layers(
    terms: Terms, base: Layer, branches: Sequence[tuple[Term, Layer | None]]
) -> Layer:
    known = [(c, b) for c, b in branches if b is not None]
    own, tags = list(base.terms()), list(base.tags.terms())
    for condition, branch in reversed(known):
        for values, mine, others in (
            (own, branch.terms(), base.terms()),
            (tags, branch.tags.terms(), base.tags.terms()),
        ):
            for i, (value, old) in enumerate(zip(mine, others, strict=True)):
                if value is not old:
                    values[i] = terms.ite(condition, value, values[i])
    proto, size, payload, vxlan, captured, rest, count = own
    inside = _merge_inside(terms, base, known)
    return Layer(Tags(*tags), proto, size, payload, vxlan, captured, rest, count, inside)


def _merge_inside(
    terms: Terms, base: Layer, branches: Sequence[tuple[Term, Layer]]
) -> tuple[tuple[Term, Inside], ...]:
    changed = [(c, b) for c, b in branches if b.inside is not base.inside]
    if not changed:
        return base.inside
    none = terms.not_(terms.any(c for c, _ in changed))
    ways = [(c, b.inside) for c, b in changed] + [(none, base.inside)]
    found: list[tuple[Term, Inside]] = []
    for condition, alternatives in ways:
        for guard, inside in alternatives:
            both = terms.and_(condition, guard)
            place = next((i for i, (_, old) in enumerate(found) if old == inside), None)
            if both is terms.false:
                continue
            if place is None:
                found.append((both, inside))
            else:
                found[place] = (terms.or_(found[place][0], both), inside)
    return tuple(found)


def forgotten(terms: Terms, packet: SymbolicPacket) -> SymbolicPacket:
    """A packet that a timer holds: it comes back as its frame, and may be pushed onto afresh."""
    layer = packet.layer
    if layer is None:
        return packet
    # Below the surface, `count` must have counted the pops: see Arrived.depth.
    inside = tuple(
        (guard, i if isinstance(i, Arrived) and not i.depth else Opaque())
        for guard, i in layer.inside
    )
    made = replace(layer, count=terms.const(0, COUNT_WIDTH), inside=inside)
    return replace(packet, layer=made)


def no_tags(terms: Terms) -> Tags:
    """Of an untagged frame."""
    mark, vid = terms.const(0, MARK_WIDTH), terms.const(0, VID_WIDTH)
    return Tags(mark, terms.false, vid, mark, terms.false)


def header_length(terms: Terms, packet: SymbolicPacket) -> Term:
    """Bytes of Ethernet and tags in front of what a frame holds."""
    assert packet.layer is not None
    length = terms.const(ETHERNET, LENGTH_WIDTH)
    for there in (packet.present[Header.VLAN], packet.layer.tags.second):
        tag = terms.ite(there, terms.const(TAG, LENGTH_WIDTH), terms.const(0, LENGTH_WIDTH))
        length = terms.binary("add", length, tag)
    return length


def bytes_symbol(terms: Terms, name: str) -> Term:
    """A free number of a byte string."""
    return terms.var(name, BYTES_WIDTH)
