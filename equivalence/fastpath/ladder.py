"""Questions to Z3, cheapest first: arithmetic as uninterpreted functions, then bit by bit.

What is unsatisfiable with any functions in the place of arithmetic is so with the real ones: both
sides of an obligation mostly compute the same terms, and no solver needs to know what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import z3

from nfverify.equivalence.concrete import Reality, Strings, lemmas
from nfverify.equivalence.fastpath.specialise import Known
from nfverify.equivalence.solver import Answer, Solver, Translator
from nfverify.equivalence.state import ArbitraryBase
from nfverify.equivalence.terms import Term, Terms, subterms

QUICK_RLIMIT = 400_000
RLIMIT = 8_000_000
PATIENCE = 60_000_000
LEMMAS = 6  # times that real values of functions are learned from a model
_OPAQUE = frozenset(
    (
        *("add", "sub", "mul", "shl", "lshr", "ashr", "udiv", "urem", "sdiv", "srem"),
        *("ult", "ule", "slt", "sle"),
    )
)


class OpaqueTranslator(Translator):
    """Terms as Z3's, with arithmetic and order as functions of which nothing is known."""

    def _translate(self, term: Term, args: list[Any]) -> Any:
        ranged = term.width == 0 and any(a.is_const for a in term.args)
        if term.op not in _OPAQUE or ranged:  # a range of a field decides what rules match
            return super()._translate(term, args)
        key = (term.op, term.width, *[a.width for a in term.args])
        if key not in self._functions:
            sorts = [self.sort(a.width) for a in term.args] + [self.sort(term.width)]
            self._functions[key] = z3.Function("!".join(map(str, key)), *sorts)
        return self._functions[key](*args)


@dataclass(slots=True)
class Ladder:
    """Can terms hold at once? `facts` always do; of any state, absent keys read as defaults; and
    `reality` gives the functions whose values are known."""

    terms: Terms
    base: ArbitraryBase
    facts: Sequence[Term]
    reality: Reality
    deadline: float
    rlimit: int = RLIMIT
    patience: int = PATIENCE
    refuted: Callable[[tuple[Term, ...]], None] = lambda asserted: None  # hears what can't be
    checks: int = 0
    _owners: dict[str, str] = field(init=False)
    _rungs: list[Solver] = field(default_factory=list)
    _seen: dict[tuple[int, ...], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._owners = {
            name: var
            for var, variable in self.base.variables.items()
            for name in (f"{var}?", *(f"{var}.{i}" for i in range(len(variable.values))))
        }
        for translator, rlimit in ((OpaqueTranslator(), QUICK_RLIMIT), (Translator(), self.rlimit)):
            solver = Solver(
                translator, "", deadline=self.deadline, rlimit=rlimit, refuted=self.refuted
            )
            solver.add(*self.facts)
            self._rungs.append(solver)

    def ask(self, asked: Iterable[Term], *, quick: bool = True) -> Answer:
        """`unsat` is a proof; `sat` is exact. Raises OutOfTime."""
        parts = [t for t in asked if t is not self.terms.true]
        if self.terms.all(parts) is self.terms.false:
            return "unsat"
        answer: Answer = "unknown"
        for solver in self._rungs[0 if quick else 1 :]:
            exact = solver is self._rungs[-1]
            answer = self._check(solver, parts, self.patience if exact else 0)
            if answer == "unsat":
                break
        return answer

    def _check(self, solver: Solver, parts: Sequence[Term], patience: int = 0) -> Answer:
        self.checks += 1
        solver.push()
        solver.add(*parts, *self.about(parts))
        answer = solver.check(patience=patience)
        if solver is self._rungs[-1]:
            for _ in range(LEMMAS):
                found = answer == "sat" and lemmas(
                    self.terms, solver, parts, self.reality, Strings({})
                )
                if not found:
                    break
                solver.add(*found)
                answer = solver.check(patience=patience)
        solver.pop()
        return answer

    def about(self, roots: Sequence[Term]) -> list[Term]:
        """What is true of every state at the keys that the terms read."""
        found: dict[int, Term] = {}
        for term in subterms(roots):
            if term.op == "uf" and term.data in self._owners:
                fact = self.base.facts(self._owners[term.data], term.args)
                found[fact.id] = fact
        return list(found.values())

    def at_once(self, assumed: Sequence[Term], wrong: Term) -> bool:
        """Is it seen to be impossible by a quick look?"""
        key = (wrong.id, *(t.id for t in assumed))
        if key not in self._seen:
            folded = Known(self.terms, assumed)(wrong)
            parts = [*assumed, folded]
            self._seen[key] = (
                folded is self.terms.false or self._check(self._rungs[0], parts) == "unsat"
            )
        return self._seen[key]

    def refutes(self, assumed: Sequence[Term], wrong: Term) -> Answer:
        """As `ask`, of `wrong` where the assumptions hold, folded with them first."""
        if wrong is self.terms.false:
            return "unsat"
        wrong = Known(self.terms, assumed)(wrong)
        if wrong is self.terms.false:
            return "unsat"
        return self.ask([*assumed, wrong])
