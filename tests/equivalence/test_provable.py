"""Models that the symbolic semantics has no encoding of: refused by each way to a verdict."""

import pytest

from nfverify.equivalence.check import solver_checks
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import Options, Problem, Side
from nfverify.equivalence.provable import check_provable
from nfverify.equivalence.prove import Question, equivalent
from nfverify.equivalence.refine.refinable import check_refinable
from nfverify.equivalence.start import starts
from nfverify.equivalence.step import build_step
from nfverify.equivalence.supervise import supervise
from nfverify.equivalence.terms import Terms
from nfverify.equivalence.verdict import Different, Unknown
from nfverify.lang.source import ModelError
from nfverify.smat.load import load_text

PLAIN = "program nf { entry { action_flow { pass; } } }"
CONSTRUCTS = {
    "`choose`": "entry { action_flow { choose x in 1..3; f[ttl] = x; } }",
    "maps with `timeout`": (
        "map<IP, int> m timeout 5s; entry { match_state { m[f[sip]] == 1 } action_flow { drop; } }"
        "entry { action_state { m[f[sip]] = 1; } }"
    ),
    "maps with `max`": "set<IP> s max 5; entry { action_state { s = s | {f[sip]}; } }",
    "`touch`": "int n<sip>; entry { action_state { n = 1; touch n; } }",
}


@pytest.mark.parametrize("what", CONSTRUCTS)
def test_no_verdict_on_what_has_no_encoding(what: str) -> None:
    model = load_text(f"program nf {{ {CONSTRUCTS[what]} }}")
    plain = load_text(PLAIN)
    for a, b in ((model, plain), (plain, model), (model, model)):
        for ask in (
            lambda a=a, b=b: equivalent(a, b),
            lambda a=a, b=b: supervise(a, b),
            lambda a=a, b=b: starts(a, b, '{"version": 1, "instances": {}}', "s.json"),
        ):
            with pytest.raises(ModelError, match=f"{what}.* can be run, but not proved") as raised:
                ask()
            (found,) = raised.value.diagnostics
            assert found.span.line == 1
    problem = Problem(Side("a", model), Side("b", plain), Options(), RulesetPlan({}))
    with pytest.raises(Unsupported):
        build_step(problem, Terms(), lambda term: term.data is not False)


def test_headers_are_for_equivalence_only() -> None:
    model = load_text("program nf { entry { action_flow { push vlan(5); pop ipip; } } }")
    assert isinstance(equivalent(model, load_text(PLAIN), Question(time_limit=10)), Different)
    for refuse in (check_provable, check_refinable):
        with pytest.raises(ModelError, match="not consolidated or refined yet") as raised:
            refuse(model, model)
        assert [d.span.line for d in raised.value.diagnostics] == [1, 1]


def test_every_instance_of_a_chain_is_looked_at() -> None:
    text = PLAIN + "program other { every 5ms { touch m[1]; } map<int, int> m max 3; "
    text += "init { choose y in 1..2; m[1] = y; } } chain main = nf -> other -> nf;"
    with pytest.raises(ModelError) as raised:
        equivalent(load_text(text), load_text(PLAIN))
    assert [d.message.partition(" can be")[0] for d in raised.value.diagnostics] == [
        "models of maps with `max`",
        "models with `choose`, which allows several behaviours,",
        "models with `touch`",
    ]


def test_check_claims_nothing_of_a_full_map() -> None:
    """As if maps were plain, the second row of the second table would be reached by no packet."""
    text = """program nf { set<port> s %s;
    entry { action_state { s = s | {f[dport]}; } }
    if (f[ttl] == 3) { f[ttl] = 4; }
    entry { match_state { f[dport] in s } action_flow { drop; } }
    entry { action_flow { pass; } } }"""
    (found,) = solver_checks(load_text(text % ""))
    assert (found.code, found.span.line) == ("unreachable", 5)
    assert list(solver_checks(load_text(text % "max 5"))) == []


def test_check_looks_at_the_guards_of_maps_that_forget() -> None:
    text = """program nf { int n<dport> timeout 5s;
    entry { match_state { n == 3 } action_state { n = 1; } }
    entry { match_state { n == 3 } match_flow { f[ttl] == 1 } action_flow { drop; } } }"""
    found = list(solver_checks(load_text(text)))
    assert [(d.code, d.span.line) for d in found] == [("unreachable", 3), ("gap", 3)]


def test_a_table_of_thousands_is_no_crash() -> None:
    """Each read of it would be a chain of terms as deep: no proof, and a difference is found."""
    table = ", ".join(f"{k}: {k % 7}" for k in range(3000))
    text = f"program nf {{ map<port, int> t = {{{table}}};" + (
        "entry { match_flow { f[TCP] == 1 } action_flow { f[ttl] = t[f[dport]] + %d; } } }"
    )
    model = load_text(text % 1)
    assert [d.code for d in solver_checks(model)] == ["gap"]
    again = load_text((text % 1).replace("t[f[dport]] + 1", "1 + t[f[dport]]"))
    verdict = equivalent(model, again, Question(time_limit=20))
    assert isinstance(verdict, Unknown)
    assert "a table of over 800 entries" in verdict.reason
    assert isinstance(equivalent(model, load_text(text % 2)), Different)
