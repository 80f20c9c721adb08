"""The mutants of a model: what each operator makes, and that all of it can be run."""

from collections import Counter
from pathlib import Path

import pytest

from nfverify.oracles.mutation.mutants import mutants
from nfverify.oracles.mutation.operators import OPERATORS
from nfverify.oracles.mutation.rules import MAX_RULES, ruleset_changes
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.smat.load import load, load_text
from nfverify.smat.ruleset import Row, Ruleset

MODEL = """
program p {
    ruleset INSIDE = {r1, r2};
    rule r1 = sip:10.0.0.0/8, dport:80-90;
    rule r2 = sip:192.168.0.0/16;
    int n = 3;
    map<(IP, IP), int> seen;
    map<int, int> aged timeout 5s max 9;
    entry known {
        match_flow  { f matches INSIDE && f[ttl] < 9 }
        match_state { (f[dip], f[sip]) in seen || n == 7 }
        action_flow { f[dport] = f[sport] - 1; pass; }
    }
    entry new {
        match_flow   { !(f[proto] == 6) }
        action_state { seen[(f[sip], f[dip])] = -n; n = n + 1; aged[n] = 1; }
    }
    entry rest { action_flow { drop; } }
}
"""


@pytest.fixture(scope="module")
def network() -> ir.Network:
    return load_text(MODEL)


def changes(network: ir.Network, operator: str) -> set[str]:
    return {m.text for m in mutants(network) if m.operator == operator}


def test_every_operator_has_its_mutants_and_no_other(network: ir.Network) -> None:
    found = {m.operator for m in mutants(network)}
    assert found == set(OPERATORS)


@pytest.mark.parametrize(
    ("operator", "change"),
    [
        ("constant", "9 -> 10"),
        ("constant", "9 -> 8"),
        ("comparison", "f[ttl] < 9 -> f[ttl] <= 9"),
        ("comparison", "f[ttl] < 9 -> f[ttl] != 9"),
        ("arithmetic", "n + 1 -> n - 1"),
        ("field", "f[sport] -> f[dport]"),
        ("negation", "!(f[proto] == 6) -> f[proto] == 6"),
        ("key-direction", "(f[dip], f[sip]) in seen -> (f[sip], f[dip]) in seen"),
        ("key-part", "(f[dip], f[sip]) in seen -> (f[dip], 0.0.0.0) in seen"),
        ("key-part", "seen keyed by all -> seen keyed without part 2 (ip)"),
        ("entry-order", "entry new -> before known"),
        ("entry", "without entry rest"),
        ("action", "without drop;"),
        ("output", "drop; -> pass;"),
        ("initial", "n = 3 -> n = 4"),
        ("limit", "aged: timeout 5000000000 -> 5000000001"),
        ("limit", "aged: max 9 -> 8"),
        ("rule", "INSIDE -> without rule 1"),
        ("rule-bound", "INSIDE -> rule 1: dport 80-90 -> 80-91"),
    ],
)
def test_operators_do_what_they_say(network: ir.Network, operator: str, change: str) -> None:
    assert change in changes(network, operator)


def test_each_mutant_differs_in_its_program_and_can_be_run(network: ir.Network) -> None:
    for mutant in mutants(network):
        assert mutant.network != network, mutant.text
        assert mutant.network.name == network.name
        Machine(mutant.network)
        assert mutant.at == "" or mutant.at.startswith("<text>:")


def test_mutants_are_numbered_and_hardly_any_two_are_the_same() -> None:
    found = list(mutants(load("lib:napt")))
    assert [m.number for m in found] == list(range(1, len(found) + 1))
    assert len({m.network for m in found}) > 0.95 * len(found)


def test_instances_of_one_program_change_together(tmp_path: Path) -> None:
    path = tmp_path / "x.nfd"
    path.write_text("program p { entry e { match_flow { f[ttl] == 3 } } } chain c = p -> p;")
    network = load(f"{path}:c")
    found = list(mutants(network))
    counts = Counter(m.instance for m in found)
    assert set(counts) == {"p"}
    for mutant in found:
        first, second = mutant.network.instances
        assert first.program == second.program


def test_one_bit_fields_have_no_order() -> None:
    network = load_text("program p { entry e { match_flow { f[flag_syn] == 1 } } }")
    assert changes(network, "comparison") == {"f[flag_syn] == 1 -> f[flag_syn] != 1"}


def test_of_a_long_ruleset_a_sample_is_changed() -> None:
    rows = tuple(Row(True, ((n, n),)) for n in range(1000))
    ruleset = Ruleset("long", ("dport",), rows)
    found = list(ruleset_changes(ruleset))
    assert len(found) <= MAX_RULES * 6
    assert all(other != ruleset for _, _, other in found)
