"""Pools that are used up: one run that stands for all of B's, only where it does."""

from __future__ import annotations

import time

import pytest
from choosing import IF_FREE, STORE, any_free, ask, entry, in_order, mark, nf

from nfverify.equivalence.constants import collect
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import Options, Problem, Side
from nfverify.equivalence.refine.deep import Flood, determined
from nfverify.equivalence.refine.pair import refine_pair
from nfverify.equivalence.refine.refute import Refutation
from nfverify.equivalence.refine.witness import OfOutput, OfPlain, Strategy, Witness, places
from nfverify.equivalence.verdict import Different, Unknown
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.smat.load import load_text


def problem_of(a: str, b: str) -> Problem:
    return Problem(Side("a", load_text(a)), Side("b", load_text(b)), Options(), RulesetPlan())


@pytest.mark.parametrize(
    ("model", "follows"),
    [
        (any_free(65534, IF_FREE), True),
        (any_free(65534, STORE), True),
        (mark("1..200"), True),
        (nf("int x;", entry(action="choose v in 1..200; x = v; f[tos] = v;")), True),
        (nf("int x;", entry(action="choose v in 1..200; x = v;")), False),
        (nf("int x;", entry(action="choose v in 1..200; x = v; f[tos] = v & 15;")), False),
        (
            nf("int x;", entry("", "x == 7", "drop;"), entry(action="choose v in 1..9; x = v;")),
            False,
        ),
        (nf("int x;", entry(action="choose v in 1..200; x = v; f[tos] = v; drop;")), False),
        (nf("set<int> s;", entry(action="choose v in 1..200; s = s | {v & 1};")), False),
        (nf("int x; every 1s { choose v in 1..9; x = v; }", entry(action="f[tos] = x;")), False),
    ],
)
def test_what_b_sends_decides_its_state(model: str, follows: bool) -> None:
    plain = nf(entry(action="pass;"))
    assert determined(problem_of(plain, model), time.monotonic() + 30) is follows


def flood(a: str, b: str, witness: Witness) -> Refutation | None:
    problem = problem_of(a, b)
    strategy = Strategy(tuple((place, witness) for place in places(problem.b.network)))

    def machine(network: ir.Network, chooser: object) -> Machine:
        return Machine(network, chooser=chooser if places(network) else None)  # type: ignore[arg-type]

    pair = refine_pair(problem, machine, strategy).like(strategy, "onward")
    networks = problem.a.network, problem.b.network
    until = time.monotonic() + 60
    return Flood(
        problem, pair, collect(networks), lambda arrival: True, lambda: False, until
    ).refute()


def test_a_strategy_that_fails_late_is_no_refutation() -> None:
    a = in_order("next < 1300").replace(
        "let p = next;", "let p = next < 1200 ? next : 9000 + next;"
    )
    b = any_free(20000, IF_FREE)
    assert flood(a, b, OfPlain("a.next", 0, ir.PORT)) is None
    found = flood(a, b, OfOutput("sport"))
    assert found is not None
    assert len(found.seen.trace) == 1300 - 1024 + 1


def test_a_pool_of_hundreds() -> None:
    verdict = ask(in_order("next < 1300"), any_free(1400, IF_FREE))
    assert isinstance(verdict, Different)
    example = verdict.counterexample
    assert len(example.events) == 1300 - 1024 + 1
    assert not example.minimal
    assert not example.events[-1].a.outputs
    assert example.events[-1].b.outputs


def test_timers_that_fire_before_the_last_packet() -> None:
    """B's state is the one after them: it may send what A does, by a choice no rule names."""
    model = """
    int n; int e;
    every 400ns {{ if (n > 300) {{ e = 1; }} }}
    entry odd {{ match_flow {{ f[L4] == 0 }} action_flow {{ drop; }} }}
    entry special {{ match_state {{ e == 1 }} action_state {{ e = 0; n = 0; {} }} }}
    entry rest {{ action_state {{ n = n < 1000 ? n + 1 : n; }} action_flow {{ f[sport] = 5; }} }}"""
    a = nf(model.format("f[sport] = 40001;"))
    b = nf(model.format("choose p in 1000..30000; f[sport] = p * 2 + 1;"))
    assert not isinstance(ask(a, b, depth=2), Different)


def test_what_must_be_guessed_early_is_not_refuted() -> None:
    early = nf(
        "int x; int have;",
        entry("", "have == 0", "choose v in 1..9; x = v; have = 1;"),
        entry(action="f[tos] = x;"),
    )
    late = nf(
        "int x; int have;",
        entry("", "have == 0", "have = 1;"),
        entry("", "have == 1", "choose v in 1..9; x = v; have = 2; f[tos] = x;"),
        entry(action="f[tos] = x;"),
    )
    verdict = ask(late, early, depth=3)
    assert isinstance(verdict, Unknown)
    assert verdict.depth == 3
