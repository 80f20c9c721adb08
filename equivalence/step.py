"""One symbolic event of both sides from any pair of states, and what depends on what in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nfverify.equivalence.problem import Event, Model, Problem
from nfverify.equivalence.state import ArbitraryBase, State, width
from nfverify.equivalence.terms import Term, Terms, subterms


@dataclass(frozen=True, slots=True)
class Step:
    """The symbolic step of both sides from any state: events, and the cone of influence."""

    model: Model
    pre: State
    base: ArbitraryBase
    events: tuple[Event, ...]
    differences: tuple[tuple[str, Term, int], ...]  # name, what must be impossible, event
    relevant: frozenset[str]
    presence: frozenset[str]


def build_step(problem: Problem, terms: Terms, feasible: Callable[[Term], bool]) -> Step:
    """One packet, and one tick of each period, from an arbitrary pair of states."""
    model = Model(problem, terms, feasible)
    pre, base = model.arbitrary_state()
    events = [model.packet_event(pre, "packet")]
    events += [model.tick_event(pre, p, f"tick {p} ns") for p in problem.periods()]
    differences = [("equal outputs", model.outputs_differ(events[0]), 0)]
    if problem.options.observe_state:
        for number, event in enumerate(events):

            def keys(var: str, n: int, name: str = event.name) -> tuple[Term, ...]:
                types = model.variables[var].keys
                return tuple(
                    terms.var(f"observed {n} {name}.{i}", width(t)) for i, t in enumerate(types)
                )

            differences += [
                (f"equal {name} after {event.name}", differs, number)
                for name, differs in model.states_differ(event.post, keys)
            ]
    relevant, presence = cone(model, events, [d for _, d, _ in differences])
    return Step(
        model, pre, base, tuple(events), tuple(differences), frozenset(relevant),
        frozenset(presence),
    )  # fmt: skip


def cone(model: Model, events: Sequence[Event], roots: Sequence[Term]) -> tuple[set[str], set[str]]:
    """Variables that outputs depend on, through any number of events; and of these, those whose
    presence matters."""
    owner: dict[str, str] = {}
    for name, variable in model.variables.items():
        owner[f"{name}?"] = name
        for i in range(len(variable.values)):
            owner[f"{name}.{i}"] = name
    relevant: set[str] = set()
    presence: set[str] = set()
    pending: list[Term] = list(roots)
    scanned: set[int] = set()
    while pending:
        fresh: set[str] = set()
        for term in subterms(pending):
            if term.id in scanned:
                continue
            scanned.add(term.id)
            if term.op in ("var", "uf") and term.data in owner:
                name = owner[term.data]
                if term.data.endswith("?"):
                    presence.add(name)
                fresh.add(name)
        pending = []
        for name in sorted(fresh - relevant):
            relevant.add(name)
            for event in events:
                pending += event.post.plain.get(name, ())
                for entry in event.post.logs.get(name, ()):
                    pending += [entry.guard, *entry.keys, *(entry.values or ())]
    return relevant, presence


def cases_of(step: Step, event: Event) -> list[Term]:
    """Conditions of which one always holds: that a packet takes this or that entry of the largest
    table of either side, or none."""
    terms = step.model.terms
    tables: dict[int, list[Term]] = {}
    for taken in (*event.taken_a, *event.taken_b):
        tables.setdefault(id(taken.table), []).append(taken.guard)
    cases = max(tables.values(), key=len, default=[])
    rest = terms.not_(terms.any(cases))
    return [case for case in (*cases, rest) if case is not terms.false]
