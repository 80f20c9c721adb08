"""Chains of hand-built IR: their table does what they do, and a wrong table is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from ir_build import (
    DROP, PASS, RESUBMIT, F, add, c, chain, delay, entry, field_is, get, i, out, plain, program,
    put, table,
)  # fmt: skip

from nfverify.equivalence.consolidate import NotConsolidatable, as_network, consolidate
from nfverify.smat import ir

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
