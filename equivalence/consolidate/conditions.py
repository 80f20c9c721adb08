"""What the solver knows of conditions over an arriving packet and the state before it.

Used to leave things out: what it can't decide is treated as possible, which is always sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nfverify.equivalence.consolidate.solving import Possible
from nfverify.equivalence.expressions import evaluate_expr
from nfverify.equivalence.packets import SymbolicPacket, arriving_packet
from nfverify.equivalence.state import ArbitraryBase, InitialBase, constant, width
from nfverify.equivalence.terms import Term, Terms
from nfverify.packet.fields import Header
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset, full

MAX_ROWS = 64  # of a ruleset; a longer one is a function of which nothing is known


@dataclass(slots=True)
class Conditions:
    """Conditions as terms; `possible` gets to know what is true of every packet and state."""

    variables: Mapping[str, ir.StateVar]
    ports: int
    only_ip: bool
    possible: Possible
    terms: Terms = field(default_factory=Terms)
    packet: SymbolicPacket = field(init=False)
    _base: ArbitraryBase = field(init=False)
    _known_keys: set[tuple[str, tuple[Term, ...]]] = field(default_factory=set)

    def __post_init__(self) -> None:
        terms, variables = self.terms, dict(self.variables)
        self.packet, facts = arriving_packet(terms, "", self.ports, self.only_ip)
        self._base = ArbitraryBase(terms, variables, InitialBase(terms, variables))
        for fact in facts:
            self.possible.add(fact)

    def term(self, expr: ir.Expr) -> Term:
        """A condition, or a value, as a term."""
        return evaluate_expr(self.terms, self, expr)

    def present(self, headers: Header) -> Term:
        """Has the packet any of these headers?"""
        return self.packet.has(self.terms, headers)

    # What the leaves of expressions mean (symbolic.Scope) ------------------------------------

    def field(self, name: str) -> Term:
        return self.packet.fields[name]

    def tag(self, name: str) -> Term:
        return self.terms.var(f"tag {name}", 32)

    def local(self, name: str) -> Term:
        raise AssertionError(f"local {name} in a condition")

    def now(self) -> Term:
        return self.terms.var("now", 64)

    def read(self, var: str, keys: tuple[Term, ...], index: int) -> Term:
        variable = self.variables[var]
        if variable.keys:
            self._assume_facts(var, keys)
            return self._base.value(var, index, keys)
        type_ = variable.values[index]
        if variable.constant:
            return constant(self.terms, variable.default[index], type_)
        return self.terms.var(f"{var}.{index}", width(type_))

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        if not self.variables[var].keys:
            return self.terms.true
        self._assume_facts(var, keys)
        return self._base.has(var, keys)

    def _assume_facts(self, var: str, keys: tuple[Term, ...]) -> None:
        if (var, keys) not in self._known_keys:
            self._known_keys.add((var, keys))
            self.possible.add(self._base.facts(var, keys))

    def match(self, ruleset: Ruleset, args: tuple[Term, ...]) -> Term:
        terms = self.terms
        if len(ruleset.rows) > MAX_ROWS:
            return terms.uf(f"ruleset {ruleset.digest}", args, 0)
        result = terms.false
        for row in reversed(ruleset.rows):
            tests = []
            for column, (low, high), arg in zip(ruleset.columns, row.bounds, args, strict=True):
                if (low, high) == full(column):
                    continue
                if low == high:
                    tests.append(terms.eq(arg, terms.const(low, arg.width)))
                else:
                    tests.append(terms.compare("ule", terms.const(low, arg.width), arg))
                    tests.append(terms.compare("ule", arg, terms.const(high, arg.width)))
            result = terms.ite(terms.all(tests), terms.boolean(row.accept), result)
        return result
