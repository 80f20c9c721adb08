"""Maps with `timeout` or `max` over terms (decision 16), where keys and stamps can be looked up.

A row has one component more, the stamp of its last assignment. The state holds how many keys are
alive as one more plain variable. Which key is oldest is for the caller to say: that depends on the
order of all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nfverify.equivalence.state import State
from nfverify.equivalence.terms import Term, Terms
from nfverify.smat import ir

COUNT_WIDTH = 32

Oldest = Callable[[State, str, Term], tuple[Term, ...]]


def count_name(var: str) -> str:
    """The plain variable that counts the keys of `var` that are alive."""
    return f"{var}#"


@dataclass(frozen=True, slots=True)
class AgedMaps:
    """`oldest` gives the key that has been assigned longest ago and is alive, at a time."""

    terms: Terms
    oldest: Oldest

    def has(self, state: State, var: str, keys: tuple[Term, ...], now: Term) -> Term:
        """Is the key there, and its time not over?"""
        terms, variable = self.terms, state.variables[var]
        there = state.has(var, keys)
        if variable.timeout is None:
            return there
        stamp = state.read(var, keys, len(variable.values))
        age = terms.binary("sub", now, stamp)
        young = terms.compare("ult", age, terms.const(variable.timeout, ir.TIME.width))
        return terms.and_(there, young)

    def read(self, state: State, var: str, keys: tuple[Term, ...], index: int, now: Term) -> Term:
        """Component `index`, the default if the key is absent or its time is over."""
        alive = self.has(state, var, keys, now)
        return self.terms.ite(alive, state.read(var, keys, index), state.default(var, index))

    def write(
        self,
        state: State,
        var: str,
        keys: tuple[Term, ...],
        values: tuple[Term, ...] | None,
        now: Term,
    ) -> None:
        """Assigns as far as there is room, or with None deletes."""
        terms, variable = self.terms, state.variables[var]
        if variable.capacity is None:
            state.write(var, keys, None if values is None else (*values, now))
            return
        count = state.plain[count_name(var)][0]
        had, one = self.has(state, var, keys, now), terms.const(1, COUNT_WIDTH)
        if values is None:
            less = terms.ite(had, terms.binary("sub", count, one), count)
            state.plain[count_name(var)] = (less,)
            state.write(var, keys, None)
            return
        full = terms.eq(count, terms.const(variable.capacity, COUNT_WIDTH))
        over = terms.and_(terms.not_(had), full)
        stays = terms.or_(had, full, terms.boolean(variable.timeout == 0))
        state.plain[count_name(var)] = (terms.ite(stays, count, terms.binary("add", count, one)),)
        if variable.overflow == "reject":
            state.write_if(terms.not_(over), var, keys, (*values, now))
            return
        if over is not terms.false:
            state.write_if(over, var, self.oldest(state, var, now), None)
        state.write(var, keys, (*values, now))

    def touch(self, state: State, var: str, keys: tuple[Term, ...], now: Term) -> None:
        """Makes a key that is there the one assigned last."""
        variable = state.variables[var]
        values = tuple(state.read(var, keys, i) for i in range(len(variable.values)))
        state.write_if(self.has(state, var, keys, now), var, keys, (*values, now))
