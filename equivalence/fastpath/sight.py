"""Expressions of a chain over several packets at once, in one arbitrary state: what a solver is
asked about records, and about packets that might outdate them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nfverify.equivalence.consolidate.conditions import Conditions
from nfverify.equivalence.consolidate.solving import Possible
from nfverify.equivalence.expressions import evaluate_expr
from nfverify.equivalence.fastpath.specialise import substituted
from nfverify.equivalence.packets import SymbolicPacket, arriving_packet
from nfverify.equivalence.state import ArbitraryBase, InitialBase, constant, width
from nfverify.equivalence.terms import Term, Terms
from nfverify.packet.fields import FIELDS, Header
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset

MAX_TABLE = 64  # entries of a constant table; a longer one is a function of which nothing is known
OPAQUE = "?"  # what names of values begin with of which nothing is known


def _is(name: str, value: int) -> ir.Expr:
    return ir.Compare("==", ir.Field(name), ir.Const(value, ir.field_type(name)))


SERVED: tuple[ir.Expr, ...] = (
    _is("IP4", 1),
    _is("L4", 1),
    _is("FRAG", 0),
    ir.Or((_is("proto", 6), _is("proto", 17))),
)
"""What records serve: IPv4 with a TCP or UDP header, no fragment."""

Writes = Mapping[str, tuple[tuple[tuple[Term, ...], tuple[Term, ...] | None], ...]]
"""Of each variable the keys written, oldest first, with their values (None: deleted)."""


class World(Conditions):
    """The packet that arrives is `served` (True), is not (False), or may be anything (None);
    `plain` ones that are served have no tags."""

    served: bool | None
    plain: bool

    def __init__(
        self,
        variables: Mapping[str, ir.StateVar],
        ports: int,
        only_ip: bool,
        served: bool | None,
        plain: bool = False,
    ) -> None:
        self.variables, self.ports, self.only_ip, self.served = variables, ports, only_ip, served
        self.plain = plain
        self.possible = Possible(math.inf)
        self.terms = Terms()
        every = dict(variables)
        self._base = ArbitraryBase(self.terms, every, InitialBase(self.terms, every))
        self._known_keys = set()
        self._done: dict[int, tuple[ir.Expr, Term]] = {}
        self.packet = self.arriving("", served)

    def afresh(self) -> World:
        """The same without what it has been asked: other packets make all questions harder."""
        return World(self.variables, self.ports, self.only_ip, self.served, self.plain)

    def arriving(self, prefix: str, served: bool | None) -> SymbolicPacket:
        """One more packet; what is true of it is known from then on."""
        packet, facts = arriving_packet(self.terms, prefix, self.ports, self.only_ip)
        if served:
            packet, facts = self._served(prefix, packet, facts)
        for fact in facts:
            self.possible.add(fact)
        if served is False:
            sight = Sight(self, packet, prefix)
            self.possible.add(self.terms.not_(sight.all(SERVED)))
        return packet

    def _served(
        self, prefix: str, packet: SymbolicPacket, facts: list[Term]
    ) -> tuple[SymbolicPacket, list[Term]]:
        terms, present = self.terms, packet.present
        sure = [Header.IP4, Header.IP6, Header.ICMP, Header.FRAG, *([Header.VLAN] * self.plain)]
        put = {
            term: terms.boolean(header is Header.IP4)
            for header, term in present.items()
            if header in sure and term.op == "var"
        }
        put[present[Header.UDP]] = terms.not_(present[Header.TCP])
        put[packet.fields["ethertype"]] = terms.const(0x0800, 16)
        names = tuple(packet.fields)
        fields = substituted(terms, [packet.fields[n] for n in names], put)
        there = substituted(terms, tuple(present.values()), put)
        known = SymbolicPacket(
            dict(zip(present, there, strict=True)), dict(zip(names, fields, strict=True)), {}
        )
        return known, substituted(terms, facts, put)

    def term(self, expr: ir.Expr) -> Term:
        found = self._done.get(id(expr))
        if found is None:
            found = self._done[id(expr)] = (expr, evaluate_expr(self.terms, self, expr))
        return found[1]

    def local(self, name: str) -> Term:
        return self.opaque("", name)

    def opaque(self, prefix: str, name: str) -> Term:
        """A value of which nothing is known; its name says how wide it is."""
        return self.terms.var(prefix + name, int(name.rsplit(":", 1)[1]))

    def read(self, var: str, keys: tuple[Term, ...], index: int) -> Term:
        variable = self.variables[var]
        if variable.constant and len(variable.entries) > MAX_TABLE:
            return self.terms.uf(f"{var}.{index}", keys, width(variable.values[index]))
        return super().read(var, keys, index)

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        variable = self.variables[var]
        if variable.constant and len(variable.entries) > MAX_TABLE:
            return self.terms.uf(f"{var}?", keys, 0)
        return super().has(var, keys)

    def constant_of(self, name: str) -> ir.Const | None:
        """The value of a field that is the same in all packets of this world."""
        term = self.packet.fields[name]
        if not term.is_const or name == "payload":
            return None
        return ir.Const(term.data, ir.field_type(name))


def opaque_name(number: int, type_: ir.Type) -> str:
    """See `World.opaque`."""
    return f"{OPAQUE}{number}:{width(type_)}"


@dataclass(slots=True)
class Sight:
    """What expressions mean for one packet, after some writes to the state."""

    world: World
    packet: SymbolicPacket
    prefix: str
    writes: Writes = field(default_factory=dict)
    _done: dict[int, tuple[ir.Expr, Term]] = field(default_factory=dict)

    def __call__(self, expr: ir.Expr) -> Term:
        found = self._done.get(id(expr))
        if found is None:
            term = evaluate_expr(self.world.terms, self, expr)
            found = self._done[id(expr)] = (expr, term)
        return found[1]

    def each(self, exprs: Iterable[ir.Expr]) -> tuple[Term, ...]:
        return tuple(map(self, exprs))

    def all(self, exprs: Iterable[ir.Expr]) -> Term:
        """Do all hold?"""
        return self.world.terms.all(map(self, exprs))

    def field(self, name: str) -> Term:
        return self.packet.fields[name]

    def tag(self, name: str) -> Term:
        return self.world.terms.var(f"{self.prefix}tag {name}", 32)

    def local(self, name: str) -> Term:
        return self.world.opaque(self.prefix, name)

    def now(self) -> Term:
        return self.world.terms.var(f"{self.prefix}now", 64)

    def read(self, var: str, keys: tuple[Term, ...], index: int) -> Term:
        value = self.world.read(var, keys, index)
        variable = self.world.variables[var]
        default = constant(self.world.terms, variable.default[index], variable.values[index])
        for written, values in self.writes.get(var, ()):
            new = default if values is None else values[index]
            value = self.world.terms.ite(self._same(written, keys), new, value)
        return value

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        present = self.world.has(var, keys)
        for written, values in self.writes.get(var, ()):
            there = self.world.terms.boolean(values is not None)
            present = self.world.terms.ite(self._same(written, keys), there, present)
        return present

    def match(self, ruleset: Ruleset, args: tuple[Term, ...]) -> Term:
        return self.world.match(ruleset, args)

    def _same(self, a: tuple[Term, ...], b: tuple[Term, ...]) -> Term:
        terms = self.world.terms
        return terms.all(terms.eq(x, y) for x, y in zip(a, b, strict=True))


ON_WIRE = frozenset(name for name, info in FIELDS.items() if info.on_wire)
