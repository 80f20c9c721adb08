"""The theorem of a fast path: what is right is proved, and each kind of obligation can fail."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hand_plan
import pytest
from ir_build import field_is, get, i, put

from nfverify.equivalence.fastpath.derive import derive
from nfverify.equivalence.fastpath.prove import prove
from nfverify.equivalence.fastpath.verdict import (
    FastDifferent,
    FastEquivalent,
    FastIdle,
    FastQuestion,
    FastUnknown,
    FastVerdict,
)
from nfverify.fastpath import plan as plans
from nfverify.fastpath.plan import Class, Plan, SlowPath, StateFunction
from nfverify.fastpath.plan import Path as Way
from nfverify.lang.source import ModelError
from nfverify.smat import ir
from nfverify.smat.load import load, load_text

ROOT = Path(__file__).parents[2]
CHAINS = ("c1", "c2b", "c3", "c4", "c5", "c6", "c7", "c8", "c9")
MORE = ("c2", "c10", "ten")  # half a minute
LIBRARY = sorted(path.stem for path in (ROOT / "models").glob("*.nfd"))


def plan() -> Plan:
    """The plan written by hand, which says that it leaves control packets to the chain."""
    control = SlowPath((("nf", "line 4"),), "a control packet")
    return replace(hand_plan.plan(), slow=(control,))


def chain(name: str) -> ir.Network:
    return load(str(ROOT / f"examples/fastpath/{name}.nfd"))


def refuted(verdict: FastVerdict) -> set[str]:
    """The kinds of obligations that fail."""
    return {o.name.partition(":")[0] for o in verdict.obligations if o.result == "refuted"}


# What is right ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHAINS + (MORE if os.environ.get("NFVERIFY_SEEK") else ()))
def test_the_example_chains_are_proved(name: str) -> None:
    verdict = prove(derive(chain(name)))
    assert isinstance(verdict, FastEquivalent), verdict
    assert {o.result for o in verdict.obligations} == {"proved"}


@pytest.mark.parametrize("name", LIBRARY)
def test_each_network_function_of_the_library_is_proved(name: str) -> None:
    assert isinstance(prove(derive(load(f"lib:{name}"))), FastEquivalent)


def test_a_chain_with_a_long_constant_table_is_proved() -> None:
    network = load(str(ROOT / "benchmarks/models/chain.nfd"))
    assert isinstance(prove(derive(network)), FastEquivalent)


@pytest.mark.parametrize("policy", ["index", "epoch", "guard"])
@pytest.mark.parametrize("name", ["c2b", "c5"])
def test_other_policies_are_proved_too(name: str, policy: str) -> None:
    assert isinstance(prove(derive(chain(name), policy)), FastEquivalent)  # type: ignore[arg-type]


def test_a_plan_written_by_hand_is_proved() -> None:
    verdict = prove(plan())
    assert isinstance(verdict, FastEquivalent)
    assert {o.name.partition(":")[0] for o in verdict.obligations} >= {
        "base", "outputs", "state", "checksums", "exclusive", "own record", "other records",
        "timer", "progress", "reachable",
    }  # fmt: skip


def test_a_chain_that_has_no_fast_path_is_itself() -> None:
    resubmits = (
        "program p { map<flow, int> n; entry { action_state { n[f] = n[f] + 1; m = n[f]; } }"
    )
    network = load_text(resubmits.replace("map", "int m = 0; map") + " }")
    verdict = prove(Plan(network, plan().served, plans.FLOW_KEY, (), (), ()))
    assert isinstance(verdict, FastEquivalent)
    assert any("no record is ever made" in note for note in verdict.report.notes)


# Each obligation, broken ------------------------------------------------------------------------


def with_class(change: Callable[[Class], Class]) -> Plan:
    right = plan()
    return replace(right, classes=tuple(map(change, right.classes)))


def with_way(change: Callable[[Way], Way]) -> Plan:
    return with_class(lambda c: replace(c, paths=tuple(map(change, c.paths))))


def with_header(**changes: object) -> Plan:
    return with_way(lambda w: replace(w, header=replace(w.header, **changes)))  # type: ignore[arg-type]


def drops() -> Plan:
    return with_way(lambda w: replace(w, outputs=()))


def forgets_to_count() -> Plan:
    return with_way(lambda w: replace(w, functions=()))


def sums_one_field() -> Plan:
    return with_header(summed=("sport",))


def takes_two_paths() -> Plan:
    def twice(c: Class) -> Class:
        return replace(c, paths=(*c.paths, replace(c.paths[0], outputs=())))

    return with_class(twice)


def asks_too_little() -> Plan:
    return with_class(lambda c: replace(c, condition=c.condition[1:]))


def records_the_ttl() -> Plan:
    def hoisted(c: Class) -> Class:
        ttl = dict(c.paths[0].header.modify)["ttl"]
        local = ir.Local("r9", ttl.type)
        modify = tuple((n, local if n == "ttl" else e) for n, e in c.paths[0].header.modify)
        way = replace(c.paths[0], header=replace(c.paths[0].header, modify=modify))
        return replace(c, values=(*c.values, plans.Value("r9", ttl)), paths=(way,))

    return with_class(hoisted)


def records_the_time() -> Plan:
    """Right when it is made, and wrong a moment later."""

    def hoisted(c: Class) -> Class:
        now = ir.Cast(ir.Now(), ir.Bits(16))
        values = tuple(replace(v, expr=now) if v.name == "r1" else v for v in c.values)
        return replace(c, values=values)

    return with_class(hoisted)


def is_deaf() -> Plan:
    return with_class(lambda c: replace(c, watches=()))


def writes_behind_its_back() -> Plan:
    """A path changes what its own class's values rest on."""
    wrong = StateFunction("nf", (put("nf.b", i(7), (ir.Field("dip"),)),))
    return with_way(lambda w: replace(w, functions=(*w.functions, wrong)))


def ignores_the_timer() -> Plan:
    return replace(plan(), epoch=())


def asks_afterwards() -> Plan:
    return replace(plan(), checked="after")


def keeps_all() -> Plan:
    return replace(plan(), kept=field_is("ttl", 1))


@pytest.mark.parametrize(
    ("broken", "kinds"),
    [
        (drops, {"outputs"}),
        (forgets_to_count, {"state"}),
        (sums_one_field, {"checksums"}),
        (asks_too_little, {"outputs", "state"}),
        (records_the_ttl, {"own record"}),
        (is_deaf, {"other records"}),
        (writes_behind_its_back, {"state", "fast path"}),
        (ignores_the_timer, {"timer"}),
        (asks_afterwards, {"other records", "timer"}),
    ],
)
def test_a_broken_plan_is_refuted_by_a_trace(broken: Callable[[], Plan], kinds: set[str]) -> None:
    verdict = prove(broken())
    assert isinstance(verdict, FastDifferent)
    assert refuted(verdict) == kinds
    assert verdict.counterexample.differences


def test_paths_that_overlap_are_not_proved_though_the_first_is_right() -> None:
    verdict = prove(takes_two_paths(), FastQuestion(depth=2))
    assert isinstance(verdict, FastUnknown)
    assert refuted(verdict) == {"outputs", "exclusive"}


def test_a_record_of_the_time_is_not_proved() -> None:
    verdict = prove(records_the_time(), FastQuestion(depth=3))
    assert isinstance(verdict, FastDifferent | FastUnknown)
    assert "own record" in refuted(verdict)


HELD = """program w { map<IP, int> m; tag late;
  entry { match_flow { f[late] == 0 && f[dport] == 7 }
          action_flow { f[late] = 1; f[output] = timer(5ms); } }
  entry { match_flow { f[late] == 1 } action_state { m[f[dip]] = 1; } action_flow { pass; } }
  entry { match_state { m[f[dip]] == 1 } action_flow { f[ttl] = 9; } }
  entry { action_flow { f[ttl] = 8; } } }
"""


def test_packets_that_a_timer_held_raise_events() -> None:
    right = derive(load_text(HELD))
    assert isinstance(prove(right), FastEquivalent)
    deaf = tuple(replace(c, watches=()) for c in right.classes)
    verdict = prove(replace(right, classes=deaf, epoch=()))
    assert isinstance(verdict, FastDifferent)
    assert refuted(verdict) == {"resumed"}
    assert not verdict.counterexample.minimal  # what a timer lets go is not searched through


def test_a_path_must_not_lose_what_a_timer_holds() -> None:
    right = derive(load_text(HELD))
    lost = tuple(
        replace(c, condition=tuple(e for e in c.condition if "dport" not in str(e)))
        for c in right.classes
    )
    drop = tuple(replace(c, paths=tuple(replace(w, outputs=()) for w in c.paths)) for c in lost)
    assert "timers held" in refuted(prove(replace(right, classes=drop), FastQuestion(depth=2)))


# Records that don't serve -----------------------------------------------------------------------


def test_records_under_another_key_serve_nobody() -> None:
    verdict = prove(replace(plan(), filed="departing"))
    assert isinstance(verdict, FastIdle)
    assert refuted(verdict) == {"progress"}


def test_a_record_that_could_have_been_made_is_missed() -> None:
    assert isinstance(prove(replace(plan(), recorded="before")), FastIdle)
    assert isinstance(prove(keeps_all()), FastIdle)


def test_the_first_class_must_serve_what_later_ones_could() -> None:
    right = derive(chain("c8"))
    assert isinstance(prove(replace(right, classes=right.classes[::-1])), FastIdle)


@pytest.mark.parametrize("name", ["c6", "c8"])
def test_what_changes_nothing_for_good_must_be_served(name: str) -> None:
    right = derive(chain(name))
    assert isinstance(prove(replace(right, classes=())), FastIdle)
    assert isinstance(prove(replace(right, classes=right.classes[1:])), FastIdle)
    first = right.classes[0]
    if len(first.paths) > 1:
        fewer = (replace(first, paths=first.paths[1:]), *right.classes[1:])
        assert isinstance(prove(replace(right, classes=fewer)), FastIdle)


def test_a_class_that_nobody_is_in_serves_nobody() -> None:
    verdict = prove(with_class(lambda c: replace(c, condition=(*c.condition, ir.FALSE))))
    assert isinstance(verdict, FastIdle)
    assert refuted(verdict) == {"reachable", "progress"}


# What is no plan --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (with_class(lambda c: replace(c, values=())), "mentions r0"),
        (with_class(lambda c: replace(c, condition=(get("nf.nothing"),))), "nf.nothing"),
        (replace(plan(), epoch=("nf.gone",)), "nf.gone"),
        (replace(plan(), served=(ir.Has("nf.a", (ir.Field("sip"),)),)), "depends on nf.a"),
        (with_header(modify=(("iface", ir.Const(1, ir.PORT)),)), "writes iface"),
        (with_way(lambda w: replace(w, parallel=((0, 7),))), "groups"),
    ],
)
def test_a_malformed_plan_is_never_proved(broken: Plan, said: str) -> None:
    verdict = prove(broken)
    assert isinstance(verdict, FastUnknown)
    assert said in verdict.reason


def test_time_that_runs_out_is_unknown() -> None:
    verdict = prove(plan(), FastQuestion(time_limit=1e-6))
    assert isinstance(verdict, FastUnknown)
    assert "time ran out" in verdict.reason


def test_a_difference_for_an_unknown_operator_is_none_yet() -> None:
    source = "op twice(int) -> int;\n" + hand_plan.NF.replace(
        "f[ip_id] = b[f[dip]] + g", "f[ip_id] = g"
    )
    network = load_text(source.replace("f[ttl] = f[ttl] - 1", "f[ttl] = twice(f[ttl])"))
    right = derive(network)
    assert isinstance(prove(right), FastEquivalent)


def test_maps_that_age_are_refused() -> None:
    network = load_text("program p { map<IP, int> m timeout 5s; entry { action_state"
                        " { m[f[sip]] = 1; } } }")  # fmt: skip
    with pytest.raises(ModelError, match="timeout"):
        prove(Plan(network, (), plans.FLOW_KEY, (), (), ()))
