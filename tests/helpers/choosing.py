"""Models that choose, and models that follow them."""

from __future__ import annotations

from nfverify.equivalence.question import Question
from nfverify.equivalence.refine.prove import refines
from nfverify.equivalence.verdict import Verdict
from nfverify.smat.load import load_text


def ask(a: str, b: str, depth: int | None = None) -> Verdict:
    first = load_text(a)
    return refines(first, load_text(b), Question(time_limit=60.0, depth=depth, refine=True))


def nf(*parts: str) -> str:
    return f"program nf {{ {' '.join(parts)} }}"


def entry(flow: str = "", state: str = "", action: str = "") -> str:
    guard = f"match_flow {{ {flow} }}" if flow else ""
    guard += f" match_state {{ {state} }}" if state else ""
    return f"entry {{ {guard} action_state {{ {action} }} }}"


def mark(choice: str) -> str:
    """Chooses what it marks packets with."""
    return nf(entry(action=f"choose x in {choice}; f[tos] = x;"))


NAT = """
    rule LAN = sip:10.0.0.0/8;
    IP pub = 203.0.113.7;
    map<flow, port> out;
    map<port, (IP, port)> back;
    entry other {
        match_flow { f[L4] == 0 || f[ICMP] == 1 || f[FRAG] == 1 || f[IP6] == 1 }
        action_flow { drop; }
    }
    entry known {
        match_flow { f matches LAN } match_state { f in out }
        action_flow { let q = out[f]; f[sip] = pub; f[sport] = q; }
    }"""
ANSWERS = """
    entry answer {
        match_flow { f[dip] == pub } match_state { f[dport] in back }
        action_flow { let h = back[f[dport]]; f[dip] = h[0]; f[dport] = h[1]; }
    }
    entry none { action_flow { drop; } }"""
FULL = "entry full { match_flow { f matches LAN } action_flow { drop; } }"
SEND = "action_flow { f[sip] = pub; f[sport] = p; }"


def in_order(limit: str) -> str:
    fresh = f"""port next = 1024; {NAT}
    entry new {{
        match_flow {{ f matches LAN }} match_state {{ {limit} }}
        action_state {{ let p = next; out[f] = p; back[p] = (f[sip], f[sport]); next = next + 1; }}
        {SEND}
    }}"""
    return nf(fresh, FULL, ANSWERS)


def any_free(high: int, keep: str, where: str = "!(p in back)") -> str:
    """`keep` is what becomes of a port that was found, or wasn't."""
    fresh = f"""{NAT}
    entry new {{
        match_flow {{ f matches LAN }}
        action_state {{ choose p in 1024..{high} where {where}; {keep} }}
        {SEND}
    }}"""
    return nf(fresh, ANSWERS)


STORE = "out[f] = p; back[p] = (f[sip], f[sport]);"
IF_FREE = f"if (!(p in back)) {{ {STORE} }}"
COUNTED = nf(
    f"int n = 0; {NAT}",
    f"""entry new {{
        match_flow {{ f matches LAN }} match_state {{ n < 64511 }}
        action_state {{ choose p in 1024..65534 where !(p in back); {STORE} n = n + 1; }}
        {SEND}
    }}""",
    FULL,
    ANSWERS,
)


def balancer(pick: str, state: str = "") -> str:
    return nf(
        "map<flow, int> to;",
        "map<int, IP> server = {0: 192.168.1.1, 1: 192.168.1.2, 2: 192.168.1.3};",
        state,
        entry("f[dip] != 10.9.9.9"),
        entry("", "f in to", "f[dip] = server[to[f]];"),
        entry(action=f"{pick} to[f] = s; f[dip] = server[s];"),
    )


ANY_SERVER = balancer("choose s in 0..2;")
IN_TURN = balancer("let s = turn; turn = (turn + 1) % 3;", "int turn = 0;")
BY_HASH = balancer("let s = hash(f[sip], f[sport]) % 3;").replace(
    "hash(f[sip], f[sport]) % 3", "int(hash(f[sip], f[sport]) % 3)"
)
LEAST = balancer(
    "let s = load[0] <= load[1] && load[0] <= load[2] ? 0 : (load[1] <= load[2] ? 1 : 2);"
    "load[s] = load[s] + 1;",
    "map<int, int> load;",
)
