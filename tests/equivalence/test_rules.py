"""Two rules of proof by themselves: a model equals itself, and a hard goal falls by cases."""

import time
from dataclasses import replace
from random import Random

import pytest

from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import Options as Compared
from nfverify.equivalence.problem import Problem, Side
from nfverify.equivalence.prove import Question, equivalent, same_model
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.step import build_step, cases_of
from nfverify.equivalence.terms import Terms
from nfverify.equivalence.verdict import Different, Equivalent
from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.programs.networks import random_network
from nfverify.smat import ir
from nfverify.smat.load import load_text

MODEL = """program nf {{
    iface in, out; rule R = sip:10.0.0.0/{length}; int n = {start}; {kind} m = {default};
    ruleset L = {{R, (dport:{port})}};
    every {period}ms {{ n = 0; }}
    entry {{ match_flow {{ f matches L }} match_state {{ n < 3 && m[f[sip]] == 0 }}
            action_state {{ n = n + {step}; }} {action} }}
    entry {{ action_flow {{ pass; }} }}
}}"""
PLAIN = {
    "length": 8, "start": 0, "kind": "map<IP, int>", "default": 0, "port": 80, "period": 10,
    "step": 1, "action": "action_flow { drop; }",
}  # fmt: skip
CHANGES = {
    "length": 9, "start": 1, "kind": "map<IP, bit<16>>", "default": 1, "port": 81, "period": 20,
    "step": 2, "action": "action_flow { f[output] = out; }",
}  # fmt: skip


def test_the_same_text_is_the_same_model() -> None:
    a, b = (load_text(MODEL.format(**PLAIN), name) for name in ("a.nfd", "b.nfd"))
    assert same_model(a, replace(b, name="another"))
    verdict = equivalent(a, b)
    assert isinstance(verdict, Equivalent)
    assert verdict.proof.method == "reflexivity"


@pytest.mark.parametrize("what", CHANGES)
def test_what_differs_anywhere_is_not_the_same_model(what: str) -> None:
    a = load_text(MODEL.format(**PLAIN))
    b = load_text(MODEL.format(**PLAIN | {what: CHANGES[what]}))
    assert not same_model(a, b)


def test_wires_and_ports_count() -> None:
    network = load_text("program r { entry { action_flow { pass; } } } chain main = r -> r;")
    assert not same_model(network, replace(network, wires=()))
    assert not same_model(network, replace(network, ports=("1", "0")))


def test_a_number_that_looks_alike_is_refuted() -> None:
    """The texts differ by one sign."""
    text = "program nf {{ entry {{ action_flow {{ f[ttl] = {0}; }} }} }}"
    verdict = equivalent(load_text(text.format(1)), load_text(text.format(-1)), Question())
    assert isinstance(verdict, Different)


@pytest.mark.parametrize("seed", range(40))
def test_one_of_the_cases_always_holds(seed: int) -> None:
    options = Options(
        statements=3, depth=2, timers=False, choose=False, timeouts=False, capacities=False
    )
    network: ir.Network = random_network(Random(seed), options)
    problem = Problem(Side("a", network), Side("b", network), Compared(), RulesetPlan())
    terms = Terms()
    solver = Solver(Translator(), "", deadline=time.monotonic() + 60, rlimit=20_000_000)
    try:
        step = build_step(problem, terms, solver.feasible)
    except Unsupported:
        return
    for event in step.events:
        solver.add(terms.not_(terms.any(cases_of(step, event))))
        assert solver.check() == "unsat"
