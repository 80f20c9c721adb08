"""A chain and its fast path, written by hand: for tests of what reads plans."""

from __future__ import annotations

from ir_build import add, c, field_is, get, put

from nfverify.fastpath.plan import (
    FLOW_KEY,
    Class,
    HeaderAction,
    Path,
    Plan,
    StateFunction,
    Value,
    Watch,
)
from nfverify.smat import ir
from nfverify.smat.load import load_text

SERVED = (field_is("IP4", 1), field_is("proto", 17), field_is("FRAG", 0))
F = ir.Field

# Sources get numbers in `a`; a control packet to port 9 sets what `b` says of a destination; the
# timer changes `g`; the monitor counts.
NF = """program nf {
  map<IP, int> a; map<IP, int> b; int g = 0; int next = 1;
  every 1s { g = g + 1; }
  entry { match_flow { f[dport] == 9 } action_state { b[f[dip]] = f[sport]; }
          action_flow { drop; } }
  entry { match_state { f[sip] in a } action_flow { f[sport] = a[f[sip]]; f[ttl] = f[ttl] - 1;
          f[ip_id] = b[f[dip]] + g; } }
  entry { action_state { a[f[sip]] = next; next = next + 1; }
          action_flow { f[sport] = a[f[sip]]; f[ttl] = f[ttl] - 1; f[ip_id] = b[f[dip]] + g; } }
}
program mon { map<int, int> n; entry { action_state { n[f[sport]] = n[f[sport]] + f[size]; } } }
chain main = nf -> mon;
"""


def network() -> ir.Network:
    return load_text(NF)


def read(name: str, field: str) -> ir.Read:
    return get(name, keys=(F(field),))


def plan() -> Plan:
    """The fast path of the chain: one class, whose way is the second entry."""
    port = ir.Local("r0", ir.PORT)
    mark = ir.Local("r1", ir.Bits(16))
    number = ir.Cast(port, ir.INT)
    way = Path(
        "1",
        (),
        (
            StateFunction(
                "mon",
                (
                    put(
                        "mon.n",
                        add(get("mon.n", keys=(number,)), ir.Cast(F("size"), ir.INT)),
                        (number,),
                    ),
                ),
            ),
        ),
        HeaderAction(
            (("sport", port), ("ttl", add(F("ttl"), c(1, ir.Bits(8)), "-")), ("ip_id", mark)),
            ("sport", "ttl", "ip_id"),
        ),
        (ir.Conditional(field_is("iface", 0), c(1, ir.PORT), c(0, ir.PORT), ir.PORT),),
    )
    some = Class(
        "1",
        (ir.Not(field_is("dport", 9)), ir.Has("nf.a", (F("sip"),))),
        (
            Value("r0", ir.Cast(read("nf.a", "sip"), ir.PORT)),
            Value("r1", ir.Cast(add(read("nf.b", "dip"), get("nf.g")), ir.Bits(16))),
        ),
        (Watch("nf.b", (F("dip"),)),),
        (way,),
    )
    return Plan(network(), SERVED, FLOW_KEY, (some,), ("nf.g",), ())
