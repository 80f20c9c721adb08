"""What suites are made of: loops, probes, varied packets, merged and chosen traces, manifests."""

import pytest
from ir_build import udp

from nfverify.equivalence.reach.script import Loop, Script, expand, length
from nfverify.equivalence.simulate import Arrival
from nfverify.oracles.aim import Aim
from nfverify.oracles.generate import manifest
from nfverify.oracles.generate.cover import Candidate, greedy, needed
from nfverify.oracles.generate.diversify import diversified
from nfverify.oracles.generate.folding import folded, looped
from nfverify.oracles.generate.manifest import BadManifest, Item
from nfverify.oracles.generate.merging import merged
from nfverify.oracles.generate.packets import events, reversed_packet
from nfverify.oracles.generate.probes import probes
from nfverify.oracles.generate.variants import beginnings, crowded, driven, twins
from nfverify.packet.codec import Malformed, build, parse
from nfverify.packet.fields import Header
from nfverify.packet.packet import Packet
from nfverify.semantics.machine import Machine
from nfverify.smat.load import load, load_text


def packet(frame: bytes) -> Packet:
    found = parse(frame)
    assert not isinstance(found, Malformed)
    return found


def arrival(time: int = 1000, port: int = 0, **values: int) -> Arrival:
    return Arrival(time, port, packet(udp(**values)))


# Loops ------------------------------------------------------------------------------------


@pytest.mark.parametrize("vary", ["none", "sport", "sip", "dip", "both"])
def test_a_loop_written_out_is_found_again(vary: str) -> None:
    loop = Loop(arrival(sport=7), vary, 300, 5)  # type: ignore[arg-type]  # one of them
    script = (arrival(sport=9), *expand((loop,)), arrival(9000))
    found = folded(script)
    assert events(found) == events(script)
    assert len(found) < len(script) / 50


def test_what_repeats_but_for_unused_fields_becomes_a_loop() -> None:
    script = tuple(
        Arrival(1000 + n * n, 0, packet(udp(sport=3 * n, payload=bytes(n % 7)))) for n in range(40)
    )
    best = next(looped(script, {"sport"}))
    assert len(best) == 1
    assert isinstance(best[0], Loop)
    assert best[0].vary == "sport"
    assert length(best) == 40
    assert not list(looped(script[:5], {"sport"}))


def test_traces_behind_one_loop_are_joined_where_they_reach_the_same() -> None:
    loop = Loop(arrival(), "sport", 1000)
    ends = [arrival(dport=port) for port in (1, 2, 3)]
    candidates = [
        Candidate((loop, end), frozenset({number}), "x") for number, end in enumerate(ends)
    ]

    def reached(script: Script) -> frozenset[int]:
        return frozenset(n for n, end in enumerate(ends) if end in script)

    (one,) = merged(candidates, reached, 200)
    assert one.goals == {0, 1, 2}
    assert length(one.script) == 1003

    def only_at_the_start(script: Script) -> frozenset[int]:
        return frozenset(n for n, end in enumerate(ends) if script[1] == end)

    assert merged(candidates, only_at_the_start, 200) == candidates


# Choice -----------------------------------------------------------------------------------


def test_few_traces_reach_all_goals() -> None:
    one, two = arrival(sport=1), arrival(sport=2)
    candidates = [
        Candidate((one,), frozenset({1}), "a"),
        Candidate((one, two), frozenset({1, 2, 3}), "b"),
        Candidate((two,), frozenset({3}), "c"),
        Candidate((two, two, two), frozenset({4}), "d"),
    ]
    chosen = needed(greedy(candidates))
    assert [c.method for c, _ in chosen] == ["b", "d"]
    assert [sorted(goals) for _, goals in chosen] == [[1, 2, 3], [4]]


# Packets ----------------------------------------------------------------------------------


def test_packets_are_varied_as_long_as_the_goals_are_reached() -> None:
    network = load_text(
        "program p { set<(IP, port)> s;"
        " entry known { match_state { (f[sip], f[sport]) in s } action_flow { drop; } }"
        " entry new { match_flow { f[dport] == 80 }"
        " action_state { s = s | {(f[sip], f[sport])}; } } }"
    )
    machine = Machine(network)

    def dropped(script: Script) -> frozenset[int]:
        run = machine.clone()
        outs = [run.process(a.packet, a.time, a.port) for a in expand(script)]
        return frozenset({1} if outs and not outs[-1] else ())

    plain = (arrival(dport=80, sport=80), arrival(dport=80, sport=80))
    found = diversified(plain, {1}, dropped, {"sip", "sport", "dport"}, 1)
    first, last = (a.packet for a in expand(found))
    assert dropped(found) == {1}
    assert first.dport == 80
    assert first.sport == last.sport != 80
    assert len({first.sip, first.dip, first.sport, first.dport}) == 4
    assert first.ttl != last.ttl


def test_an_answer_comes_from_the_other_end() -> None:
    syn = build(Header.IP4 | Header.TCP, {"sport": 7, "dport": 80, "flag_syn": 1})
    answer = reversed_packet(packet(syn))
    assert answer is not None
    assert (answer.sport, answer.dport, answer.flag_syn, answer.flag_ack) == (80, 7, 1, 1)


def test_probes_show_what_a_trace_has_left() -> None:
    machine = Machine(load("lib:lb"))
    script = (arrival(dip=0xC6336401, sport=5),)
    found = probes(machine.clone(), script)
    assert found[0].packet.frame == script[0].packet.frame
    assert any(p.port == 1 and p.packet.dport == 5 for p in found), "its answer"
    assert any(p.packet.sport == 4 for p in found), "another port"
    assert all(p.time >= 1000 for p in found)


def test_probes_stand_at_the_instants_of_timers() -> None:
    machine = Machine(load("lib:rate-limiter"))
    times = [p.time for p in probes(machine, (arrival(),))]
    tick = 10_000_000
    for n in (1, 2, 3):
        assert 1000 + n * tick - 1 in times
        assert 1000 + n * tick in times


def test_cousins_of_a_trace() -> None:
    script = (arrival(sip=0x0A000001, dip=5), arrival(sip=5, dip=0x0A000001))
    (twin, *_) = twins(script, Aim())
    one, two = (a.packet for a in expand(twin))
    assert one.IP6 == two.IP6 == 1
    assert one.sip6 != one.dip6
    assert list(beginnings(script)) == [script[:1]]
    loop = Loop(arrival(sip=9), "sport", 100)
    more = driven(script, loop)
    assert more is not None
    assert length(more) == 2 + 102
    last = more[-1]
    assert isinstance(last, Loop)
    assert last.arrival.packet.sip == 5
    assert length(crowded(loop)) == 102 + 6


# Manifests --------------------------------------------------------------------------------


def items() -> list[Item]:
    loop = Loop(arrival(sport=3), "both", 5000, 7)
    return [Item("0001", (arrival(), loop, arrival(10**9, 1)), (1, 2), "bounded", 1)]


def test_a_manifest_says_what_was_written() -> None:
    text = manifest.dump({"version": 1, "model": "m"}, [{"number": 1}], items())
    assert len(text) < 1000, "repetitions are a loop, not text"
    head, found = manifest.load(text)
    assert head["goals"] == [{"number": 1}]
    assert [events(i.script)[::99] for i in found] == [events(i.script)[::99] for i in items()]
    assert manifest.dump({"version": 1, "model": "m"}, head["goals"], found) == text


FRAME = udp().hex()


@pytest.mark.parametrize(
    ("packets", "what"),
    [
        ("[[1, 0]]", "[ns, port, frame"),
        ('[[1, 0, "zz"]]', "hexadecimal"),
        ('[[1, 0, "00"]]', "malformed"),
        (f'[[-1, 0, "{FRAME}"]]', "a number from 0"),
        (f'[[1, true, "{FRAME}"]]', "a number from 0"),
        (f'[{{"repeat": 9, "vary": "x", "packet": [1, 0, "{FRAME}"]}}]', "vary"),
        (f'[{{"repeat": 0, "vary": "none", "packet": [1, 0, "{FRAME}"]}}]', "at least once"),
        (f'[{{"repeat": 99999999, "vary": "none", "packet": [1, 0, "{FRAME}"]}}]', "repeat"),
        (f'[{{"repeat": 4000000, "vary": "none", "packet": [1, 0, "{FRAME}"]}}, '
         f'{{"repeat": 4000000, "vary": "none", "packet": [1, 0, "{FRAME}"]}}]', "over 4,194,304"),
        ("7", "a list"),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_is_refused(packets: str, what: str) -> None:
    text = f'{{"version": 1, "traces": [{{"packets": {packets}}}]}}'
    with pytest.raises(BadManifest) as error:
        manifest.load(text)
    assert what in str(error.value)
    assert "traces[0]" in str(error.value)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"version": 2}', '{"version": 1}', "[" * 100_000, '{"version": 1, "traces": [7]}'],
)
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(BadManifest):
        manifest.load(text)
