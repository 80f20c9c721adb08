"""`derive`: the fast path of a chain, from its models (SpeedyBox, §III-V, without the NFs' help).

The fast path is loop-invariant code motion: the loop is the packets of one flow. What depends only
on the flow's key and on cold state goes into the record; what is left stays as code. Whatever
writes cold state is a slow path, so that only slow paths and timers raise events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from nfverify.equivalence.fastpath.assemble import Assembler, Draft
from nfverify.equivalence.fastpath.binding import fixed
from nfverify.equivalence.fastpath.classes import Fast, close
from nfverify.equivalence.fastpath.control import controlled
from nfverify.equivalence.fastpath.effects import (
    VARYING,
    WRITES,
    Heat,
    is_plain,
    of_variable,
    split,
)
from nfverify.equivalence.fastpath.events import Changes
from nfverify.equivalence.fastpath.explore import explore
from nfverify.equivalence.fastpath.policies import Policies
from nfverify.equivalence.fastpath.shape import Shaper
from nfverify.equivalence.fastpath.ways import Way
from nfverify.fastpath.plan import Plan, Policy, SlowPath
from nfverify.smat import ir

Forced = Mapping[str, Policy] | Literal["index", "epoch", "guard"] | None


def derive(network: ir.Network, policy: Forced = None) -> Plan:
    """The plan of `network`. `policy` forces how changes of state are noticed: for all cold
    variables, or for those named (`instance.variable`); by default the cheapest."""
    world, found = explore(network)
    variables = world.variables
    policies = Policies(policy, controlled(network), variables)
    ways = split(world, found.ways)
    changes = Changes(world.afresh(), of_variable(found.writers), found.anyhow, found.plain)
    hot: frozenset[str] = frozenset()
    heat = Heat(world.afresh(), ways, policies.forced_cold())
    while True:
        hot = heat.find(hot | policies.forced_hot())
        draft = _draft(Shaper(world), ways, hot, changes, policies)
        costly = {v for v in draft.watched if policies.costly(v)}
        if not costly and not draft.heavy:
            return draft.plan(network, plain=found.plain)
        hot |= costly
        for number in draft.heavy:
            ways[number] = replace(ways[number], slow="its record would be too long")


def _draft(
    shaper: Shaper,
    ways: Sequence[Way],
    hot: frozenset[str],
    changes: Changes,
    policies: Policies,
) -> Draft:
    """The plan, if `hot` are the variables that are read anew for each packet."""
    fast: dict[int, Fast] = {}
    slow: dict[int, str] = {}
    for number, way in enumerate(ways):
        why = way.slow or _changes(way, hot)
        if why:
            slow[number] = why
            continue
        parts = shaper.shortened(way.conditions)
        flow = tuple(p for p in parts if fixed(p, hot))
        fast[number] = Fast(number, flow, tuple(p for p in parts if not fixed(p, hot)))
    groups, left = close(shaper, fast.values())
    slow |= dict.fromkeys(left, "too many classes")
    assembler = Assembler(shaper, hot, changes, policies, fast, ways)
    drafts = [assembler.draft(group) for group in groups]
    told = tuple(SlowPath(ways[n].entries, why) for n, why in sorted(slow.items()))
    return assembler.finish(drafts, told)


def _changes(way: Way, hot: frozenset[str]) -> str:
    """Which cold variable the way writes, told."""
    cold = [w for w in way.writes if w.var not in hot]
    names = ", ".join(dict.fromkeys(w.var for w in cold))
    # A plain write of a hot variable changed something when the way was split off, too.
    if cold and any(is_plain(way, w) == (w.var in hot) for w in way.writes):
        return f"{WRITES} {names}{VARYING}"
    return f"{WRITES} {names}" if cold else ""
