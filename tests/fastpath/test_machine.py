"""The reference of the fast path, on plans written by hand: a plan does what its docstring says."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hand_plan import network, plan
from ir_build import add, arp, c, field_is, get, i, put, udp

from nfverify.fastpath.machine import FastMachine, Taken
from nfverify.fastpath.plan import Plan, Push, StateFunction
from nfverify.lang.ast import HeaderKind
from nfverify.packet.codec import Packet, parse
from nfverify.semantics.machine import Machine
from nfverify.smat import ir


def both(plan: Plan) -> tuple[FastMachine, Machine]:
    return FastMachine(plan), Machine(plan.network)


SECOND = 1_000_000_000


def traffic(seed: int, count: int) -> list[tuple[int, int, bytes]]:
    rng, now, found = Random(seed), 0, []
    for _ in range(count):
        now += rng.choice((0, 1, SECOND // 50))
        frame = udp(
            rng.randrange(2), rng.randrange(2), rng.randrange(3), rng.choice((2, 2, 2, 2, 9))
        )
        found.append((now, rng.randrange(2), rng.choice((frame,) * 9 + (arp(), frame[:20]))))
    return found


def test_a_flow_is_served_from_its_second_packet_on() -> None:
    fast, chain = both(plan())
    for time, taken in ((0, None), (1, Taken("1", "1")), (2, Taken("1", "1"))):
        assert fast.step(time, 0, udp()) == chain.step(time, 0, udp())
        assert fast.last == taken
    assert fast.served == 2
    assert fast.snapshot() == chain.snapshot()


def test_a_write_to_a_watched_key_outdates_the_records_that_watch_it() -> None:
    fast, chain = both(plan())
    other = udp(dip=7)
    control = udp(sip=5, dip=0x0A000002, sport=77, dport=9)
    for number, frame in enumerate((udp(), udp(), other, control, other, udp(), udp())):
        assert fast.step(number, 0, frame) == chain.step(number, 0, frame), number
    assert fast.served == 3  # the second packet, the second of `other`, and the last


def test_a_write_that_changes_nothing_is_no_event() -> None:
    fast, _ = both(plan())
    control = udp(sip=5, dip=0x0A000002, sport=77, dport=9)
    for number, frame in enumerate((control, udp(), control, udp())):
        fast.step(number, 0, frame)
    assert fast.served == 1


def test_a_timer_outdates_all_by_the_epoch() -> None:
    fast, chain = both(plan())
    for time in (0, 1, SECOND + 1, SECOND + 2):
        assert fast.step(time, 0, udp()) == chain.step(time, 0, udp())
    assert fast.served == 2


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("engine", ["closures", "walk"])
def test_outputs_counters_and_state_are_those_of_the_chain(seed: int, engine: str) -> None:
    fast, chain = FastMachine(plan(), engine=engine), Machine(network())
    rng = Random(seed)
    for event in traffic(seed, 400):
        assert fast.step(*event) == chain.step(*event)
        assert fast.snapshot() == chain.snapshot()
        if rng.random() < 0.1:
            fast.evict(rng)
    assert fast.counters == chain.counters
    assert fast.advance(fast.now + 9 * SECOND) == chain.advance(chain.now + 9 * SECOND)
    assert fast.snapshot() == chain.snapshot()
    assert [t[:3] for t in fast.timers] == [t[:3] for t in chain.timers]
    assert fast.served > 60


def test_evict_takes_the_oldest_or_one_that_is_drawn() -> None:
    fast = FastMachine(plan())
    for number in range(5):
        fast.step(number, 0, udp(sport=number))
    first = list(fast.mat.records)
    assert fast.evict(2) == 2
    assert list(fast.mat.records) == first[2:]
    assert fast.evict(Random(1)) == 1
    assert fast.evict(9) == 2
    assert fast.evict(Random(1)) == fast.evict(1) == 0
    assert not fast.mat.watchers


def test_timers_outdate_the_records_of_a_clone() -> None:
    fast, chain = both(plan())
    for time in (0, SECOND + 1, 2 * SECOND + 1):
        fast = fast.clone()
        assert fast.step(time, 0, udp()) == chain.step(time, 0, udp())
    assert fast.served == 0
    assert fast.clone().mat.records.keys() == fast.mat.records.keys()


def test_a_clone_goes_its_own_way_and_a_restored_state_has_no_records() -> None:
    fast = FastMachine(plan())
    fast.step(0, 0, udp())
    other = fast.clone()
    fast.step(1, 0, udp(sip=5, dip=0x0A000002, sport=77, dport=9))
    other.step(1, 0, udp())
    assert (fast.served, other.served) == (0, 1)
    other.restore(other.save())
    other.step(2, 0, udp())
    assert other.served == 1


# What plans may get wrong -----------------------------------------------------------------------


def parts(fast: FastMachine, chain: Machine, *frames: bytes) -> bool:
    """Do the two differ on these, in outputs or state?"""
    for number, frame in enumerate(frames):
        out = fast.step(number, 0, frame), chain.step(number, 0, frame)
        if out[0] != out[1] or fast.snapshot() != chain.snapshot():
            return True
    return False


CONTROL = udp(sip=5, dip=0x0A000002, sport=77, dport=9)


def test_checked_after_serves_once_more() -> None:
    fast, chain = both(replace(plan(), checked="after"))
    assert parts(fast, chain, udp(), CONTROL, udp())
    chain = Machine(network())
    for number, frame in enumerate((udp(), CONTROL, udp())):
        chain.step(number, 0, frame)
    assert fast.step(9, 0, udp()) == chain.step(9, 0, udp())


def test_recorded_before_misses_what_the_packet_did() -> None:
    fast, _ = both(replace(plan(), recorded="before"))
    for number in range(3):
        fast.step(number, 0, udp())
        assert fast.served == max(0, number - 1)


def test_filed_under_the_departing_tuple() -> None:
    fast, _ = both(replace(plan(), filed="departing"))
    fast.step(0, 0, udp())
    assert list(fast.mat.records) == [(0x0A000001, 0x0A000002, 1, 2000, 17)]
    fast.step(1, 0, CONTROL)  # dropped: under the arriving one, where no class holds
    assert len(fast.mat.records) == 1


def test_kept_leaves_the_record_as_it_is() -> None:
    fast, chain = both(replace(plan(), kept=ir.TRUE))
    for number in range(3):
        fast.step(number, 0, udp())
    assert fast.served == 0
    fast = FastMachine(replace(plan(), kept=field_is("ttl", 1)))
    assert not parts(fast, chain, udp(), udp())
    assert fast.served == 1


def test_hashed_keys_collide() -> None:
    fast, chain = both(replace(plan(), hashed=1))
    frames = [udp(sport=number) for number in range(9)]
    assert not parts(fast, chain, *frames)  # one source: the same values for all
    assert fast.served >= 7
    assert parts(fast, chain, *(udp(sip=number) for number in range(9)))


def test_what_is_not_summed_keeps_its_old_contribution() -> None:
    right = plan()
    (some,) = right.classes
    (way,) = some.paths
    header = replace(way.header, summed=("ttl", "ip_id"))
    wrong = replace(right, classes=(replace(some, paths=(replace(way, header=header),)),))
    fast, chain = both(wrong)
    assert fast.step(0, 0, udp()) == chain.step(0, 0, udp())
    (got,), (expected,) = fast.step(1, 0, udp()), chain.step(1, 0, udp())
    one, other = parse(got.frame), parse(expected.frame)
    assert isinstance(one, Packet)
    assert isinstance(other, Packet)
    assert one.original == other.original  # all fields are the same: the sums differ
    assert [k for k in range(len(got.frame)) if got.frame[k] != expected.frame[k]] == [40, 41]


def test_functions_of_a_group_read_when_they_run() -> None:
    double = StateFunction("nf", (put("nf.next", add(get("nf.next"), i(1))),))
    right = plan()
    (some,) = right.classes
    (way,) = some.paths

    def next_with(parallel: tuple[tuple[int, ...], ...]) -> object:
        path = replace(way, functions=(double, double), parallel=parallel)
        fast = FastMachine(replace(right, classes=(replace(some, paths=(path,)),)))
        for number in range(2):
            fast.step(number, 0, udp())
        return fast.snapshot()["nf"]["next"][()]

    assert next_with(()) == (3,)  # both read on arrival
    assert next_with(((0, 1),)) == (4,)


def test_paths_raise_no_events() -> None:
    right = plan()
    (some,) = right.classes
    (way,) = some.paths
    bump = StateFunction("nf", (put("nf.g", add(get("nf.g"), i(1))),))
    path = replace(way, functions=(*way.functions, bump))
    fast = FastMachine(replace(right, classes=(replace(some, paths=(path,)),)))
    for number in range(4):
        fast.step(number, 0, udp())
    assert fast.served == 3


def test_headers_are_popped_then_changed_then_pushed() -> None:
    right = plan()
    (some,) = right.classes
    (way,) = some.paths
    ends = (c(0x0B000001, ir.IP), c(0x0B000002, ir.IP))
    pushes = (Push("ipip", ends), Push("vlan", (c(7, ir.Bits(12)),)))

    def sent(pops: tuple[HeaderKind, ...], frame: bytes) -> bytes:
        header = replace(way.header, pops=pops, pushes=pushes)
        path = replace(way, header=header)
        fast = FastMachine(replace(right, classes=(replace(some, paths=(path,)),)))
        fast.step(0, 0, frame)
        (out,) = fast.step(1, 0, frame)
        assert fast.served == 1
        return out.frame

    (plain,) = (out.frame for out in Machine(network()).step(0, 0, udp()))
    tunnelled = sent((), udp())
    packet = parse(tunnelled)
    assert isinstance(packet, Packet)
    assert (packet.vlan, packet.sip, packet.proto) == (7, 0x0B000001, 4)
    assert packet.payload == plain[14:]
    tagged = udp()[:12] + bytes.fromhex("81000009") + udp()[12:]
    assert sent(("vlan",), tagged) == tunnelled
