"""What expressions are lowered to: types, conversions, sets, maps, flows, matches."""

from collections.abc import Callable

import pytest

from nfverify.lang.source import ModelError
from nfverify.packet.fields import FLOW_FIELDS
from nfverify.smat import ir

Guard = Callable[..., ir.Expr]
Actions = Callable[..., tuple[ir.Stmt, ...]]

DPORT, SIP, PROTO, TTL = (ir.Field(name) for name in ("dport", "sip", "proto", "ttl"))
FLOW = tuple(ir.Field(name) for name in FLOW_FIELDS)


def port(number: int) -> ir.Const:
    return ir.Const(number, ir.PORT)


def int_(number: int) -> ir.Const:
    return ir.Const(number, ir.INT)


def address(text: str) -> ir.Const:
    a, b, c, d = map(int, text.split("."))
    return ir.Const(a << 24 | b << 16 | c << 8 | d, ir.IP)


def test_comparisons_are_as_narrow_as_they_can_be(guard: Guard) -> None:
    assert guard("f[dport] == 53") == ir.Compare("==", DPORT, port(53))
    assert guard("f[dport] >= 1024") == ir.Compare("<=", port(1024), DPORT)
    assert guard("f[sport] != f[dport]") == ir.Compare("!=", ir.Field("sport"), DPORT)
    # Out of the field's range, and so between ints.
    assert guard("f[ttl] < 300") == ir.Compare("<", ir.Cast(TTL, ir.INT), int_(300))
    assert guard("f[ttl] > -1") == ir.Compare("<", int_(-1), ir.Cast(TTL, ir.INT))


def test_fields_of_different_widths_meet_at_int(guard: Guard) -> None:
    assert guard("f[ttl] < f[dport]") == ir.Compare(
        "<", ir.Cast(TTL, ir.INT), ir.Cast(DPORT, ir.INT)
    )


def test_narrow_operands_are_computed_as_int(actions: Actions) -> None:
    total = ir.Arithmetic("-", ir.Cast(TTL, ir.INT), int_(1), ir.INT)
    assert actions("f[ttl] = f[ttl] - 1;") == (ir.SetField("ttl", ir.Cast(total, ir.Bits(8))),)


def test_wide_unsigned_operands_make_the_operation_unsigned(guard: Guard) -> None:
    x = ir.Read("x", (), 0, ir.INT)
    text = "entry { action_state { y = y + 1; x = x + 1; } }"
    big = ir.Read("y", (), 0, ir.Bits(64))
    wide = ir.Compare("<", ir.Cast(x, ir.Bits(64)), big)
    assert guard("x < y", f"int x; bit<64> y; {text}") == wide


def test_literals_take_the_type_of_the_other_operand(guard: Guard) -> None:
    big = "bit<64> y; entry { action_state { y = y + 1; } }"
    y = ir.Read("y", (), 0, ir.Bits(64))
    assert guard("y == 0xffffffff", big) == ir.Compare("==", y, ir.Const(0xFFFFFFFF, ir.Bits(64)))
    small = "int x; entry { action_state { x = x + 1; } }"
    x = ir.Read("x", (), 0, ir.INT)
    assert guard("x == 0xffffffff", small) == ir.Compare("==", x, int_(-1))
    assert guard("f[sip] == 3232235777") == ir.Compare("==", SIP, address("192.168.1.1"))


def test_constants_are_folded_as_the_engines_compute(guard: Guard) -> None:
    for text, value in (
        ("-7 / 2", -3), ("-7 % 2", -1), ("7 / 0", 0), ("7 % 0", 0), ("1 << 31", -(1 << 31)),
        ("1 << 32", 0), ("2147483647 + 1", -(1 << 31)), ("~5", -6), ("-8 >> 1", -4),
        ("6 & 3 | 8 ^ 1", 11),
    ):  # fmt: skip
        x = ir.Read("x", (), 0, ir.INT)
        found = guard(f"x == {text}", "int x; entry { action_state { x = x + 1; } }")
        assert found == ir.Compare("==", x, int_(value)), text


def test_protocol_bits_test_proto(guard: Guard) -> None:
    def proto(number: int) -> ir.Compare:
        return ir.Compare("==", PROTO, ir.Const(number, ir.Bits(8)))

    assert guard("f[TCP] == 1") == proto(6)
    assert guard("f[UDP] != 1") == ir.Not(proto(17))
    assert guard("f[ICMP] == 0") == ir.Not(ir.Or((proto(1), proto(58))))


def test_configuration_is_folded(guard: Guard) -> None:
    found = guard("f[dport] == limit", "int limit = 80;")
    assert found == ir.Compare("==", DPORT, port(80))
    assert isinstance(found, ir.Compare)
    assert isinstance(found.right, ir.Const)
    assert found.right.name == "limit"


def test_prefixes_are_masks(guard: Guard) -> None:
    mask = ir.Arithmetic("&", SIP, address("255.255.0.0"), ir.IP)
    wanted = ir.Compare("==", mask, address("10.1.0.0"))
    assert guard("f[sip] matches 10.1.0.0/16") == wanted
    assert guard("f matches R", "rule R = sip:10.1.0.0/16;") == wanted
    assert guard("f mismatches R", "rule R = sip:10.1.0.0/16;") == ir.Not(wanted)
    assert guard("f matches R", "rule R = sip:10.1.0.1;") == ir.Compare(
        "==", SIP, address("10.1.0.1")
    )
    assert guard("f[sip] matches 0.0.0.0/0 && f[ttl] == 1") == guard("f[ttl] == 1")


def test_rules_are_conjunctions(guard: Guard) -> None:
    found = guard("f matches R", "rule R = sip6:fd00::/8, dport:80-90, proto:udp;")
    assert isinstance(found, ir.And)
    low, high = found.operands[1:3]
    assert low == ir.Compare("<=", port(80), DPORT)
    assert high == ir.Compare("<=", DPORT, port(90))
    assert found.operands[3] == ir.Compare("==", PROTO, ir.Const(17, ir.Bits(8)))
    assert guard("f matches R", "rule R = sip:fd00::/8, dport:80-90, proto:udp;") == found


def test_rulesets_match_the_packet_or_any_flow(guard: Guard) -> None:
    declarations = "rule A = sip:10.0.0.0/8; ruleset R = {A, (dport:80, proto:tcp)};"
    found = guard("f matches R", declarations)
    assert isinstance(found, ir.Match)
    assert found.ruleset.columns == ("sip", "dport", "proto")
    assert found.args == (SIP, DPORT, PROTO)
    assert found.ruleset.accepts((10 << 24, 1, 1))
    assert found.ruleset.accepts((1, 80, 6))
    assert not found.ruleset.accepts((1, 80, 17))
    swapped = guard("reverse(f) matches R", declarations)
    assert isinstance(swapped, ir.Match)
    assert swapped.args == (ir.Field("dip"), ir.Field("sport"), PROTO)
    five = guard("(f[dip], f[sip], f[dport], f[sport], 6) matches R", declarations)
    assert isinstance(five, ir.Match)
    assert five.args == (ir.Field("dip"), ir.Field("sport"), ir.Const(6, ir.Bits(8)))


def test_membership_is_logical(guard: Guard) -> None:
    state = "set<IP> s; entry { action_state { s = s | {f[sip]}; } }"
    has = ir.Has("s", (SIP,))
    one = ir.Compare("==", SIP, address("1.2.3.4"))
    assert guard("f[sip] in s", state) == has
    assert guard("f[sip] not in s", state) == ir.Not(has)
    assert guard("f[sip] in s | {1.2.3.4}", state) == ir.Or((has, one))
    assert guard("f[sip] in s & {1.2.3.4}", state) == ir.And((one, has))  # flow first
    assert guard("f[sip] in s \\ {1.2.3.4}", state) == ir.And((ir.Not(one), has))
    assert guard("f[dport] in {80, 443}") == ir.Or(
        (ir.Compare("==", DPORT, port(80)), ir.Compare("==", DPORT, port(443)))
    )


def test_nested_maps_have_all_keys(guard: Guard) -> None:
    state = "map<IP, map<port, int>> m; entry { action_state { m[f[sip]][f[dport]] = 1; } }"
    assert guard("m[f[sip]][f[dport]] == 1", state) == ir.Compare(
        "==", ir.Read("m", (SIP, DPORT), 0, ir.INT), int_(1)
    )
    assert guard("f[dport] in m[f[sip]]", state) == ir.Has("m", (SIP, DPORT))


def test_flows_and_tuples(guard: Guard) -> None:
    state = "set<flow> s; entry { action_state { s = s | {f}; } }"
    assert guard("f in s", state) == ir.Has("s", FLOW)
    sip, dip, sip6, dip6, sport, dport, proto = FLOW
    assert guard("reverse(f) in s", state) == ir.Has(
        "s", (dip, sip, dip6, sip6, dport, sport, proto)
    )
    absent = ir.Const(0, ir.IP6)
    assert guard("(f[sip], f[dip], f[sport], f[dport], f[proto]) in s", state) == ir.Has(
        "s", (sip, dip, absent, absent, sport, dport, proto)
    )
    assert guard("(f[sip], f[dport]) == (1.2.3.4, 80)") == ir.And(
        (ir.Compare("==", SIP, address("1.2.3.4")), ir.Compare("==", DPORT, port(80)))
    )
    assert guard("f[sip] == reverse(f)[dip]") == ir.Compare("==", SIP, SIP)


def test_granular_variables(guard: Guard) -> None:
    state = "int c<sip, dport> = 3; entry { action_state { c = c + 1; } }"
    mine = ir.Read("c", (SIP, DPORT), 0, ir.INT)
    assert guard("c > 5", state) == ir.Compare("<", int_(5), mine)
    assert guard("c[(1.2.3.4, 80)] > 5", state) == ir.Compare(
        "<", int_(5), ir.Read("c", (address("1.2.3.4"), port(80)), 0, ir.INT)
    )
    assert guard("c[reverse(f)] > 5", state) == ir.Compare(
        "<", int_(5), ir.Read("c", (ir.Field("dip"), ir.Field("sport")), 0, ir.INT)
    )


def test_operators(guard: Guard) -> None:
    assert guard("hash(f[sip], f[ttl]) == 0") == ir.Compare(
        "==", ir.Apply("hash", (SIP, TTL), ir.Bits(32)), ir.Const(0, ir.Bits(32))
    )
    payload = ir.Field("payload")
    found = ir.Apply("PatternMatch", (payload, ir.Const(b"a", ir.BYTES)), ir.BOOL)
    assert guard('PatternMatch(f[payload], {"a"})') == found
    assert guard("PatternMatch(f[payload], P)", 'set<bytes> P = {"a"};') == found
    assert guard("risk(f[sip], 7)", "op risk(IP, bit<8>) -> bool;") == ir.Apply(
        "risk", (SIP, ir.Const(7, ir.Bits(8))), ir.BOOL
    )
    inlined = guard("odd(f[dport])", "func odd(int x) -> bool = x % 2 == 1;")
    assert inlined == guard("f[dport] % 2 == 1")


def test_tags_are_ints(guard: Guard) -> None:
    found = guard("f[BR] == 1", "tag BR;")
    assert found == ir.Compare("==", ir.Tag("BR"), int_(1))


def test_properties_see_both_states(program: Callable[[str], ir.Program]) -> None:
    lowered = program(
        """program p { map<IP, int> m; set<IP> s;
        entry { action_state { m[f[sip]] = 1; s = s | {f[sip]}; } action_flow { f[ttl] = 3; } }
        property a: m'[f[sip]] == 1 && f'[ttl] == 3 && f[sip] in s' -> !dropped || output == 1;
        invariant m[f[sip]] >= 0; }"""
    )
    nodes = list(ir.walk((lowered.properties[0].expr,)))
    assert ir.Post(ir.Read("m", (SIP,), 0, ir.INT)) in nodes
    assert ir.Post(TTL) in nodes
    assert ir.Post(ir.Has("s", (SIP,))) in nodes
    assert ir.Dropped() in nodes
    assert lowered.invariants[0].expr == ir.Compare("<=", int_(0), ir.Read("m", (SIP,), 0, ir.INT))


def test_several_errors_in_one_run(program: Callable[[str], ir.Program]) -> None:
    with pytest.raises(ModelError) as caught:
        program(
            "program p { entry { match_flow { x } action_flow { f[ttl] = y; f[dport] = z; } } }"
        )
    assert [d.message for d in caught.value.diagnostics] == [
        "unknown name `x`", "unknown name `y`", "unknown name `z`",
    ]  # fmt: skip
