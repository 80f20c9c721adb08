"""Instrumented networks behave as before, and record what the judge sees."""

from pathlib import Path
from random import Random

import pytest
from ir_build import udp
from ir_flows import flow_chain

from nfverify.lang.source import ModelError
from nfverify.models import __file__ as models
from nfverify.oracles.coverage.goals import COVERAGES, KINDS, REACHED, Goal, Instrumented, kinds
from nfverify.oracles.coverage.instrument import instrument
from nfverify.oracles.programs.networks import random_network
from nfverify.oracles.traffic import Traffic
from nfverify.semantics.machine import Machine
from nfverify.semantics.tracing import Visit
from nfverify.smat import ir
from nfverify.smat.load import load, load_text

LIBRARY = sorted(path.stem for path in Path(models).parent.glob("*.nfd"))


def reached(machine: Machine) -> set[int]:
    return {int(key[0]) for rows in machine.live(REACHED) for key in rows}


def titles(found: Instrumented, numbers: set[int]) -> set[tuple[str, str, str]]:
    goals = [found.goals[n] for n in numbers]
    return {(g.instance, g.entry, g.text) for g in goals}


def check(network: ir.Network, seed: int, packets: int) -> int:
    """Runs both; the same outputs and state, and the entries that the judge took."""
    found = instrument(network, "full")
    assert [goal.number for goal in found.goals] == list(range(len(found.goals)))
    before, after = Machine(network), Machine(found.network)
    taken: set[tuple[str, str]] = set()
    judge = Machine(network)

    def visit(seen: Visit) -> None:
        taken.update((seen.instance, title) for title in seen.entries)

    judge.trace = visit
    traffic = Traffic(network, Random(seed), 0.8)
    for _ in range(packets):
        event = traffic.event()
        try:
            out = before.step(*event)
        except ModelError:  # timers that never end
            with pytest.raises(ModelError):
                after.step(*event)
            return 0
        assert after.step(*event) == out
        judge.step(*event)
        traffic.saw(out)
    state = {
        instance: {name: rows for name, rows in variables.items() if name[0] != "%"}
        for instance, variables in after.snapshot().items()
    }
    assert state == before.snapshot()
    assert after.counters == before.counters
    assert [t.due for t in after.timers] == [t.due for t in before.timers]
    entries = {
        (goal.instance, goal.entry)
        for goal in map(found.goals.__getitem__, reached(after))
        if (goal.kind, goal.text) == ("entry", "taken")
    }
    assert entries == taken
    return len(taken)


@pytest.mark.parametrize("name", LIBRARY)
def test_library_models_behave_as_before(name: str) -> None:
    assert check(load(f"lib:{name}"), 1, 300)


def test_random_networks_behave_as_before() -> None:
    assert sum(check(random_network(Random(seed)), seed, 120) for seed in range(8)) > 8
    assert check(flow_chain(Random(5), 3), 5, 200)


@pytest.mark.parametrize("coverage", COVERAGES)
def test_each_level_has_its_kinds_of_goals(coverage: str) -> None:
    found = instrument(load("lib:maglev"), coverage)  # type: ignore[arg-type]  # one of the levels
    assert {goal.kind for goal in found.goals} == kinds(coverage) - {"gap"}  # type: ignore[arg-type]
    assert kinds("full") == set(KINDS)


def test_goals_are_numbered_over_all_instances_of_a_program() -> None:
    network = load("lib:edge")
    found = instrument(network, "entries")
    assert [g.number for g in found.goals] == list(range(len(found.goals)))
    assert {g.instance for g in found.goals} == {i.name for i in network.instances}
    assert found.original == network


def test_no_model_can_name_a_ghost() -> None:
    with pytest.raises(ModelError):
        load_text("program p { set<int> %reached; entry { action_flow { pass; } } }")


TABLE = """
program p {
    int n = 0;
    entry first { match_flow { f[dport] == 80 && f[proto] == 6 } action_flow { pass; } }
    entry second { match_flow { f[dport] == 80 } action_state { n = n + 1; } action_flow { drop; } }
}
"""


def goals_of(text: str, coverage: str = "full") -> list[Goal]:
    return list(instrument(load_text(text), coverage).goals)  # type: ignore[arg-type]


def test_a_table_without_a_last_row_has_a_gap() -> None:
    assert [g.kind for g in goals_of(TABLE, "entries")] == ["entry", "entry", "gap"]
    closed = TABLE.replace("entry second { match_flow { f[dport] == 80 }", "entry second {")
    assert [g.kind for g in goals_of(closed, "entries")] == ["entry", "entry"]


def test_a_row_that_always_overlaps_a_later_one_is_no_goal() -> None:
    assert not [g for g in goals_of(TABLE) if g.kind == "overlap"]
    apart = TABLE.replace("{ f[dport] == 80 }", "{ !(f[dport] == 80) }")
    assert not [g for g in goals_of(apart) if g.kind == "overlap"]
    partly = TABLE.replace("{ f[dport] == 80 }", "{ f[sport] == 80 }")
    (goal,) = [g for g in goals_of(partly) if g.kind == "overlap"]
    assert (goal.entry, goal.text) == ("first", "taken while second matches, too")


def test_what_the_rows_of_a_ruleset_decide_are_goals() -> None:
    text = """
    program p {
        ruleset R = {(dport:80-90, proto:tcp), (dport:80-100, action:drop), sip:10.0.0.0/8};
        entry yes { match_flow { f matches R } action_flow { pass; } }
        entry no { action_flow { drop; } }
    }
    """
    found = [g.text for g in goals_of(text, "boundaries") if g.kind == "boundary"]
    assert found[:2] == ["f matches R: true", "f matches R: false"]
    assert "rule 2 of R decides" in found
    assert "no rule of R matches" in found
    assert [t for t in found if "rule 1 of R: dport" in t] == [
        "rule 1 of R: dport just below",
        "rule 1 of R: dport at its first",
        "rule 1 of R: dport at its last",
        "rule 1 of R: dport just above",
    ]


def told(text: str, *packets: bytes) -> set[str]:
    """The goals that these packets reach, in words, without the entries."""
    found = instrument(load_text(text), "full")
    machine = Machine(found.network)
    for time, frame in enumerate(packets):
        machine.step(time, 0, frame)
    return {found.goals[n].text for n in reached(machine) if found.goals[n].kind != "entry"}


LOOP = """
program p {
    map<int, int> m;
    int i = 0;
    i = 0;
    while (i < f[dport]) bound 3 { m[i] = i; i = i + 1; }
}
"""


@pytest.mark.parametrize(
    ("dport", "rounds"),
    [(0, set()), (2, set()), (3, {"3 rounds"}), (4, {"3 rounds", "over its bound"})],
)
def test_a_loop_that_runs_to_its_bound_is_a_goal(dport: int, rounds: set[str]) -> None:
    found = told(LOOP, udp(dport=dport))
    assert {t.split(": ")[1] for t in found if t.startswith("while ")} == rounds
    assert ("i < f[dport]: true, one below" in found) == (dport >= 1)
    assert ("i < f[dport]: false, at the bound" in found) == (dport <= 3)
    assert ("i is not the default" in found) == (dport > 1)


CHOICE = """
program p {
    set<int> used;
    choose x in 5..6 where !(x in used);
    used = used | {x};
}
"""


def test_what_a_choice_may_come_to_are_goals() -> None:
    first = "x is not the first candidate"
    assert told(CHOICE, udp()) & {first, "nothing fits x"} == set()
    assert told(CHOICE, udp(), udp()) & {first, "nothing fits x"} == {first}
    assert told(CHOICE, udp(), udp(), udp()) >= {first, "nothing fits x"}


def test_the_operands_of_a_choice_are_looked_at_where_it_stands() -> None:
    """`x` has no value before the statement."""
    text = CHOICE.replace("!(x in used)", "!(x in used) && (f[dport] == 9 ? x > 0 : x > 5)")
    assert "f[dport] == 9: equal" in told(text, udp(dport=9))
