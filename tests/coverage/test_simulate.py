"""Simulation: what it says is reached is reached, by nothing that isn't needed, every time."""

import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from ir_build import udp

from nfverify.equivalence.reach.script import Loop
from nfverify.equivalence.simulate import Arrival, Trace
from nfverify.oracles.coverage.instrument import instrument
from nfverify.oracles.coverage.nudging import framed, joined, renamed
from nfverify.oracles.coverage.player import Player, replay
from nfverify.oracles.coverage.shrinking import shrunk
from nfverify.oracles.coverage.simulate import FIRINGS, simulate
from nfverify.packet.codec import Packet, deparse, parse
from nfverify.packet.packet import wire_values
from nfverify.smat.load import load, load_text

MODELS = ("napt", "firewall-stateful", "inspect", "rate-limiter")
SHORT = 8  # packets: traces up to here are tried without each of their packets


def arrival(time: int, sport: int, dport: int = 80) -> Arrival:
    packet = parse(udp(sport=sport, dport=dport))
    assert isinstance(packet, Packet)
    return Arrival(time, 0, packet)


@pytest.mark.parametrize("name", MODELS)
def test_every_trace_reaches_its_goal_and_needs_all_its_packets(name: str) -> None:
    found = instrument(load(f"lib:{name}"), "full")
    simulated = simulate(found, Random(1))
    player = Player(found)
    assert len(simulated.traces) > len(found.goals) // 3
    least = 0
    for goal, trace in simulated.traces.items():
        assert goal in player.reaches(trace)
        assert goal not in player.reaches(trace[:-1])
        parts = [trace[:n] + trace[n + 1 :] for n in range(len(trace) - 1)]
        least += len(trace) > SHORT or not any(goal in player.reaches(part) for part in parts)
    # A trace is shared by goals, so that one of them may need less of it.
    assert least > 0.7 * len(simulated.traces)
    assert simulated.seeds[0] == ()
    assert [len(s) for s in simulated.seeds] == sorted(len(s) for s in simulated.seeds)


def test_a_threshold_of_a_hundred_is_reached() -> None:
    found = instrument(load("lib:syn-flood"), "entries")
    simulated = simulate(found, Random(0))
    flood = next(goal for goal in found.goals if goal.entry == "flood")
    assert len(simulated.traces[flood.number]) == 101


def test_slices_keep_who_wrote_what_is_read() -> None:
    """Of four packets that write, the goal needs the one with its key, and what that needed."""
    text = """
    program p {
        map<int, int> m;
        int key = 0;
        entry set { match_flow { f[dport] == 1 } action_state { key = f[sport]; } }
        entry put { match_flow { f[dport] == 2 } action_state { m[key] = f[sport]; } }
        entry hit { match_flow { f[dport] == 3 } match_state { m[f[sport]] == 77 } }
        entry other { action_flow { drop; } }
    }
    """
    found = instrument(load_text(text), "entries")
    hit = next(goal for goal in found.goals if goal.entry == "hit")
    trace: Trace = (
        arrival(1, 9, 1),
        arrival(2, 5, 1),
        arrival(3, 77, 2),
        arrival(4, 6, 1),
        arrival(5, 77, 2),
        arrival(6, 5, 4),
        arrival(7, 5, 3),
    )
    player = Player(found)
    assert player.reaches(trace) >= {hit.number}
    assert player.watched(trace, pairs=False) == (trace[1], trace[2], trace[6])
    assert player.least(trace, hit.number) == (trace[1], trace[2], trace[6])


def test_a_script_with_a_loop_is_replayed() -> None:
    text = """
    program p {
        int n = 0;
        entry few { match_state { n < 50 } action_state { n = n + 1; } }
        entry many { action_flow { drop; } }
    }
    """
    found = instrument(load_text(text), "entries")
    assert replay(found, (Loop(arrival(1, 1), "none", 50),)) == {0}
    assert replay(found, (Loop(arrival(1, 1), "none", 51),)) == {0, 1}


def test_shrinking_stops_at_its_limit() -> None:
    trace = tuple(arrival(n, n) for n in range(40))
    wanted = {3, 17}
    calls = 0

    def holds(part: Sequence[Arrival]) -> bool:
        nonlocal calls
        calls += 1
        return wanted <= {a.time for a in part} and part[-1] is trace[-1]

    least = shrunk(trace, holds, attempts=1000)
    assert [a.time for a in least] == [3, 17, 39]
    calls = 0
    some = shrunk(trace, holds, attempts=5)
    assert calls == 5
    assert wanted <= {a.time for a in some}


SCRIPT = """
from random import Random
from nfverify.oracles.coverage.instrument import instrument
from nfverify.oracles.coverage.simulate import simulate
from nfverify.packet.codec import deparse
from nfverify.packet.packet import wire_values
from nfverify.smat.load import load
found = simulate(instrument(load("lib:maglev"), "full"), Random(3))
for goal, trace in found.traces.items():
    print(goal, [(a.time, a.port, deparse(a.packet).hex()) for a in trace])
print([len(seed) for seed in found.seeds], found.packets)
"""


def test_the_same_seed_gives_the_same_traces_whatever_the_hash_seed() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "77")
    ]
    assert told[0] == told[1]
    assert told[0].count(b"\n") > 20


@pytest.mark.parametrize("name", ["edge", "dns-amplification"])
def test_every_packet_is_what_its_frame_is_read_as(name: str) -> None:
    """Also of traces that were made by changing packets."""
    simulated = simulate(instrument(load(f"lib:{name}"), "full"), Random(2))
    for trace in simulated.traces.values():
        assert [a.time for a in trace] == sorted(a.time for a in trace)
        for item in trace:
            again = parse(item.packet.frame)
            assert isinstance(again, Packet)
            assert wire_values(again) == wire_values(item.packet)
            assert deparse(item.packet) == item.packet.frame


def test_traces_are_joined_on_the_ends_of_the_first_and_the_other_way_round() -> None:
    first = (arrival(5, 1, 2), arrival(9, 3, 4))
    second = (arrival(1, 100, 200), arrival(7, 200, 100))
    found = [[(a.packet.sport, a.packet.dport) for a in t] for t in joined(first, second)]
    assert found[:3] == [
        [(1, 2), (3, 4), (3, 4)],
        [(4, 3), (1, 2), (3, 4), (3, 4)],
        [(1, 2), (3, 4), (4, 3), (3, 4)],
    ]
    assert [(1, 2), (3, 4), (4, 3)] in found
    assert [(1, 2), (3, 4), (200, 100)] in found
    for trace in joined(first, second):
        assert [a.time for a in trace] == sorted(a.time for a in trace)


def test_renaming_keeps_the_direction_of_replies() -> None:
    trace = (arrival(1, 1, 2), arrival(2, 2, 1))
    found = renamed(trace, {1: 50}, ("sport", "dport"))
    assert found is not None
    assert [(a.packet.sport, a.packet.dport) for a in framed(found)] == [(50, 2), (2, 50)]


def test_rules_of_one_connection_each_are_reached_at_their_ends() -> None:
    text = """
    program p {
        ruleset R = {
            (sip:192.0.2.1, dip:198.51.100.0/24, sport:5000, dport:6000-6009, proto:udp),
            (sip6:2001:db8::/32, dport:53, proto:tcp, action:drop),
            (iface:wan, dip:203.0.113.9)
        };
        iface lan, wan;
        entry yes { match_flow { f matches R } action_flow { pass; } }
        entry no { action_flow { drop; } }
    }
    """
    found = instrument(load_text(text), "boundaries")
    simulated = simulate(found, Random(0))
    open_ = {goal.text for goal in found.goals if goal.number not in simulated.traces}
    # A packet of another protocol has no ports to match, and there are two interfaces.
    assert open_ <= {
        "rule 3 of R: iface just above",
        *(f"rule {n} of R: proto just {side}" for n in (1, 2) for side in ("below", "above")),
    }


def test_fast_timers_are_not_waited_for() -> None:
    network = load_text(
        "program p { int n; every 1us { n = n + 1; }"
        " entry late { match_state { now > 5s } } entry few { match_state { n == 3 } } }"
    )
    instrumented = instrument(network, "full")
    found = simulate(instrumented, Random(1))
    taken = {g.entry for g in instrumented.goals if g.kind == "entry" and g.number in found.traces}
    assert "few" in taken
    for trace in found.traces.values():
        gaps = (b.time - a.time for a, b in pairwise(trace))
        assert max(gaps, default=0) <= len(trace) * FIRINGS * 1000


def test_out_of_time_nothing_is_run() -> None:
    instrumented = instrument(load("lib:lb"), "full")
    assert simulate(instrumented, Random(1), out_of_time=lambda: True).packets == 0
