"""What statements, entries, init and every are lowered to."""

from collections.abc import Callable

import pytest

from nfverify.packet.fields import FLOW_FIELDS
from nfverify.smat import ir

Actions = Callable[..., tuple[ir.Stmt, ...]]
Program = Callable[[str], ir.Program]

SIP, DPORT = ir.Field("sip"), ir.Field("dport")


def int_(number: int) -> ir.Const:
    return ir.Const(number, ir.INT)


def set_output(output: ir.Output) -> ir.SetOutput:
    return ir.SetOutput(output)


def test_output_is_one_variable(actions: Actions) -> None:
    text = "pass; drop; resubmit; f[dip] = DROP; f[nosuch] = DROP; f[output] := ε;"
    assert actions(text) == (
        set_output(ir.Forward()), set_output(ir.Drop()), set_output(ir.Resubmit()),
        set_output(ir.Drop()), set_output(ir.Drop()), set_output(ir.Drop()),
    )  # fmt: skip
    text = "f[output] := IFACE; f[output] := resubmit; f[output] = timer(10ms); f[output] = 1;"
    assert actions(text) == (
        set_output(ir.Forward()), set_output(ir.Resubmit()),
        set_output(ir.Delay(ir.Const(10_000_000, ir.TIME))),
        set_output(ir.Ports((ir.Const(1, ir.PORT),))),
    )  # fmt: skip


def test_named_ports(actions: Actions) -> None:
    found = actions("f[output] := {out2, in};", "iface in, out1, out2;")
    assert found == (set_output(ir.Ports((ir.Const(2, ir.PORT), ir.Const(0, ir.PORT)))),)


def test_comparing_with_drop_does_nothing(actions: Actions) -> None:
    assert actions("f[dip] == DROP; f[ttl] == 3;") == ()


def test_assignments_truncate(actions: Actions) -> None:
    assert actions("f[dport] = x; x = x + 1;", "int x;")[0] == ir.SetField(
        "dport", ir.Cast(ir.Read("x", (), 0, ir.INT), ir.PORT)
    )
    assert actions("f[mark] = f[dport];") == (ir.SetTag("mark", ir.Cast(DPORT, ir.INT)),)


def test_sets_are_changed_element_by_element(actions: Actions) -> None:
    dip = ir.Field("dip")
    added = (ir.Write("s", (SIP,), ()), ir.Write("s", (dip,), ()))
    assert actions("s = s | {f[sip], f[dip]};", "set<IP> s;") == added
    assert actions("s := {f[sip]} ∪ s ∪ {f[dip]};", "set<IP> s;") == added
    assert actions("s = s \\ {f[sip]} | {f[dip]};", "set<IP> s;") == (
        ir.Delete("s", (SIP,)), ir.Write("s", (dip,), ()),
    )  # fmt: skip


def test_elements_are_computed_before_the_first_change(actions: Actions) -> None:
    found = actions("s = s | {1} | {2 in s ? 3 : 4};", "set<int> s;")
    assert [type(node) for node in found] == [ir.Let, ir.Let, ir.Write, ir.Write]


def test_headers(actions: Actions) -> None:
    found = actions("push vlan(f[ttl]); push vxlan(pub, f[dip], 7); pop ipip", "IP pub = 1.2.3.4;")
    pub, vni = ir.Const(0x01020304, ir.IP), ir.Const(7, ir.Bits(24))
    assert found == (
        ir.Push("vlan", (ir.Cast(ir.Field("ttl"), ir.Bits(12)),)),
        ir.Push("vxlan", (pub, ir.Field("dip"), vni)),
        ir.Pop("ipip"),
    )


def test_push_and_pop_are_names_too(actions: Actions) -> None:
    found = actions("push = pop; pop++; vlan[f[sip]] = 1;",
                    "int push; int pop; map<IP, int> vlan;")  # fmt: skip
    assert [node.var for node in found if isinstance(node, ir.Write)] == ["push", "pop", "vlan"]


def test_maps(actions: Actions) -> None:
    state = "map<IP, map<port, int>> m; map<IP, (IP, port)> t;"
    assert actions("m[f[sip]][f[dport]] = 5;", state) == (ir.Write("m", (SIP, DPORT), (int_(5),)),)
    assert actions("delete m[f[sip]][f[dport]]; touch t[f[sip]];", state) == (
        ir.Delete("m", (SIP, DPORT)), ir.Touch("t", (SIP,)),
    )  # fmt: skip
    assert actions("t[f[sip]] = (f[dip], 80); t[f[sip]][1] = 81;", state) == (
        ir.Write("t", (SIP,), (ir.Field("dip"), ir.Const(80, ir.PORT))),
        ir.Write("t", (SIP,), (ir.Read("t", (SIP,), 0, ir.IP), ir.Const(81, ir.PORT))),
    )


def test_lets_have_unique_names(program: Program) -> None:
    lowered = program(
        """program p { int x; entry { match_flow { f[ttl] == 1 } action_flow { let a = 1; x = a; } }
        entry { action_flow { let a = 2; let t = (f[sip], 3); x = a + t[1]; } } }"""
    )
    names = [node.name for node in ir.walk(lowered.body) if isinstance(node, ir.Let)]
    assert names == ["a", "a_2", "t_0", "t_1"]


def test_a_flow_is_assigned_at_once(actions: Actions) -> None:
    found = actions("f := reverse(f);")
    lets, writes = found[: len(found) // 2], found[len(found) // 2 :]
    assert [node.value for node in lets if isinstance(node, ir.Let)] == [
        ir.Field(name) for name in ("dip", "sip", "dip6", "sip6", "dport", "sport")
    ]
    assert [node.name for node in writes if isinstance(node, ir.SetField)] == list(FLOW_FIELDS[:-1])


def test_general_programs(program: Program) -> None:
    lowered = program(
        """program p { int x; int y;
        x = 1;
        entry { match_flow { f[ttl] == 1 } action_flow { drop; } }
        entry { action_flow { pass; } }
        if (x > y) { y++; } else { y--; }
        while (x < 3) bound 4 { x = x + 1; }
        entry { action_state { x = 0; } } }"""
    )
    kinds = [type(node) for node in lowered.body]
    assert kinds == [ir.Write, ir.Table, ir.If, ir.While, ir.Table]
    (table,) = [node for node in lowered.body[1:2] if isinstance(node, ir.Table)]
    assert len(table.entries) == 2


def test_conjuncts_go_to_the_column_that_they_belong_to(program: Program) -> None:
    lowered = program(
        """program p { int x; entry { match_flow { f[ttl] == 1 && x == 2 }
        match_state { f[dport] == 3 } action_state { x = x + 1; } } }"""
    )
    (table,) = lowered.body
    assert isinstance(table, ir.Table)
    entry = table.entries[0]
    assert [ir.Field("ttl"), DPORT] == [
        test.left for test in entry.match_flow if isinstance(test, ir.Compare)
    ]
    assert len(entry.match_state) == 1


def test_init_and_dummies(program: Program) -> None:
    lowered = program(
        """program p { int T = 5; int t;
        init { t = T; f_dmy[A] = 1; f_dmy[output] = timer(10ms); f_dmy[B] = T;
               f_dmy[output] := timer(1s); }
        entry { match_flow { f[A] == 1 || f[B] == 5 } action_state { t = T; } } }"""
    )
    assert lowered.init == (ir.Write("t", (), (int_(5),)),)
    assert lowered.timers == (
        ir.InitTimer((("A", 1),), 10_000_000),
        ir.InitTimer((("A", 1), ("B", 5)), 1_000_000_000),
    )
    assert [c.name for c in lowered.config] == ["T"]
    assert [v.name for v in lowered.state] == ["t"]


def test_every_is_a_dummy_and_a_first_entry(program: Program) -> None:
    sugar = program(
        """program p { int t; every 10ms { t = 5; }
        entry { match_state { t > 0 } action_state { t = t - 1; } }
        entry { action_flow { drop; } } }"""
    )
    spelt = program(
        """program p { int t; init { f_dmy[every_1] = 1; f_dmy[output] = timer(10ms); }
        entry every_1 { match_flow { f[every_1] == 1 } action_state { t = 5; }
                        action_flow { f[output] = timer(10ms); } }
        entry { match_state { t > 0 } action_state { t = t - 1; } }
        entry { action_flow { drop; } } }"""
    )
    assert sugar == spelt


def test_the_dummy_of_every_meets_nothing_else(program: Program) -> None:
    lowered = program(
        """program p { int n; every 1s { n = 0; } n = n + 1;
        entry { match_state { n > 5 } action_flow { drop; } } }"""
    )
    first, counting, table = lowered.body
    assert isinstance(first, ir.Table)
    assert [entry.name for entry in first.entries] == ["every_1"]
    assert isinstance(counting, ir.If)
    assert counting.condition == ir.Compare("!=", ir.Tag("every_1"), int_(1))
    assert isinstance(table, ir.Table)
    assert table.entries[0].body == ()
    assert table.entries[0].match_flow == first.entries[0].match_flow


def test_variables(program: Program) -> None:
    lowered = program(
        """program p {
        map<IP, int> m = 7; map<(int, int), IP> table = {(1, 2): 1.2.3.4}; set<port> s = {80, 443};
        int c<sip, dip> = 9; map<IP, int> idle timeout 30s max 10 evict oldest; (IP, int) pair;
        bit<64> big = 0xffffffffffffffff; time w = 2m;
        entry { match_flow { f[dport] in s && f[sip] == table[(1, f[ttl])] && now > w && big > 1 }
            action_state { m[f[sip]] = c; c = 1; idle[f[sip]] = 1; pair = (f[sip], 2); } } }"""
    )
    m, table, s, c, idle, pair = lowered.state
    assert (m.kind, m.keys, m.default) == ("map", (ir.IP,), (7,))
    assert (table.constant, table.entries) == (True, (((1, 2), (0x01020304,)),))
    assert (s.kind, s.constant, s.entries) == ("set", True, (((80,), ()), ((443,), ())))
    assert (c.kind, c.granularity, c.default) == ("granular", ("sip", "dip"), (9,))
    assert (idle.timeout, idle.capacity, idle.overflow) == (30 * 10**9, 10, "evict oldest")
    assert (pair.kind, pair.values) == ("plain", (ir.IP, ir.INT))
    assert {(k.name, k.value) for k in lowered.config} == {("big", 2**64 - 1), ("w", 120 * 10**9)}


@pytest.mark.parametrize("limit", ["timeout 30s", "max 10"])
def test_a_table_that_forgets_is_state(program: Program, limit: str) -> None:
    """Nothing assigns it, and yet it changes."""
    text = "program p { set<IP> s = {1.2.3.4} %s; entry { match_state { f[sip] in s } } }"
    assert [v.constant for v in program(text % limit).state] == [False]
    assert [v.constant for v in program(text % "").state] == [True]


def test_nat_takes_an_address_for_each_flow(program: Program) -> None:
    lowered = program(
        """program nat { set<IP> pool = {1.1.1.1, 2.2.2.2}; map<flow, flow> map;
        entry { match_state { f ∉ map } action_state { map[f] := NAT(f); }
                action_flow { f := NAT(f); f[output] := IFACE; } }
        entry { action_flow { f := map[f]; } } }"""
    )
    names = [variable.name for variable in lowered.state]
    assert names == ["pool", "map", "NAT_pool", "NAT_given", "NAT_next"]
    (table,) = lowered.body
    assert isinstance(table, ir.Table)
    give, write = table.entries[0].body[:2]
    assert isinstance(give, ir.If)
    flow = tuple(ir.Field(name) for name in FLOW_FIELDS)
    assert isinstance(give.condition, ir.And)
    assert give.condition.operands[0] == ir.Not(ir.Has("NAT_given", flow))
    assert isinstance(write, ir.Write)
    assert write.values == (ir.Read("NAT_given", flow, 0, ir.IP), *flow[1:])
