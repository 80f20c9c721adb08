"""Traces: how they shrink, what they reach, and that they are always the same."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

import nfverify
from nfverify import ModelError, load, load_text
from nfverify.oracles.trace import Event, Trace
from nfverify.packet.codec import Malformed, parse
from nfverify.semantics.machine import Machine
from nfverify.strategies import Frame, bursts, events, frame, packets, traces

SEARCH = settings(max_examples=5000, derandomize=True, database=None)
EXPIRES = """
program p {
    map<IP, int> m timeout 1s;
    entry known { match_state { f[sip] in m } action_flow { pass; } }
    entry gone  { match_state { seen > 0 } action_state { m[f[sip]] = 1; } action_flow { drop; } }
    int seen = 0;
    entry first { action_state { m[f[sip]] = 1; seen = seen + 1; } action_flow { pass; } }
}
"""


@cache
def start(target: str) -> Machine:
    return Machine(load(target))


def entries(target: str, trace: Trace) -> set[str]:
    machine, taken = start(target).clone(), set[str]()
    machine.trace = lambda visit: taken.update(visit.entries)
    for event in trace:
        machine.step(*event)
    return taken


def shortest(target: str, entry: str) -> Trace:
    network = start(target).network
    return find(traces(network), lambda trace: entry in entries(target, trace), settings=SEARCH)


# Shrinking --------------------------------------------------------------------------------


def test_nothing_is_the_plainest_trace() -> None:
    assert find(traces("lib:edge"), lambda _: True, settings=SEARCH) == ()
    assert find(packets("lib:edge"), lambda _: True, settings=SEARCH) == frame()


def test_plain_packets_are_plainest() -> None:
    found = find(traces("lib:edge"), lambda trace: len(trace) >= 3, settings=SEARCH)
    assert found == (Event(0, 0, frame()),) * 3


@pytest.mark.parametrize(
    ("target", "entry", "packets"),
    [
        ("lib:napt", "in_known", 2),
        ("lib:dns-amplification", "answer", 2),
        ("lib:firewall-stateful", "stranger", 1),
        ("lib:syn-flood", "retry", 2),
        ("lib:syn-flood", "settled", 3),
    ],
)
def test_shrunk_traces_are_short_and_plain(target: str, entry: str, packets: int) -> None:
    trace = shortest(target, entry)
    assert len(trace) <= packets + 1
    assert {event.time for event in trace} <= {0, 1_000_000, 2_000_000}
    assert all(repr(event.frame).startswith("frame(") for event in trace)


def test_a_second_packet_of_a_flow_is_the_same_again() -> None:
    assert shortest("lib:napt", "out_known") == (Event(0, 0, frame()),) * 2


def test_time_shrinks_to_the_instant_of_expiry() -> None:
    network = load_text(EXPIRES)

    def expired(trace: Trace) -> bool:
        machine = Machine(network)
        outputs = [machine.step(*event) for event in trace]
        return len(outputs) > 1 and not outputs[1]

    found = find(traces(network), expired, settings=SEARCH)
    assert found == (Event(0, 0, frame()), Event(1_000_000_000, 0, frame()))


def test_a_needed_field_shrinks_to_its_boundary() -> None:
    text = "program p { entry { match_flow { f[sport] >= 20000 } action_flow { drop; } } }"

    def high(trace: Trace) -> bool:
        packet = parse(trace[0].frame) if trace else None
        return packet is not None and not isinstance(packet, Malformed) and packet.sport >= 20000

    found = find(traces(load_text(text)), high, settings=SEARCH)
    assert found == (Event(0, 0, frame(sport=20000)),)


# Reach ------------------------------------------------------------------------------------

UNREACHED = {
    "napt": {"out_full"},  # 64,512 endpoints
    "super-spreader": {"spreader"},  # 100 hosts
    "syn-flood": {"flood"},
}


@pytest.mark.parametrize("name", ["napt", "lb-blacklist", "super-spreader", "syn-flood", "inspect"])
def test_traces_take_every_entry(name: str) -> None:
    machine0, taken = start(f"lib:{name}"), set[str]()
    network = machine0.network

    @settings(max_examples=100, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(traces(network))
    def visit(trace: Trace) -> None:
        machine = machine0.clone()
        machine.trace = lambda visit: taken.update(visit.entries)
        for event in trace:
            machine.step(*event)

    visit()
    tables = [s for i in network.instances for s in i.program.body if hasattr(s, "entries")]
    known = {entry.name for table in tables for entry in table.entries}
    assert known - taken <= UNREACHED.get(name, set())


def test_bursts_reach_thresholds() -> None:
    machine = start("lib:syn-flood")

    def flood(trace: Trace) -> bool:
        run = machine.clone()
        return len(trace) > 100 and not all(run.receive(*event) for event in trace)

    assert len(find(bursts(machine.network), flood, settings=SEARCH)) == 101


def test_times_go_around_timeouts() -> None:
    gaps = set()

    @settings(max_examples=200, derandomize=True)
    @given(traces(load_text(EXPIRES)))
    def collect(trace: Trace) -> None:
        times = [event.time for event in trace]
        gaps.update(later - time for time in times for later in times if later > time)
        assert times == sorted(times)

    collect()
    assert {999_999_999, 1_000_000_000, 1_000_000_001} <= gaps


# Forms ------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(traces("lib:lb", min_size=3, max_size=7))
def test_sizes_are_kept(trace: Trace) -> None:
    assert 3 <= len(trace) <= 7
    assert all(isinstance(event.frame, Frame) and event.port in (0, 1) for event in trace)


@settings(max_examples=30)
@given(traces("lib:lb", bursts=False), events("lib:lb"), packets("lib:lb"))
def test_plain_frames_are_well_formed(trace: Trace, event: Event, packet: Frame) -> None:
    frames = [*(e.frame for e in trace), event.frame, packet]
    assert not any(isinstance(parse(frame), Malformed) for frame in frames)


def test_no_trace_may_be_asked_for() -> None:
    assert find(traces(max_size=0), lambda _: True) == ()


def test_answers_mostly_come_by_the_other_port() -> None:
    text = "program p { iface in, out; entry { action_flow { pass; } } }"
    came = Counter[bool]()

    @settings(max_examples=100, derandomize=True)
    @given(traces(load_text(text), bursts=False))
    def count(trace: Trace) -> None:
        asked = {event.frame[26:34]: event.port for event in trace}
        for event in trace:
            source = asked.get(event.frame[30:34] + event.frame[26:30])
            if source is not None and event.frame[36:38] == b"\x04\0":
                came[source != event.port] += 1

    count()
    assert came[True] > came[False] > 0


def test_hostile_frames_may_be_malformed() -> None:
    def malformed(trace: Trace) -> bool:
        return any(isinstance(parse(event.frame), Malformed) for event in trace)

    assert len(find(traces("lib:lb", hostile=True), malformed, settings=SEARCH)) == 1


@settings(max_examples=30)
@given(packets(dport=53, proto=17, sip=st.sampled_from(("192.0.2.1", "192.0.2.2"))))
def test_fields_can_be_fixed(found: Frame) -> None:
    packet = parse(found)
    assert not isinstance(packet, Malformed)
    assert (packet.dport, packet.proto) == (53, 17)
    assert packet.sip in (0xC0000201, 0xC0000202)


def test_every_port_is_used() -> None:
    text = "program p { iface a, b, c; entry { action_flow { pass; } } }"
    network = load_text(text)
    for port in range(3):
        found = find(events(network), lambda event, port=port: event.port == port)
        assert found == Event(0, port, frame())


def test_the_compiled_engine_takes_the_same_events() -> None:
    network = load_text(EXPIRES)
    nf = nfverify.compile(network)

    @settings(max_examples=20)
    @given(traces(network, hostile=True))
    def agree(trace: Trace) -> None:
        machine = Machine(network)
        nf.restore(machine.save())
        frames, times, ports = ([e[at] for e in trace] for at in (2, 0, 1))
        outputs = [[tuple(o) for o in machine.step(*event)] for event in trace]
        assert [[tuple(o) for o in step] for step in nf.process(frames, times, ports)] == outputs

    agree()


def test_the_same_examples_for_every_hash_seed() -> None:
    script = """if True:
        from hashlib import sha256
        from hypothesis import given, settings
        from nfverify.strategies import traces
        digest = sha256()
        @settings(max_examples=20, derandomize=True, database=None, deadline=None)
        @given(traces("lib:edge", hostile=True))
        def collect(trace):
            digest.update(b"".join(b"%d %d %b" % event for event in trace))
        collect()
        print(digest.hexdigest())
    """
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: traces(min_size=3, max_size=2), ValueError, "no trace has 3 to 2 packets"),
        (lambda: bursts(max_size=0), ValueError, "no burst has at most 0 packets"),
        (lambda: traces("lib:nothing"), ModelError, "nothing"),
    ],
)
def test_what_cannot_be(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
