"""A second solver for each obligation, and obligations as SMT-LIB 2."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import z3
from certificates import PAIRS

from nfverify.cli.main import main
from nfverify.equivalence import audit, second
from nfverify.equivalence.asking import opened
from nfverify.equivalence.audit import Audit, Disagreement
from nfverify.equivalence.prove import Question, equivalent
from nfverify.equivalence.smtlib import script
from nfverify.equivalence.supervise import supervise
from nfverify.equivalence.terms import Term, Terms, evaluate
from nfverify.equivalence.verdict import Equivalent, Unknown, Verdict
from nfverify.smat.load import load

SOLVERS = ("cvc5", "bitwuzla")
COMMAND = (sys.executable, "-m", "nfverify", "equiv")


def pair(name: str) -> tuple[str, str]:
    return str(PAIRS / f"{name}.a.nfd"), str(PAIRS / f"{name}.b.nfd")


def asked(name: str, wanted: Audit) -> Verdict:
    a, b = pair(name)
    network = load(a)
    return equivalent(network, load(b, ports=network.ports), Question(audit=wanted))


def by_z3(text: str) -> str:
    solver = z3.Solver()
    solver.from_string(text)
    return str(solver.check())


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ["key-reversed", "limiter-other-way", "ruleset-or-rows"])
def test_all_is_confirmed(name: str, solver: audit.Name) -> None:
    verdict = asked(name, Audit(solver))
    assert isinstance(verdict, Equivalent)
    assert {o.confirmed.split()[0] for o in verdict.proof.obligations} == {solver}


def test_what_is_left_out_of_the_step_is_confirmed_too(tmp_path: Path) -> None:
    verdict = asked("tag-resubmit", Audit("cvc5", tmp_path))
    assert isinstance(verdict, Equivalent)
    names = [o.name for o in verdict.proof.obligations if o.confirmed]
    assert any(name.startswith("left out as impossible") for name in names), names


def test_lists_of_rules_are_confirmed(tmp_path: Path) -> None:
    """The kernel that compares lists is no solver: the second one looks at the lists themselves."""
    rules = [f"10.{n}.0.0/16,{n % 200},{'accept' if n % 3 else 'drop'}" for n in range(60)]
    networks = []
    for name, lines in (("a", rules), ("b", rules[1::-1] + rules[2:])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["sip,dport,action", *lines]) + "\n")
        model = tmp_path / f"{name}.nfd"
        table = f'ruleset ACL = load("{name}.csv");'
        entry = "entry { match_flow { f mismatches ACL } action_flow { drop; } }"
        model.write_text(f"program p {{ {table} {entry} }}")
        networks.append(load(str(model)))
    verdict = equivalent(*networks, Question(audit=Audit("cvc5")))
    assert isinstance(verdict, Equivalent)
    lists = [o for o in verdict.proof.obligations if "accept the same" in o.name]
    assert [o.confirmed.split()[0] for o in lists] == ["cvc5"]


def says(answer: str) -> Callable[[str], object]:
    @contextmanager
    def opened(name: str) -> Iterator[audit.Ask]:
        yield lambda text, seconds: answer

    return opened


def test_not_confirmed_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "opened", says("no answer within 30 s"))
    verdict = asked("key-reversed", Audit("cvc5"))
    assert isinstance(verdict, Unknown)
    assert "0 of 6 obligations are confirmed" in verdict.reason
    assert "no answer within 30 s" in verdict.reason


def test_contradicted_is_no_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(audit, "opened", says("sat"))
    with pytest.raises(Disagreement, match=r"Z3 says unsat, cvc5 .* says sat: .*smt2"):
        asked("key-reversed", Audit("cvc5", tmp_path))
    a, b = map(load, pair("key-reversed"))
    with pytest.raises(Disagreement):  # also out of the process of its own
        supervise(a, b, Question(audit=Audit("cvc5", tmp_path)))


def test_contradicted_is_an_internal_error(tmp_path: Path) -> None:
    """With a cvc5 that says the opposite of the truth."""
    (tmp_path / "cvc5.py").write_text(
        "class TermManager: ...\n"
        "class InputLanguage: SMT_LIB_2_6 = 1\n"
        "class Solver:\n    def __init__(self, terms): ...\n"
        "class SymbolManager(Solver): ...\n"
        "class End:\n    def isNull(self): return True\n"
        "class Wrong:\n    def isNull(self): return False\n"
        "    def invoke(self, *_): return 'sat'\n"
        "class InputParser:\n"
        "    def __init__(self, *_): self.left = [End(), Wrong()]\n"
        "    def setStringInput(self, *_): ...\n"
        "    def nextCommand(self): return self.left.pop()\n"
    )
    done = subprocess.run(
        [*COMMAND, *pair("key-reversed"), "--cross-check", "--dump-smt", tmp_path / "smt"],
        capture_output=True, text=True, timeout=60, env={"PYTHONPATH": str(tmp_path), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 4, done.stdout + done.stderr
    assert "internal error: Disagreement: Z3 says unsat" in done.stderr
    assert done.stdout == ""


def test_files_say_what_they_claim(tmp_path: Path) -> None:
    a, b = pair("counter-scalar-other-way")
    command = [*COMMAND, a, b, "--dump-smt"]
    for folder in ("one", "two", "one"):
        subprocess.run([*command, tmp_path / folder], check=True, capture_output=True, timeout=60)
    one, two = (sorted((tmp_path / folder).iterdir()) for folder in ("one", "two"))
    assert [path.read_text() for path in one] == [path.read_text() for path in two]
    assert [path.name for path in one] == [path.name for path in two]
    with opened("cvc5") as ask:
        for path in one:
            text = path.read_text()
            expected = text.partition("; Expected answer: ")[2].partition("\n")[0]
            assert expected == ("sat" if "satisfiable" in path.name else "unsat")
            assert by_z3(text) == ask(text, 30.0) == expected
            assert "; Obligation: " in text
            assert "; Question: " in text
            assert "; Related are states" in text


def test_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    command = [*COMMAND, *pair("renamed"), "--dump-smt", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "it holds other files" in done.stderr
    assert (tmp_path / "thesis.tex").read_text() == "all of it"


# The process of the second solver -----------------------------------------------------------


def test_time_out_and_what_comes_after_it() -> None:
    hard = (
        "(set-logic QF_BV)(declare-const x (_ BitVec 64))(declare-const y (_ BitVec 64))"
        "(assert (= (bvmul x y) #x7fffffffffffff97))(assert (bvugt x #x0000000000000001))"
        "(assert (bvult x #x00000000ffffffff))(assert (bvugt y #x0000000000000001))"
        "(assert (bvult y #x00000000ffffffff))(check-sat)"
    )
    started = time.monotonic()
    with opened("cvc5") as ask:
        assert ask(hard, 0.5) == "no answer within 0.5 s"
        assert time.monotonic() - started < 20
        assert ask("(set-logic QF_UF)(assert false)(check-sat)", 30.0) == "unsat"
        assert ask("(assert", 30.0).startswith("error: ")
        assert ask("(check-sat)", 0.0) == "no time is left"


def test_it_may_die(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text("import sys\nsys.exit(1)\n")
    monkeypatch.setattr(second, "__file__", str(tmp_path / "dies.py"))
    with opened("cvc5") as ask:
        assert ask("(check-sat)" * 100_000, 30.0) == "it ended without an answer"


# The printer ----------------------------------------------------------------------------------

BINARY = ("add", "sub", "mul", "and", "or", "xor", "shl", "lshr", "ashr", "udiv", "urem", "sdiv")


def random_term(terms: Terms, rng: random.Random, width: int, depth: int) -> Term:
    """A term of every operator there is, with zeros and large shifts among its leaves."""
    if depth == 0:
        return rng.choice(
            [
                terms.var(f"x|\\{rng.randrange(3)}\n;", width),
                terms.const(rng.choice([0, 1, width, (1 << width) - 1, 1 << (width - 1)]), width),
            ]
        )

    def term(wide: int = width) -> Term:
        return random_term(terms, rng, wide, depth - 1)

    match rng.randrange(6):
        case 0:
            return terms.resize(term(width + 5), width, False)
        case 1:
            return terms.resize(term(max(1, width - 3)), width, rng.random() < 0.5)
        case 2:
            test = terms.compare(rng.choice(["ult", "ule", "slt", "sle"]), term(), term())
            both = terms.or_(test, terms.and_(terms.eq(term(), term()), terms.not_(test)))
            return terms.ite(both, term(), term())
        case 3:
            return terms.uf("f (é)", [term(), term()], width)
        case _:
            return terms.binary(rng.choice([*BINARY, "srem"]), term(), term())


@dataclass(slots=True)
class World:
    """Values of symbols, drawn when they are asked for, and terms that say that they are these."""

    terms: Terms
    rng: random.Random
    values: dict[object, int] = field(default_factory=dict)
    facts: list[Term] = field(default_factory=list)

    def noted(self, mark: object, symbol: Term) -> int:
        if mark not in self.values:
            value = self.rng.choice([0, 1, 7, 8, 127, 128, 255]) % (1 << symbol.width)
            self.values[mark] = value
            self.facts.append(self.terms.eq(symbol, self.terms.const(value, symbol.width)))
        return self.values[mark]

    def variable(self, symbol: Term) -> int:
        return self.noted(symbol.id, symbol)

    def function(self, name: str, given: tuple[int | bool, ...], application: Term) -> int:
        pairs = zip(given, application.args, strict=True)
        args = [self.terms.const(int(value), arg.width) for value, arg in pairs]
        at = self.terms.uf(name, args, application.width)
        return self.noted(at.id, at)


@pytest.mark.parametrize("solver", SOLVERS)
def test_printed_terms_mean_the_same(solver: audit.Name) -> None:
    """The value of a term, as `terms` computes it, is the only one that the solvers allow."""
    rng = random.Random(7)
    with opened(solver) as ask:
        for _ in range(25):
            world = World(Terms(), rng)
            term = random_term(world.terms, rng, 8, 4)
            (result,) = evaluate([term], world.variable, world.function)
            wrong = world.terms.not_(world.terms.eq(term, world.terms.const(int(result), 8)))
            text = script([*world.facts, wrong], "unsat", "a\nb \x1b[31m")
            assert ask(text, 30.0) == by_z3(text) == "unsat"
            assert ask(script(world.facts, "sat", ""), 30.0) == "sat"
            assert "\x1b" not in text


def test_a_fast_path_is_confirmed_too(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "count.nfd").write_text(
        "program count { map<IP, int> seen; entry { match_state { seen[f[sip]] < 3 }"
        " action_state { seen[f[sip]] = seen[f[sip]] + 1; } } entry { action_flow { drop; } } }"
    )
    command = ["equiv", str(tmp_path / "count.nfd"), "--fastpath", "--cross-check"]
    assert main([*command, "--dump-smt", str(tmp_path / "smt")]) == 0
    assert re.search(r"confirmed +(\d+) of \1 obligations, by cvc5", capfd.readouterr().out)
    assert list((tmp_path / "smt").glob("*.smt2"))


def test_refinement_and_properties_are_confirmed_too(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "any.nfd").write_text(
        "program any { entry { action_flow { choose p in 1..9; f[ttl] = p; } } }"
    )
    (tmp_path / "one.nfd").write_text("program one { entry { action_flow { f[ttl] = 4; } } }")
    pair = [str(tmp_path / f"{name}.nfd") for name in ("one", "any")]
    assert main(["equiv", *pair, "--refine", "--cross-check"]) == 0
    assert re.search(r"confirmed +(\d+) of \1 obligations, by cvc5", capfd.readouterr().out)
    (tmp_path / "few.nfd").write_text(
        "program few { int n; entry { match_state { n < 5 } action_state { n = n + 1; } }"
        " property small: n' <= 5; }"
    )
    assert main(["prove", str(tmp_path / "few.nfd"), "--cross-check"]) == 0
    assert re.search(r"confirmed +(\d+) of \1 obligations, by cvc5", capfd.readouterr().out)
