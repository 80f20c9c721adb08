"""A refutation as people see it: A's run, and what B did instead."""

from __future__ import annotations

from nfverify.equivalence.problem import Problem
from nfverify.equivalence.refine.hands import Scripted, first
from nfverify.equivalence.refine.pair import Made, RefinePair
from nfverify.equivalence.refine.refute import Refutation
from nfverify.equivalence.replay import NotReproduced, differences_of, port_name, step_of
from nfverify.equivalence.verdict import Counterexample, Emitted, Event, SideOfEvent
from nfverify.packet.codec import deparse

LONG = 400
SHOWN = 20
"""Events at either end of a long trace of which the entries are told, too."""


def shown(problem: Problem, pair: RefinePair, found: Refutation, excluded: int) -> Counterexample:
    """The events, replayed frame by frame. B follows A up to the last event, and there takes the
    first that fits. NotReproduced: an internal error."""
    run = pair.like(pair.strategy)
    trace, at = found.seen.trace, found.refused.at
    shortened = len(trace) > LONG
    events = []
    differences: list[str] = []
    scripts: tuple[tuple[Made, ...], tuple[Made, ...]] = (found.script, found.refused.made)
    for number, arrival in enumerate(trace):
        frame = deparse(arrival.packet)
        sides, outputs = [], []
        for side, machine, hand, made in zip(
            problem.sides, run.machines, run.hands, scripts, strict=True
        ):
            hand.decide = Scripted(made[number]) if number < len(made) else first
            near = not shortened or number < SHOWN or number >= len(trace) - SHOWN
            try:
                if near:
                    out, entries = step_of(machine, arrival.time, arrival.port, frame)
                else:
                    out, entries = machine.step(arrival.time, arrival.port, frame), ()
            finally:
                hand.decide = first
            names = side.network.ports
            emitted = tuple(Emitted(o.time, port_name(names, o.port), o.frame) for o in out)
            sides.append(SideOfEvent(emitted, entries))
            outputs.append(out)
        port = port_name(problem.a.network.ports, arrival.port)
        events.append(Event(arrival.time, port, frame, sides[0], sides[1]))
        same = outputs[0] == outputs[1]
        differences = [] if same else list(differences_of(problem, outputs[0], outputs[1]))
        if bool(differences) != (number == at):
            raise NotReproduced(f"event {number + 1} of a refutation at event {at + 1}")
    differences.append(f"whatever b chooses, it doesn't send what a does: {found.refused.ways}")
    minimal = excluded == len(trace) - 1
    return Counterexample(tuple(events), minimal, excluded, tuple(differences))
