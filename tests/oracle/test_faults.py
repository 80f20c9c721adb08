"""Faults put into the symbolic semantics and its evaluation: traffic on the oracle shows each."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from random import Random
from typing import Any

import pytest
from agreement import Trace, difference, record, record_events
from choice_programs import choosing_events
from ir_arithmetic import arithmetic_network, operands
from symbolic_runner import symbolic

from nfverify.equivalence import expressions
from nfverify.equivalence.aged import AgedMaps, count_name
from nfverify.equivalence.evaluation import decisions, effects, passes
from nfverify.equivalence.state import State
from nfverify.equivalence.symbolic import Executor
from nfverify.equivalence.terms import Terms
from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.programs.networks import random_network
from nfverify.packet.fields import FIELDS
from nfverify.smat.load import load_text

Fault = Callable[[pytest.MonkeyPatch], None]


def no_fault(patch: pytest.MonkeyPatch) -> None:
    """So that the others are what is noticed."""


def keys_never_alias(patch: pytest.MonkeyPatch) -> None:
    real = State._hit

    def hit(self: State, entry: Any, keys: Any) -> Any:
        return real(self, entry, keys) if entry.keys == keys else self.terms.false

    patch.setattr(State, "_hit", hit)


def oldest_write_wins(patch: pytest.MonkeyPatch) -> None:
    def write_if(self: State, guard: Any, var: str, keys: Any, values: Any) -> None:
        from nfverify.equivalence.state import LogEntry

        self.logs[var] = (LogEntry(guard, keys, values), *self.logs.get(var, ()))

    patch.setattr(State, "write_if", write_if)


def all_orders_unsigned(patch: pytest.MonkeyPatch) -> None:
    unsigned = {(op, sign): {"<": "ult", "<=": "ule"}[op] for op in ("<", "<=") for sign in (0, 1)}
    patch.setattr(expressions, "_COMPARISON", unsigned)


def nothing_is_sign_extended(patch: pytest.MonkeyPatch) -> None:
    real = Terms.resize
    patch.setattr(Terms, "resize", lambda self, a, width, sign: real(self, a, width, False))


def division_by_zero_as_in_smt(patch: pytest.MonkeyPatch) -> None:
    real = Terms.binary

    def binary(self: Terms, op: str, a: Any, b: Any) -> Any:
        if op in ("udiv", "sdiv"):
            zero = self.eq(b, self.const(0, b.width))
            return self.ite(zero, self.const(-1, b.width), real(self, op, a, b))
        return real(self, op, a, b)

    patch.setattr(Terms, "binary", binary)


def entries_ignore_earlier_ones(patch: pytest.MonkeyPatch) -> None:
    def rows(self: Executor, table: Any, at: Any) -> Any:
        guards = [(entry, self.expr(entry.guard, at)) for entry in table.entries]
        yield from ((e, g) for e, g in reversed(guards) if g is not self.terms.false)

    patch.setattr(Executor, "_rows", rows)


def absent_headers_are_written(patch: pytest.MonkeyPatch) -> None:
    def set_field(self: Executor, name: str, value: Any, at: Any) -> None:
        from nfverify.equivalence.packets import width_of

        if name != "payload":
            at.packet.fields[name] = self.terms.resize(value, width_of(name), False)

    patch.setattr(Executor, "_set_field", set_field)


def failures_are_taken_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Executor, "_fail", lambda self, condition, counter, at: None)


def copies_in_another_order(patch: pytest.MonkeyPatch) -> None:
    real = effects.outcome_roots

    def roots(after: Any) -> Any:
        first, slots = real(after)[:4], real(after)[4:]
        turned = [slots[i : i + 2] for i in range(len(slots) - 2, -1, -2)]
        return (*first, *(part for pair in turned for part in pair))

    patch.setattr(passes, "outcome_roots", roots)


def expired_one_later(patch: pytest.MonkeyPatch) -> None:
    def has(self: AgedMaps, state: State, var: str, keys: Any, now: Any) -> Any:
        terms, variable = self.terms, state.variables[var]
        there = state.has(var, keys)
        if variable.timeout is None:
            return there
        age = terms.binary("sub", now, state.read(var, keys, len(variable.values)))
        return terms.and_(there, terms.compare("ule", age, terms.const(variable.timeout, 64)))

    patch.setattr(AgedMaps, "has", has)


def touch_does_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AgedMaps, "touch", lambda self, state, var, keys, now: None)


def one_key_too_many(patch: pytest.MonkeyPatch) -> None:
    real = AgedMaps.write

    def write(self: AgedMaps, state: State, var: str, keys: Any, values: Any, now: Any) -> None:
        name = count_name(var)
        if name in state.plain:
            [count] = state.plain[name]
            state.plain[name] = (self.terms.binary("sub", count, self.terms.const(1, 32)),)
        real(self, state, var, keys, values, now)

    patch.setattr(AgedMaps, "write", write)


def any_is_taken_for_all(patch: pytest.MonkeyPatch) -> None:
    real = decisions.assume

    def assume(terms: Any, roots: Any, condition: Any, holds: bool) -> Any:
        if condition.op == "any" and holds:
            for arg in condition.args:
                roots = real(terms, roots, arg, True)
        return real(terms, roots, condition, holds)

    patch.setattr(passes, "assume", assume)


def stamps_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    real = AgedMaps.write

    def write(self: AgedMaps, state: State, var: str, keys: Any, values: Any, now: Any) -> None:
        real(self, state, var, keys, values, self.terms.const(0, 64))

    patch.setattr(AgedMaps, "write", write)


FAULTS = [
    keys_never_alias, oldest_write_wins, all_orders_unsigned, nothing_is_sign_extended,
    division_by_zero_as_in_smt, entries_ignore_earlier_ones, absent_headers_are_written,
    failures_are_taken_back, copies_in_another_order, expired_one_later, touch_does_nothing,
    one_key_too_many, any_is_taken_for_all, stamps_are_forgotten,
]  # fmt: skip


SEEDS = tuple(s for s in range(17) if s != 5)  # whose packets wait and come again, for a minute

SMALL = """
    program nf {
        iface in, out, tap;
        set<int> seen timeout 3ns; map<int, int> few max 2 evict oldest;
        entry both {
            match_flow { f[sport] == 1 || f[dport] == 2 }
            action_flow { f[output] = {tap, out}; f[ttl] = f[sport] == 1 ? 5 : 6; }
            action_state { seen = seen ∪ {f[dport]}; few[f[sport]] = f[dport]; }
        }
        entry again {
            match_state { f[dport] in seen || few[f[sport]] > 1 }
            action_flow { f[tos] = 3; touch few[f[sport]]; }
        }
    }"""


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    found = [record_events(load_text(SMALL), choosing_events(Random(1), 200))]
    found += [record_events(arithmetic_network(), list(islice(operands(Random(1)), 10)))]
    options = Options(
        fields=tuple(FIELDS), depth=2, statements=8, variables=5, loops=False, headers=False
    )
    found += [record(random_network(Random(s), options), Random(s), 60) for s in SEEDS]
    return found


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_noticed(
    fault: Fault, traces: list[Trace], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    assert any(difference(trace, symbolic, Random(1)) is not None for trace in traces)


def test_without_a_fault_there_is_nothing_to_notice(traces: list[Trace]) -> None:
    assert all(difference(trace, symbolic, Random(1)) is None for trace in traces[:5])
