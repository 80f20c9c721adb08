"""The relation proved again from scratch: other terms, another solver, one obligation at a time.

The search may be as clever as it likes; only what this module proves makes an `equivalent`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from nfverify.equivalence.audit import Ledger, Query
from nfverify.equivalence.induction import GENERATIONS
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.relation import Candidate, bindings, claim, relation_text
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.state import width
from nfverify.equivalence.step import Step, build_step, cases_of
from nfverify.equivalence.symbolic import RulesetEncoder
from nfverify.equivalence.terms import Term, Terms
from nfverify.equivalence.verdict import Obligation

RLIMIT = 100_000_000
AT_ONCE_RLIMIT = 3_000_000
SATISFIABLE = "the assumptions are satisfiable"
LEFT_OUT = "left out as impossible"


def certify(
    problem: Problem,
    relation: Sequence[Candidate],
    deadline: float,
    names: Callable[[int], str],
    notify: Callable[[str], None] = lambda text: None,
    build: Callable[[Problem, Terms, Callable[[Term], bool]], Step] = build_step,
    takes: Callable[[str], bool] = lambda name: True,
) -> tuple[Obligation, ...]:
    """Every obligation of the proof with its result; all must be `proved`.

    Initially each conjunct holds at arbitrary keys; every event preserves it; related states give
    equal outputs; and the assumptions can be satisfied, so that nothing is proved of nothing. With
    an audit also that what the step leaves out, because it can't be, can't be. Disagreement.

    Left out are those that `takes` refuses, which hears the names of all in a fixed order.
    """
    terms, translator = Terms(), Translator()
    feasibility = Solver(translator, "", deadline=deadline, rlimit=RLIMIT // 10)
    never: dict[int, Term] = {}

    def feasible(term: Term) -> bool:
        found = feasibility.feasible(term)
        if not found and not term.is_const:
            never[term.id] = term
        return found

    step = build(problem, terms, feasible)
    encode = problem.rulesets(terms)
    solver = Solver(translator, "", deadline=deadline, rlimit=RLIMIT)
    for event in step.events:
        solver.add(*event.facts)
    skolem = [
        tuple(terms.var(f"any {n}.{i}", width(t)) for i, t in enumerate(c.keys))
        for n, c in enumerate(relation)
    ]
    goals = [(name, differs, step.events[n]) for name, differs, n in step.differences]
    for n, candidate in enumerate(relation):
        for event in step.events:
            after = claim(terms, event.post, candidate, skolem[n], encode)
            goals.append((f"{names(n)} after {event.name}", terms.not_(after), event))
    assumed: set[tuple[int, ...]] = set()
    for n, candidate in enumerate(relation):
        solver.add(claim(terms, step.pre, candidate, skolem[n], encode))
        assumed.add((n, *(k.id for k in skolem[n])))
    _close(terms, step, relation, encode, solver, assumed)

    obligations: list[Obligation] = []
    ledger = Ledger(problem.audit, tuple(_relation_lines(problem, relation, names)))

    def settle(name: str, refutes: Term, by: Solver, cases: Sequence[Term] = ()) -> None:
        if not takes(name):
            return
        started = time.monotonic()
        number = len(obligations)

        def noted(*more: Term, of: Sequence[Term] = (), says: str = "") -> None:
            given = (*by.asserted(), *more)
            ledger.note(lambda: Query(number, says or claims(name), given, cases=tuple(of)))

        notify(f"certificate: {name}")
        if refutes is terms.false:
            answer = "unsat"
            noted(refutes)
        else:
            by.push()
            by.add(refutes)
            answer = by.check(rlimit=AT_ONCE_RLIMIT if cases else None)
            split = answer == "unknown" and bool(cases)
            if split:
                answers = {by.check([case]) for case in cases}
                answer = "unsat" if answers == {"unsat"} else "unknown"
            if answer == "unknown":
                split, answer = False, by.check(patience=RLIMIT)
            if not split:
                noted(of=cases)
            for n, case in enumerate(cases if split else (), 1):
                noted(case, says=f"{claims(name)}\nCase {n} of {len(cases)}, of which one holds.")
            by.pop()
        result = {"unsat": "proved", "sat": "refuted", "unknown": "unknown"}[answer]
        obligations.append(Obligation(name, time.monotonic() - started, result))  # type: ignore[arg-type]  # one of the three

    initial = step.model.initial_state()
    start = Solver(translator, "", deadline=deadline, rlimit=RLIMIT)
    for n, candidate in enumerate(relation):
        holds = claim(terms, initial, candidate, skolem[n], encode)
        settle(f"{names(n)} initially", terms.not_(holds), start)
    for name, refutes, event in goals:
        settle(name, refutes, solver, cases_of(step, event))
    if takes(SATISFIABLE):
        began = time.monotonic()
        possible = "proved" if solver.check() == "sat" else "unknown"
        ledger.note(lambda: Query(len(obligations), claims(SATISFIABLE), solver.asserted(), "sat"))
        obligations.append(Obligation(SATISFIABLE, time.monotonic() - began, possible))  # type: ignore[arg-type]  # one of the three
    if problem.audit is not None:
        for number, term in enumerate(never.values(), 1):
            settle(f"{LEFT_OUT}, {number}", term, feasibility)
        if isinstance(problem.rulesets, RulesetPlan):
            for name, refutes in problem.rulesets.claims(terms):
                if takes(name):
                    ledger.queries.append(Query(len(obligations), claims(name), (refutes,)))
                    obligations.append(Obligation(name, 0.0, "proved"))
    return ledger.settle(obligations, deadline, notify)


def claims(name: str) -> str:
    """What the query behind an obligation asks for, in words."""
    if name == SATISFIABLE:
        return "Related states and an event with all that is assumed: the proof is not of nothing."
    if name.startswith(LEFT_OUT):
        return "A packet and state for a branch, round or copy that the step leaves out."
    if " accept the same" in name:
        return "A point of a packet at which the lists of rules are not related as is claimed."
    if name.endswith(" initially"):
        return "An initial state, and keys at which a conjunct of the relation is false in it."
    if " after " in name:
        return "Related states and an event after which the claim is false."
    return "Related states and an event with what the obligation rules out."


def _relation_lines(
    problem: Problem, relation: Sequence[Candidate], names: Callable[[int], str]
) -> Iterator[str]:
    """The relation in words, for an audit."""
    if problem.audit is not None and relation:
        yield "Related are states for which this holds:"
        variables = problem.variables()
        yield from (f"  {names(n)} {relation_text(c, variables)}" for n, c in enumerate(relation))


def _close(
    terms: Terms,
    step: Step,
    relation: Sequence[Candidate],
    encode: RulesetEncoder,
    solver: Solver,
    assumed: set[tuple[int, ...]],
) -> None:
    """The relation at every key that the step, the goals and other instances touch."""
    base = step.base
    by_var: dict[str, list[tuple[Term, ...]]] = {}

    def assume(n: int, keys: tuple[Term, ...]) -> None:
        mark = (n, *(k.id for k in keys))
        if mark not in assumed:
            assumed.add(mark)
            solver.add(claim(terms, step.pre, relation[n], keys, encode))

    for n, candidate in enumerate(relation):
        if not candidate.keys:
            assume(n, ())
    done = 0
    while fresh := list(base.touched.items())[done:]:
        done += len(fresh)
        for (var, keys), generation in fresh:
            if var in step.presence:
                solver.add(base.facts(var, keys))
            if generation >= GENERATIONS:
                continue
            by_var.setdefault(var, []).append(keys)
            base.generation = generation + 1
            for n, candidate in enumerate(relation):
                for bound in bindings(terms, candidate, [(var, keys)], by_var):
                    assume(n, bound)
            base.generation = 0
