"""What XDP programs are written like: what they refuse, and what BPF needs other code for."""

from random import Random

import pytest
from agreement import Trace
from on_platforms import check, engine, joined, recorded
from platforms import needs

from nfverify.lang.source import ModelError
from nfverify.oracles.campaign import Campaign
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.engines.reference import reference
from nfverify.oracles.platforms.platform import Build, PlatformEngine
from nfverify.oracles.platforms.registry import platform
from nfverify.oracles.trace import Event
from nfverify.smat import ir
from nfverify.smat.load import load, load_text

DAY = 86_400 * 10**9

REFUSED = {
    "entry { action_flow { f[output] = timer(5ms); } }": ("a timer that holds a packet back", 2),
    "iface a, b;\nentry { action_flow { f[output] = {a, b}; } }": ("several outputs", 3),
    "entry { action_flow { push vlan(5); } }": ("`push vlan`", 2),
    "entry { action_flow { pop ipip; } }": ("`pop ipip`", 2),
    'entry { match_flow { PatternMatch(f[payload], {"a"}) } action_flow { drop; } }': (
        "the operator PatternMatch",
        2,
    ),
    "set<bytes> seen;\nentry { action_state { seen = seen | {f[payload]}; } }": (
        "strings of bytes",
        3,
    ),
    "map<IP, int> m;\nentry { action_state { m[f[sip]] = 1; } }": ("m without a bound", 3),
    "map<IP, int> m max 20000000;\nentry { action_state { m[f[sip]] = 1; } }": (
        "m with over 16,777,216 keys",
        3,
    ),
    "bit<128> x = 3;\nentry { action_state { x = x * x; } }": ("`*` of 128 bits", 3),
}


def network(text: str) -> ir.Network:
    return load_text(f"program p {{\n{text}\n}}\n", "p.nfd")


@pytest.mark.parametrize("text", REFUSED)
def test_what_it_cant_express_is_refused_at_its_line(text: str) -> None:
    what, line = REFUSED[text]
    with pytest.raises(ModelError) as caught:
        platform("xdp").check(Build(network(text)))
    (found,) = caught.value.diagnostics
    assert what in found.message
    assert found.span.line == line


def test_ticks_of_timers_are_no_delays_of_packets() -> None:
    ticks = "int n = 0;\nevery 5ms { n = n + 1; }\nentry { action_flow { pass; } }"
    platform("xdp").check(Build(network(ticks)))
    lib = load("lib:rate-limiter")
    platform("xdp").check(Build(lib))


def test_a_tag_that_packets_assign_tells_no_timers() -> None:
    text = """int n = 0;
init { f_dmy[T] = 1; f_dmy[output] = timer(5ms); }
entry { match_flow { f[T] == 1 } action_flow { f[output] = timer(5ms); } }
entry { action_flow { f[T] = 1; resubmit; } }"""
    with pytest.raises(ModelError, match="holds a packet back"):
        platform("xdp").check(Build(network(text)))


def test_a_program_is_the_same_from_run_to_run() -> None:
    build = Build(load("lib:edge"), capacity=1000)
    one, other = (platform("xdp").sources(build).files for _ in range(2))
    assert one == other


AGED = """
map<IP, int> idle timeout 300us;
set<flow> first max 6;
map<(IP, int), int> recent max 5 evict oldest;
map<flow, int> both timeout 200us max 4 evict oldest;
map<IP, IP6> six timeout 100us max 3;
entry short {
    match_state { f[sip] in idle && f in first }
    action_state {
        idle[f[sip]] = idle[f[sip]] + 1;
        recent[(f[dip], f[dport])] = recent[(f[dip], f[dport])] + 1;
        touch both[f];
    }
}
entry full {
    match_flow { f[ttl] > 64 }
    action_state { both[f] = f[sport]; delete six[f[sip]]; touch recent[(f[dip], f[dport])]; }
    action_flow { f[ttl] = 64; }
}
entry other {
    action_state {
        idle[f[sip]] = 1;
        first = first | {f};
        recent[(f[sip], f[sport])] = 7;
        both[f] = both[f] + 1;
        six[f[dip]] = f[sip6];
    }
    action_flow { if (both[f] > 3) { drop; } }
}
"""

# Names that generated functions have, a list too long for comparisons, and wide numbers.
WIDE = (
    "map<IP6, bit<128>> odd max 1000;\nset<MAC> pass max 1000;\n"
    "set<(bool, bit<12>)> state max 100;\n"
    "bit<128> sum = 1;\nbit<100> part = 5;\nint turns = 0;\n"
    + "ruleset LONG = {"
    + ", ".join(f"(sip:10.{n}.0.0/16, dport:{n}-{2 * n + 7})" for n in range(50))
    + ", (sip6:2001:db8::/33), (dip6:fe80::1)};\n"
    """
entry hit {
    match_flow { f matches LONG }
    action_state {
        odd[f[sip6]] = odd[f[sip6]] + (sum << f[ttl]);
        sum = (sum >> 3 | f[dip6] << f[tos]) ^ 77;
        pass = pass | {f[smac]};
        part = part << 7 | f[ip_id] >> 70;
    }
}
entry miss {
    match_state { not ((f[TCP] == 1, f[vlan]) in state) }
    action_state { state = state | {(f[TCP] == 1, f[vlan])}; }
    action_flow { f[dmac] = f[smac]; f[tos] = f[tos] / 3; }
}
entry loops {
    action_state {
        let n = f[sport] % 50;
        while (turns < n) bound 64 { turns = turns + 1; }
        turns = turns - f[dport] / 5000;
    }
    action_flow { f[ttl] = f[ttl] - turns % 7; f[sip6] = f[dip6]; }
}
"""
)


def trace(made: PlatformEngine, of: ir.Network, seed: int) -> Trace:
    campaign = Campaign(of, reference(of, Setting()), seed, made.needs)
    return recorded(of, joined([campaign.trace(kind) for kind in (2, 3, 4, 6)]), made.needs)


@needs("xdp")
@pytest.mark.parametrize("text", [AGED, WIDE], ids=["aged", "wide"])
def test_maps_that_forget_and_wide_numbers_agree(text: str) -> None:
    of = network(text)
    made = engine("xdp", of)
    for seed in range(4):
        check(made, trace(made, of, seed))


@needs("xdp")
def test_a_table_that_overflows_ends_the_run() -> None:
    of = network("set<flow> seen;\nentry { action_state { seen = seen | {f}; } }")
    made = engine("xdp", of, capacity=3)
    events = trace(engine("xdp", of), of, 1).events
    failure = made.run(events).failure
    assert failure is not None
    assert failure.kind == "refused"
    assert "--capacity" in failure.what


@needs("xdp")
def test_ticks_that_change_nothing_more_are_skipped() -> None:
    """Nine million of them, as decision 23 wants."""
    of = load("lib:rate-limiter")
    made = engine("xdp", of)
    events = trace(made, of, 3).events[:60]
    rng = Random(5)
    spread: list[Event] = []
    now = 0
    for event in events:
        now += rng.choice((0, 1, 10**7, 10**7 + 1, 3 * 10**7, DAY, 5 * DAY + 12345))
        spread.append(event._replace(time=now))
    check(made, recorded(of, spread, made.needs))


@needs("xdp")
def test_ticks_that_undo_what_packets_do_are_not_skipped() -> None:
    """A tick that flips a variable comes back to the same state each second time."""
    text = """int x = 0;
int seen = 0;
every 1ms { x = 1 - x; if (seen > 2) { seen = 0; } }
entry { match_state { x == 1 } action_state { seen = seen + 1; x = 0; } action_flow { drop; } }
entry { action_state { seen = seen + 2; } action_flow { f[ttl] = seen; } }"""
    of = network(text)
    made = engine("xdp", of)
    events = trace(made, of, 3).events[:200]
    rng = Random(7)
    spread: list[Event] = []
    now = 0
    for event in events:
        now += rng.choice((0, 999_999, 10**6, 10**6 + 1, 2 * 10**6, 3 * 10**6, 10**9))
        spread.append(event._replace(time=now))
    check(made, recorded(of, spread, made.needs))
