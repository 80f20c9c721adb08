"""The text of a program is read as the same program: the library, and programs made at random."""

from collections.abc import Callable
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfverify.lang.source import ModelError
from nfverify.smat import ir
from nfverify.smat.load import load, load_text
from nfverify.smat.unparse import expr_text, program_text

MODELS = sorted(f.name[:-4] for f in files("nfverify.models").iterdir() if f.name.endswith(".nfd"))

DECLARATIONS = """
    iface in, out1, out2;
    rule LAN = sip:10.0.0.0/8, dport:80-90, proto:tcp;
    rule V6 = sip:fd00::/8;
    ruleset ACL = {LAN, V6, (sip:10.0.0.1, dport:*, iface:out1), (dport:80, action:drop), (sip:*)};
    op risk(IP, (port, int), flow) -> bit<8>;
    op bad(bytes) -> bool;
    func half(int n) -> int = n / 2;
    tag mark;
    int limit = 100;
    IP pub = 203.0.113.7;
    bit<8> hops = 3;
    bytes key = "sixteen\\x00byte\\xffkey";
    time window = 90s;
    bool strict = true;
    int x = -5;
    bit<64> big = 0xffffffffffff;
    bit<8> small;
    time since;
    IP6 six;
    MAC mac = 00:11:22:33:44:55;
    bool flag;
    bytes data;
    flow last;
    (IP, port) pair = (10.0.0.1, 80);
    set<IP> hosts = {10.0.0.1, 10.0.0.2};
    set<flow> flows;
    map<IP, int> count = 7;
    map<flow, flow> nat;
    map<(IP, int), (port, bit<64>)> table;
    map<IP, map<port, bool>> nested max 100 evict oldest;
    map<port, IP> fixed = {80: 10.0.0.1, 443: 10.0.0.2};
    int seen<sip, dip> timeout 30s;
    (int, IP) twin<sport>;
    every 10ms { x = x + 1; }
    init { x = limit; flows = flows \\ {last}; f_dmy[mark] = 3; f_dmy[output] = timer(1s); }
    property p: f'[ttl] < f[ttl] && count'[f[sip]] >= count[f[sip]] -> !dropped || output == out1;
    invariant x >= 0 && big < 0x1000000000000;
"""

numbers = st.one_of(
    st.integers(0, 300).map(str),
    st.integers(0, (1 << 31) - 1).map(str),
    st.integers(0, (1 << 32) - 1).map(hex),
    st.sampled_from(
        [
            "f[sip]",
            "f[dip6]",
            "f[dport]",
            "f[ttl]",
            "f[flag_syn]",
            "f[UDP]",
            "f[ICMP]",
            "f[size]",
            "f[smac]",
            "f[iface]",
            "f[seq]",
            "f[mark]",
            "f[FRAG]",
            "now",
            "limit",
            "hops",
            "window",
            "pub",
            "x",
            "big",
            "small",
            "since",
            "six",
            "mac",
            "pair[0]",
            "pair[1]",
            "last[sport]",
            "seen",
            "10ms",
            "2h",
            "10.0.0.1",
            "fd00::1",
            "00:11:22:33:44:55",
            "in",
            "out2",
        ]
    ),
)
addresses = st.sampled_from(["f[sip]", "f[dip]", "pub", "10.0.0.1", "pair[0]", "fixed[f[dport]]"])


CASTS = st.sampled_from(["int", "bit7", "bit40", "IP", "port"])
TARGETS = (
    *("f[sip]", "f[dip6]", "f[dport]", "f[ttl]", "f[mark]", "x", "big", "small", "since", "six"),
    *("mac", "count[x]", "seen", "pair[1]", "table[(pub, 4)][0]", "twin[2][1]"),
)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Numbers made of numbers, some by way of a condition."""
    pair = st.tuples(inner, inner)
    operators = st.sampled_from(["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"])
    return st.one_of(
        st.tuples(inner, operators, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda n: f"~{n}"),
        inner.map(lambda n: f"-({n})"),
        st.tuples(conditions(inner), inner, inner).map(lambda t: f"({t[0]} ? {t[1]} : {t[2]})"),
        st.tuples(CASTS, inner).map("{0[0]}({0[1]})".format),
        pair.map(lambda t: f"table[({t[0]}, {t[1]})][1]"),
        pair.map(lambda t: f"hash({t[0]}, f, {t[1]})"),
        pair.map(lambda t: f"risk({t[0]}, ({t[1]}, 3), reverse(f))"),
        inner.map(lambda n: f"count[{n}]"),
        pair.map(lambda t: f"seen[({t[0]}, {t[1]})]"),
        inner.map(lambda n: f"twin[{n}][0]"),
        inner.map(lambda n: f"half({n})"),
    )  # fmt: skip


def conditions(number: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    comparison = st.tuples(number, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), number).map(
        " ".join
    )
    leaf = st.one_of(
        comparison,
        st.tuples(number, number, number).map("{0[0]} in {{{0[1]}, {0[2]}}}".format),
        number.map(lambda n: f"{n} not in hosts"),
        st.tuples(number, number).map("{0[0]} in nested[{0[1]}]".format),
        addresses.map(lambda a: f"{a} matches 10.32.0.0/11"),
        st.sampled_from([
            "flag", "strict", "f matches ACL", "f mismatches V6", "reverse(f) matches ACL",
            "bad(f[payload])",
            "f[payload] == data", "f in flows", "nat[f] == last", "f[sip6] matches fd00::/8",
            'PatternMatch(f[payload], {"a\\"b", "\\x00\\xff"})', "last in flows ∪ {f}", "f in nat",
            "(f[sip], 3) == (pub, x)", "bool(x)", "f matches (sport:1-9, ttl:*)", "!strict",
        ]),
    )  # fmt: skip
    leaf = leaf.map(lambda c: f"({c})")
    return st.one_of(
        leaf,
        leaf.map(lambda c: f"!{c}"),
        st.tuples(leaf, st.sampled_from(["&&", "||", "=="]), leaf).map(" ".join).map("({})".format),
    )


number = st.recursive(numbers, larger, max_leaves=6)
condition = conditions(number)


def statements(depth: int) -> st.SearchStrategy[str]:
    simple = st.one_of(
        st.tuples(
            st.sampled_from(TARGETS),
            number,
        ).map("{0[0]} = {0[1]};".format),
        condition.map("flag = {};".format),
        number.map("hosts = hosts | {{{0}, pub}};".format),
        number.map("hosts = hosts \\ {{{0}}};".format),
        number.map("delete count[{0}]; touch table[(pub, {0})];".format),
        number.map("nested[pub][{0}] = strict;".format),
        number.map("nat[f] = (1.1.1.1, {0}, 5, 6, 17);".format),
        st.tuples(number, condition).map(
            "choose pick in 0..({0[0]}) where {0[1]}; x = pick;".format
        ),
        st.sampled_from([
            "pass;", "drop;", "resubmit;", "f[output] = timer(since);", "f[output] := {in, out2};",
            "f[output] = pair[1];", "f := nat[f];", "f := reverse(f);",
            "last = f; pair = (pub, 4);",
            "flows := flows ∪ {f, last};", "f[dip] = DROP;", "delete seen;",
            "let t = pair; pair = t;", "push vlan(f[vlan]); push ipip(pub, f[dip]);",
            "pop vxlan; pop ipip; pop vlan; push vxlan(f[sip], pub, f[vni] & 3);",
            'f[payload] = Encrypt(f[payload], key, hash(f)); data = "";', "twin = (x, pub);",
        ]),
        number.map("let v = {0}; x = v;".format),
    )  # fmt: skip
    simple = simple.map(
        lambda text: (
            f"if (strict || flag) {{ {text} }}" if "let" in text or "choose" in text else text
        )
    )
    if depth == 0:
        return simple
    block = st.lists(statements(depth - 1), max_size=2).map(" ".join)
    return st.one_of(
        simple,
        st.tuples(condition, block, block).map("if ({0[0]}) {{ {0[1]} }} else {{ {0[2]} }}".format),
        st.tuples(condition, block).map("while ({0[0]}) bound 7 {{ {0[1]} }}".format),
    )


entry = st.tuples(
    st.lists(condition, max_size=2), st.lists(statements(1), max_size=3).map(" ".join)
).map(lambda t: f"entry {{ match_flow {{ {' && '.join(t[0])} }} action_flow {{ {t[1]} }} }}")
bodies = st.lists(st.one_of(entry, entry, statements(1)), min_size=1, max_size=3).map("\n".join)


@settings(max_examples=150)
@given(bodies)
def test_random_programs(body: str) -> None:
    text = f"program p {{ {DECLARATIONS} {body} entry {{ action_state {{ {ASSIGN} }} }} }}"
    try:
        program = load_text(text).instances[0].program
    except ModelError as error:
        if {d.code for d in error.diagnostics} <= {"range"}:
            return  # a literal may be too large for the type that it meets
        raise
    again = load_text(program_text(program)).instances[0].program
    assert again == program


ASSIGN = """x = 0; big = 0; small = 0; since = now; six = ::; mac = 0; flag = false; data = "";
last = f;
pair = (pub, 1); hosts = hosts | {pub}; flows = flows | {f}; count[pub] = 1; nat[f] = f; seen = 1;
table[(pub, 1)] = (1, 2); nested[pub][1] = true; twin = (1, pub);"""


@pytest.mark.parametrize("name", MODELS)
def test_the_library(name: str) -> None:
    network = load(f"lib:{name}")
    for instance in network.instances:
        text = program_text(instance.program, network.ports)
        assert load_text(text).instances[0].program == instance.program


def test_texts_are_plain(program: Callable[[str], ir.Program]) -> None:
    """No cast is written where the language makes it, and casts are where it does not."""
    lowered = program(
        """program p { map<port, int> m; int n = 3;
        entry { match_flow { f[dport] in {80, 443} && f[ttl] - 1 > n &&
                             f[sip] mismatches 10.0.0.0/8 }
                action_state { m[f[dport]] = bit8(f[dport]) + 1; f[ttl] = m[f[dport]] / 2; } } }"""
    )
    text = program_text(lowered)
    assert "f[dport] in {80, 443} && f[ttl] - 1 > n && f[sip] mismatches 10.0.0.0/8" in text
    assert "m[f[dport]] = bit8(f[dport]) + 1;" in text
    assert "f[ttl] = m[f[dport]] / 2;" in text


def test_expressions_that_no_text_gives_are_still_readable() -> None:
    """The IR may compute at widths at which the language does not."""
    narrow = ir.Bits(8)
    ttl = ir.Field("ttl")
    total = ir.Arithmetic("+", ttl, ir.Const(200, narrow), narrow)
    assert expr_text(total) == "bit8(f[ttl] + bit8(200))"
    assert expr_text(ir.And(())) == "true"
