"""Findings on traces as short and plain as they get, the same each time."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from nfverify.oracles.campaign import Campaign
from nfverify.oracles.differential import Contest, Divergence
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.engines.reference import Reference, reference
from nfverify.oracles.needs import Needs, together
from nfverify.oracles.shrink import shrink
from nfverify.oracles.tester import settle
from nfverify.oracles.trace import Event, Trace, captures, monotone, read_folder
from nfverify.packet.codec import Malformed, build, parse
from nfverify.packet.fields import Header
from nfverify.report.oddities import oddities
from nfverify.semantics.machine import Machine
from nfverify.smat.ir import Network
from nfverify.smat.load import load, load_text


def contest(right: str, wrong: str) -> tuple[Network, Contest]:
    network = load_text(right)
    other = Reference(Machine(load_text(wrong)), "broken")
    return network, Contest(network, reference(network, Setting()), (other,))


def found(right: str, wrong: str, seed: int = 1) -> Trace:
    """The shrunk trace on which two models part."""
    network, both = contest(right, wrong)
    for number, trace in enumerate(Campaign(network, both.judge, seed).traces()):
        divergence = both.run(trace)
        if divergence is not None:
            finding = settle(both, divergence, "")
            assert finding is not None
            return finding.divergence.trace
        assert number < 60
    raise AssertionError


LIMIT = """program limit {
    map<IP, int> seen;
    entry full { match_state { seen[f[sip]] >= 4 } action_flow { drop; } }
    entry other { action_flow { pass; } action_state { seen[f[sip]] = seen[f[sip]] + 1; } }
}"""
PINHOLE = """program pinhole {
    iface inside, outside;
    set<flow> open;
    entry out { match_flow { f[iface] == inside } action_state { open.insert(f); } }
    entry back { match_flow { f[iface] == outside } match_state { reverse(f) in open } }
    entry none { action_flow { drop; } }
}"""
LATE = """program late {
    map<IP, time> last;
    entry again {
        match_state { f[sip] in last && now - last[f[sip]] < 5s }
        action_flow { drop; }
    }
    entry other { action_flow { pass; } action_state { last[f[sip]] = now; } }
}"""
CASES = {
    "field": ("program p { entry { action_flow { pass; } } }", "pass;", "f[tos] = 4;", 1),
    "threshold": (LIMIT, ">= 4", ">= 5", 5),
    "expiry": (LATE, "< 5s", "<= 5s", 2),
}


@pytest.mark.parametrize("name", CASES)
def test_short_and_plain(name: str) -> None:
    model, old, new, needed = CASES[name]
    trace = found(model, model.replace(old, new))
    assert len(trace) == needed
    for event in trace:
        packet = parse(event.frame)
        assert not isinstance(packet, Malformed)
        assert not oddities(event.frame)
        assert packet.sip in range(0x0A000001, 0x0A000009) or packet.sip6 or packet.dip6
        assert not packet.payload
    assert trace[0].time == 10**9
    assert trace == found(model, model.replace(old, new))


def test_times_are_round() -> None:
    trace = found(LATE, LATE.replace("< 5s", "<= 5s"))
    assert [event.time - trace[0].time for event in trace] == [0, 5 * 10**9]


def test_same_for_every_hash_seed() -> None:
    """Python's order of sets is another one in each process."""
    code = (
        "from test_shrink import LIMIT, found\n"
        "print([(e.time, e.port, e.frame.hex()) for e in found(LIMIT, LIMIT.replace('4', '3'))])"
    )
    here = Path(__file__).parent
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(here)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1] != ""


def test_attempts_are_bounded() -> None:
    """With none left, the trace stays."""
    trace = tuple(Event(n, 0, bytes([n])) for n in range(50))
    calls = 0

    def failing(attempt: Trace) -> Trace | None:
        nonlocal calls
        calls += 1
        return attempt if len(attempt) >= 20 else None

    assert shrink(trace, failing, attempts=0, polish=0) == trace
    small = shrink(trace, failing, attempts=100, polish=5)
    assert calls <= 105
    assert len(small) == 20


def test_divergence_of_states() -> None:
    """Outputs may be equal, and the states not."""
    model = "program p { int n; entry { action_flow { drop; } action_state { n = n + 1; } } }"
    _, both = contest(model, model.replace("n + 1", "n + 2"))
    divergence = both.run([Event(1, 0, build(Header.IP4, {}))])
    assert isinstance(divergence, Divergence)
    assert divergence.kind == "state"
    assert divergence.what == "p.n: 1, not 2"


def test_what_the_judge_refuses_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers that never rest: the trace is no proof of anything from there on."""
    model = """program tick {
        int n;
        every 1ns { n = n + 1; }
        entry { action_flow { pass; } }
    }"""
    monkeypatch.setattr("nfverify.semantics.ticks.MAX_FIRINGS", 1000)
    _, both = contest(model, model)
    frame = build(Header.IP4, {})
    assert both.run([Event(1, 0, frame), Event(5, 0, frame)]) is None
    divergence = both.run([Event(1, 0, frame), Event(10**6, 0, frame)])
    assert divergence is not None
    assert divergence.kind == "undecided"


# Campaigns --------------------------------------------------------------------------------


def test_same_seed_same_traces() -> None:
    network = load("lib:edge")
    judge = reference(network, Setting())
    one, other = (Campaign(network, judge, 5) for _ in range(2))
    assert [one.trace(n) for n in range(7)] == [other.trace(n) for n in range(7)]
    assert one.trace(0) != Campaign(network, judge, 6).trace(0)


def test_needs() -> None:
    """Traces for captures: one after the other, with room between ports."""
    network = load("lib:napt")
    judge = reference(network, Setting())
    needs = together([Needs(monotone=True), Needs(apart=1000, latest=10**12)])
    for number in range(6):
        trace = Campaign(network, judge, 1, needs).trace(number)
        assert trace == monotone(trace)
        assert max(event.time for event in trace) <= 10**12
        for one, other in pairwise(trace):
            assert one.port == other.port or other.time >= min(one.time + 1000, 10**12)
    only = Campaign(network, judge, 1, Needs(ports=frozenset({1}))).trace(1)
    assert {event.port for event in only} == {1}
    sizes = Needs(shortest=60, longest=100)
    some = Campaign(network, judge, 1, together([Needs(), sizes])).trace(2)
    assert some
    assert all(60 <= len(event.frame) <= 100 for event in some)


def test_captures_and_back(tmp_path: Path) -> None:
    network = load("lib:napt")
    ports = ("inside", "outside")
    trace = monotone(
        Campaign(network, reference(network, Setting()), 1, Needs(latest=10**15)).trace(1)
    )
    for name, data in captures(trace, ports).items():
        (tmp_path / name).write_bytes(data)
    assert {path.name for path in tmp_path.iterdir()} == {
        "trace.pcap",
        "trace-inside.pcap",
        "trace-outside.pcap",
    }
    assert read_folder(tmp_path, ports) == trace
