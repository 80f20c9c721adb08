"""Constant tables too long to be spelled out, as functions of which nothing is known.

The chain and its fast path read the same table, so that a proof needs no more. A trace is replayed
with the real one, and what the solver got wrong of it becomes a lemma.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nfverify.equivalence.concrete import Reality, Strings
from nfverify.equivalence.state import InitialBase, constant, width
from nfverify.equivalence.terms import Term
from nfverify.smat import ir

LONG = 64  # entries
_NAME = "table "


class OpaqueTables(InitialBase):
    """The state before the first packet, but for long constant tables."""

    def value(self, var: str, index: int, keys: tuple[Term, ...]) -> Term:
        variable = self.variables[var]
        if not is_long(variable):
            return super().value(var, index, keys)
        if all(k.is_const for k in keys):
            row = rows(variable).get(tuple(int(k.data) for k in keys), variable.default)
            return constant(self.terms, row[index], variable.values[index])
        return self.terms.uf(f"{_NAME}{var}.{index}", keys, width(variable.values[index]))

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        variable = self.variables[var]
        if not is_long(variable):
            return super().has(var, keys)
        if all(k.is_const for k in keys):
            found = tuple(int(k.data) for k in keys) in rows(variable)
            return self.terms.boolean(found)
        return self.terms.uf(f"{_NAME}{var}?", keys, 0)


def is_long(variable: ir.StateVar) -> bool:
    """Is it a constant table too long to spell out? (Not of byte strings: they have numbers.)"""
    plain = not any(isinstance(t, ir.Bytes) for t in variable.keys + variable.values)
    return variable.constant and plain and len(variable.entries) > LONG


def rows(variable: ir.StateVar) -> dict[tuple[int, ...], tuple[ir.Value, ...]]:
    """The entries by the raw values of their keys."""
    return {
        tuple(_raw(k, t) for k, t in zip(keys, variable.keys, strict=True)): values
        for keys, values in variable.entries
    }


def _raw(value: ir.Value, type_: ir.Type) -> int:
    return int(value) & ((1 << (width(type_) or 1)) - 1)


@dataclass(frozen=True, slots=True)
class TableReality(Reality):
    """What is real, long tables too."""

    variables: Mapping[str, ir.StateVar]
    read: dict[str, dict[tuple[int, ...], tuple[ir.Value, ...]]] = field(default_factory=dict)

    def value(self, term: Term, args: tuple[Any, ...], strings: Strings) -> int | bool | None:
        name: str = term.data
        if not name.startswith(_NAME):
            return Reality.value(self, term, args, strings)
        what = name.removeprefix(_NAME)
        var, _, index = (what[:-1], "", "") if what.endswith("?") else what.rpartition(".")
        variable = self.variables[var]
        if var not in self.read:
            self.read[var] = rows(variable)
        row = self.read[var].get(tuple(int(a) for a in args))
        if not index:
            return row is not None
        place = int(index)
        return _raw((row or variable.default)[place], variable.values[place])
