"""Awkward chains: their plans are proved and do as the chains; and no change of a plan that is
proved ever parts from its chain."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from random import Random
from typing import TypeVar

import pytest
from fast_plans import parts_on_traffic

from nfverify.equivalence.fastpath.derive import derive
from nfverify.equivalence.fastpath.theorem import Settled, settle
from nfverify.fastpath.plan import Class, Path, Plan
from nfverify.smat import ir
from nfverify.smat.load import load_text

T = TypeVar("T")
COUNTER = "program total { int n; entry { action_state { n = n + 1; } } }"
CHAINS = {
    # A threshold on a counter that sources share, and two timers of different periods.
    "quota": """program quota { map<IP,int> c; map<IP,int> m; int a = 0; int b = 3;
      every 7ms { a = a + 1; } every 11ms { b = b - 1; }
      entry { match_state { b < 0 && (a & 1) == 1 } action_flow { drop; } }
      entry { match_state { c[f[sip]] >= 5 } action_flow { f[tos] = 8; }
              action_state { c[f[sip]] = c[f[sip]] + 1; m[f[dip]] = m[f[dip]] + 1; } }
      entry { action_state { c[f[sip]] = c[f[sip]] + 1; } } }
      chain main = quota -> total;""",
    # A timer that holds packets, and what they write when it lets them go.
    "delayed": """program late { int held = 0; tag was; map<IP,int> last;
      entry { match_flow { f[was] == 1 } action_flow { f[tos] = held; }
              action_state { held = held - 1; last[f[sip]] = f[sport]; } }
      entry { match_flow { f[dport] == 80 } match_state { held < 3 }
              action_state { held = held + 1; }
              action_flow { f[was] = 1; f[output] = timer(5ms); } }
      entry { match_state { last[f[sip]] == f[sport] } action_flow { f[ip_id] = 7; } } }
      chain main = late -> total;""",
    # Nested maps, sets, deletions; a key that is rewritten before what it keys.
    "nested": """program nest { map<IP, map<port,int>> h; set<(IP,port)> ok; set<IP> bad;
      entry { match_flow { f[dport] == 80 && f[sport] == 1000 } action_flow { drop; }
              action_state { ok = ok \\ {(f[dip], f[sport])}; delete h[f[dip]][f[sport]];
                             bad = bad | {f[dip]}; } }
      entry { match_state { f[sip] in bad } action_flow { drop; } }
      entry { match_state { (f[sip], f[sport]) in ok && f[dport] in h[f[sip]] }
              action_flow { f[dport] = h[f[sip]][f[dport]]; } }
      entry { match_state { (f[sip], f[sport]) in ok }
              action_state { h[f[sip]][f[dport]] = f[sport] + 1; } }
      entry { action_state { ok = ok | {(f[sip], f[sport])}; } } }
      chain main = nest -> nest as again;""",
    # Signed numbers as keys and below zero; ports cut to 16 bits; a loop; tags across NFs.
    "signed": """program low { map<int,int> m; int least = 0; tag mark;
      entry { match_flow { f[dport] == 1 } action_flow { drop; }
              action_state { m[f[sip]] = 0 - int(f[sport]); least = least - 1; } }
      entry { match_state { m[f[sip]] < 0 && m[f[sip]] / 2 > -30000 }
              action_flow { f[sport] = m[f[sip]] >> 1; f[mark] = f[ttl] % 7; } }
      entry { match_state { m[f[dip]] < least } action_flow { f[tos] = m[f[dip]]; } } }
      program marked { map<int,int> n; int i = 0;
      entry { match_flow { f[mark] > 2 } action_state {
              i = 0; while (i < (f[sport] & 3)) bound 4 { i = i + 1; n[i] = n[i] + 1; } } }
      entry { match_state { n[2] > 3 } action_flow { drop; } } }
      chain main = low -> marked;""",
    # Two ports out of three, an address learned from what comes in, an access list behind it.
    "ports": """ruleset ACL = {(sip:10.0.0.9, action:drop), (sip:10.0.0.0/8), (proto:udp)};
      program sw { iface lan, wan, dmz; map<IP,port> at;
      entry { match_flow { f[iface] == lan } match_state { f[dip] in at }
              action_flow { f[output] = at[f[dip]]; } }
      entry { match_flow { f[iface] == lan } action_state { at[f[sip]] = f[iface]; }
              action_flow { f[output] = wan; } }
      entry { match_flow { f[sport] < 2000 } action_flow { f[output] = {lan, dmz}; } } }
      program acl { entry { match_flow { f mismatches ACL } action_flow { drop; } } }
      chain main = sw.lan -> acl, sw.wan -> total;""",
}


@cache
def planned(name: str) -> Plan:
    return derive(load_text(COUNTER + CHAINS[name]))


def proved(plan: Plan) -> bool:
    settled = Settled()
    settle(plan, time.monotonic() + 300, settled)
    return settled.sound


@pytest.mark.parametrize("name", CHAINS)
def test_awkward_chains_are_proved_and_agree(name: str) -> None:
    plan = planned(name)
    assert proved(plan)
    difference, served = parts_on_traffic(plan, 1, 500, evict=0.03)
    assert difference is None
    assert served > 20


# Changed plans ----------------------------------------------------------------------------------


def without(items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """All ways of leaving one out."""
    return (items[:i] + items[i + 1 :] for i in range(len(items)))


def changed_paths(path: Path) -> Iterator[Path]:
    yield from (replace(path, residual=left) for left in without(path.residual))
    yield from (replace(path, functions=left, parallel=()) for left in without(path.functions))
    for left in without(path.header.modify):
        yield replace(path, header=replace(path.header, modify=left))
    for name in path.header.summed[:1]:
        rest = tuple(n for n in path.header.summed if n != name)
        yield replace(path, header=replace(path.header, summed=rest))
    yield replace(path, outputs=() if path.outputs else (ir.Const(1, ir.PORT),))
    for number, function in enumerate(path.functions):
        for place, write in enumerate(function.writes):
            if isinstance(write, ir.Write) and write.keys:
                gone = ir.Delete(write.var, write.keys)
                writes = (*function.writes[:place], gone, *function.writes[place + 1 :])
                made = replace(function, writes=writes)
                rest = (*path.functions[:number], made, *path.functions[number + 1 :])
                yield replace(path, functions=rest, parallel=())


def changed_classes(class_: Class) -> Iterator[Class]:
    yield from (replace(class_, condition=left) for left in without(class_.condition))
    yield from (replace(class_, watches=left) for left in without(class_.watches))
    for number, path in enumerate(class_.paths):
        for made in changed_paths(path):
            rest = (*class_.paths[:number], made, *class_.paths[number + 1 :])
            yield replace(class_, paths=rest)


def changed(plan: Plan) -> Iterator[Plan]:
    yield from (replace(plan, epoch=left) for left in without(plan.epoch))
    yield from (replace(plan, key=left) for left in without(plan.key))
    yield replace(plan, filed="departing")
    yield replace(plan, recorded="before")
    yield replace(plan, checked="after")
    yield replace(plan, kept=ir.TRUE)
    yield replace(plan, hashed=2)
    for number, class_ in enumerate(plan.classes):
        for made in changed_classes(class_):
            rest = (*plan.classes[:number], made, *plan.classes[number + 1 :])
            yield replace(plan, classes=rest)


@pytest.mark.parametrize("name", CHAINS)
def test_what_is_proved_never_parts(name: str) -> None:
    plans = [p for p in islice(changed(planned(name)), 400) if p != planned(name)]
    refuted = 0
    for plan in Random(name).sample(plans, 8):
        if proved(plan):
            assert parts_on_traffic(plan, 3, 300)[0] is None
        else:
            refuted += 1
    assert refuted > 2
