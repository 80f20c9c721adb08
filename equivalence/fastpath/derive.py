"""`derive`: the fast path of a chain, from its models (SpeedyBox, §III-V, without the NFs' help).

The fast path is loop-invariant code motion: the loop is the packets of one flow. What depends only
on the flow's key and on cold state goes into the record; what is left stays as code. Whatever
writes cold state is a slow path, so that only slow paths and timers raise events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from nfverify.equivalence.fastpath.assemble import Assembler
from nfverify.equivalence.fastpath.binding import fixed
from nfverify.equivalence.fastpath.classes import Fast, close
from nfverify.equivalence.fastpath.effects import Heat, of_variable, split
from nfverify.equivalence.fastpath.events import Changes
from nfverify.equivalence.fastpath.explore import Way, explore
from nfverify.equivalence.fastpath.policies import Policies
from nfverify.equivalence.fastpath.shape import Shaper
from nfverify.equivalence.fastpath.sight import SERVED
from nfverify.fastpath.plan import FLOW_KEY, Plan, Policy, SlowPath
from nfverify.smat import ir

Forced = Mapping[str, Policy] | Literal["index", "epoch", "guard"] | None


def derive(network: ir.Network, policy: Forced = None) -> Plan:
    """The plan of `network`. `policy` forces how changes of state are noticed: for all cold
    variables, or for those named (`instance.variable`); by default the cheapest."""
    world, found = explore(network)
    shaper = Shaper(world)
    ways = split(world, found.ways)
    writers = of_variable(found.writers)
    policies = Policies(policy, writers, found.anyhow, world.variables)
    heat = Heat(world.afresh(), ways, found.writers, policies.forced_hot(), policies.forced_cold())
    hot = frozenset(heat.find())
    fast: list[Fast] = []
    slow: dict[int, str] = {}
    for number, way in enumerate(ways):
        why = way.slow or _changes(way, hot)
        if why:
            slow[number] = why
            continue
        parts = shaper.shortened(way.conditions)
        flow = tuple(p for p in parts if fixed(p, hot))
        fast.append(Fast(number, flow, tuple(p for p in parts if not fixed(p, hot))))
    groups, left = close(shaper, fast)
    slow |= dict.fromkeys(left, "too many classes")
    changes = Changes(world.afresh(), writers, found.anyhow)
    assembler = Assembler(shaper, hot, changes, policies, {f.number: f for f in fast}, ways)
    drafts = [assembler.draft(group) for group in groups]
    classes, epoch = assembler.finish(drafts)
    return Plan(
        network,
        SERVED,
        FLOW_KEY,
        classes,
        epoch,
        assembler.told(classes),
        tuple(SlowPath(ways[n].entries, why) for n, why in sorted(slow.items())),
    )


def _changes(way: Way, hot: frozenset[str]) -> str:
    """Which cold variable the way writes, told."""
    cold = dict.fromkeys(w.var for w in way.writes if w.var not in hot)
    return f"writes {', '.join(cold)}" if cold else ""
