"""Symbolic push and pop held against the reference: fields, headers, tags, and every other byte."""

import header_faults as faults
import pytest
from encoding import Bench, by_solver, by_terms, by_z3

from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.problem import Options
from nfverify.equivalence.prove import Question, equivalent
from nfverify.equivalence.verdict import Different
from nfverify.smat.load import load_text

STEPS = 160
SAMPLE = 80  # one step in so many is evaluated by Z3, too

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
    "two ways": "if (f[dport] == 80) { f[ttl] = 1; push ipip(1.1.1.1, 2.2.2.2); } else {"
    "f[ttl] = 2; push ipip(1.1.1.1, 2.2.2.2); f[tos] = 4; } f[ttl] = 3; pop ipip;",
    "deep": "if (f[dport] == 80) { push ipip(1.1.1.1, 2.2.2.2); } push ipip(1.1.1.1, 2.2.2.2);"
    "push vxlan(1.1.1.1, 2.2.2.2, 9); pop vxlan; pop ipip;",
    "deep off": "while (f[ttl] > 0) bound 2 { pop ipip; pop vxlan; f[ttl] = f[ttl] / 2; }",
    "written inside": "f[ttl] = 77; push vxlan(1.1.1.1, 2.2.2.2, 3); f[ttl] = 5; pop vxlan;",
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


WRONG = (
    (faults.never_too_deep, "deep"),
    (faults.never_too_big, "iplen"),
    (faults.popped_with_its_own_addresses, "addresses stay"),
    (faults.second_tags_vanish, "tags"),
    (faults.inside_is_always_well_formed, "vxlan off"),
    (faults.fragments_are_opened, "ipip off"),
    (faults.merged_packets_lose_what_is_inside, "two ways"),
    (faults.inner_writes_are_lost, "written inside"),
)


@pytest.mark.parametrize(("fault", "name"), WRONG, ids=lambda x: getattr(x, "__name__", ""))
def test_fault_is_noticed(fault: faults.Fault, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)
    bench = Bench(load_text(model(BODIES[name])), seed=len(name))
    try:
        wrong = any(by_terms(assignment, answers) for assignment, answers in bench.steps(3 * STEPS))
    except AssertionError:
        wrong = True
    assert wrong


def test_payloads_written_over_are_refused() -> None:
    body = 'push ipip(1.1.1.1, 2.2.2.2); f[payload] = Encrypt(f[payload], "0123456789abcdef", 1);'
    with pytest.raises(Unsupported, match="payload was written"):
        Bench(load_text(model(body + " pop ipip;")))


ARP = """
program open { entry { action_flow { pop vxlan; } } }
program link {
    int n;
    entry {
        match_flow { f[ethertype] == 2054 }
        match_state { n %s 1 }
        action_flow { drop; }
    }
    entry { match_flow { f[ethertype] == 2054 } action_state { n = n + 1; } }
}
chain main = open -> link;
"""


def test_frames_inside_are_not_dropped_for_not_being_ip() -> None:
    """Only frames that come in are."""
    a, b = (load_text(ARP % order) for order in (">", ">="))
    options = Options(drop_non_ip=True)
    verdict = equivalent(a, b, Question(options=options, time_limit=20))
    assert isinstance(verdict, Different)
    assert len(verdict.counterexample.events) == 2
