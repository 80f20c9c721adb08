"""Chains of hand-built IR: their table does what they do, and a wrong table is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from ir_build import (
    DROP,
    PASS,
    RESUBMIT,
    F,
    add,
    c,
    chain,
    delay,
    entry,
    field_is,
    get,
    i,
    out,
    plain,
    program,
    put,
    table,
)  # fmt: skip

from nfverify.equivalence.consolidate import NotConsolidatable, consolidate
from nfverify.equivalence.consolidate.execute import Executor
from nfverify.equivalence.consolidate.path import Path
from nfverify.equivalence.consolidate.rewriter import Rewriter
from nfverify.lang.source import ModelError
from nfverify.smat import ir
from nfverify.smat.ruleset import Row, Ruleset

Compare = Callable[..., object]

IP, PORT = ir.IP, ir.PORT
PUB, VIP = 0xCB007107, 0xC6336401
FLOW = tuple(F(n) for n in ("sip", "dip", "sip6", "dip6", "sport", "dport", "proto"))
FLOW_TYPES = tuple(f.type for f in FLOW)


def as_int(expr: ir.Expr) -> ir.Expr:
    return ir.Cast(expr, ir.INT)


def mapping(name: str, keys: tuple[ir.Type, ...], value: ir.Type) -> ir.StateVar:
    return ir.StateVar(name, keys, (value,), (ir.zero(value),), "map")


def prefix(name: str, value: int, bits: int) -> ir.Expr:
    masked = ir.Arithmetic("&", F(name), c((1 << 32) - (1 << (32 - bits)), IP), IP)
    return ir.Compare("==", masked, c(value, IP))


LAN = prefix("sip", 0x0A000000, 8)
NAT = program(
    table(
        ir.Entry(
            "known", (LAN,), (ir.Has("given", (F("sip"), F("sport"))),),
            (
                ir.Let("p", get("given", ir.INT, (F("sip"), F("sport")))),
                ir.SetField("sip", c(PUB, IP)),
                ir.SetField("sport", ir.Cast(ir.Local("p", ir.INT), PORT)),
            ),
        ),
        ir.Entry(
            "new", (LAN,), (ir.Compare("<=", get("next"), i(65535)),),
            (
                put("given", get("next"), (F("sip"), F("sport"))),
                ir.Write("inside", (get("next"),), (F("sip"), F("sport"))),
                ir.SetField("sip", c(PUB, IP)),
                ir.SetField("sport", ir.Cast(get("next"), PORT)),
                put("next", add(get("next"), i(1))),
            ),
        ),
        ir.Entry(
            "back", (field_is("dip", PUB),), (ir.Has("inside", (as_int(F("dport")),)),),
            (
                ir.Let("h", ir.Read("inside", (as_int(F("dport")),), 0, IP)),
                ir.Let("q", ir.Read("inside", (as_int(F("dport")),), 1, PORT)),
                ir.SetField("dip", ir.Local("h", IP)),
                ir.SetField("dport", ir.Local("q", PORT)),
            ),
        ),
        entry(DROP, on=(field_is("dip", PUB),), name="unknown"),
    ),
    state=(
        plain("next", ir.INT, 1024),
        mapping("given", (IP, PORT), ir.INT),
        ir.StateVar("inside", (ir.INT,), (IP, PORT), (0, 0), "map"),
    ),
)  # fmt: skip
SERVER = ir.Arithmetic("+", c(0xC0A80100, IP), ir.Cast(get("turn"), IP), IP)
LB = program(
    table(
        ir.Entry(
            "known", (field_is("dip", VIP),), (ir.Has("conn", FLOW),),
            (ir.SetField("dip", get("conn", IP, FLOW)),),
        ),
        entry(
            put("conn", SERVER, FLOW),
            ir.SetField("dip", SERVER),
            put("turn", ir.Arithmetic("%", add(get("turn"), i(1)), i(4), ir.INT)),
            on=(field_is("dip", VIP),), name="new",
        ),
        entry(
            ir.SetField("sip", c(VIP, IP)), on=(prefix("sip", 0xC0A80100, 24),), name="reply"
        ),
    ),
    state=(plain("turn"), mapping("conn", FLOW_TYPES, IP)),
)  # fmt: skip
MONITOR = program(
    table(entry(put("packets", add(get("packets", ir.INT, FLOW), i(1)), FLOW), name="count")),
    state=(mapping("packets", FLOW_TYPES, ir.INT),),
)
FIREWALL = program(
    table(
        entry(DROP, on=(field_is("dport", 22), prefix("dip", 0xC0A80100, 24)), name="ssh"),
        entry(DROP, on=(field_is("sip", PUB), field_is("dport", 25)), name="mail"),
        entry(PASS, name="pass"),
    )
)
EDGE = chain(NAT, LB, MONITOR, FIREWALL)


def entries(program: ir.Program) -> tuple[ir.Entry, ...]:
    (only,) = program.body
    assert isinstance(only, ir.Table)
    return only.entries


def test_edge(compare: Compare) -> None:
    merged = consolidate(EDGE)
    assert compare(EDGE, merged, packets=4000) is None


def test_entries_are_named_after_their_ways() -> None:
    names = [e.name for e in entries(consolidate(EDGE))]
    assert "n0_new__n1_known__n2_count__n3_pass" in names
    assert names[-1] == "n0_none__n1_none__n2_count__n3_pass"
    assert "n0_unknown" in names
    assert len(set(names)) == len(names)


def test_infeasible_rows_are_left_out() -> None:
    """What the NAT has rewritten comes from no server, what a server sends is no mail."""
    names = {e.name for e in entries(consolidate(EDGE))}
    assert not any(n.startswith("n0_known__n1_reply") for n in names)
    assert "n0_back__n1_reply__n2_count__n3_mail" not in names
    assert len(names) == 41  # of 4 * 4 * 3 + 1


def test_state_is_renamed_and_kept() -> None:
    merged = consolidate(EDGE)
    assert [v.name for v in merged.state] == [
        "n0_next", "n0_given", "n0_inside", "n1_turn", "n1_conn", "n2_packets",
    ]  # fmt: skip
    assert merged.variable("n0_next").default == (1024,)


def test_one_nf_keeps_its_names(compare: Compare) -> None:
    alone = chain(NAT)
    merged = consolidate(alone)
    assert [v.name for v in merged.state] == ["next", "given", "inside"]
    assert [e.name for e in entries(merged)] == ["known", "new", "back", "unknown", "none"]
    assert compare(alone, merged) is None


def test_a_drop_ends_the_chain(compare: Compare) -> None:
    net = chain(FIREWALL, MONITOR)
    merged = consolidate(net)
    assert [e.name for e in entries(merged)] == ["n0_ssh", "n0_mail", "n0_pass__n1_count"]
    assert compare(net, merged) is None


def test_header_writes_that_a_drop_hides_are_left_out() -> None:
    rewrite = program(ir.SetField("ttl", c(1, ir.Bits(8))), name="rewrite")
    block = program(table(entry(DROP, on=(field_is("dport", 22),), name="ssh")), name="block")
    dropped, _ = entries(consolidate(chain(rewrite, block)))
    assert dropped.body == (DROP,)


COUNT = program(put("n", add(get("n"), i(1))), state=(plain("n"),), name="count")
ROUTER = program(
    table(
        entry(DROP, on=(field_is("ethertype", 0x0806),), name="arp"),
        entry(ir.SetField("smac", c(5, ir.MAC)), name="other"),
    ),
    name="router",
)


@pytest.mark.parametrize("order", [(ROUTER, COUNT), (COUNT, ROUTER), (COUNT, ROUTER, NAT)])
def test_frames_that_are_not_ip_skip_some(order: tuple[ir.Program, ...], compare: Compare) -> None:
    net = chain(*order)
    merged = consolidate(net)
    assert any("bypass" in e.name for e in entries(merged))
    assert compare(net, merged) is None


def test_frames_that_are_not_ip_still_enter(compare: Compare) -> None:
    """The only mention of a link field is in a row that nothing reaches."""
    never = ir.And((field_is("ttl", 1), field_is("ttl", 2)))
    odd = program(
        put("n", add(get("n"), i(1))),
        table(entry(ir.SetField("smac", c(1, ir.MAC)), on=(never,))),
        state=(plain("n"),),
    )
    net = chain(odd, odd)
    merged = consolidate(net)
    assert merged.sees_non_ip
    assert compare(net, merged) is None


def limiter(name: str, refill: int) -> ir.Program:
    size = as_int(F("size"))
    return program(
        table(
            entry(
                put("tokens", i(refill)), delay(10**7),
                on=(ir.Compare("==", ir.Tag("BR"), i(1)),), name="tick",
            ),
            ir.Entry(
                "conforming", (), (ir.Compare("<=", size, get("tokens")),),
                (put("tokens", add(get("tokens"), size, "-")),),
            ),
            entry(DROP, name="excess"),
        ),
        state=(plain("tokens", ir.INT, refill),),
        timers=(ir.InitTimer((("BR", 1),), 10**7),),
        name=name,
    )  # fmt: skip


def test_timers_stay_with_their_nf(compare: Compare) -> None:
    net = chain(limiter("slow", 100), COUNT, limiter("fast", 300))
    merged = consolidate(net)
    assert [t.tags for t in merged.timers] == [(("n0_BR", 1),), (("n2_BR", 1),)]
    assert [e.name for e in entries(merged)][:2] == ["n0_tick", "n2_tick"]
    assert compare(net, merged) is None


def test_a_timer_that_rewrites_its_tags_gets_one_that_tells_it(compare: Compare) -> None:
    """Tag `phase` goes 1, 2, 1, …; both phases must find their way into their own NF."""

    def phase(at: int, then: int) -> ir.Entry:
        body = (put("n", add(get("n"), i(at))), ir.SetTag("phase", i(then)), delay(10**7))
        return entry(*body, on=(ir.Compare("==", ir.Tag("phase"), i(at)),), name=f"phase{at}")

    blinker = program(
        table(phase(1, 2), phase(2, 1)),
        state=(plain("n"),),
        timers=(ir.InitTimer((("phase", 1),), 10**7),),
    )
    net = chain(blinker, COUNT, blinker)
    merged = consolidate(net)
    assert merged.timers[0].tags == (("n0_phase", 1), ("n0_timer", 1))
    assert compare(net, merged) is None


def test_tags_travel_along(compare: Compare) -> None:
    mark = program(
        table(
            entry(ir.SetTag("class", as_int(F("sport"))), on=(field_is("dport", 80),), name="web"),
            entry(ir.SetTag("class", i(7)), name="rest"),
        )
    )
    obey = program(
        table(
            entry(DROP, on=(ir.Compare("==", ir.Tag("class"), i(1000)),), name="bad"),
            entry(ir.SetField("tos", ir.Cast(ir.Tag("class"), ir.Bits(8))), name="good"),
        )
    )
    net = chain(mark, COUNT, obey)
    merged = consolidate(net)
    names = [e.name for e in entries(merged)]
    assert names == ["n0_web__n2_bad", "n0_web__n2_good", "n0_rest__n2_good"]
    assert compare(net, merged) is None


def test_two_tables_of_one_nf(compare: Compare) -> None:
    """The second reads what the first wrote, maybe at the same key."""
    key = (as_int(F("ttl")),)
    other = (as_int(F("tos")),)
    nf = program(
        table(entry(put("m", i(5), key), on=(field_is("proto", 6),), name="set")),
        table(
            ir.Entry("five", (), (ir.Compare("==", get("m", ir.INT, other), i(5)),), (DROP,)),
            ir.Entry("there", (), (ir.Has("m", other),), (put("m", i(6), other),)),
        ),
        state=(mapping("m", (ir.INT,), ir.INT),),
    )
    net = chain(nf, MONITOR)
    assert compare(net, consolidate(net)) is None


def test_resubmit_and_loops_are_unrolled(compare: Compare) -> None:
    twice = program(
        table(
            entry(
                ir.SetTag("seen", i(1)), put("n", add(get("n"), i(1))),
                ir.SetField("dport", c(80, PORT)), RESUBMIT,
                on=(ir.Compare("==", ir.Tag("seen"), i(0)), field_is("dport", 22)), name="first",
            ),
            entry(put("web", add(get("web"), i(1))), on=(field_is("dport", 80),), name="web"),
        ),
        ir.While(ir.Compare("<", get("n"), i(2)), 3, (put("n", add(get("n"), i(1))),)),
        state=(plain("n"), plain("web")),
    )  # fmt: skip
    net = chain(twice, COUNT)
    merged = consolidate(net)
    assert not any(isinstance(n, ir.While) or n == RESUBMIT for n in ir.walk(merged.body))
    assert compare(net, merged) is None


def test_endless_resubmit_drops_at_the_limit(compare: Compare) -> None:
    loop = program(put("n", add(get("n"), i(1))), RESUBMIT, state=(plain("n"),))
    net = chain(loop, COUNT)
    merged = consolidate(net)
    assert compare(net, merged, packets=100) is None
    (only,) = entries(merged)
    assert only.body[-1] == DROP


GRAPH_PORTS = ("left", "right", "spare")


def graph(first: ir.Program, upper: ir.Program, lower: ir.Program) -> ir.Network:
    """By port 1 to `upper`, by any other to `lower`."""
    instances = (ir.Instance("a", first), ir.Instance("b", upper), ir.Instance("c", lower))
    return ir.Network("graph", GRAPH_PORTS, instances, (ir.Wire(0, 1, 1), ir.Wire(0, None, 2)))


def test_a_graph(compare: Compare) -> None:
    switch = program(
        table(
            entry(out(1), on=(field_is("dport", 22),), name="ssh"),
            entry(out(2), on=(field_is("dport", 80),), name="web"),
            entry(out(1, 2), on=(field_is("ttl", 77),), name="unreached"),
        ),
        ports=(0, 1, 2),
    )
    lone = program(put("n", add(get("n"), i(2))), state=(plain("n"),), ports=(1, 2))
    net = graph(switch, COUNT, lone)
    with pytest.raises(NotConsolidatable, match="copies"):
        consolidate(net)
    net = graph(program(table(*entries_of(switch)[:2]), ports=(0, 1, 2)), COUNT, lone)
    merged = consolidate(net)
    assert merged.ports == (0, 1, 2)
    assert compare(net, merged, packets=3000) is None


def entries_of(nf: ir.Program) -> tuple[ir.Entry, ...]:
    return tuple(e for s in nf.body if isinstance(s, ir.Table) for e in s.entries)


def test_copies_that_leave(compare: Compare) -> None:
    mirror = program(out(2, 1), ports=(0, 1, 2))
    instances = (ir.Instance("a", COUNT), ir.Instance("b", mirror))
    net = ir.Network("mirror", GRAPH_PORTS, instances, (ir.Wire(0, None, 1),))
    assert compare(net, consolidate(net)) is None


def test_a_ruleset_sees_the_rewritten_packet(compare: Compare) -> None:
    port = (0, 0xFFFF)
    acl = Ruleset(
        "ACL",
        ("sip", "dport"),
        (
            Row(True, ((PUB, PUB), (80, 80))),
            Row(False, ((PUB, PUB), port)),
            Row(True, ((0, (1 << 32) - 1), port)),
        ),
    )
    filter_ = program(
        table(entry(DROP, on=(ir.Not(ir.Match(acl, (F("sip"), F("dport")))),), name="denied"))
    )
    net = chain(NAT, filter_)
    merged = consolidate(net)
    assert compare(net, merged) is None
    new = next(e for e in entries(merged) if e.name == "n0_new__n1_denied")
    assert ir.Not(ir.Match(acl, (c(PUB, IP), F("dport")))) in new.match_flow


def test_payload_through_a_cipher(compare: Compare) -> None:
    key = ir.Const(b"k" * 16, ir.BYTES)
    encrypt = program(
        ir.SetField("payload", ir.Apply("Encrypt", (F("payload"), key, key), ir.BYTES))
    )
    search = program(
        table(
            entry(
                DROP,
                on=(ir.Apply("PatternMatch", (F("payload"), ir.Const(b"cmd", ir.BYTES)), ir.BOOL),),
                name="found",
            )
        )
    )
    decrypt = program(
        ir.SetField("payload", ir.Apply("Decrypt", (F("payload"), key, key), ir.BYTES))
    )
    pytest.importorskip("cryptography")
    for net in (chain(encrypt, search), chain(encrypt, decrypt, search)):
        assert compare(net, consolidate(net), packets=300) is None


# What has no table is refused, with the place ------------------------------------------------


def test_refusals() -> None:
    hold = program(delay(5), name="hold")
    with pytest.raises(NotConsolidatable, match=r"n1 holds packets back by timer"):
        consolidate(chain(COUNT, hold))
    shorten = program(ir.SetField("payload", ir.Const(b"", ir.BYTES)))
    with pytest.raises(NotConsolidatable, match="another length"):
        consolidate(chain(shorten, COUNT))
    consolidate(chain(COUNT, shorten))
    tag = program(ir.SetField("vlan", c(5, ir.Bits(12))))
    read = program(table(entry(DROP, on=(field_is("vlan", 5),))))
    with pytest.raises(NotConsolidatable, match="tagged"):
        consolidate(chain(tag, read))


@pytest.mark.parametrize(
    ("body", "limits", "what"),
    [
        ((ir.Choose("x", ir.INT, i(0), i(1), ir.TRUE),), {}, "`choose`"),
        ((ir.Touch("m", (i(0),)),), {}, "`touch`"),
        ((), {"timeout": 5}, "maps with `timeout`"),
        ((), {"capacity": 5}, "maps with `max`"),
    ],
)
def test_what_the_prover_has_no_encoding_of_has_no_table(body, limits, what) -> None:
    """It would be proved by an encoding in which all maps are plain ones."""
    held = ir.StateVar("m", (ir.INT,), (ir.INT,), (0,), "map", **limits)
    with pytest.raises(ModelError, match=f"{what}.* can be run, but not proved equal"):
        consolidate(chain(COUNT, program(*body, state=(held,))))


def test_too_many_rows() -> None:
    split = program(*(ir.If(field_is("ttl", k), (put("n", i(k)),), ()) for k in range(1, 9)),
                    state=(plain("n"),))  # fmt: skip
    consolidate(chain(split))  # only one `if` can hold: 9 rows
    bits = program(
        *(ir.If(ir.Compare("==", get("n"), i(k)), (put("n", get("m")),), ()) for k in range(12)),
        state=(plain("n"), plain("m")),
    )
    with pytest.raises(NotConsolidatable, match="over 50 rows"):
        consolidate(chain(bits), max_rows=50)


def test_expressions_that_would_explode() -> None:
    square = ir.Arithmetic("*", get("n"), get("n"), ir.INT)
    deep = program(
        *(put("n", square) for _ in range(40)),
        table(ir.Entry("zero", (), (ir.Compare("==", get("n"), i(0)),), (DROP,))),
        state=(plain("n"),),
    )
    with pytest.raises(NotConsolidatable, match="too large"):
        consolidate(chain(deep))


# A consolidation with a fault is caught by the comparison ------------------------------------


def test_rows_in_another_order_are_caught(compare: Compare) -> None:
    merged = consolidate(EDGE)
    rows = entries(merged)
    assert compare(EDGE, replace(merged, body=(ir.Table(rows[::-1]),)), packets=4000) is not None


def test_each_missing_row_is_caught_where_traffic_reaches_it(compare: Compare) -> None:
    merged = consolidate(EDGE)
    rows = entries(merged)
    caught = sum(
        compare(EDGE, replace(merged, body=(ir.Table(rows[:k] + rows[k + 1 :]),)), packets=1500)
        is not None
        for k in range(0, len(rows), 4)
    )
    assert caught >= len(rows) // 4 // 2


def test_each_missing_condition_is_caught_where_traffic_reaches_it(compare: Compare) -> None:
    """Without its last condition a row takes packets of rows below it."""
    net = chain(NAT, LB)
    merged = consolidate(net)
    rows = entries(merged)
    caught = 0
    for k, row in enumerate(rows[:-1]):
        flow, state = (row.match_flow, ()) if row.match_state else (row.match_flow[:-1], ())
        wrong = (*rows[:k], replace(row, match_flow=flow, match_state=state), *rows[k + 1 :])
        caught += compare(net, replace(merged, body=(ir.Table(wrong),)), packets=1500) is not None
    assert caught >= len(rows) - 4


@pytest.mark.parametrize("fault", ["no rewriting", "headers always there", "writes forgotten",
                                   "writes always hit", "non-IP runs through"])  # fmt: skip
def test_a_fault_in_the_method_is_caught(
    fault: str, compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other = (as_int(F("ttl")),), (as_int(F("tos")),)
    memory = program(
        table(entry(put("m", i(5), key), on=(field_is("proto", 6),), name="set")),
        table(ir.Entry("five", (), (ir.Compare("==", get("m", ir.INT, other), i(5)),), (DROP,))),
        state=(mapping("m", (ir.INT,), ir.INT),),
    )
    net = chain(memory, NAT, LB, ROUTER)
    assert compare(net, consolidate(net)) is None
    match fault:
        case "no rewriting":
            monkeypatch.setattr(Rewriter, "set_field", lambda *_: None)
        case "headers always there":

            def field(self: Rewriter, path: Path, name: str, span: object) -> ir.Expr:
                return path.fields.get(name, F(name))

            monkeypatch.setattr(Rewriter, "_field", field)
        case "writes forgotten":
            monkeypatch.setattr(Rewriter, "remember", lambda *_: None)
        case "writes always hit":
            monkeypatch.setattr(Rewriter, "known", lambda *_: True)
        case _:

            def enter(self: Executor, path: Path, index: int) -> None:
                self.sees_non_ip = False
                return real(self, path, index)

            real = Executor._enter
            monkeypatch.setattr(Executor, "_enter", enter)
    assert compare(net, consolidate(net), packets=3000) is not None


def test_presence_is_asked_only_where_it_matters(compare: Compare) -> None:
    """f[sip] = f[dip] reads 0 without IPv4 anyway; f[ttl] is there in every packet of the table."""
    swap = program(
        ir.Let("s", F("sip")),
        ir.SetField("sip", F("dip")),
        ir.SetField("dip", ir.Local("s", IP)),
        ir.SetField("ttl", c(9, ir.Bits(8))),
    )
    block = program(
        table(
            entry(DROP, on=(field_is("sip", VIP), field_is("ttl", 9)), name="to_vip"),
            entry(DROP, on=(field_is("ttl", 8),), name="never"),
        )
    )
    net = chain(swap, block)
    merged = consolidate(net)
    assert compare(net, merged) is None
    assert [e.match_flow for e in entries(merged)] == [(field_is("dip", VIP),), ()]


def test_a_tag_that_is_there_for_sure(compare: Compare) -> None:
    """A VLAN id that is not 0 says that the frame is tagged, so what is written can be matched."""
    move = program(
        table(entry(ir.SetField("vlan", c(7, ir.Bits(12))), on=(field_is("vlan", 5),), name="five"))
    )
    block = program(table(entry(DROP, on=(field_is("vlan", 7),), name="seven")))
    net = chain(move, block)
    merged = consolidate(net)
    assert [e.name for e in entries(merged)] == ["n0_five__n1_seven", "n0_none__n1_seven",
                                                 "n0_none__n1_none"]  # fmt: skip
    assert compare(net, merged) is None
