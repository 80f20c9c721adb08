"""What a verdict says beside its answer, so that it is never vacuous (decision 31)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nfverify.equivalence.induction import Induction
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.relation import Candidate
from nfverify.equivalence.replay import entries_taken
from nfverify.equivalence.simulate import Pair, Simulation
from nfverify.equivalence.terms import Term

TRACES = 4
"""Simulated traces that are looked through for entries before the solver is asked."""


@dataclass(frozen=True, slots=True)
class Reach:
    """All that the notes are made from."""

    problem: Problem
    induction: Induction
    relation: tuple[Candidate, ...]
    pair: Pair
    simulation: Simulation | None


def notes_on(reach: Reach) -> tuple[str, ...]:
    """Unreachable entries, whether anything is forwarded, state that no output shows."""
    return tuple(_notes(reach))


def _notes(reach: Reach) -> Iterator[str]:
    induction = reach.induction
    yield from induction.on_invariants()
    event = induction.step.events[0]
    guards: dict[tuple[str, str, str], list[Term]] = {}
    for side, taken in zip(reach.problem.sides, (event.taken_a, event.taken_b), strict=True):
        for entry in taken:
            if entry.entry is None:
                continue
            where = (side.letter, entry.instance, entry.title)
            guards.setdefault(where, []).append(entry.guard)
    traces = [] if reach.simulation is None else reach.simulation.traces[:TRACES]
    for trace in traces:
        for where in entries_taken(reach.problem, reach.pair, trace):
            guards.pop(where, None)
    for letter, instance, name in induction.never(guards):
        yield f"{letter}: no packet can reach {instance}: {name}"
    emissions = [e.guard for e in (*event.out_a, *event.out_b)]
    if not any(e.is_const and e.data for e in emissions) and not induction.possible(emissions):
        yield (
            "no IP packet is ever forwarded"
            if reach.problem.only_ip()
            else "nothing is ever forwarded"
        )
    if reach.problem.options.observe_state and reach.problem.unpaired():
        yield f"not compared, for lack of a partner: {', '.join(reach.problem.unpaired())}"
    variables = induction.step.model.variables
    hidden = [
        n for n in variables if n not in induction.step.relevant and not variables[n].constant
    ]
    shown = [n for n in hidden if n != "clock"]
    if shown and not reach.problem.options.observe_state:
        yield f"no output depends on {', '.join(shown)}"
