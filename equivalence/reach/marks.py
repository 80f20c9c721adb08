"""Pairs ruled out all at once by what each row leaves behind at the keys that it touches.

Nothing but a touch changes what stands under a key, so that what a row leaves holds for as long as
it is the last one that touched the key: such facts need few others to be inductive. They are found
row by row; the certificate proves them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.components import Component, Components, implies, locals_of, number
from nfverify.equivalence.constants import Constants
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.reach.touchers import claims_of, is_ghost
from nfverify.equivalence.relation import Candidate, claim
from nfverify.equivalence.simulate import Snapshot
from nfverify.equivalence.solver import Answer, Solver, Translator
from nfverify.equivalence.state import width
from nfverify.equivalence.step import Step
from nfverify.equivalence.terms import Term, Terms
from nfverify.smat import ir

RLIMIT = 2_000_000
ROUNDS = 3
AT_ONCE = 16
MAX_ROWS = 64
"""Rows that touch keys of one class, at most: others' are not looked at."""


@dataclass(slots=True)
class Mark:
    """What holds of the keys that one row touched last."""

    ghost: Component
    row: int
    claims: list[ir.Expr]

    @property
    def candidate(self) -> Candidate:
        keys = locals_of(self.ghost.keys)
        here = ir.Compare("==", self.ghost.at(keys), number(self.row, self.ghost.type))
        return Candidate("toucher", self.ghost.keys, implies(here, ir.And(tuple(self.claims))))


@dataclass(slots=True)
class Marks:
    """Facts about the last touchers of one step, made for this alone."""

    problem: Problem
    constants: Constants
    step: Step
    terms: Terms
    deadline: float
    snapshots: Sequence[Snapshot] = ()  # states that are known to occur
    marks: list[Mark] = field(default_factory=list)
    _solver: Solver = field(init=False)

    def __post_init__(self) -> None:
        self._solver = self._fresh()

    def _fresh(self) -> Solver:
        solver = Solver(Translator(), deadline=self.deadline, rlimit=RLIMIT)
        for event in self.step.events:
            solver.add(*event.facts)
        return solver

    def ruled_out(self, goals: dict[int, Term]) -> tuple[frozenset[int], tuple[Candidate, ...]]:
        """Those of the goals, each with when it is reached, that the facts rule out."""
        self._find()
        for _ in range(ROUNDS):
            if self._lasting():
                return self._impossible(goals)
        return frozenset(), ()

    def _find(self) -> None:
        """What holds right after each row."""
        step = self.step
        components = Components(
            self.problem, self.constants, set(step.relevant), set(step.presence)
        )
        encode = self.problem.rulesets(self.terms)
        for ghost in components.all:
            if not is_ghost(ghost) or ghost.index is None:
                continue
            claims = list(
                dict.fromkeys(claims_of(self.problem.a, self.constants, components.all, ghost))
            )
            written: dict[int, list[tuple[Term, list[Term]]]] = {}
            for event in step.events:
                for entry in event.post.logs.get(ghost.var, ()):
                    if entry.values is None or not entry.values[0].is_const:
                        return
                    after = [
                        claim(
                            self.terms,
                            event.post,
                            Candidate("toucher", ghost.keys, c),
                            entry.keys,
                            encode,
                        )
                        for c in claims
                    ]
                    row = int(entry.values[0].data)
                    written.setdefault(row, []).append((entry.guard, after))
            seen = self._seen(ghost, claims)
            for row, cases in sorted(written.items())[:MAX_ROWS]:
                left = seen.get(row, set(range(len(claims))))
                for guard, after in cases:
                    left = self._kept(guard, after, left)
                if left:
                    self.marks.append(Mark(ghost, row, [claims[n] for n in sorted(left)]))

    def _seen(self, ghost: Component, claims: Sequence[ir.Expr]) -> dict[int, set[int]]:
        """The claims that hold in all states that are known, by rows."""
        candidates = [Candidate("toucher", ghost.keys, c) for c in claims]
        defaults = {n: v.default for n, v in self.step.model.variables.items()}
        found: dict[int, set[int]] = {}
        done: set[object] = set()
        for snapshot in self.snapshots:
            for key, values in snapshot[ghost.var].items():
                row = int(values[ghost.index or 0])
                mark = row, key, len(snapshot[ghost.var])
                if mark in done:
                    continue
                done.add(mark)
                left = found.setdefault(row, set(range(len(claims))))
                left -= {n for n in left if not candidates[n].holds(snapshot, defaults, *key)}
        return found

    def _kept(self, guard: Term, after: Sequence[Term], left: set[int]) -> set[int]:
        """The claims that hold whenever the guard does."""
        terms = self.terms
        solver = self._solver
        left = {n for n in left if after[n] is not terms.false}
        solver.push()
        solver.add(guard)
        answer: Answer = "sat"
        while left and answer == "sat":
            wrong = terms.any(terms.not_(after[n]) for n in sorted(left))
            answer = solver.check([wrong])
            if answer == "sat":
                left = {n for n in left if solver.value(after[n])}
        solver.pop()
        return left if answer == "unsat" else set()

    def _assumed(self) -> tuple[Solver, list[Term]]:
        """A solver that knows the facts, each under a literal, of all keys that were touched."""
        terms, step, solver = self.terms, self.step, self._fresh()
        encode = self.problem.rulesets(terms)
        literals = [terms.var(f"mark {n}", 0) for n in range(len(self.marks))]
        for var, keys in list(step.base.touched):
            for literal, mark in zip(literals, self.marks, strict=True):
                if mark.ghost.var == var:
                    held = claim(terms, step.pre, mark.candidate, keys, encode)
                    solver.add(terms.implies(literal, held))
        for var, keys in list(step.base.touched):
            if var in step.presence:
                solver.add(step.base.facts(var, keys))
        return solver, literals

    def _lasting(self) -> bool:
        """Drops the claims that an event can undo; were there none?"""
        terms, step = self.terms, self.step
        encode = self.problem.rulesets(terms)
        checks: list[tuple[Mark, Term, list[Term]]] = []
        for mark in self.marks:
            keys = tuple(
                terms.var(f"{mark.ghost.var} any {i}", width(t))
                for i, t in enumerate(mark.ghost.keys)
            )
            claim(terms, step.pre, mark.candidate, keys, encode)  # touches them
            for event in step.events:
                last = event.post.read(mark.ghost.var, keys, mark.ghost.index or 0)
                here = terms.eq(last, terms.const(mark.row, last.width))
                after = [
                    claim(terms, event.post, Candidate("toucher", mark.ghost.keys, c), keys, encode)
                    for c in mark.claims
                ]
                checks.append((mark, here, after))
        solver, literals = self._assumed()
        lost: dict[int, set[int]] = {}
        for mark, here, after in checks:
            gone = lost.setdefault(self.marks.index(mark), set())
            while True:
                left = [n for n in range(len(after)) if n not in gone]
                wrong = terms.any(terms.not_(after[n]) for n in left)
                answer = solver.check([*literals, here, wrong]) if left else "unsat"
                if answer == "unsat":
                    break
                if answer == "unknown":
                    gone.update(left)
                    break
                gone.update(n for n in left if not solver.value(after[n]))
        kept: list[Mark] = []
        for number_, mark in enumerate(self.marks):
            gone = lost.get(number_, set())
            claims = [c for n, c in enumerate(mark.claims) if n not in gone]
            if claims:
                kept.append(Mark(mark.ghost, mark.row, claims))
        self.marks = kept
        return not any(lost.values())

    def _impossible(self, goals: dict[int, Term]) -> tuple[frozenset[int], tuple[Candidate, ...]]:
        terms = self.terms
        solver, literals = self._assumed()
        left = dict(goals)
        while left:
            answer = solver.check([*literals, terms.any(left.values())])
            if answer == "sat":
                left = {g: t for g, t in left.items() if not solver.value(t)}
            elif answer == "unknown":
                left = {g: t for g, t in left.items() if solver.check([*literals, t]) == "unsat"}
                core = set(literals)
                return frozenset(left), tuple(m.candidate for m in self.marks if core)
            else:
                core_ids = solver.core()
                used = [
                    m.candidate
                    for m, literal in zip(self.marks, literals, strict=True)
                    if int(solver.translate(literal).get_id()) in core_ids
                ]
                # What the facts in use rest on is in use, too: all of one key class or none.
                return frozenset(left), tuple(used)
        return frozenset(), ()


def grouped(differences: Iterator[tuple[int, Term]], terms: Terms) -> dict[int, Term]:
    """When each goal is reached, by whatever event."""
    found: dict[int, list[Term]] = {}
    for goal, term in differences:
        found.setdefault(goal, []).append(term)
    return {goal: terms.any(guards) for goal, guards in sorted(found.items())}
