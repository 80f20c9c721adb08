"""What models look at, and what is sent to them for it."""

from random import Random

import pytest

from nfverify import load, load_text
from nfverify.oracles.aim import aim_at
from nfverify.oracles.pools import pools_for
from nfverify.oracles.traffic import Traffic
from nfverify.oracles.wire import merged, wire
from nfverify.packet.codec import Malformed, parse
from nfverify.semantics.machine import Machine

MODEL = """
ruleset ACL = {(sip:10.1.0.0/16, dport:100-200, action:accept), (dip:192.0.2.9, action:drop)};
program p {
    IP pub = 203.0.113.7;
    map<(IP, port), int> hosts = {(198.51.100.1, 8080): 1};
    map<flow, int> seen timeout 30s;
    entry low {
        match_flow  { f[sport] < 1024 && f[dip] matches 172.16.0.0/12 }
        action_flow { drop; }
    }
    entry listed {
        match_flow  { f matches ACL && (f[sip], f[sport]) in hosts }
        action_flow { f[sip] = pub; }
    }
    entry pattern {
        match_flow   { PatternMatch(f[payload], {"attack"}) && f[ttl] - 1 == 7 }
        match_state  { f not in seen }
        action_state { seen[f] = 1; }
    }
    entry wait { match_flow { f[tos] == 3 } action_flow { f[output] = timer(10ms); } }
}
"""


def test_neighbours_of_each_boundary_are_worth_sending() -> None:
    pools = pools_for(load_text(MODEL))
    tweaks = set(pools.tweaks)
    expected = [
        *(("sport", value) for value in (1023, 1024, 1025, 8079, 8080)),
        *(("dport", value) for value in (99, 100, 101, 199, 200, 201)),
        # 172.16.0.0/12: first, last, below, above
        *(("dip", value) for value in (0xAC100000, 0xAC1FFFFF, 0xAC0FFFFF, 0xAC200000)),
        *(("sip", value) for value in (0x0A010000, 0x0A01FFFF, 0x0A00FFFF, 0x0A020000)),
        *(("dip", value) for value in (0xC0000209, 0xC0000208)),
        ("sip", 0xC6336401),  # a key that a map begins with
        ("dip", 0xCB007107),  # where the answer to a rewritten packet goes
        ("payload", b"attack"),
        ("payload", b"--attack--"),
        ("payload", b"attac"),
    ]
    assert [tweak for tweak in expected if tweak not in tweaks] == []
    for span in (30_000_000_000, 10_000_000):
        assert {span - 1, span, span + 1} <= {*pools.spans} or span > 200 * 10_000_000


def test_rules_and_guards_are_met_as_a_whole() -> None:
    bases = pools_for(load_text(MODEL)).bases
    assert {"sip": 0x0A010000, "dport": 100} in bases
    assert {"sip": 0x0A01FFFF, "dport": 200} in bases
    assert {"sip": 0xC6336401, "sport": 8080} in bases


def test_times_lie_around_timers_and_timeouts() -> None:
    text = MODEL.replace("f[output] = timer(10ms);", "pass;")
    assert {29_999_999_999, 30_000_000_000, 30_000_000_001} <= {*pools_for(load_text(text)).spans}
    pools = pools_for(load_text(MODEL))
    assert {9_999_999, 10_000_000, 10_000_001} <= {*pools.spans}
    # A packet that waits 10 ms comes at most so often between two others.
    assert max(*pools.gaps, *pools.spans) <= 20 * 10_000_000


def test_the_plainest_come_first() -> None:
    pools = pools_for(load("lib:edge"))
    assert (dict(pools.bases[0]), pools.gaps[0]) == ({}, 0)
    assert list(pools.counts) == sorted(pools.counts)


@pytest.mark.parametrize("name", ["edge", "edge-table", "maglev", "udp-flood", "inspect"])
def test_every_pick_makes_a_frame(name: str) -> None:
    pools = pools_for(load(f"lib:{name}"))
    frames = [wire(base) for base in pools.bases]
    frames += [wire(merged({}, [tweak])) for tweak in pools.tweaks]
    assert not any(isinstance(parse(frame), Malformed) for frame in frames)
    assert len(set(frames)) > 50


def test_the_aim_is_the_same_every_time() -> None:
    network = load("lib:edge-table")
    assert aim_at(network) == aim_at(network, Random(0)) == aim_at(load("lib:edge-table"))


def test_random_traffic_is_the_same_for_the_same_seed() -> None:
    network = load("lib:napt")
    runs = []
    for _ in range(2):
        traffic, machine, events = Traffic(network, Random(7)), Machine(network), []
        for _ in range(300):
            events.append(event := traffic.event())
            traffic.saw(machine.step(*event))
        runs.append(events)
    assert runs[0] == runs[1]


def test_random_traffic_meets_keys_again() -> None:
    """Both an answer to what came out, and a second packet of a known endpoint."""
    network = load("lib:napt")
    traffic, machine = Traffic(network, Random(7)), Machine(network)
    taken: set[str] = set()
    machine.trace = lambda visit: taken.update(visit.entries)
    for _ in range(3000):
        traffic.saw(machine.step(*traffic.event()))
    assert {"out_new", "out_known", "in_known", "in_unknown", "untranslatable", "other"} <= taken
