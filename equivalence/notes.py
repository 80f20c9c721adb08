"""What a verdict says beside its answer, so that it is never vacuous (decision 31)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nfverify.equivalence.induction import Induction
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.relation import Candidate
from nfverify.equivalence.simulate import Pair, Simulation
from nfverify.equivalence.terms import Term


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
    event = induction.step.events[0]
    for side, taken in zip(reach.problem.sides, (event.taken_a, event.taken_b), strict=True):
        guards: dict[tuple[str, str], list[Term]] = {}
        for entry in taken:
            guards.setdefault((entry.instance, entry.entry), []).append(entry.guard)
        for (instance, name), found in guards.items():
            if not induction.possible(found):
                yield f"{side.letter}: no packet can reach {instance}: {name}"
    emissions = [e.guard for e in (*event.out_a, *event.out_b)]
    if not induction.possible(emissions):
        yield "nothing is ever forwarded"
    variables = induction.step.model.variables
    hidden = [
        n for n in variables if n not in induction.step.relevant and not variables[n].constant
    ]
    shown = [n for n in hidden if n != "clock"]
    if shown and not reach.problem.options.observe_state:
        yield f"no output depends on {', '.join(shown)}"
