"""Figures 3, 5 and 6 of the NFD paper, and what the models published by its authors are like.

The published texts are not here; these have every construct of theirs, the sloppy ones too.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from nfverify.packet.build import build
from nfverify.packet.fields import Header
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.smat.check import check_file
from nfverify.smat.load import load_text
from nfverify.smat.unparse import program_text

MONITOR = """program monitor {
    int counter<sip, dip, sport, dport, proto> = 0;
    entry { action_flow { f[output] := IFACE } action_state { counter++ } }
}"""

FIREWALL = """program firewall {
    rule r1 = sip:10.0.0.0/8;
    rule r2 = sip:192.168.0.0/16;
    ruleset OK = {r1, r2};
    set<flow> seen;
    entry { match_flow { f ⊏ OK } action_flow { f[output] := IFACE }
            action_state { seen := seen ∪ {reverse(f)} } }
    entry { match_flow { f ⋢ OK } match_state { f ∈ seen } action_flow { f[output] := IFACE } }
    entry { match_flow { f ⋢ OK } match_state { f ∉ seen } action_flow { f[output] := ε } }
}"""

NAT = """program nat {
    set<IP> pool = {203.0.113.1, 203.0.113.2};
    map<flow, flow> map;
    entry { match_flow { f[sip] matches 10.0.0.0/8 } match_state { f ∉ map }
            action_state { map[f] := NAT(f) } action_flow { f := NAT(f); f[output] := IFACE } }
    entry { match_state { f ∈ map } action_flow { f := map[f]; f[output] := IFACE } }
}"""

LB = """program lb {
    int N = 2;
    map<int, IP> srv = {0: 192.168.1.1, 1: 192.168.1.2};
    map<flow, int> map;
    int idx = 0;
    entry { match_state { f ∈ map } action_flow { f[dip] := srv[map[f]] } }
    entry { action_state { map[f] := idx } action_flow { f[dip] := srv[idx] }
            action_state { idx := (idx+1) % N } }
}"""

RATE_LIMITER = """program rate_limiter {
    int TOKEN = 100;
    int REF = 1;
    int tkn;
    init { tkn := TOKEN; f_dmy[BR] := REF; f_dmy[output] := timer(10ms) }
    entry { match_flow { f[BR] = REF } action_flow { f[output] := timer(10ms) }
            action_state { tkn := TOKEN } }
    entry { match_state { f[size] ≤ tkn } action_flow { f[output] := IFACE }
            action_state { tkn := tkn - f[size] } }
    entry { match_state { f[size] > tkn } action_flow { f[output] := ε } }
}"""

FIGURES = (MONITOR, FIREWALL, NAT, LB, RATE_LIMITER)


def frame(source: str, target: str, sport: int = 1000, dport: int = 80) -> bytes:
    present = Header.LINK | Header.IP4 | Header.UDP
    values = {"sip": _number(source), "dip": _number(target), "sport": sport, "dport": dport}
    return build(present, {**values, "proto": 17, "ttl": 64})


def _number(address: str) -> int:
    return int.from_bytes(bytes(map(int, address.split("."))), "big")


def _addresses(out: bytes) -> tuple[str, str]:
    return ".".join(map(str, out[26:30])), ".".join(map(str, out[30:34]))


@pytest.mark.parametrize("text", FIGURES, ids=lambda text: text.split()[1])
def test_figures_lower_and_print(text: str) -> None:
    (instance,) = load_text(text).instances
    printed = load_text(program_text(instance.program)).instances[0].program
    assert printed == instance.program


def test_the_firewall_lets_answers_in() -> None:
    machine = Machine(load_text(FIREWALL))
    out, answer = frame("10.0.0.1", "8.8.8.8", 5, 53), frame("8.8.8.8", "10.0.0.1", 53, 5)
    assert machine.step(0, 1, answer) == []
    assert len(machine.step(1, 0, out)) == 1
    assert len(machine.step(2, 1, answer)) == 1


def test_the_nat_takes_addresses_in_turn_and_keeps_them() -> None:
    machine = Machine(load_text(NAT))

    def source(packet: bytes) -> str:
        (output,) = machine.step(0, 0, packet)
        return _addresses(output.frame)[0]

    first, second = frame("10.0.0.1", "8.8.8.8"), frame("10.0.0.2", "8.8.8.8")
    assert [source(p) for p in (first, second, first)] == [
        "203.0.113.1", "203.0.113.2", "203.0.113.1",
    ]  # fmt: skip
    # The pool is used up: 0, which is nobody's address.
    assert source(frame("10.0.0.3", "8.8.8.8")) == "0.0.0.0"


def test_the_load_balancer_goes_round() -> None:
    machine = Machine(load_text(LB))
    flows = [frame("10.0.0.1", "1.1.1.1", sport) for sport in (1, 2, 3, 1)]
    found = [_addresses(machine.step(0, 0, packet)[0].frame)[1] for packet in flows]
    assert found == ["192.168.1.1", "192.168.1.2", "192.168.1.1", "192.168.1.1"]


def test_the_rate_limiter_refills() -> None:
    machine = Machine(load_text(RATE_LIMITER))
    packet = frame("10.0.0.1", "1.1.1.1")
    size = int.from_bytes(packet[16:18], "big")
    times = list(range(100 // size + 1))  # the last one is too much
    assert [len(machine.step(t, 0, packet)) for t in times] == [1] * (len(times) - 1) + [0]
    assert len(machine.step(10_000_000, 0, packet)) == 1


def test_the_monitor_counts_flows() -> None:
    machine = Machine(load_text(MONITOR))
    for sport in (1, 2, 1):
        machine.step(0, 0, frame("10.0.0.1", "1.1.1.1", sport))
    assert sorted(machine.snapshot()["monitor"]["counter"].values()) == [(1,), (2,)]


# What the published models are like: no blanks, names that are keywords elsewhere, `DROP` given to
# any field, `DROP` compared by mistake, two blocks of a kind, empty ones, entries that overlap.

SLOPPY = """/************************************
*  A header of stars.
************************************/
program SLOPPY{
    rule R=sip:192.168.0.0/16;
    IP base=219.168.135.100;
    int port=8;
    map<IP,int> list;
    map<IP,map<IP,int>>  bq;
    map<int,IP> tlist;
    set<IP> seen;
    int threshold=100;

    entry{
        match_flow{f[flag_syn] ==1 && f[tag]!=1}
        action_state{list[f[sip]]=list[f[sip]]+1; f[tag]=1; resubmit;}

    }
    entry{
        match_flow{f[tag]==1}
        match_state{list[f[sip]]== threshold}
        action_flow{f[dip]==DROP;}
    }
    entry {
        match_flow { f matches R }
        action_state{ seen= seen | {f[dip]} ; }
        action_state{bq[f[sip]][f[dip]]=1;}
        action_state  { tlist[port]=f[sip]; }
        action_flow{f[sip]=base; f[sport]=port; port=port+1;}
    }
    entry{
        match_flow{f mismatches R && f[dip] == base}
        match_state{ ~ (f[dport] in tlist) && bq[f[dip]][f[sip]]!=1 }
        action_flow { f[dip]= DROP; }
    }
    entry{
        match_flow{f mismatches R && f[dip] == base}
        match_state{ f[sip] in seen }
        action_flow{f[dip]=tlist[f[dport]]; }
    }
    entry {
        match_flow { f mismatches R }
        match_state { f[sip] in seen }
    }
    entry{
        match_flow{f[UDP]!=1}
        action_flow{pass;}
        action_state{pass;}
    }

}"""


def test_published_models_are_like_this(
    program: Callable[[str], ir.Program], tmp_path: Path
) -> None:
    lowered = program(SLOPPY)
    assert [c.name for c in lowered.config] == ["base", "threshold"]
    assert [v.name for v in lowered.state] == ["port", "list", "bq", "tlist", "seen"]
    (table,) = lowered.body
    assert isinstance(table, ir.Table)
    assert len(table.entries) == 7
    assert table.entries[1].body == ()
    assert table.entries[3].body == (ir.SetOutput(ir.Drop()),)
    path = tmp_path / "sloppy.txt"
    path.write_text(SLOPPY)
    assert {d.code for d in check_file(str(path))} == {"gap", "no-effect", "repeated-block"}
