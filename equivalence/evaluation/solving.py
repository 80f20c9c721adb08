"""Conditions on choices that nothing has settled yet: are they consistent, and what do they fix?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.evaluation.decisions import replace
from nfverify.equivalence.evaluation.ground import GroundTerms, Unclear
from nfverify.equivalence.solver import OutOfTime, Solver, Translator
from nfverify.equivalence.terms import Term, subterms

RLIMIT = 8_000_000
PATIENCE = 30.0  # s of one question: only ever turns an answer into Unclear
MOST_REFUTED = 200  # models that the real functions refute

Model = dict[int, Term]  # the constant of each symbol, by the symbol's id


def symbols(roots: Iterable[Term]) -> list[Term]:
    """The symbols below some terms, in the order of their making."""
    return sorted((t for t in subterms(roots) if t.op == "var"), key=lambda t: t.id)


def conjuncts(conditions: Iterable[Term]) -> list[Term]:
    """Conditions with their conjunctions opened, without what surely holds."""
    found: dict[int, Term] = {}
    stack = list(conditions)[::-1]
    while stack:
        term = stack.pop()
        if term.op == "all":
            stack.extend(reversed(term.args))
        elif term.data is not True or not term.is_const:
            found[term.id] = term
    return list(found.values())


def pins(terms: GroundTerms, conditions: Iterable[Term]) -> Model:
    """Symbols that a condition says the value of."""
    found: Model = {}
    for condition in conditions:
        if condition.op == "var":
            found[condition.id] = terms.true
        elif condition.op == "not" and condition.args[0].op == "var":
            found[condition.args[0].id] = terms.false
        elif condition.op == "eq":
            _pin(terms, condition.args[0], condition.args[1], found)
    return found


def _pin(terms: GroundTerms, a: Term, b: Term, found: Model) -> None:
    if a.is_const:
        a, b = b, a
    if not b.is_const:
        return
    while a.op == "add" and a.args[1].is_const:
        a, b = a.args[0], terms.binary("sub", b, a.args[1])
    if a.op == "var":
        found[a.id] = b


def related(conditions: Sequence[Term], start: Iterable[Term]) -> list[Term]:
    """The conditions that share symbols with `start`, or with others that do."""
    owner = {c.id: {s.id for s in symbols([c])} for c in conditions}
    reached = {s.id for s in symbols(start)}
    left = list(conditions)
    found: list[Term] = []
    while True:
        near = [c for c in left if owner[c.id] & reached]
        if not near:
            return found
        found += near
        left = [c for c in left if not owner[c.id] & reached]
        reached |= {s for c in near for s in owner[c.id]}


@dataclass(slots=True)
class Solving:
    """Questions about conditions over one table of terms."""

    terms: GroundTerms
    _translator: Translator = field(default_factory=Translator)

    def model(self, conditions: Sequence[Term]) -> Model | None:
        """Values under which all conditions really hold; None if there are none."""
        terms, asked = self.terms, symbols(conditions)
        solver = Solver(
            self._translator, "QF_UFBV", deadline=time.monotonic() + PATIENCE, rlimit=RLIMIT
        )
        solver.add(*self._numbered(conditions))
        for _ in range(MOST_REFUTED):
            try:
                answer = solver.check()
            except OutOfTime:
                answer = "unknown"
            if answer == "unsat":
                return None
            if answer == "unknown":
                raise Unclear("the solver gave up on what the choices may be")
            found = {s.id: terms.raw(solver.value(s), s.width) for s in asked}
            if all(t is terms.true for t in replace(terms, conditions, found)):
                return found
            solver.add(terms.not_(terms.all(terms.eq(s, found[s.id]) for s in asked)))
        raise Unclear("operators leave too many values open")

    def fixed(self, conditions: Sequence[Term], model: Model) -> Model:
        """The symbols of a model that have no other value."""
        found: Model = {}
        for symbol in symbols(conditions):
            other = self.terms.not_(self.terms.eq(symbol, model[symbol.id]))
            if self.model([*conditions, other]) is None:
                found[symbol.id] = model[symbol.id]
        return found

    def all_models(
        self, conditions: Sequence[Term], asked: Sequence[Term], most: int
    ) -> list[Model]:
        """Every assignment to `asked` under the conditions; Unclear if they are over `most`."""
        found: list[Model] = []
        more = list(conditions)
        while (model := self.model(more)) is not None:
            if len(found) == most:
                raise Unclear("too many ways in which earlier choices may have gone")
            values = {s.id: model.get(s.id, self.terms.raw(0, s.width)) for s in asked}
            found.append(values)
            same = self.terms.all(self.terms.eq(s, values[s.id]) for s in asked)
            more.append(self.terms.not_(same))
        return found

    def _numbered(self, conditions: Sequence[Term]) -> list[Term]:
        """Without byte strings: the solver compares numbers that stand for them."""
        strings = [t for t in subterms(conditions) if t.is_const and isinstance(t.data, bytes)]
        known = {t.id: self.terms.const(i, t.width) for i, t in enumerate(strings)}
        return replace(self.terms, conditions, known) if known else list(conditions)
