"""The step that induction could not exclude: a packet, and the states in which it would matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from nfverify.equivalence.canonical import wishes
from nfverify.equivalence.concrete import NotRealisable, Strings, concretise
from nfverify.equivalence.frames import realisable
from nfverify.equivalence.problem import CLOCK, Event, Problem, Side
from nfverify.equivalence.replay import differences_of, port_name, step_of, value_text
from nfverify.equivalence.simulate import START, Arrival, Key, Pair
from nfverify.equivalence.solver import Solver
from nfverify.equivalence.terms import Term, Terms
from nfverify.equivalence.verdict import Emitted, Held, Resisting, SideOfEvent
from nfverify.packet.codec import deparse
from nfverify.semantics.machine import Machine, Output
from nfverify.semantics.state import SavedState
from nfverify.smat import ir

ATTEMPTS = 8  # at a plainer packet
Known = Mapping[str, Mapping[Key, tuple[ir.Value, ...] | None]]


@dataclass(frozen=True, slots=True)
class Stuck:
    """A related pair of states and an event that may tell them apart, for all that is proved.

    `state` is what of them matters, None an absent key; `arrival` is None where timers fire, and
    where no frame is like the solver's packet.
    """

    event: str
    time: int  # ns
    arrival: Arrival | None
    state: Known


def shown(
    terms: Terms, solver: Solver, event: Event, literals: Sequence[Term]
) -> tuple[int, Arrival | None] | None:
    """Time and packet of a model of the literals, a plain packet of which there are frames if one
    is found; the solver is left with that model. None: it finds none."""
    if not _modelled(terms, solver, event, literals):
        return None
    arrival = None
    if event.packet is not None:
        with suppress(NotRealisable):
            strings = Strings({int(n.data): string for string, n in terms.strings.items()})
            arrival = concretise(terms, solver, event.packet, event.now, strings, {"payload"})
    return int(solver.value(event.now)), arrival


def _modelled(terms: Terms, solver: Solver, event: Event, literals: Sequence[Term]) -> bool:
    """Leaves the solver with a model, as plain as it comes in a few checks."""
    if event.packet is None:
        return solver.check(literals) == "sat"
    real = terms.var(f"real {event.name}", 0)
    solver.add(terms.implies(real, terms.all(realisable(terms, event.packet))))
    claims = [
        terms.eq(wish.term, wish.value)
        for wish in wishes(terms, [(event.packet, event.now)], START, {})
        if not wish.term.is_const
    ]
    for _ in range(ATTEMPTS):
        if solver.check([*literals, real, *claims]) == "sat":
            return True
        core = solver.core()
        kept = [c for c in claims if int(solver.translate(c).get_id()) not in core]
        if len(kept) == len(claims):
            break
        claims = kept
    return solver.check([*literals, real]) == "sat" or solver.check(literals) == "sat"


def resisting(problem: Problem, pair: Pair, obligation: str, stuck: Stuck) -> Resisting:
    """The step as a verdict tells it: what the reference semantics does there, too."""
    sides = tuple(
        _side(side, machine, stuck)
        for side, machine in zip(problem.sides, pair.clone().machines, strict=True)
    )
    arrival = stuck.arrival
    frame = None if arrival is None else deparse(arrival.packet)
    port = "" if arrival is None else port_name(problem.a.network.ports, arrival.port)
    differences: tuple[str, ...] = ()
    if all(side is not None for side in sides):
        (out_a, _), (out_b, _) = sides  # type: ignore[misc]  # none is None
        differences = tuple(differences_of(problem, out_a, out_b))
    return Resisting(
        obligation=obligation,
        event=stuck.event,
        time=stuck.time,
        port=port,
        frame=frame,
        state=tuple(_held(problem, stuck.state)),
        a=_made(problem.a, sides[0]),
        b=_made(problem.b, sides[1]),
        differences=differences,
    )


def _held(problem: Problem, state: Known) -> list[Held]:
    variables = problem.variables()
    found = []
    for name in sorted(state):
        variable = variables[name]
        if variable.constant:
            continue
        rows = [
            Held(
                name,
                tuple(map(value_text, key, variable.keys)),
                None if values is None else tuple(map(value_text, values, variable.values)),
            )
            for key, values in state[name].items()
        ]
        found += sorted(rows, key=lambda row: row.key)
    return found


_Made = tuple[list[Output], tuple[str, ...]]


def _side(side: Side, machine: Machine, stuck: Stuck) -> _Made | None:
    """What one side does in the state; None if there is no packet, or it has state that forgets."""
    if stuck.arrival is None or any(variable.aged for _, variable in side.variables()):
        return None
    instances: dict[str, dict[str, dict[Key, tuple[ir.Value, ...]]]] = {}
    for instance in side.network.instances:
        rows = instances[instance.name] = {}
        for variable in instance.program.state:
            known = stuck.state.get(side.qualify(instance.name, variable.name))
            if known and not variable.constant:
                rows[variable.name] = {k: v for k, v in known.items() if v is not None}
    clock = stuck.state[CLOCK][()]
    assert clock is not None
    machine.restore(SavedState(int(clock[0]), instances))
    return step_of(machine, stuck.time, stuck.arrival.port, deparse(stuck.arrival.packet))


def _made(side: Side, made: _Made | None) -> SideOfEvent | None:
    if made is None:
        return None
    outputs, entries = made
    ports = side.network.ports
    emitted = (Emitted(o.time, port_name(ports, o.port), o.frame) for o in outputs)
    return SideOfEvent(tuple(emitted), entries)
