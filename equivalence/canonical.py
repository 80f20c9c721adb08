"""The canonical one of all traces that tell two networks apart in so many packets (decision 29).

In a fixed order, each time, port, header and field gets its plain default if that still tells
apart, else the smallest value that does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nfverify.equivalence.frames import least_size as least_size
from nfverify.equivalence.frames import plain_captured, plain_size
from nfverify.equivalence.packets import HEADERS, SymbolicPacket, width_of
from nfverify.equivalence.solver import Solver
from nfverify.equivalence.terms import Term, Terms
from nfverify.packet.fields import FIELDS, Header

DEFAULTS: dict[str, int] = {
    "dmac": 0x020000000002, "smac": 0x020000000001, "sip": 0x0A000001, "dip": 0x0A000002,
    "sip6": (0x20010DB8 << 96) + 1, "dip6": (0x20010DB8 << 96) + 2, "ttl": 64, "sport": 1024,
    "dport": 80,
}  # fmt: skip
PLAIN_HEADERS = Header.IP4 | Header.TCP
NO_L4_PROTOCOL = 253  # RFC 3692's, for experiments
FEW = 8  # wishes that are tried one less at a time
OTHER_ETHERTYPE = 0x88B5  # the IEEE's, for local experiments


@dataclass(frozen=True, slots=True)
class Wish:
    """That a term have a value; if it can't, `term` gets the first of the hints that it can have,
    else its smallest value."""

    term: Term
    value: Term
    hints: Sequence[int] = ()
    field: str = ""


def _matters(wish: Wish, fields: Collection[str] | None) -> bool:
    return fields is None or not wish.field or wish.field in fields


def canonical(
    terms: Terms,
    solver: Solver,
    packets: Sequence[tuple[SymbolicPacket, Term]],
    differs: Term,
    start: int,
    hints: Mapping[str, Sequence[int]] | None = None,
    matter: Collection[str] | None = None,
    more: Sequence[Term] = (),
    thorough: bool = True,
) -> bool:
    """Leaves the solver with the model of the canonical trace; False if it gave up on the way.

    `hints`, by field or `now`, are values that come before smaller ones. Fields that don't `matter`
    (None: all do), because nothing reads them, are settled last and at once.
    """
    solver.push()
    try:
        solver.add(differs)
        found = wishes(terms, packets, start, hints or {})
        open_ = [w for w in found if not w.term.is_const]
        _settle(terms, solver, [w for w in open_ if _matters(w, matter)], thorough)
        _settle(terms, solver, [w for w in open_ if not _matters(w, matter)])
        nothing = [
            Wish(t, terms.const(0, t.width) if t.width else terms.false)
            for t in more
            if not t.is_const
        ]
        _settle(terms, solver, nothing)
        return solver.check() == "sat"
    finally:
        solver.pop()


def wishes(
    terms: Terms,
    packets: Sequence[tuple[SymbolicPacket, Term]],
    start: int,
    hints: Mapping[str, Sequence[int]],
) -> Iterator[Wish]:
    """What a plain trace is like, packet by packet, in the order in which it is wished for."""
    for packet, now in packets:
        yield Wish(now, terms.const(start, 64), hints.get("now", ()))
        yield Wish(packet.fields["iface"], terms.const(0, 16))
        yield from _packet_wishes(terms, packet, hints)


def _packet_wishes(
    terms: Terms, packet: SymbolicPacket, hints: Mapping[str, Sequence[int]]
) -> Iterator[Wish]:
    for header in HEADERS:
        if header is not Header.LINK:
            plain = bool(header & PLAIN_HEADERS)
            yield Wish(packet.present[header], terms.boolean(plain))
    size = packet.fields["size"]
    least = least_size if packet.arrived is None else plain_size
    yield Wish(size, _where(terms, packet, "size", least(terms, packet)), hints.get("size", ()))
    for name, info in FIELDS.items():
        # `size` decides `iplen`.
        if info.on_wire and name != "iplen":
            plainest = _where(terms, packet, name, _plain(terms, packet, name))
            yield Wish(packet.fields[name], plainest, hints.get(name, ()), name)
    if packet.layer is None or packet.arrived is None:
        return
    yield Wish(packet.layer.captured, plain_captured(terms, packet))
    yield Wish(packet.layer.vxlan, terms.false)
    for term in (packet.fields["vni"], *packet.layer.tags.terms()):
        yield Wish(term, terms.const(0, term.width) if term.width else terms.false)
    for inner in packet.arrived.inner.values():
        yield Wish(inner.valid, terms.true)
        yield from _packet_wishes(terms, inner.packet, hints)


def _where(terms: Terms, packet: SymbolicPacket, name: str, value: Term) -> Term:
    """The value, or 0 where the field's header is absent."""
    there = packet.has(terms, FIELDS[name].headers)
    return terms.ite(there, value, terms.const(0, value.width))


def _plain(terms: Terms, packet: SymbolicPacket, name: str) -> Term:
    """A field's default; what headers say about what they hold is as it must be."""
    have = packet.present
    width = width_of(name)

    def choose(*cases: tuple[Header, int], other: int) -> Term:
        value = terms.const(other, width)
        for header, number in reversed(cases):
            value = terms.ite(have[header], terms.const(number, width), value)
        return value

    match name:
        case "ethertype":
            return choose((Header.IP4, 0x0800), (Header.IP6, 0x86DD), other=OTHER_ETHERTYPE)
        case "proto":
            icmp = choose((Header.IP6, 58), other=1)
            other = choose((Header.TCP, 6), (Header.UDP, 17), other=NO_L4_PROTOCOL)
            return terms.ite(have[Header.ICMP], icmp, other)
        case _:
            return terms.const(DEFAULTS.get(name, 0), width)


def _settle(terms: Terms, solver: Solver, wishes: Sequence[Wish], thorough: bool = True) -> None:
    """Greedily, in order: the longest run of wishes that can all be had, then the one that can't
    be, and so on."""
    rest = list(wishes)
    while rest:
        granted = _longest(terms, solver, rest)
        solver.add(*[terms.eq(w.term, w.value) for w in rest[:granted]])
        if granted < len(rest):
            _hinted(terms, solver, rest[granted], thorough)
        rest = rest[granted + 1 :]


def _longest(terms: Terms, solver: Solver, wishes: Sequence[Wish]) -> int:
    """How many of the wishes, from the first on, can be had together.

    What an inconsistency comes from bounds it from above; the solver's say-so is only believed
    where it found values, or none.
    """
    claims = [terms.eq(w.term, w.value) for w in wishes]
    sure, limit = 0, len(claims)  # so many can be had; not more than so many
    while sure < limit:
        asked = claims[:limit]
        if solver.check(asked) == "sat":
            return limit
        core = solver.core()
        involved = [i for i, c in enumerate(asked) if int(solver.translate(c).get_id()) in core]
        limit = min(limit - 1, max(involved, default=limit - 1))
        middle = (sure + limit) // 2
        if limit - sure > FEW and solver.check(claims[:middle]) == "sat":
            sure = middle
    return limit


def _hinted(terms: Terms, solver: Solver, wish: Wish, thorough: bool) -> None:
    """One value of a term whose wish can't be had."""
    term = wish.term
    hints = [terms.eq(term, terms.const(hint, term.width)) for hint in wish.hints]
    if hints and solver.check([terms.any(hints)]) == "sat":
        for same in hints:
            if solver.check([same]) == "sat":
                solver.add(same)
                return
    if thorough:
        _smallest(terms, solver, term)
    elif solver.check() == "sat":
        value = solver.value(term)
        same = terms.const(int(value), term.width) if term.width else terms.boolean(bool(value))
        solver.add(terms.eq(term, same))


def _smallest(terms: Terms, solver: Solver, term: Term) -> None:
    """From a model down by halving. What the solver can't decide stays open."""
    if solver.check() != "sat":
        return
    if term.width == 0:
        solver.add(term if solver.value(term) else terms.not_(term))
        return
    low, high = 0, int(solver.value(term))
    only = terms.eq(term, terms.const(high, term.width))
    if solver.check([terms.not_(only)]) == "unsat":
        solver.add(only)
        return
    while low < high:
        middle = (low + high) // 2
        if solver.check([terms.compare("ule", term, terms.const(middle, term.width))]) == "sat":
            high = int(solver.value(term))
        else:
            low = middle + 1
    solver.add(terms.eq(term, terms.const(high, term.width)))
