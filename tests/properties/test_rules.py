"""The rules of proof, each with models and properties that only carelessness would accept."""

import pytest

from nfverify.equivalence.properties.prove import prove
from nfverify.equivalence.properties.question import Question
from nfverify.equivalence.properties.verdict import Broken, Holds, Unknown, Verdict
from nfverify.lang.source import ModelError, Source
from nfverify.smat.condition import packet_condition
from nfverify.smat.load import load_text


def decide(body: str, promise: str, **asked: object) -> Verdict:
    network = load_text(f"program nf {{ {body} property {promise}; }}")
    claim = network.instances[0].program.properties[-1]
    return prove(network, claim, Question(**{"time_limit": 30, **asked}))  # type: ignore[arg-type]


PASS = "entry { action_flow { pass; } }"
COUNT = "int n = 0; entry { action_state { n = n + 1; } action_flow { pass; } }"
FIREWALL = """set<flow> seen; rule IN = sip:10.0.0.0/8;
entry { match_flow { f matches IN } action_state { seen = seen | {f}; } action_flow { pass; } }
entry { match_state { reverse(f) in seen } action_flow { pass; } }
entry { action_flow { drop; } }"""

BROKEN = {
    # A model that reads a link-layer field sees every frame.
    "frames that are not IP": (
        "entry { match_flow { f[ethertype] < 0x86dd } action_flow { drop; } }",
        "p: f[IP6] == 0 -> dropped", 1,
    ),
    "a port": ("iface a, b; " + PASS, "isolated(a, b)", 1),
    "every copy counts": (
        "iface a, b, c; entry { action_flow { f[output] = {b, c}; } }", "p: output != c", 1,
    ),
    "the last port of several": (
        "iface a, b, c; entry { action_flow { f[output] = {b, c}; } }", "isolated(a, c)", 1,
    ),
    "all else of several": (
        "iface a, b, c; entry { action_flow { f[output] = {b, c}; } }", "isolated(a, b)", 1,
    ),
    "the counter wraps": ("bit<2> n = 0; entry { action_state { n = n + 1; } }", "p: n' > n", 4),
    "before is not now": (PASS, "p: f[ttl] == 9 -> before(f[ttl] == 9)", 1),
    "since ends": (PASS, "p: before(f[ttl] == 9) -> since(f[ttl] != 7, f[ttl] == 9)", 3),
    "since begins with what began": (
        PASS, "p(int x): f[ttl] == x && since(f[ttl] == x, f[ttl] == 9) -> x == 9", 2,
    ),
    "a value of a variable": (PASS, "p(IP a): f[sip] != a", 1),
    "the past of another value": (PASS, "p(IP a): before(f[sip] == a) -> f[sip] == a", 2),
    "an interval goes on": (PASS, "p: total(1, 1ms) < 3", 3),
    "what an interval adds up": (PASS, "rate_at_most(1000, 1ms)", 1),
    "the state after": (COUNT, "p: n' != 2", 2),
    "the state before": (COUNT, "p: n != 2", 2),
    "the state between": ("int n = 5; " + PASS, "p: n < 5", 1),
    "state under any key": (
        "map<IP, int> m; entry { action_state { m[f[sip]] = 3; } }", "p(IP a): m[a] < 3", 1,
    ),
    "a timer's tick": (
        "int n = 0; every 1s { n = 7; } " + PASS, "p: n == 0", 2,
    ),
    "a loop": (
        "int n = 0; while (f[sport] != 7) bound 3 { n = n + 1; }", "never_loops", 1,
    ),
    "a bound just reached is fine, one more is not": (
        "int i = 0; i = 0; while (i < 4) bound 3 { i = i + 1; }", "never_loops", 1,
    ),
    "an answer to what never came out": (
        FIREWALL, "p(flow k): f == k && !dropped && f mismatches IN -> before(f == k)", 2,
    ),
    "what is dropped didn't come out": (
        FIREWALL.replace("action_flow { pass; } }", "action_flow { drop; } }", 1),
        "no_unsolicited(IN)", 2,
    ),
    "a signed counter": (
        "int n = 0; entry { action_state { n = n - 1; } }", "counter_never_negative", 1,
    ),
    "what came out": ("entry { action_flow { f[ttl] = 9; } }", "p: f'[ttl] == f[ttl]", 1),
    "a push": (
        "entry { match_flow { f[IP4] == 1 } action_flow { push vlan(5); } }", "p: f'[vlan] != 5", 1,
    ),
    "a chain of marks": (
        "int s = 0;"
        "entry { match_flow { s == 0 && f[ttl] == 1 } action_state { s = 1; } }"
        "entry { match_flow { s == 1 && f[ttl] == 2 } action_state { s = 2; } }"
        "entry { match_flow { s == 2 && f[ttl] == 3 } action_flow { drop; } }",
        "p: f[ttl] == 3 -> !dropped", 3,
    ),
}  # fmt: skip

TRUE = {
    "since": (PASS, "p: since(f[ttl] != 7, f[ttl] == 9) -> before(f[ttl] == 9)"),
    "a mark": (
        "bool m = false; entry { match_flow { f[ttl] == 9 } action_state { m = true; } }",
        "p: m == true -> before(f[ttl] == 9)",
    ),
    "the converse": (
        "bool m = false; entry { match_flow { f[ttl] == 9 } action_state { m = true; } }",
        "p: before(f[ttl] == 9) -> m == true",
    ),
    "a total": (
        "int n = 0; every 1ms { n = 0; }"
        "entry { match_state { n < 3 } action_state { n = n + 1; } }"
        "entry { action_flow { drop; } }",
        "p: total(dropped ? 0 : 1, 1ms) <= 3",
    ),
    "a bound that is not reached": (
        "int i = 0; i = 0; while (i < 3) bound 3 { i = i + 1; }", "never_loops",
    ),
    "ports": (
        "iface a, b, c; entry { match_flow { f[iface] == a } action_flow { f[output] = b; } }"
        "entry { action_flow { drop; } }", "isolated(a, c)",
    ),
    "keys": (
        "map<IP, int> m;"
        "entry { match_state { m[f[sip]] < 3 } action_state { m[f[sip]] = m[f[sip]] + 1; } }",
        "p(IP a): m[a] <= 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_false_is_refuted(name: str) -> None:
    body, promise, packets = BROKEN[name]
    verdict = decide(body, promise)
    assert isinstance(verdict, Broken), verdict
    assert (len(verdict.breach.events), verdict.breach.minimal) == (packets, True)


@pytest.mark.parametrize("name", TRUE)
def test_what_is_true_is_proved(name: str) -> None:
    verdict = decide(*TRUE[name])
    assert isinstance(verdict, Holds), verdict


def test_a_left_side_that_never_holds_is_told() -> None:
    verdict = decide(COUNT, "p: f[ttl] == 300 -> dropped")
    assert isinstance(verdict, Holds)
    assert verdict.report.vacuous
    assert any("says nothing" in note for note in verdict.report.notes)


def test_a_left_side_that_rarely_holds_is_fine() -> None:
    verdict = decide(PASS, "p: f[sip] == 77.77.77.77 && f[sport] == 4711 -> !dropped")
    assert isinstance(verdict, Holds)
    assert verdict.report.notes == ()


def test_what_is_assumed_is_assumed_of_every_packet() -> None:
    assume = packet_condition(Source("--assume", "f[ttl] != 9"), ("0", "1"))
    assert isinstance(decide(PASS, "p: !before(f[ttl] == 9)", assume=assume), Holds)
    nothing = packet_condition(Source("--assume", "f[ttl] == 300"), ("0", "1"))
    with pytest.raises(ModelError, match="no packet satisfies"):
        decide(PASS, "p: dropped", assume=nothing)


def test_frames_that_pass_by_are_no_steps() -> None:
    assert isinstance(decide("entry { action_flow { drop; } }", "p: dropped"), Holds)
    body = "entry { match_flow { f[ethertype] < 0x86dd } action_flow { drop; } }"
    assert isinstance(decide(body, "p: f[IP6] == 0 -> dropped", drop_non_ip=True), Holds)


def test_too_little_time_is_unknown() -> None:
    verdict = decide(
        "bit<64> n = 0; entry { action_state { n = n + 1; } }", "p: n < 99999", time_limit=0.5
    )
    assert isinstance(verdict, Unknown)
    assert verdict.depth >= 1
    assert "time ran out" in verdict.reason


def test_an_operator_without_its_function_refutes_nothing() -> None:
    body = "op risk(flow) -> int; entry { match_flow { risk(f) > 3 } action_flow { drop; } }"
    verdict = decide(body, "p: !dropped", time_limit=10)
    assert isinstance(verdict, Unknown)
    assert "--ops" in verdict.reason
    given = {"risk": lambda *flow: 9}
    assert isinstance(decide(body, "p: !dropped", operators=given), Broken)


def test_what_has_no_encoding_is_refused() -> None:
    with pytest.raises(ModelError, match="timeout"):
        decide("set<flow> s timeout 3s; entry { action_state { s = s | {f}; } }", "p: !dropped")


def test_a_tag_is_not_seen_outside() -> None:
    with pytest.raises(ModelError, match="tag"):
        decide("tag mark; entry { action_flow { f[mark] = 1; } }", "p: f'[mark] == 1")


def test_the_state_of_the_past_is_not_the_state_now() -> None:
    verdict = decide(COUNT, "p: before(n == 3) -> n > 3", time_limit=6)
    assert not isinstance(verdict, Broken)
    assert "error" not in getattr(verdict, "reason", "")
