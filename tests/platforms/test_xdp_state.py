"""The state of an XDP program: seen and changed by bpftool, saved, given; tables too small."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from model_bench import SECOND, tcp, udp
from platforms import needs, require

from nfverify.lang.source import ModelError
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.engines.reference import reference
from nfverify.oracles.platforms.platform import Build
from nfverify.oracles.platforms.xdp import Xdp
from nfverify.oracles.platforms.xdp.engine import XdpEngine
from nfverify.oracles.platforms.xdp.maps import Map
from nfverify.oracles.states import difference
from nfverify.oracles.trace import Event
from nfverify.semantics.machine import Machine
from nfverify.semantics.state import SavedState
from nfverify.semantics.state_json import dump
from nfverify.smat.load import load, load_text

pytestmark = needs("xdp")
OUT = [
    tcp("10.0.0.1", 5000, "8.8.8.8", 80),
    udp("10.0.0.2", 5001, "8.8.4.4", 53),
    tcp("10.9.0.1", 77, "9.9.9.9", 443),
]
EVENTS = [Event(1000 + n, 0, frame) for n, frame in enumerate(OUT)]


def engine(text: str, capacity: int | None = 4096) -> XdpEngine:
    network = load(text) if text.startswith("lib:") else load_text(text)
    return Xdp().engine(Build(network, capacity=capacity), Setting())


@pytest.fixture(scope="module")
def napt() -> XdpEngine:
    require("xdp")
    return engine("lib:napt")


def bpftool(*words: str) -> Any:
    done = subprocess.run(["bpftool", "-j", *words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout) if done.stdout.strip() else None


def dumped(held: Map) -> list[dict[str, Any]]:
    """The rows of a map as bpftool shows them."""
    return [row["formatted"] for row in bpftool("map", "dump", "id", str(held.id))]


@needs("bpftool")
def test_bpftool_shows_what_the_state_says(napt: XdpEngine) -> None:
    run = napt.run(EVENTS)
    maps = napt.start(run.state).loaded.maps  # loaded, with this state
    assert run.state is not None
    state = json.loads(dump(napt.network, run.state))["instances"]["napt"]
    rows = dumped(maps["napt_mapping"])
    keys = [(*row["key"].values(), row["value"]["mapping"]) for row in rows]
    shown = sorted(
        [[".".join(map(str, address)), port, protocol], value]
        for address, port, protocol, *_, value in keys
    )
    assert shown == sorted(state["mapping"])
    ((name, content),) = dumped(maps[".data.state"])[0]["value"].items()
    variables = next(row["nf_state"] for row in content if "nf_state" in row)
    assert name == ".data.state"
    assert variables["napt"]["next_"] == state["next"] == 1024 + len(OUT)
    assert variables["core"]["now"] == EVENTS[-1].time


@needs("bpftool")
def test_what_bpftool_writes_is_seen(napt: XdpEngine) -> None:
    """A mapping put by hand: 10.0.0.1:5000/tcp is public port 40000 from now on."""
    session = napt.start()
    session.step(EVENTS[0])
    mapping = session.loaded.maps["napt_mapping"]
    ((key, _),) = mapping.rows()
    words = [f"0x{byte:02x}" for byte in key]
    value = [f"0x{byte:02x}" for byte in (40000).to_bytes(4, "little")]
    bpftool("map", "update", "id", str(mapping.id), "key", *words, "value", *value)
    (out,) = session.step(EVENTS[0])  # type: ignore[misc]
    assert int.from_bytes(out.frame[34:36], "big") == 40000
    saved = session.maps.save().instances["napt"]["mapping"]
    assert saved == {(int(IPv4Address("10.0.0.1")), 5000, 6): (40000,)}
    bpftool("map", "delete", "id", str(mapping.id), "key", *words)
    (out,) = session.step(EVENTS[0])  # type: ignore[misc]
    assert int.from_bytes(out.frame[34:36], "big") == 1025


KINDS = """
program kinds {
    int plain = -7;
    bit<64> wide = 0xfedcba9876543210;
    bool yes = true;
    map<flow, bit<64>> flows;
    map<flow, bit<16>> again;
    map<(MAC, bool, bit<9>), (IP, IP6, MAC)> mixed = {(02:00:00:00:00:01, true, 300):
        (10.0.0.1, 2001:db8::1, 02:00:00:00:00:02)};
    set<IP6> hosts = {::, 2001:db8::2};
    map<IP, int> old timeout 5s;
    entry all {
        action_state {
            flows[f] = flows[f] + 1; again[f] = 5; old[f[sip]] = old[f[sip]] + 1; plain = plain - 1;
            yes = !yes; hosts = hosts | {f[sip6]};
        }
        action_flow { pass; }
    }
}
"""


def test_every_kind_of_state_goes_there_and_back() -> None:
    made = engine(KINDS)
    judge = reference(made.network, Setting())
    later = Event(1000 + 4 * SECOND, 1, OUT[0])
    for trace in ([], EVENTS, [*EVENTS, later, later._replace(time=later.time + 3 * SECOND)]):
        right = judge.run(trace)
        run = made.run(trace)
        assert run.steps == right.steps
        assert run.state is not None
        assert right.state is not None
        assert difference(made.network, right.state, run.state) == ""
        again = made.run((), right.state)
        assert again.state is not None
        assert difference(made.network, right.state, again.state) == ""


def test_a_full_table_ends_the_run() -> None:
    small = engine("lib:monitor", capacity=2)
    run = small.run(EVENTS)
    assert run.failure is not None
    assert run.failure.what == "a table is full: no room for 1 of its keys (--capacity)"
    assert len(run.steps) == 2
    large = engine("lib:monitor").run(EVENTS).state
    with pytest.raises(ModelError, match="room for 2 keys"):
        small.run((), large)
    assert small.run(EVENTS[:2]).failure is None  # and begins anew


def test_what_cant_be_given() -> None:
    made = engine("lib:firewall", capacity=None)
    assert (made.needs.shortest, made.needs.longest) == (14, 65535)
    run = made.run([EVENTS[0], replace_frame(EVENTS[1], bytes(13)), EVENTS[2]])
    assert run.failure is not None
    assert run.failure.kind == "refused"
    assert len(run.steps) == 1


def replace_frame(event: Event, frame: bytes) -> Event:
    return event._replace(frame=frame)


TICKS = """
program ticks {
    int n = 0;
    every 10ms { n = n + 1; }
    entry all { action_flow { pass; } }
}
"""


def test_time_passes_without_packets() -> None:
    made = engine(TICKS)
    judge = reference(made.network, Setting())
    for until in (None, EVENTS[-1].time + SECOND):
        run = made.run(EVENTS, None, until)
        session = judge.start()
        for event in EVENTS:
            session.step(event)
        if until is not None:
            session.machine.advance(until)
        assert run.failure is None
        assert run.state is not None
        assert difference(made.network, session.machine.save(), run.state) == ""
        assert run.state.timers
    wrong = replace(run.state, timers=run.state.timers * 2)
    with pytest.raises(ModelError, match="can't hold a timer"):
        made.run((), wrong)


def test_a_state_of_before_the_first_packet_is_stamped_by_it() -> None:
    made = engine(KINDS)
    name = made.network.instances[0].name
    start = SavedState(None, {name: {"old": {(int(IPv4Address("10.0.0.1")),): (7, 0)}}})
    events = [event._replace(time=event.time + 20 * SECOND) for event in EVENTS]
    machine = Machine(made.network, state=start)
    for event in events:
        machine.step(*event)
    run = made.run(events, start)
    assert run.state is not None
    assert difference(made.network, machine.save(), run.state) == ""
