"""Plans as they are derived: their classes are those that a hand would find, and random networks do
the same with their fast paths as without."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from shutil import copyfile

import ir_wraps
import pytest
from fast_plans import derived, parts_on_traffic
from ir_flows import flow_chain

from nfverify.equivalence.fastpath.derive import derive
from nfverify.fastpath.plan import Class, Plan
from nfverify.oracles.programs.expressions import Options
from nfverify.smat import ir
from nfverify.smat.load import load

ROOT = Path(__file__).parents[2]
PLAIN = Options(timeouts=False, capacities=False, choose=False, headers=False)

COUNTS = {  # classes, ways that stay slow
    "c1": (27, 52),
    "c2": (22, 30),
    "c2b": (6, 3),
    "c3": (5, 12),
    "c4": (5, 4),
    "c5": (9, 4),
    "c6": (1, 0),
    "c7": (9, 12),
    "c8": (10, 4),
}


@cache
def yardstick() -> Plan:
    return derive(load(str(ROOT / "benchmarks/models/chain.nfd")))


def policies(plan: Plan) -> dict[str, str]:
    return dict(plan.policies)


def taking(plan: Plan, *entries: str) -> Iterator[Class]:
    """Classes with a path that begins with these entries, as `instance.entry`."""
    for class_ in plan.classes:
        if any(
            tuple(f"{i}.{e}" for i, e in path.entries)[: len(entries)] == entries
            for path in class_.paths
        ):
            yield class_


@pytest.mark.parametrize("chain", COUNTS)
def test_classes_and_slow_ways(chain: str) -> None:
    plan = derived(chain)
    assert (len(plan.classes), len(plan.slow)) == COUNTS[chain]


def test_records_of_four_network_functions_are_small() -> None:
    for plan in (derived("c1"), yardstick()):
        assert max(len(c.values) for c in plan.classes) <= 3


def test_a_translated_balanced_counted_flow() -> None:
    """The class that the design works out by hand."""
    plan = derived("c1")
    (class_,) = taking(plan, "nat.known", "lb.known", "mon.counted", "fw.syn")
    assert [w.var for w in class_.watches] == ["nat.nport", "nat.nip", "fw.blk"]
    assert plan.epoch == ("lb.down",)
    assert len(class_.values) == 3
    plain, syn = sorted(class_.paths, key=lambda p: len(p.functions))
    assert [f.instance for f in plain.functions] == ["mon"]
    assert [f.instance for f in syn.functions] == ["mon", "fw"]
    assert [n for n, _ in plain.header.modify] == ["sip", "sport", "dip"]
    assert all(isinstance(e, ir.Local | ir.Cast) for _, e in plain.header.modify)
    assert plain.header.summed == ("sip", "sport", "dip")


def test_policies_of_the_chain_of_four() -> None:
    assert policies(derived("c1")) == {
        **dict.fromkeys(("nat.nport", "nat.nip", "nat.bip", "nat.bport", "lb.be"), "index"),
        **dict.fromkeys(("mon.pk", "mon.by", "fw.cnt"), "hot"),
        "lb.down": "epoch",
        "fw.blk": "index",
    }


def test_nothing_is_watched_where_nothing_can_change() -> None:
    """The yardstick's chain: what is there, is never assigned again."""
    plan = yardstick()
    watching = [c for c in plan.classes if c.watches]
    forward = [*taking(plan, "napt.known"), *taking(plan, "napt.other")]
    assert len(forward) == 8
    assert not [c for c in forward if c in watching]
    assert {w.var for c in watching for w in c.watches} == {"napt.host"}
    assert policies(plan)["lb.backend"] == policies(plan)["napt.given"] == "own"
    assert all(not p.residual for c in plan.classes for p in c.paths)


def test_absence_is_watched() -> None:
    (class_,) = taking(derived("c1"), "nat.stray")
    assert [w.var for w in class_.watches] == ["nat.bip"]


def test_branches_of_one_flow_share_a_record() -> None:
    assert max(len(c.paths) for c in derived("c8").classes) > 2


def test_timers_outdate_records() -> None:
    assert derived("c5").epoch == ("gate.closed",)


def test_what_stays_slow_says_why() -> None:
    reasons = {s.entries: s.reason for s in derived("c6").slow}
    assert not reasons
    nat = {s.entries[0]: s.reason for s in derived("c4").slow}
    assert nat["nat", "new"] == (
        "writes nat.nport, nat.nip, nat.bip, nat.bport, nat.next, each time anew"
    )


@pytest.mark.parametrize("policy", ["index", "epoch", "guard"])
def test_policies_can_be_forced(policy: str) -> None:
    network = load(str(ROOT / "examples/fastpath/c2.nfd"))
    plan = derive(network, policy)  # type: ignore[arg-type]
    watched = any(c.watches for c in plan.classes)
    assert (watched, bool(plan.epoch)) == (policy == "index", policy == "epoch")
    if policy == "guard":
        assert set(policies(plan).values()) == {"hot"}


def test_one_variable_can_be_forced() -> None:
    network = load(str(ROOT / "examples/fastpath/c5.nfd"))
    assert policies(derive(network, {"gate.closed": "hot"}))["gate.closed"] == "hot"
    assert derive(network, {"gate.closed": "index"}).watched() >= {"gate.closed"}


SLOW = """
program aged { map<flow, int> seen timeout 1s;
    entry { action_state { seen[f] = 1; } } }
program held { entry { match_flow { f[dport] == 1 } action_flow { f[output] = timer(1ms); } } }
program copied { iface a, b, c;
    entry { match_flow { f[dport] == 1 } action_flow { f[output] = {b, c}; } } }
program chosen { entry { action_flow { choose x in 1..3 where x > 1; f[sport] = x; } } }
program failing { iface a, b;
    entry { match_flow { f[dport] < 99 } action_flow { f[output] = f[dport]; } } }
program written { entry { match_flow { f[dport] == 1 } action_flow { f[payload] = "HELLO"; } } }
"""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("aged", "aged.seen forgets what is old"),
        ("held", "held holds packets back"),
        ("copied", "several outputs"),
        ("chosen", "a choice between several values"),
        ("written", "a payload that may have another length"),
        ("failing", "an error drops the packet"),
    ],
)
def test_what_no_record_can_stand_for(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "m.nfd").write_text(SLOW)
    plan = derive(load(f"{tmp_path / 'm.nfd'}:{name}"))
    assert any(s.reason.startswith(reason) for s in plan.slow)
    assert parts_on_traffic(plan, 1, 300)[0] is None


TUNNEL = """
import "wrap.nfd";
import "tunnels.nfd";
import "unwrap.nfd";
import "mon.nfd";

program trunk {
    entry { action_flow { push vlan(7); f[vlan] = 8; push ipip(192.0.2.1, 192.0.2.2); } }
}
program marked { entry { action_flow { push ipip(192.0.2.1, 192.0.2.2); f[ttl] = 9; } } }
chain through = wrap -> tunnels -> unwrap -> mon;
chain out = mon -> trunk;
chain tail = wrap -> mon;
"""


def tunnelled(tmp_path: Path, name: str) -> Plan:
    for model in ("wrap", "tunnels", "unwrap", "mon"):
        copyfile(ROOT / f"examples/fastpath/{model}.nfd", tmp_path / f"{model}.nfd")
    (tmp_path / "t.nfd").write_text(TUNNEL)
    plan = derive(load(f"{tmp_path / 't.nfd'}:{name}"))
    assert plan.plain
    assert parts_on_traffic(plan, 1, 400, evict=0.02)[0] is None
    return plan


def test_a_header_pushed_and_popped_leaves_no_trace(tmp_path: Path) -> None:
    plan = tunnelled(tmp_path, "through")
    (class_,) = taking(plan, "wrap.wrapped", "tunnels.counted", "unwrap.unwrapped")
    (path,) = class_.paths
    assert path.header.pushes == path.header.pops == path.header.modify == ()
    assert [f.instance for f in path.functions] == ["tunnels", "mon"]
    reasons = {s.reason for s in plan.slow}
    assert "what is inside a frame that arrives in a tunnel" in reasons
    assert "a packet of extraordinary length gets a header" in reasons


def test_a_header_that_stays_is_pushed(tmp_path: Path) -> None:
    (class_,) = tunnelled(tmp_path, "out").classes
    (path,) = class_.paths
    pushes = path.header.pushes
    assert [p.kind for p in pushes] == ["ipip", "vlan"]
    assert pushes[1].args == (ir.Const(8, ir.Bits(12)),)


def test_what_a_plan_cannot_say_of_headers_is_slow(tmp_path: Path) -> None:
    assert tunnelled(tmp_path, "marked").slow[0].reason == "a header that was pushed is written"
    reasons = {s.reason for s in tunnelled(tmp_path, "tail").slow}
    assert "the length of a frame" in reasons


@pytest.mark.parametrize("seed", range(25, 30))
def test_random_networks_that_push_and_pop(seed: int) -> None:
    plan = derive(ir_wraps.network(Random(seed)))
    assert parts_on_traffic(plan, seed, 150, evict=0.05)[0] is None


@pytest.mark.parametrize("seed", range(8))
def test_random_networks(seed: int) -> None:
    network = flow_chain(Random(seed), 1 + seed % 3, PLAIN if seed % 5 else Options())
    policy = (None, "index", "epoch", "guard")[seed % 4]
    plan = derive(network, policy)  # type: ignore[arg-type]
    assert parts_on_traffic(plan, seed, 250, evict=0.05)[0] is None


def test_the_same_plan_for_every_hash_seed() -> None:
    code = (
        "from nfverify.smat.load import load\n"
        "from nfverify.equivalence.fastpath.derive import derive\n"
        "plan = derive(load('examples/fastpath/c2.nfd'))\n"
        "print(plan.classes, plan.epoch, plan.policies, plan.slow)"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
