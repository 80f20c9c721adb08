"""The encoding held against the reference semantics: 20,000 steps of the library's models by
evaluated terms, a sample of them and every operator by Z3 itself."""

import time
from pathlib import Path
from random import Random

import pytest
from encoding import Bench, by_solver, by_terms, by_z3, value_of

import nfverify.models
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.terms import Term, Terms
from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.programs.networks import random_network
from nfverify.smat.load import load

LIBRARY = sorted(p.stem for p in Path(nfverify.models.__file__).parent.glob("*.nfd"))
STEPS = 20_000
OPTIONS = Options(statements=3, depth=2, choose=False, timeouts=False, capacities=False)
HEAVY = {"edge-table": 400}  # its terms are long
EACH = -(-(STEPS - sum(HEAVY.values())) // (len(LIBRARY) - len(HEAVY)))
SAMPLE = 8  # steps of each model that Z3 evaluates too


@pytest.mark.parametrize("name", LIBRARY)
def test_library(name: str) -> None:
    bench = Bench(load(f"lib:{name}"))
    wanted = HEAVY.get(name, EACH)
    steps = sent = 0
    for number, (assignment, answers) in enumerate(bench.steps(wanted)):
        assert by_terms(assignment, answers) == []
        if number % (wanted // SAMPLE) == 7:
            assert by_z3(assignment, answers) == []
            assert by_solver(assignment, answers) == []
        steps += 1
        sent += bool(answers) and answers[0][0] is bench.event.out_a[0].guard
    assert steps == wanted
    assert sent, "nothing ever came out"


@pytest.mark.parametrize("chunk", range(4))
def test_random_networks_by_z3(chunk: int) -> None:
    """All constructs of the language, and all operators, evaluated by Z3."""
    compared = 0
    for seed in range(1000 + 25 * chunk, 1025 + 25 * chunk):
        try:
            network = random_network(Random(seed), OPTIONS)
            bench = Bench(network, seed, pauses=(0, 1, 7, 60))  # its timers are as short
        except Unsupported:
            continue
        for assignment, answers in bench.steps(4):
            assert by_terms(assignment, answers) == [], seed
            assert by_z3(assignment, answers) == [], seed
            compared += 1
    assert compared >= 20


BINARY = (
    "add", "sub", "mul", "and", "or", "xor", "shl", "lshr", "ashr", "udiv", "urem", "sdiv", "srem",
)  # fmt: skip
COMPARE = ("ult", "ule", "slt", "sle")
WIDTHS = (1, 2, 5, 8, 32, 64)


@pytest.mark.parametrize("width", WIDTHS)
def test_operators_by_z3(width: int) -> None:
    """Every operator on edges and random values, its right side a symbol or a constant."""
    rng = Random(width)
    terms, values = Terms(), {}
    solver = Solver(Translator(), "", deadline=time.monotonic() + 60, rlimit=100_000_000)
    top = (1 << width) - 1
    edges = sorted({v & top for v in (0, 1, 2, 3, width - 1, width, width + 1, top, top - 1)})
    edges += [1 << (width - 1), (1 << (width - 1)) - 1]
    asked: list[Term] = []
    for n in range(60):
        a, b = (rng.choice(edges) if rng.random() < 0.7 else rng.getrandbits(width) for _ in "ab")
        x, y = terms.var(f"x{n}", width), terms.var(f"y{n}", width)
        values |= {f"x{n}": a, f"y{n}": b}
        solver.add(terms.eq(x, terms.const(a, width)), terms.eq(y, terms.const(b, width)))
        for right in (y, terms.const(b, width)):
            asked += [terms.binary(op, x, right) for op in BINARY]
            asked += [terms.compare(op, x, right) for op in COMPARE]
            asked.append(terms.eq(x, right))
        left = terms.const(a, width)
        asked += [terms.binary(op, left, y) for op in BINARY]
        asked += [terms.compare(op, left, y) for op in COMPARE]
        asked += [terms.resize(x, w, sign) for w in (1, 3, 16, 70) for sign in (False, True)]
        test = terms.compare("ult", x, y)
        asked += [terms.ite(test, x, y), terms.to_bits(test, width), terms.not_(test)]
    assert solver.check() == "sat"
    wrong = [t for t in asked if solver.value(t) != value_of(t, values)]
    assert wrong == []


def test_operators_mean_what_the_language_says() -> None:
    """The corners, spelled out: 0 divides to 0, shifts by the width give 0, signs (language.md)."""
    terms = Terms()
    solver = Solver(Translator(), "", deadline=time.monotonic() + 60, rlimit=1_000_000)
    x, y = terms.var("x", 8), terms.var("y", 8)

    def result(op: str, a: int, b: int) -> int | bool:
        solver.push()
        solver.add(terms.eq(x, terms.const(a, 8)), terms.eq(y, terms.const(b, 8)))
        assert solver.check() == "sat"
        make = terms.compare if op in COMPARE else terms.binary
        value = solver.value(make(op, x, y))
        solver.pop()
        return value

    for op in ("udiv", "urem", "sdiv", "srem"):
        assert result(op, 200, 0) == 0, op
    assert result("sdiv", 0xF9, 2) == 0xFD  # -7 / 2 = -3
    assert result("srem", 0xF9, 2) == 0xFF  # -7 % 2 = -1
    assert result("sdiv", 0x80, 0xFF) == 0x80  # -128 / -1 wraps
    for op in ("shl", "lshr", "ashr"):
        assert result(op, 0xFF, 8) == 0, op
        assert result(op, 0xFF, 0xFF) == 0, op
    assert result("ashr", 0x80, 7) == 0xFF
    assert result("slt", 0x80, 1) is True
    assert result("ult", 0x80, 1) is False
