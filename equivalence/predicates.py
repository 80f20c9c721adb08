"""Rulesets inside a stateful proof: each large list is one predicate (rulesets.md, "Inside a
stateful proof").

Lists that were proved equal share a predicate; of lists that differ in few boxes one is the other
xor these boxes; all else is spelled out. Never are two lists assumed to be independent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.rulesets import Budget, Equal, compare, difference_boxes
from nfverify.equivalence.rulesets import Different as RulesetsDiffer
from nfverify.equivalence.symbolic import RulesetEncoder
from nfverify.equivalence.terms import Term, Terms
from nfverify.equivalence.verdict import Obligation
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset

SMALL = 48
"""Rules up to which a list is always spelled out."""

MAX_BOXES = 64


@dataclass(frozen=True, slots=True)
class XorBoxes:
    """This list is `other` but inside these boxes: bounds by column."""

    other: str
    boxes: tuple[Mapping[str, tuple[int, int]], ...]


@dataclass(slots=True)
class RulesetPlan:
    """How each large ruleset is encoded, by digest; `witnesses` are points where lists differ."""

    rulesets: dict[str, Ruleset] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    xor: dict[str, XorBoxes] = field(default_factory=dict)
    spelled: set[str] = field(default_factory=set)
    witnesses: list[dict[str, int]] = field(default_factory=list)
    obligations: list[Obligation] = field(default_factory=list)  # lists that were shown to be equal
    realisable: bool = False  # do only points that a packet can have count?

    def __call__(self, terms: Terms) -> RulesetEncoder:
        return lambda ruleset, args: self._encode(terms, ruleset, args)

    def _encode(self, terms: Terms, ruleset: Ruleset, args: tuple[Term, ...]) -> Term:
        digest = self.same.get(ruleset.digest, ruleset.digest)
        if digest in self.xor:
            plan = self.xor[digest]
            base = self._encode(terms, self.rulesets[plan.other], args)
            inside = terms.any(
                terms.all(
                    within(terms, arg, *box[column])
                    for column, arg in zip(ruleset.columns, args, strict=True)
                    if column in box
                )
                for box in plan.boxes
            )
            return terms.not_(terms.eq(base, inside))
        # All that follows is of the list that stands for this one: equal to it on packets only.
        ruleset = self.rulesets.get(digest, ruleset)
        if all(a.is_const for a in args):
            return terms.boolean(ruleset.accepts([a.data for a in args]))
        unknown = digest not in self.rulesets
        if len(ruleset.rows) <= SMALL or digest in self.spelled or unknown:
            return spelled_out(terms, ruleset, args)
        return terms.uf(f"ruleset {digest}", args, 0)

    def claims(self, terms: Terms) -> Iterator[tuple[str, Term]]:
        """What the encoding takes for granted of pairs of lists, and what would refute it."""
        for digest, other in self.same.items():
            yield self._claim(terms, digest, other, ())
        for digest, xor in self.xor.items():
            yield self._claim(terms, digest, xor.other, xor.boxes)

    def _claim(
        self, terms: Terms, digest: str, other: str, boxes: Sequence[Mapping[str, tuple[int, int]]]
    ) -> tuple[str, Term]:
        theirs, mine = self.rulesets[digest], self.rulesets[other]
        point = {c: terms.var(f"point {c}", FIELDS[c].width) for c in mine.columns}
        inside = terms.any(
            terms.all(within(terms, point[c], *box[c]) for c in point if c in box) for box in boxes
        )
        one, two = (spelled_out(terms, r, [point[c] for c in r.columns]) for r in (mine, theirs))
        wrong = terms.eq(terms.eq(one, two), inside)
        where = f" outside {len(boxes)} boxes, and the opposite inside" if boxes else ""
        name = f"a's {mine.name} and b's {theirs.name} accept the same{where}"
        return name, terms.all((wrong, *(_of_a_packet(terms, point) if self.realisable else ())))


def _of_a_packet(terms: Terms, point: Mapping[str, Term]) -> Iterator[Term]:
    """What holds of the fields of every packet: one IP version, and ports in TCP and UDP only."""

    def some(*columns: str) -> Term:
        return terms.any(
            terms.not_(terms.eq(point[c], terms.const(0, point[c].width)))
            for c in columns
            if c in point
        )

    yield terms.not_(terms.and_(some("sip", "dip"), some("sip6", "dip6")))
    if "proto" in point:
        with_ports = terms.any(terms.eq(point["proto"], terms.const(n, 8)) for n in (6, 17))
        yield terms.implies(some("sport", "dport"), with_ports)


def within(terms: Terms, value: Term, low: int, high: int) -> Term:
    """low <= value <= high, unsigned."""
    most = (1 << value.width) - 1
    if low == high:
        return terms.eq(value, terms.const(low, value.width))
    parts = []
    if low > 0:
        parts.append(terms.compare("ule", terms.const(low, value.width), value))
    if high < most:
        parts.append(terms.compare("ule", value, terms.const(high, value.width)))
    return terms.all(parts)


def spelled_out(terms: Terms, ruleset: Ruleset, args: Sequence[Term]) -> Term:
    """The first-match list as nested conditionals, the default (false) innermost."""
    result = terms.false
    for row in reversed(ruleset.rows):
        hit = terms.all(
            within(terms, arg, *bounds) for arg, bounds in zip(args, row.bounds, strict=True)
        )
        result = terms.ite(hit, terms.boolean(row.accept), result)
    return result


def matches_of(network: ir.Network) -> Iterator[ir.Match]:
    for instance in network.instances:
        for node in ir.walk(instance.program.body):
            if isinstance(node, ir.Match):
                yield node


def plain_arguments(networks: Sequence[ir.Network]) -> bool:
    """Are all lists applied to the packet's own fields, and `proto` never rewritten? Then only
    points that a packet can have matter."""
    plain = all(
        isinstance(arg, ir.Field) and arg.name == column
        for network in networks
        for match in matches_of(network)
        for arg, column in zip(match.args, match.ruleset.columns, strict=True)
    )
    writes_proto = any(
        isinstance(node, ir.SetField) and node.name == "proto"
        for network in networks
        for instance in network.instances
        for node in ir.walk(instance.program.body)
    )
    return plain and not writes_proto


def plan_rulesets(a: ir.Network, b: ir.Network, seconds: float) -> RulesetPlan:
    """Compares every large list of A with every one of B over the same columns."""
    plan = RulesetPlan()
    sides = []
    for network in (a, b):
        found = {m.ruleset.digest: m.ruleset for m in matches_of(network)}
        sides.append({d: r for d, r in found.items() if len(r.rows) > SMALL})
        plan.rulesets |= found
    realisable = plan.realisable = plain_arguments((a, b))
    budget = Budget(seconds=seconds)
    for digest, theirs in sides[1].items():
        if digest in sides[0]:
            continue
        for mine in sides[0].values():
            if mine.columns != theirs.columns:
                continue
            started = time.monotonic()
            verdict = compare(mine, theirs, budget, realisable=realisable)
            if isinstance(verdict, Equal):
                plan.same[digest] = mine.digest
                name = f"a's {mine.name} and b's {theirs.name} accept the same: {verdict.method}"
                took = time.monotonic() - started
                plan.obligations.append(Obligation(name, took, "proved"))
                break
            if isinstance(verdict, RulesetsDiffer):
                plan.witnesses.append(dict(verdict.point))
                boxes = difference_boxes(mine, theirs, budget, MAX_BOXES, realisable=realisable)
                if boxes is not None and digest not in plan.xor:
                    plan.xor[digest] = XorBoxes(mine.digest, tuple(b.bounds for b in boxes))
        else:
            if digest not in plan.xor:
                plan.spelled |= {digest, *sides[0]}
    if not sides[1]:
        plan.spelled |= set(sides[0])
    return plan
