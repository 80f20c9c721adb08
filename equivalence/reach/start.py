"""The symbolic state of a machine that stands somewhere: constants, of the newest keys only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nfverify.equivalence.problem import CLOCK, Model
from nfverify.equivalence.state import InitialBase, State, Unsupported, constant
from nfverify.equivalence.terms import Term, Terms
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

NEWEST = 24
"""Keys of a map that a symbolic state knows; a replay knows them all."""

Rows = Mapping[tuple[ir.Value, ...], tuple[ir.Value, ...]]


@dataclass(frozen=True, slots=True)
class ConcreteBase:
    """Maps that hold these rows; where none are given, what they were declared with."""

    terms: Terms
    variables: Mapping[str, ir.StateVar]
    rows: Mapping[str, Rows]
    initial: InitialBase

    def value(self, var: str, index: int, keys: tuple[Term, ...]) -> Term:
        if var not in self.rows:
            return self.initial.value(var, index, keys)
        variable = self.variables[var]
        type_ = variable.values[index]
        value = constant(self.terms, variable.default[index], type_)
        for key, values in self.rows[var].items():
            there = constant(self.terms, values[index], type_)
            value = self.terms.ite(self._same(variable, keys, key), there, value)
        return value

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        if var not in self.rows:
            return self.initial.has(var, keys)
        variable = self.variables[var]
        return self.terms.any(self._same(variable, keys, key) for key in self.rows[var])

    def _same(
        self, variable: ir.StateVar, keys: tuple[Term, ...], key: tuple[ir.Value, ...]
    ) -> Term:
        wanted = (constant(self.terms, v, t) for v, t in zip(key, variable.keys, strict=True))
        return self.terms.all(self.terms.eq(a, b) for a, b in zip(keys, wanted, strict=True))


def rows_of(model: Model, machine: Machine) -> dict[str, Rows]:
    """What a machine's variables hold, by qualified name; of large maps the newest keys."""
    side = model.problem.a
    found: dict[str, Rows] = {}
    for instance, variables in machine.snapshot().items():
        for name, content in variables.items():
            rows = list(content.items())
            qualified = side.qualify(instance, name)
            if qualified in model.variables:
                found[qualified] = dict(rows[-NEWEST:])
    return found


def concrete_state(model: Model, machine: Machine) -> tuple[State, dict[int, Term]]:
    """The state of a machine that has begun, and when the timers of each period are due."""
    terms = model.terms
    assert machine.now is not None
    rows = rows_of(model, machine)
    initial = InitialBase(terms, model.variables)
    plain = {}
    for name, variable in model.variables.items():
        if not variable.keys:
            values = rows[name].get((), variable.default) if name in rows else variable.default
            plain[name] = tuple(
                constant(terms, v, t) for v, t in zip(values, variable.values, strict=True)
            )
    plain[CLOCK] = (terms.const(machine.now, 64),)
    base = ConcreteBase(terms, model.variables, rows, initial)
    due: dict[int, Term] = {}
    periods = model.problem.periods()
    for timer in machine.timers:
        program = machine.network.instances[timer.instance].program
        if timer.packet.bits:
            raise Unsupported("a timer that holds a packet", program.span)
        own = [t.delay for t in program.timers if t.delay in periods]
        for period in own:
            due.setdefault(period, terms.const(timer.due, 64))
    return State(terms, model.variables, base, plain), due
