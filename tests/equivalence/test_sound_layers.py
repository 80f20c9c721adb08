"""Symbolic push and pop held against the reference: fields, headers, tags, and every other byte."""

import pytest
from encoding import Bench, by_solver, by_terms, by_z3

from nfverify.smat.load import load_text

STEPS = 300
SAMPLE = 100  # one step in so many is evaluated by Z3, too

BODIES = {
    "tags": "push vlan(5); push vlan(f[dport]); f[vlan] = 9; pop vlan;",
    "tags off": "pop vlan; pop vlan; pop vlan;",
    "tag over tag": "f[vlan] = 77; push vlan(5); f[ttl] = f[ttl] - 1;",
    "ipip": "f[ttl] = f[ttl] - 1; push ipip(10.0.0.1, f[dip]); f[tos] = 3;",
    "ipip off": "pop ipip; f[ttl] = 9; f[vlan] = 3;",
    "vxlan": "f[dport] = 4789; push vxlan(f[sip], 10.0.0.2, 7); f[dport] = 4790;",
    "vxlan off": "pop vxlan; if (f[vni] == 7) { drop; } pop vxlan;",
    "nothing": "push vlan(1); push ipip(1.1.1.1, 2.2.2.2); push vxlan(3.3.3.3, 4.4.4.4, 5);"
    "pop vxlan; pop ipip; pop vlan;",
    "addresses stay": "push ipip(1.1.1.1, 2.2.2.2); f[smac] = 02:00:00:00:00:07; push vlan(6);"
    "pop ipip; f[sport] = 4;",
    "by way": "if (f[dport] == 80) { push ipip(1.1.1.1, 2.2.2.2); } else { push vxlan(3.3.3.3,"
    "4.4.4.4, 5); } if (f[ttl] == 64) { pop ipip; }",
    "exchanged": "pop vxlan; pop ipip; push vlan(3); push vxlan(1.2.3.4, 4.3.2.1, 8);",
    "deep": "while (f[ttl] > 3) bound 6 { push ipip(1.1.1.1, 2.2.2.2); f[ttl] = 60; }"
    "pop ipip; pop vxlan;",
    "deep off": "while (f[ttl] > 0) bound 3 { pop ipip; pop vxlan; f[ttl] = f[ttl] / 2; }",
    "iplen": "if (f[IP4] == 1) { f[iplen] = 65530; } push vxlan(1.1.1.1, 2.2.2.2, 3); pop vxlan;",
    "proto": "f[proto] = 41; push ipip(1.1.1.1, 2.2.2.2); push ipip(1.1.1.1, 3.3.3.3); pop ipip;",
}


def model(body: str) -> str:
    return f"program nf {{ entry {{ action_flow {{ {body} }} }} }}"


@pytest.mark.parametrize("name", BODIES)
def test_steps(name: str) -> None:
    bench = Bench(load_text(model(BODIES[name])), seed=len(name))
    sent = 0
    for number, (assignment, answers) in enumerate(bench.steps(STEPS)):
        assert by_terms(assignment, answers) == []
        if number % SAMPLE == 7:
            assert by_z3(assignment, answers) == []
            assert by_solver(assignment, answers) == []
        sent += bool(answers) and answers[0][0] is bench.event.out_a[0].guard
    assert sent, "nothing ever came out"
