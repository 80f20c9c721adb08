"""Faults to put into the prover, each of them a care that it takes and that is easily forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nfverify.equivalence import certificate, induction, prove, search, shares, solver
from nfverify.equivalence.problem import Model, Problem
from nfverify.equivalence.simulate import Simulation
from nfverify.equivalence.state import State
from nfverify.equivalence.symbolic import Executor, Slot
from nfverify.equivalence.terms import Terms
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir

Fault = Callable[[pytest.MonkeyPatch], None]


def proof_alone(patch: pytest.MonkeyPatch) -> None:
    """No fault: neither traffic nor the bounded search, so that only induction is asked."""
    patch.setattr(prove, "simulate", lambda *args, **kw: Simulation([], [], None))
    patch.setattr(prove.Run, "deepen", lambda self, depth: None)


def trusting(patch: pytest.MonkeyPatch, which: str) -> None:
    """The certificate takes obligations whose name holds `which` for proved."""
    real = certificate.certify

    def certify(*args: Any, **kw: Any) -> Any:
        return tuple(
            replace(o, result="proved") if which in o.name else o for o in real(*args, **kw)
        )

    patch.setattr(shares, "certify", certify)


def no_initial_check(patch: pytest.MonkeyPatch) -> None:
    """That the relation holds at the start is not checked."""
    patch.setattr(induction.Induction, "_initially", lambda self, candidate: True)
    trusting(patch, "initially")


def wrong_initial_check(patch: pytest.MonkeyPatch) -> None:
    """The initial state is taken to be all zeros."""
    real = Model.initial_state

    def initial_state(self: Model) -> State:
        state = real(self)
        zeroed = {
            n: replace(v, default=tuple(map(ir.zero, v.values)), entries=())
            for n, v in self.variables.items()
        }
        state.base.variables = zeroed  # type: ignore[attr-defined]  # an InitialBase
        for name, variable in self.variables.items():
            if not variable.keys and name in state.plain:
                state.plain[name] = tuple(
                    self.terms.boolean(False) if t.width == 0 else self.terms.const(0, t.width)
                    for t in state.plain[name]
                )
        return state

    patch.setattr(Model, "initial_state", initial_state)


def timers_are_no_events(patch: pytest.MonkeyPatch) -> None:
    """What a timer does to the relation is not looked at."""
    patch.setattr(Problem, "periods", lambda self: ())


def one_goal_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Induction: nothing has to be preserved by a packet."""
    real = induction.Induction._goal

    def goal(self: Any, name: str, refutes: Any, candidate: int | None, *rest: Any) -> Any:
        if candidate is not None:
            refutes = self.terms.false
        return real(self, name, refutes, candidate, *rest)

    patch.setattr(induction.Induction, "_goal", goal)
    trusting(patch, "after packet")


def dropped_stays_assumed(patch: pytest.MonkeyPatch) -> None:
    """A candidate that is not inductive is no goal any more, but still assumed."""

    def drop(self: Any, goals: Any) -> None:
        for goal in goals:
            goal.proof = frozenset({goal.candidate})
            entry = self.active[goal.candidate]
            entry.goals = [g for g in entry.goals if g is not goal]

    patch.setattr(induction.Induction, "_drop", drop)
    trusting(patch, "")


def unknown_is_unsat(patch: pytest.MonkeyPatch) -> None:
    """What the solver cannot decide within its limit counts as proved."""
    real = solver.Solver.check

    def check(self: Any, assumptions: Any = (), *, rlimit: int | None = None) -> Any:
        answer = real(self, assumptions, rlimit=300)
        return "unsat" if answer == "unknown" else answer

    patch.setattr(solver.Solver, "check", check)
    patch.setattr(induction, "PATIENCE", 0)
    patch.setattr(solver.Solver, "core", lambda self: set())
    trusting(patch, "satisfiable")


def keys_never_alias(patch: pytest.MonkeyPatch) -> None:
    """Two keys that are written differently are taken to be different."""
    real = State._hit

    def hit(self: State, entry: Any, keys: Any) -> Any:
        return real(self, entry, keys) if entry.keys == keys else self.terms.false

    patch.setattr(State, "_hit", hit)


def newest_write_always_hits(patch: pytest.MonkeyPatch) -> None:
    """The newest write under the same key counts, whatever its condition."""

    def newest(self: State, var: str, keys: Any) -> Any:
        log = self.logs.get(var, ())
        for i in range(len(log) - 1, -1, -1):
            if log[i].keys == keys:
                return i + 1, log[i]
        return 0, None

    patch.setattr(State, "_newest_certain", newest)


def earlier_rows_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A row without actions takes no packet from the rows below it."""
    real = Executor._table

    def table(self: Executor, rows: ir.Table, at: Any) -> Any:
        return real(self, ir.Table(tuple(e for e in rows.entries if e.body)), at)

    patch.setattr(Executor, "_table", table)


def drop_is_a_jump(patch: pytest.MonkeyPatch) -> None:
    """What stands after `drop` is left out."""
    real = Executor._statements

    def statements(self: Executor, body: Any, at: Any) -> Any:
        for n, statement in enumerate(body):
            if isinstance(statement, ir.SetOutput) and isinstance(statement.output, ir.Drop):
                return real(self, body[: n + 1], at)
        return real(self, body, at)

    patch.setattr(Executor, "_statements", statements)


def dropped_goes_down_the_chain(patch: pytest.MonkeyPatch) -> None:
    """An NF behind the one that dropped a packet still sees it."""
    real = Executor._route

    def route(self: Executor, index: int, slot: Slot, *rest: Any) -> Any:
        state, emissions = real(self, index, replace(slot, guard=self.terms.true), *rest)
        guarded = [replace(e, guard=self.terms.and_(slot.guard, e.guard)) for e in emissions]
        return state, guarded

    patch.setattr(Executor, "_route", route)


def division_as_in_smt(patch: pytest.MonkeyPatch) -> None:
    """x / 0 and x % 0 are what SMT-LIB says."""
    real = solver.Translator._translate

    def translate(self: Any, term: Any, args: list[Any]) -> Any:
        if term.op in solver._DIVISION:
            raw = solver._DIVISION[term.op](self._ref, args[0].ast, args[1].ast)
            return self._wrap(raw, term.width)
        return real(self, term, args)

    patch.setattr(solver.Translator, "_translate", translate)


def signs_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Numbers are compared without their sign."""
    real = Terms.compare
    patch.setattr(Terms, "compare", lambda self, op, a, b: real(self, op.replace("sl", "ul"), a, b))


def absent_headers_are_written(patch: pytest.MonkeyPatch) -> None:
    """A field takes a value whether or not its header is there."""

    def set_field(self: Executor, name: str, value: Any, at: Any) -> None:
        width = FIELDS[name].width
        at.packet.fields[name] = self.terms.resize(value, width, False) if width else value

    patch.setattr(Executor, "_set_field", set_field)


def operators_without_arguments(patch: pytest.MonkeyPatch) -> None:
    """An operator gives one value, whatever it is applied to."""
    real = Terms.uf

    def uf(self: Terms, name: str, args: Any, width: int) -> Any:
        return (
            self.var(name, width)
            if name.startswith(("hash", "op "))
            else real(self, name, args, width)
        )

    patch.setattr(Terms, "uf", uf)


def present_if_not_default(patch: pytest.MonkeyPatch) -> None:
    """A key is in a map if its value is not the default."""

    def has(self: State, var: str, keys: Any) -> Any:
        variable = self.variables[var]
        if not variable.keys or not variable.values:
            return real(self, var, keys)
        default = self.terms.const(int(variable.default[0]), self.read(var, keys, 0).width)
        return self.terms.not_(self.terms.eq(self.read(var, keys, 0), default))

    real = State.has
    patch.setattr(State, "has", has)


def tags_end_with_the_nf(patch: pytest.MonkeyPatch) -> None:
    """An NF does not see the tags of the one before it."""
    real = Executor._enter

    def enter(self: Executor, index: int, state: Any, packet: Any, guard: Any) -> Any:
        return real(self, index, state, replace(packet, tags={}), guard)

    patch.setattr(Executor, "_enter", enter)


def init_never_runs(patch: pytest.MonkeyPatch) -> None:
    """`init` is left out of the initial state."""
    patch.setattr(Executor, "initial", lambda self, state, now: state)


def a_length_is_skipped(patch: pytest.MonkeyPatch) -> None:
    """The search believes of traces of two packets that they tell nothing apart."""
    real = search.Search._ask

    def ask(self: Any, differs: Any) -> Any:
        return None if len(self._packets) == 2 else real(self, differs)

    patch.setattr(search.Search, "_ask", ask)


def outputs_by_number_only(patch: pytest.MonkeyPatch) -> None:
    """Packets that come out are counted, not compared."""
    none = property(lambda self: (), lambda self, found: None)
    patch.setattr(Problem, "observed_fields", none)
    patch.setattr(
        Model,
        "outputs_differ",
        lambda self, event: self.terms.not_(
            self.terms.eq(self._ranks(event.out_a)[1], self._ranks(event.out_b)[1])
        ),
    )


ALL: tuple[Fault, ...] = (
    no_initial_check, wrong_initial_check, timers_are_no_events, one_goal_forgotten,
    dropped_stays_assumed, unknown_is_unsat, keys_never_alias, newest_write_always_hits,
    earlier_rows_forgotten, drop_is_a_jump, dropped_goes_down_the_chain, division_as_in_smt,
    signs_forgotten, absent_headers_are_written, operators_without_arguments,
    present_if_not_default, tags_end_with_the_nf, init_never_runs, a_length_is_skipped,
    outputs_by_number_only,
)  # fmt: skip
