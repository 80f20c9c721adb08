"""The faults that are planted in plans: each has a place and shows on the chain that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count

import pytest
from fast_plans import CHAINS, derived, parts, parts_on_traffic
from hand_plan import plan

from nfverify.fastpath.faults import FAULTS, Fault, applying, fault
from nfverify.oracles.trace import Event
from nfverify.packet.build import build
from nfverify.packet.codec import Packet, parse
from nfverify.packet.fields import Header
from nfverify.semantics.operators import hash_of
from nfverify.smat import ir

LAN, OTHER, WEB, PUBLIC = 0x0A000001, 0x0A000002, 0xC6336450, 0xCB007100
TCP, UDP = 6, 17
PACKETS = 400


def frame(sip: int, sport: int, dip: int, dport: int, proto: int = TCP, **flags: int) -> bytes:
    ends = {"sip": sip, "sport": sport, "dip": dip, "dport": dport}
    return build(Header.IP4 | (Header.TCP if proto == TCP else Header.UDP), ends | flags)


def events(*frames: bytes) -> list[Event]:
    return [Event(number, 0, one) for number, one in enumerate(frames)]


def colliding() -> tuple[bytes, bytes]:
    """Two flows that 20 bits of a hash don't tell apart."""
    hashed = hash_of(
        tuple(ir.field_type(name) for name in ("sip", "dip", "sport", "dport", "proto"))
    )
    seen: dict[int, int] = {}
    for number in count():
        sport, dport = number & 0xFFFF, 80 + (number >> 16)
        low = int(hashed(LAN, WEB, sport, dport, TCP)) & (1 << 20) - 1
        if low in seen:
            other = seen[low]
            return (
                frame(LAN, other & 0xFFFF, WEB, 80 + (other >> 16)),
                frame(LAN, sport, WEB, dport),
            )
        seen[low] = number
    raise AssertionError


A = frame(LAN, 1000, WEB, 80)
STRAY = frame(0x08080808, 53, PUBLIC, 1024)
# What random traffic would take long to find.
TRACES: Mapping[str, tuple[bytes, ...]] = {
    "event-of-absence": (STRAY, A, STRAY),
    "hash-as-key": colliding(),
    "key-without-proto": (A, frame(LAN, 1000, WEB, 80, UDP)),
    "departing-key": (frame(LAN, 1000, PUBLIC + 1, 80), frame(PUBLIC, 1024, PUBLIC + 1, 80)),
    "kept-on-fin": (A, frame(LAN, 1000, WEB, 80, flag_rst=1), A),
}


def test_names_are_unique_and_can_be_typed() -> None:
    names = [f.name for f in FAULTS]
    assert len(set(names)) == len(names) >= 25
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)
    assert [fault(name) for name in names] == list(FAULTS)
    assert fault("none such") is None
    assert {f.chain for f in FAULTS} <= set(CHAINS)
    assert sum(f.effect == "different" for f in FAULTS) >= 25


@pytest.mark.parametrize("planted", FAULTS, ids=lambda f: f.name)
def test_a_fault_is_another_plan_that_still_runs_or_none(planted: Fault) -> None:
    other = planted.plant(plan())
    assert other != plan()
    if other is not None:
        assert planted.plant(plan()) == other
        parts_on_traffic(other, 1, 40)


def test_those_that_apply() -> None:
    assert {f.name for f in applying(plan())} > {"checked-after", "event-of-timer"}


@pytest.mark.parametrize("planted", FAULTS, ids=lambda f: f.name)
def test_a_fault_shows_on_its_chain(planted: Fault) -> None:
    right = derived(planted.chain)
    wrong = planted.plant(right)
    assert wrong is not None
    if planted.name in TRACES:
        trace = events(*TRACES[planted.name])
        assert parts(right, trace) is None
        assert parts(wrong, trace) == len(trace)
        return
    found = any(parts_on_traffic(wrong, seed, PACKETS)[0] for seed in range(5))
    assert found == (planted.effect == "different")


@pytest.mark.parametrize("chain", CHAINS)
def test_what_is_derived_agrees_with_the_chain(chain: str) -> None:
    for seed in range(2):
        parted, served = parts_on_traffic(derived(chain), seed, PACKETS)
        assert parted is None
        assert served > 40
        assert parts_on_traffic(derived(chain), seed, PACKETS, evict=0.3)[0] is None


def test_the_flows_that_collide_are_two() -> None:
    one, other = map(parse, colliding())
    assert isinstance(one, Packet)
    assert isinstance(other, Packet)
    assert (one.sport, one.dport) != (other.sport, other.dport)
