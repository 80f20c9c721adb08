"""Rulesets that a change alters inside models: what of their points fares otherwise, as a part of
the classes of a model's packets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nfverify.equivalence.diff.lists import ListDiff, Pair, compare_lists, plainest
from nfverify.equivalence.packets import SymbolicPacket
from nfverify.equivalence.predicates import plain_arguments, within
from nfverify.equivalence.rulesets.verdict import Budget
from nfverify.equivalence.simulate import START, Arrival, Trace, make_packet
from nfverify.equivalence.terms import Term, Terms
from nfverify.packet.fields import Header
from nfverify.smat import ir, rebuild
from nfverify.smat.ruleset import COLUMNS, Bounds, Ruleset, full


@dataclass(frozen=True, slots=True)
class ChangedList:
    """A ruleset of an instance (`name`: with the instance's, in a chain) before and after."""

    name: str
    diff: ListDiff
    numbers: dict[tuple[int | None, int | None], int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pairs = {(p.old, p.new): n for n, p in enumerate(self.diff.pairs)}
        object.__setattr__(self, "numbers", pairs)

    def pair_of(self, arrival: Arrival) -> int | None:
        """The number of the rules that decide an arriving packet otherwise; None if it fares
        alike."""
        rows = []
        for ruleset in (self.diff.old, self.diff.new):
            point = [value_of(arrival, column) for column in ruleset.columns]
            rows.append(ruleset.first_match(point))
        return self.numbers.get((rows[0], rows[1]))

    def holds(self, terms: Terms, packet: SymbolicPacket, pair: Pair) -> Term:
        """Do these two rules decide the packet, exactly?"""
        here = _inside(terms, packet, self.diff.region(pair))
        taken = [
            _inside(terms, packet, dict(zip(ruleset.columns, ruleset.rows[n].bounds, strict=True)))
            for ruleset, rows in zip(
                (self.diff.old, self.diff.new), self.diff.earlier(pair), strict=True
            )
            for n in rows
        ]
        return terms.and_(here, terms.not_(terms.any(taken)))


def value_of(arrival: Arrival, column: str) -> int:
    """A column's value of an arriving packet."""
    return arrival.port if column == "iface" else int(getattr(arrival.packet, column))


def _inside(terms: Terms, packet: SymbolicPacket, box: dict[str, Bounds]) -> Term:
    return terms.all(within(terms, packet.fields[c], *bounds) for c, bounds in box.items())


def changed_lists(old: ir.Network, new: ir.Network, budget: Budget) -> tuple[ChangedList, ...]:
    """The rulesets of the same instance and name whose content differs, where both are asked about
    the arriving packet as it is; else none."""
    if not _asks_as_it_arrives(old, new):
        return ()
    before, after = _by_name(old), _by_name(new)
    ports = min(max(2, len(n.ports)) for n in (old, new))
    found = []
    for place, mine in before.items():
        theirs = after.get(place)
        if theirs is None or theirs == mine:
            continue
        instance, name = place
        shown = name if len(old.instances) == 1 else f"{instance}.{name}"
        found.append(ChangedList(shown, compare_lists(mine, theirs, budget, ports=ports)))
    return tuple(found)


def _by_name(network: ir.Network) -> dict[tuple[str, str], Ruleset]:
    """The rulesets by instance (alone: "") and name; without names that mean two."""
    found: dict[tuple[str, str], Ruleset] = {}
    twice = set()
    for instance in network.instances:
        owner = instance.name if len(network.instances) > 1 else ""
        for node in ir.walk(instance.program.body):
            if isinstance(node, ir.Match):
                place = owner, node.ruleset.name
                if found.setdefault(place, node.ruleset) != node.ruleset:
                    twice.add(place)
    return {place: ruleset for place, ruleset in found.items() if place not in twice}


def _asks_as_it_arrives(*networks: ir.Network) -> bool:
    """Are rulesets matched against the fields of the packet that came in?"""
    writes = any(
        (isinstance(node, ir.SetField) and node.name in COLUMNS)
        or isinstance(node, ir.Push | ir.Pop)
        for network in networks
        for instance in network.instances
        for node in ir.walk(instance.program.body)
    )
    return not writes and plain_arguments(networks)


def as_before(network: ir.Network, lists: Sequence[ChangedList]) -> ir.Network:
    """The new network with the old rulesets in the place of those that changed."""
    alone = len(network.instances) == 1
    known = {c.name: c.diff for c in lists}
    instances = []
    for instance in network.instances:
        owner = "" if alone else f"{instance.name}."

        def swapped(node: rebuild.Part, owner: str = owner) -> rebuild.Part:
            diff = known.get(f"{owner}{node.ruleset.name}") if isinstance(node, ir.Match) else None
            if diff is None or not isinstance(node, ir.Match):
                return node
            args = tuple(ir.Field(column) for column in diff.old.columns)
            return replace(node, ruleset=diff.old, args=args)

        body = tuple(rebuild.mapped(s, swapped) for s in instance.program.body)
        program = replace(instance.program, body=body)  # type: ignore[arg-type]  # statements stay such
        instances.append(ir.Instance(instance.name, program))
    return replace(network, instances=tuple(instances))


def packet_at(point: dict[str, int], origin: int | None) -> Trace | None:
    """One packet at a point of a ruleset's columns; None if no frame has these fields."""
    version = Header.IP6 if point.get("sip6", 0) or point.get("dip6", 0) else Header.IP4
    proto = point.get("proto", 6)
    l4 = {6: Header.TCP, 17: Header.UDP, 1: Header.ICMP, 58: Header.ICMP}.get(proto)
    if (proto, version) in ((1, Header.IP6), (58, Header.IP4)):
        l4 = None
    present = Header.LINK | version | (l4 or Header(0))
    plain = {c: plainest(c, full(c)) for c in ("sip", "dip", "sip6", "dip6", "sport", "dport")}
    values = {"ttl": 64, **plain, **point, "proto": proto}
    packet = make_packet(present, values)
    if packet is None:
        return None
    wrong = [c for c, v in point.items() if c != "iface" and getattr(packet, c) != v]
    start = START if origin is None else origin
    return None if wrong else (Arrival(start, point.get("iface", 0), packet),)
