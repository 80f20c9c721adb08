"""The timers of a bounded search: what fires between two packets, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from nfverify.equivalence.problem import CLOCK, MAX_TIME_BITS, Event, Problem
from nfverify.equivalence.solver import Solver
from nfverify.equivalence.state import ArbitraryBase, State, width
from nfverify.equivalence.terms import Term, Terms
from nfverify.smat import ir

MAX_TICKS = 3
"""Firings of timers that are looked at between two packets."""


class Ticking(Protocol):
    """What has timers: a pair of networks, or one."""

    terms: Terms
    problem: Problem
    variables: dict[str, ir.StateVar]

    def arbitrary_state(self) -> tuple[State, ArbitraryBase]: ...

    def tick_event(self, state: State, period: int, name: str) -> Event: ...


def once_is_enough(model: Ticking, side: Solver, period: int) -> bool:
    """Does a second firing, right after a first, leave every state as it is?"""
    terms = model.terms
    pre, _ = model.arbitrary_state()
    first = model.tick_event(pre, period, "first").post
    second = model.tick_event(first, period, "second").post
    changes = []
    for name, variable in model.variables.items():
        if name == CLOCK:
            continue
        keys = tuple(terms.var(f"{name} key {i}", width(t)) for i, t in enumerate(variable.keys))
        changes.append(terms.not_(terms.eq(first.has(name, keys), second.has(name, keys))))
        changes += [
            terms.not_(terms.eq(first.read(name, keys, i), second.read(name, keys, i)))
            for i in range(len(variable.values))
        ]
    return not side.feasible(terms.any(changes))


def idempotent(model: Ticking, side: Solver) -> bool:
    """Is there one period only, whose second firing in a row changes nothing?"""
    periods = model.problem.periods()
    return len(periods) == 1 and once_is_enough(model, side, *periods)


@dataclass(slots=True)
class Firings:
    """When the timers of each period are due next, along one unrolled trace. If `settled`, all
    firings between two packets do what one does. `fired` hears of each that may happen: whether it
    does, the states before and after it."""

    model: Ticking
    solver: Solver
    settled: bool
    due: dict[int, Term] = field(default_factory=dict)
    fired: Callable[[Term, State, State], None] = lambda fires, before, after: None

    @property
    def exact(self) -> bool:
        """Is whatever timers can do between two packets looked at?"""
        return self.settled or not self.due

    def begin(self, start: Term) -> None:
        """The first packet's stamp starts all of them."""
        terms = self.model.terms
        for period in self.model.problem.periods():
            self.due[period] = terms.binary("add", start, terms.const(period, 64))

    def before(self, state: State, number: int) -> State:
        """The state at packet `number`, after what fires before it."""
        if not number or not self.due:
            return state
        return self._once(state, number) if self.settled else self._some(state, number)

    def none_left(self, now: Term) -> None:
        """At a packet nothing is due any more."""
        for due in self.due.values():
            self.solver.add(self.model.terms.compare("ult", now, due))

    def _once(self, state: State, number: int) -> State:
        """All the firings before packet `number` as one; the next is due after that packet."""
        terms = self.model.terms
        ((period, due),) = self.due.items()
        horizon = terms.var(f"p{number}.now", 64)
        fires = terms.compare("ule", due, horizon)
        event = self.model.tick_event(state, period, f"tick {number}")
        self.solver.add(terms.implies(fires, terms.eq(event.now, due)))
        self.fired(fires, state, event.post)
        state = state.merge([(fires, event.post)])
        step = terms.const(period, 64)
        count = terms.var(f"firings {number}", 64)
        later = terms.binary("add", due, terms.binary("mul", count, step))
        # `later` is the first firing after the packet; the product must not wrap.
        most = terms.const((1 << MAX_TIME_BITS) // period + 1, 64)
        self.solver.add(terms.compare("ule", count, most))
        past = terms.binary("sub", later, step)
        self.solver.add(
            terms.implies(
                fires,
                terms.and_(
                    terms.compare("ult", horizon, later), terms.compare("ule", past, horizon)
                ),
            )
        )
        self.due[period] = terms.ite(fires, later, due)
        return state

    def _some(self, state: State, number: int) -> State:
        """The timers that fire before packet `number`: up to MAX_TICKS, in the order of their
        times; a tie goes to the longer period, whose timer was set earlier."""
        terms = self.model.terms
        horizon = terms.var(f"p{number}.now", 64)
        for n in range(MAX_TICKS):
            branches = []
            dues = dict(self.due)
            for period, due in dues.items():
                first = terms.all(
                    terms.compare("ult" if period < other else "ule", due, later)
                    for other, later in dues.items()
                    if other != period
                )
                fires = terms.all((terms.compare("ule", due, horizon), first))
                event = self.model.tick_event(state, period, f"tick {number} {n} {period}")
                self.fired(fires, state, event.post)
                branches.append((fires, event.post))
                # The firing happens at its due time.
                self.solver.add(terms.implies(fires, terms.eq(event.now, due)))
                after = terms.binary("add", due, terms.const(period, 64))
                self.due[period] = terms.ite(fires, after, due)
            state = state.merge(branches)
        return state
