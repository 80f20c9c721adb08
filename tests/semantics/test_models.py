"""Models as text, run: the library on every engine, and the language's own constructs."""

from pathlib import Path
from random import Random

import pytest
from ir_build import arp, udp

import nfverify.models
from nfverify.packet.codec import build, parse
from nfverify.packet.fields import Header
from nfverify.semantics.machine import ENGINES, Machine
from nfverify.smat.load import load, load_text

LIBRARY = sorted(path.stem for path in Path(nfverify.models.__path__[0]).glob("*.nfd"))
ADDRESSES = (0x0A000005, 0x0A010002, 0x0A020003, 0xC6336401, 0xCB007107, 0xC0A80101, 0x08080808)
PORTS = (22, 53, 80, 443, 1024, 1025, 40000)
ADDRESSES6 = (1, 0x20010DB8 << 96, (0x20010DB8 << 96) + 5)


def random_frame(rng):
    """TCP, UDP, ICMP and fragments over both IP versions, as the library tells them apart."""
    kind = rng.choice((Header.TCP, Header.UDP, Header.UDP, Header.ICMP, Header(0)))
    version = rng.choice((Header.IP4, Header.IP4, Header.IP6))
    values = {"payload": rng.choice((b"", b"cat /etc/passwd", bytes(300)))}
    names, addresses = ("sip", "dip"), ADDRESSES
    if version == Header.IP6:
        names, addresses = ("sip6", "dip6"), ADDRESSES6
    values |= {name: rng.choice(addresses) for name in names}
    if kind in (Header.TCP, Header.UDP):
        values |= {"sport": rng.choice(PORTS), "dport": rng.choice(PORTS)}
    if kind == Header.TCP:
        values |= {f"flag_{name}": rng.randrange(2) for name in ("syn", "ack", "fin", "rst")}
    if kind == Header.ICMP:
        echo = (8, 0) if version == Header.IP4 else (128, 129)
        values |= {"icmp_type": rng.choice((*echo, 3)), "icmp_id": rng.choice((7, 1024, 1025))}
    fragment = Header.FRAG if rng.random() < 0.1 else Header(0)
    return build(Header.LINK | version | kind | fragment, values)


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_on_every_engine(name):
    rng = Random(name)
    network = load(f"lib:{name}")
    machines = {engine: Machine(network, engine=engine) for engine in ENGINES}
    now = 0
    for _ in range(150):
        now += rng.choice((0, 1_000, 3_000_000, 40_000_000))
        event = (now, rng.randrange(2), arp() if rng.random() < 0.03 else random_frame(rng))
        outputs = [machine.step(*event) for machine in machines.values()]
        states = [(m.snapshot(), m.counters, len(m.timers)) for m in machines.values()]
        for engine, output, state in zip(machines, outputs, states, strict=True):
            assert output == outputs[0], engine
            assert state == states[0], engine


# The language -----------------------------------------------------------------------------


def run(engine, text, *events):
    """The machine after these (time, frame) events, and all that came out."""
    machine = Machine(load_text(text), engine=engine)
    out = [o for time, frame in events for o in machine.step(time, 0, frame)]
    return machine, out


def test_every_is_the_dummy_flow_that_it_stands_for(engine):
    sugar = "program p { int n = 0; every 10ms { n = n + 1; } entry { action_flow { pass; } } }"
    plain = """program p {
        int n = 0;
        init { f_dmy[T] = 1; f_dmy[output] = timer(10ms); }
        entry {
            match_flow { f[T] == 1 }
            action_state { n = n + 1; }
            action_flow { f[output] = timer(10ms); }
        }
        entry { action_flow { pass; } }
    }"""
    for text in (sugar, plain):
        machine, out = run(engine, text, (5, udp()), (35_000_005, udp()))
        assert machine.snapshot()["p"]["n"] == {(): (3,)}
        assert [o.time for o in out] == [5, 35_000_005]


def test_a_granular_variable_is_that_of_the_packet_as_it_is_then(engine):
    text = """program p {
        int n<sip> = 5;
        entry { action_state { n = n + 1; } action_flow { f[sip] = f[dip]; }
                action_state { n = n + 10; } }
    }"""
    machine, _ = run(engine, text, (0, udp(sip=1, dip=2)))
    assert machine.snapshot()["p"]["n"] == {(1,): (6,), (2,): (15,)}


def test_a_flow_is_filed_as_rewritten_and_reverse_swaps_its_ends(engine):
    text = """program p {
        set<flow> seen;
        entry {
            match_state { reverse(f) in seen }
            action_flow { f[ttl] = 1; }
        }
        entry { action_flow { f[dport] = 7; } action_state { seen = seen | {f}; } }
    }"""
    events = (0, udp(sip=1, dip=2, sport=3, dport=4)), (0, udp(sip=2, dip=1, sport=7, dport=3))
    _, out = run(engine, text, *events)
    assert [parse(o.frame).ttl for o in out] == [64, 1]


def test_drop_on_any_field_is_the_output_and_can_be_taken_back(engine):
    text = """program p {
        entry { match_flow { f[sport] == 1 } action_flow { f[seq] = DROP; f[ttl] = 9; pass; } }
        entry { action_flow { f[seq] = DROP; } }
    }"""
    _, out = run(engine, text, (0, udp(sport=1)), (0, udp(sport=2)))
    assert [parse(o.frame).ttl for o in out] == [9]


def test_a_general_program_runs_top_to_bottom_and_resubmit_restarts_it(engine):
    text = """program p {
        int n = 0;
        n = n + 1;
        entry { match_state { n < 3 } action_flow { resubmit; } }
        if (n >= 3) { while (n < 10) bound 20 { n = n + 2; } } else { n = n + 100; }
        entry { match_flow { f[dport] == 1 } action_flow { drop; } }
    }"""
    machine, out = run(engine, text, (0, udp()))
    # n = 1, entry resubmits but the rest of the pass runs: 101; second pass: 102, no resubmit.
    assert machine.snapshot()["p"]["n"] == {(): (102,)}
    assert len(out) == 1


def test_state_of_instances_and_configuration_of_each(engine):
    text = """
        program mark { int by = 1; int n = 0;
            entry { action_state { n = n + by; } action_flow { f[ttl] = n; } } }
        chain main = mark -> mark(by = 5);
    """
    machine, out = run(engine, text, (0, udp()), (0, udp()))
    assert {i: v["n"][()] for i, v in machine.snapshot().items()} == {"mark": (2,), "mark_2": (10,)}
    assert [parse(o.frame).ttl for o in out] == [5, 10]


def test_an_ordered_list_from_a_file(engine, tmp_path):
    (tmp_path / "acl.csv").write_text(
        "action,sip,dport,proto,iface\n"
        "drop,10.0.0.66,*,*,*\n"
        "accept,10.0.0.0/24,80-81,udp,inside\n"
        "accept,*,53,*,*\n"
    )
    model = tmp_path / "acl.nfd"
    model.write_text("""
        iface inside, outside;
        ruleset ACL = load("acl.csv");
        program acl { entry { match_flow { f mismatches ACL } action_flow { drop; } } }
    """)
    machine = Machine(load(str(model)), engine=engine)
    cases = [
        (0x0A000042, 80, 0, 0),
        (0x0A000005, 81, 0, 1),
        (0x0A000005, 81, 1, 0),
        (0x0A000005, 82, 0, 0),
        (0x08080808, 53, 1, 1),
    ]
    for number, (sip, dport, port, expected) in enumerate(cases):
        assert len(machine.step(0, port, udp(sip=sip, dport=dport))) == expected, number


def test_ipv6_flows_are_kept_apart(engine):
    text = """program p {
        map<flow, int> n;
        entry { action_state { n[f] = n[f] + 1; } }
    }"""
    frames = [
        build(Header.LINK | Header.IP6 | Header.UDP, {"sip6": a, "dip6": 9, "sport": 1, "dport": 2})
        for a in (5, 5, 6)
    ]
    machine, _ = run(engine, text, *((0, frame) for frame in frames))
    assert machine.snapshot()["p"]["n"] == {
        (0, 0, 5, 9, 1, 2, 17): (2,),
        (0, 0, 6, 9, 1, 2, 17): (1,),
    }
