"""Membership by hand: what an output shows of a choice, what stays open, what nothing allows."""

from __future__ import annotations

from random import Random

import pytest
from agreement import shape

from nfverify import Machine, SymbolicOracle, load, load_text
from nfverify.equivalence.evaluation import membership
from nfverify.equivalence.evaluation.verdicts import Allowed, Made, NotAllowed, Undecided
from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.programs.networks import random_network
from nfverify.oracles.traffic import Traffic
from nfverify.packet.codec import build, deparse, parse
from nfverify.packet.fields import Header
from nfverify.packet.packet import Packet
from nfverify.semantics.machine import RunawayError
from nfverify.smat import ir

TCP = Header.LINK | Header.IP4 | Header.TCP
INSIDE, OUTSIDE, PUBLIC = 0x0A000001, 0x08080808, 0xCB007107

NAT = """
    program nat {
        rule LAN = sip:10.0.0.0/8; IP pub = 203.0.113.7;
        set<int> used; map<(IP, int), int> mapping; map<int, (IP, int)> inside;
        entry known {
            match_flow  { f matches LAN }
            match_state { (f[sip], f[sport]) in mapping }
            action_flow { let p = mapping[(f[sip], f[sport])]; f[sip] = pub; f[sport] = p; }
        }
        entry fresh {
            match_flow  { f matches LAN }
            action_flow {
                choose p in 1024..65535 where !(p in used);
                used = used | {p}; mapping[(f[sip], f[sport])] = p;
                inside[p] = (f[sip], f[sport]);
                f[sip] = pub; f[sport] = p;
            }
        }
        entry back {
            match_flow  { f[dip] == pub }
            match_state { f[dport] in inside }
            action_flow { let h = inside[f[dport]]; f[dip] = h[0]; f[dport] = h[1]; }
        }
        entry unknown { match_flow { f[dip] == pub } action_flow { drop; } }
    }"""

BALANCER = """
    program lb {
        IP vip = 198.51.100.1;
        map<int, IP> server = {0: 192.168.1.1, 1: 192.168.1.2, 2: 192.168.1.2};
        map<flow, int> conn; map<int, int> load;
        entry known { match_flow { f[dip] == vip } match_state { f in conn }
            action_flow { f[dip] = server[conn[f]]; } }
        entry fresh { match_flow { f[dip] == vip } action_flow {
            choose i in 0..2 where load[i] < 2;
            conn[f] = i; load[i] = load[i] + 1; f[dip] = server[i];
        } }
        entry secret { match_flow { f[dport] == 7 } action_flow {
            choose z in 0..9; load[0] = z;
        } }
    }"""


def tcp(**fields: int) -> bytes:
    return build(TCP, {"proto": 6, **fields})


def changed(frame: bytes, **fields: int) -> bytes:
    packet = parse(frame)
    assert isinstance(packet, Packet)
    for name, value in fields.items():
        setattr(packet, name, value)
    return deparse(packet)


Rows = dict[tuple[int], tuple[()]]


def used(ports: range, free: int | None = None) -> dict[str, dict[str, Rows]]:
    return {"nat": {"used": {(p,): () for p in ports if p != free}}}


def out(port: int) -> tuple[bytes, list[tuple[int, bytes]]]:
    """A host's packet, and what a NAT that took this port sends."""
    frame = tcp(sip=INSIDE, sport=5000, dip=OUTSIDE, dport=80)
    return frame, [(1, changed(frame, sip=PUBLIC, sport=port))]


def test_an_output_shows_the_choice() -> None:
    oracle = SymbolicOracle(load_text(NAT))
    frame, sent = out(2000)
    assert oracle.allows(0, 0, frame, sent) == Allowed((Made("nat", "p", 2000),), True)
    assert oracle.allows(1, 0, frame, sent) == Allowed((), True)
    reply = tcp(sip=OUTSIDE, sport=80, dip=PUBLIC, dport=2000)
    back = [(1, changed(reply, dip=INSIDE, dport=5000))]
    assert oracle.clone().allows(2, 0, reply, back) == Allowed((), True)
    assert isinstance(oracle.allows(2, 0, reply, [(1, reply)]), NotAllowed)
    assert isinstance(oracle.allows(3, 0, reply, back), Undecided)  # it can't go on


@pytest.mark.parametrize(
    ("taken", "port", "allowed"),
    [
        (range(2000, 2001), 2001, True),
        (range(2000, 2001), 2000, False),
        (range(0), 1023, False),
        (range(0), 1024, True),
        (range(0), 65535, True),
        (range(1024, 65536), 7777, False),
    ],
)
def test_only_free_ports_of_the_range_fit(taken: range, port: int, allowed: bool) -> None:
    oracle = SymbolicOracle(load_text(NAT), state=used(taken))
    frame, sent = out(port)
    assert isinstance(oracle.allows(0, 0, frame, sent), Allowed if allowed else NotAllowed)


def test_a_drop_is_allowed_only_where_nothing_fits() -> None:
    frame, sent = out(7777)
    one_free = SymbolicOracle(load_text(NAT), state=used(range(1024, 65536), 7777))
    assert isinstance(one_free.clone().allows(0, 0, frame, []), NotAllowed)
    assert isinstance(one_free.allows(0, 0, frame, sent), Allowed)
    full = SymbolicOracle(load_text(NAT), state=used(range(1024, 65536)))
    assert full.allows(0, 0, frame, []) == Allowed((Made("nat", "p", None),), True)


def test_bytes_that_no_field_holds_and_wrong_checksums_are_not_allowed() -> None:
    oracle = SymbolicOracle(load_text(NAT))
    frame, [(port, sent)] = out(2000)
    for at in (14, 24, 36, 50):  # version, IP checksum, a port, TCP checksum
        wrong = bytearray(sent)
        wrong[at] ^= 1
        assert isinstance(oracle.clone().allows(0, 0, frame, [(port, bytes(wrong))]), NotAllowed)
    for wrong_ones in ([(0, sent)], [(1, sent), (1, sent)], [(1, sent + b"x")], [(1, b"")]):
        assert isinstance(oracle.clone().allows(0, 0, frame, wrong_ones), NotAllowed)


def test_times_count_where_they_are_told() -> None:
    oracle = SymbolicOracle(load_text(NAT))
    frame, [(port, sent)] = out(2000)
    assert isinstance(oracle.clone().allows(5, 0, frame, [(4, port, sent)]), NotAllowed)
    assert isinstance(oracle.allows(5, 0, frame, [(5, port, sent)]), Allowed)


def balanced(oracle: SymbolicOracle, sport: int, server: int | None) -> object:
    frame = tcp(sip=INSIDE, sport=sport, dip=0xC6336401, dport=80)
    sent = [] if server is None else [(1, changed(frame, dip=0xC0A80100 + server))]
    return oracle.allows(0, 0, frame, sent)


def test_what_outputs_do_not_show_is_narrowed_down_later() -> None:
    """Two of the three places are one server."""
    oracle = SymbolicOracle(load_text(BALANCER))
    first = balanced(oracle, 1, 2)
    assert first == Allowed((Made("lb", "i", None, known=False),), False)
    for sport in (2, 3):
        assert isinstance(balanced(oracle, sport, 2), Allowed)
    loads = {
        tuple(s.instances["lb"]["load"].get((i,), (0,))[0] for i in range(3))
        for s in oracle.states(100)
    }
    assert loads == {(0, 1, 2), (0, 2, 1)}
    assert isinstance(balanced(oracle, 4, 2), Allowed)
    assert isinstance(balanced(oracle, 5, 2), NotAllowed)  # both places are full by now


def test_a_drop_that_earlier_choices_rule_out() -> None:
    """Nothing fits only when all places are full, which six connections make them."""
    oracle = SymbolicOracle(load_text(BALANCER))
    for sport, server in enumerate((2, 2, 2, 2, 1)):
        assert isinstance(balanced(oracle, sport, server), Allowed)
    assert isinstance(balanced(oracle.clone(), 9, None), NotAllowed)
    assert isinstance(balanced(oracle, 5, 1), Allowed)
    assert isinstance(balanced(oracle, 9, None), Allowed)


def test_a_hidden_choice_becomes_known() -> None:
    oracle = SymbolicOracle(load_text(BALANCER))
    frame = tcp(sip=INSIDE, dip=OUTSIDE, dport=7)
    hidden = oracle.allows(0, 0, frame, [(1, frame)])
    assert hidden == Allowed((Made("lb", "z", None, known=False),), False)
    assert len(list(oracle.states(50))) == 10
    assert isinstance(balanced(oracle, 1, 1), Allowed)  # z is below 2
    assert balanced(oracle, 2, 1) == Allowed((Made("lb", "i", 0),), True)  # z is 0
    assert [s.instances["lb"]["load"] for s in oracle.states(9)] == [{(0,): (2,)}]
    assert isinstance(balanced(oracle, 3, 1), NotAllowed)


def test_without_choices_it_judges_as_the_machine_does() -> None:
    network = load("lib:edge")
    oracle, judge = SymbolicOracle(network), Machine(network)
    for time in range(20):
        frame = tcp(sip=INSIDE + time % 3, sport=time, dip=OUTSIDE, dport=80)
        sent = judge.step(time, 0, frame)
        wrong = [sent[0]._replace(frame=changed(sent[0].frame, ttl=9))] if sent else [(1, frame)]
        assert isinstance(oracle.clone().allows(time, 0, frame, wrong), NotAllowed)
        assert oracle.allows(time, 0, frame, sent) == Allowed((), True)
    [state] = oracle.states(5)
    assert state.instances == judge.save().instances


def test_headers_are_judged_by_what_comes_out() -> None:
    """Where there is nothing to choose; with choices, it is undecided."""
    body = "push vlan(5); push vxlan(192.0.2.1, 192.0.2.2, 7);"
    network = load_text(f"program nf {{ entry {{ action_flow {{ {body} }} }} }}")
    oracle, judge = SymbolicOracle(network), Machine(network)
    frame = tcp(sip=INSIDE, sport=1, dip=OUTSIDE, dport=80)
    sent = judge.step(1, 0, frame)
    wrong = [sent[0]._replace(frame=changed(sent[0].frame, ttl=9))]
    assert isinstance(oracle.clone().allows(1, 0, frame, wrong), NotAllowed)
    assert oracle.allows(1, 0, frame, sent) == Allowed((), True)
    assert oracle.clone().allows(1, 0, frame, sent) == Allowed((), True)
    assert isinstance(oracle.allows(1, 0, frame, []), NotAllowed)
    [state] = oracle.states()
    assert state.now == 1
    choosing = load_text(
        f"program nf {{ entry {{ action_flow {{ choose x in 1..3; f[ttl] = x; {body} }} }} }}"
    )
    assert isinstance(SymbolicOracle(choosing).allows(1, 0, frame, sent), Undecided)


@pytest.mark.parametrize("seed", range(3000, 3008))
def test_random_networks_step_by_step(seed: int) -> None:
    """Whole steps of networks as the prover makes them, through all of their programs."""
    rng = Random(seed)
    network = random_network(rng, Options(choose=False))
    traffic, judge, oracle = Traffic(network, rng), Machine(network), SymbolicOracle(network)
    for _ in range(40):
        event = traffic.event()
        try:
            sent = judge.step(*event)
        except RunawayError:
            return
        traffic.saw(sent)
        assert oracle.allows(*event, sent) == Allowed((), True)
    [state] = oracle.states(2)
    assert shape(network, state) == shape(network, judge.save())


def test_copies_without_end_are_undecided() -> None:
    """Each of 30 programs sends two copies to the next."""
    copies = "program p { iface x, y, z; entry { action_flow { f[output] = {y, z}; } } }"
    names = " -> ".join(f"p as n{i}" for i in range(30))
    oracle = SymbolicOracle(load_text(f"{copies} chain main = {names};"))
    assert isinstance(oracle.allows(0, 0, tcp(sip=INSIDE), []), Undecided)


def test_fast_timers_do_not_take_long() -> None:
    text = "program nf { int c = 0; every 1us { c = (c + 1) % 10; } entry { action_flow { choose x in 0..3; f[tos] = x; } } }"  # noqa: E501
    oracle = SymbolicOracle(load_text(text))
    frame = tcp(sip=INSIDE)
    for time in (0, 1, 3600 * 10**9):
        sent = [(1, changed(frame, tos=2))]
        assert oracle.allows(time, 0, frame, sent) == Allowed((Made("nf", "x", 2),), True)
    assert isinstance(oracle.allows(10**13, 0, frame, [(1, changed(frame, tos=4))]), NotAllowed)


def test_a_frame_that_never_enters_gives_nothing() -> None:
    oracle = SymbolicOracle(load_text(NAT))
    assert isinstance(oracle.clone().allows(0, 0, b"short", [(1, b"short")]), NotAllowed)
    assert oracle.allows(0, 0, b"short", []) == Allowed((), True)
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    strict = SymbolicOracle(load_text(NAT), non_ip="drop")
    assert oracle.allows(0, 0, arp, [(1, arp)]) == Allowed((), True)
    assert isinstance(strict.allows(0, 0, arp, [(1, arp)]), NotAllowed)


def test_what_it_cannot_tell_is_undecided() -> None:
    """200 hidden choices of an unknown key each are beyond it, and it says so."""
    network = load_text(
        "program nf { set<(int, int)> s max 5; "
        "entry { action_flow { choose x in 0..60000; choose y in 0..60000; s = s ∪ {(x, y)}; } } }"
    )
    oracle, frame = SymbolicOracle(network), tcp(sip=INSIDE)
    answers = [type(oracle.allows(0, 0, frame, [(1, frame)])) for _ in range(3)]
    assert answers == [Allowed, Undecided, Undecided]


def test_wrong_arguments_are_errors() -> None:
    oracle = SymbolicOracle(load_text(NAT))
    with pytest.raises(ValueError, match="no port 7"):
        oracle.allows(0, 7, b"", [])
    with pytest.raises(ValueError, match="not in"):
        oracle.allows(-1, 0, b"", [])


def test_clones_follow_traces_of_their_own() -> None:
    oracle = SymbolicOracle(load_text(NAT))
    oracle.allows(0, 0, *out(2000))
    other = oracle.clone()
    frame = tcp(sip=INSIDE, sport=6000, dip=OUTSIDE, dport=80)
    sent = [(1, changed(frame, sip=PUBLIC, sport=3000))]
    assert isinstance(oracle.allows(1, 0, frame, sent), Allowed)
    assert isinstance(other.allows(1, 0, frame, sent), Allowed)
    assert isinstance(other, SymbolicOracle)
    assert isinstance(oracle.network, ir.Network)


def test_what_is_not_known_outlives_a_table_of_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "MOST_TERMS", 0)
    test_what_outputs_do_not_show_is_narrowed_down_later()
    test_a_hidden_choice_becomes_known()
