"""Can conditions hold at once? A solver that tries the examples that it found before first."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import z3
from z3 import z3core as c_api

from nfverify.equivalence.solver import Translator
from nfverify.equivalence.terms import Term

RLIMIT = 300_000  # of one check; about 50 ms
EXAMPLES = 24


@dataclass(slots=True, eq=False)
class _Example:
    """A model of the solver: one packet and state; `values` by the number of a term."""

    model: Any
    values: dict[int, bool] = field(default_factory=dict)
    facts: int = 0  # how many it was tried on, all of which it holds


@dataclass(slots=True)
class Possible:
    """Facts that always hold, and questions about what else may; what can't be decided may."""

    deadline: float
    _facts: list[Term] = field(default_factory=list)
    _examples: list[_Example] = field(default_factory=list)  # the last that served first
    _cores: list[frozenset[int]] = field(default_factory=list)  # what can't hold at once
    _answers: dict[frozenset[int], bool] = field(default_factory=dict)
    _translate: Translator = field(default_factory=Translator)
    _solver: Any = field(init=False)

    def __post_init__(self) -> None:
        # No time-out of Z3's own: it would start a thread, and the prover forks later.
        self._solver = z3.SolverFor("QF_UFBV", ctx=self._translate.ctx)
        self._solver.set("rlimit", RLIMIT)

    def add(self, fact: Term) -> None:
        self._facts.append(fact)
        self._solver.add(self._translate(fact))

    def __call__(self, conditions: Iterable[Term]) -> bool:
        """Can they all hold, with the facts? True also if the solver doesn't know."""
        kept = {t.id: t for t in conditions if not t.is_const or not t.data}
        if any(t.is_const for t in kept.values()):
            return False
        key = frozenset(kept)
        if key not in self._answers:
            if time.monotonic() > self.deadline:
                return True
            self._answers[key] = not any(c <= key for c in self._cores) and self._decide(
                list(kept.values())
            )
        return self._answers[key]

    def _decide(self, conditions: list[Term]) -> bool:
        # The newest condition is the likeliest to fail.
        conditions.reverse()
        for example in self._examples:
            if self._holds(example, conditions):
                self._examples.remove(example)
                self._examples.insert(0, example)
                return True
        asked = {self._translate(c).get_id(): c.id for c in conditions}
        result = self._solver.check(*map(self._translate, conditions))
        if result == z3.sat:
            # Not the first: that one is known to hold most of a long row of conditions.
            self._examples.insert(1, _Example(self._solver.model()))
            del self._examples[EXAMPLES:]
        elif result == z3.unsat:
            core = frozenset(asked[found.get_id()] for found in self._solver.unsat_core())
            self._cores.append(core)
        return bool(result != z3.unsat)

    def _holds(self, example: _Example, conditions: list[Term]) -> bool:
        if not all(self._value(example, c) for c in conditions):
            return False
        while example.facts < len(self._facts):
            if not self._value(example, self._facts[example.facts]):
                return False  # made before this fact was known
            example.facts += 1
        return True

    def _value(self, example: _Example, condition: Term) -> bool:
        value = example.values.get(condition.id)
        if value is None:
            value = example.values[condition.id] = self._evaluated(example, condition)
        return value

    def _evaluated(self, example: _Example, condition: Term) -> bool:
        """By the C API: the Python one takes several times as long."""
        ref, found = self._translate.ctx.ref(), (z3.Ast * 1)()
        c_api.Z3_model_eval(ref, example.model.model, self._translate(condition).ast, True, found)
        return bool(c_api.Z3_get_bool_value(ref, found[0]) == 1)
