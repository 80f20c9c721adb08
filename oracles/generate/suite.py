"""From traces that reach goals to a suite: few of them, varied, with probes at their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nfverify.equivalence.reach.script import Script, length
from nfverify.oracles.aim import aim_at
from nfverify.oracles.generate.cover import Candidate, greedy, needed
from nfverify.oracles.generate.diversify import diversified
from nfverify.oracles.generate.manifest import Item
from nfverify.oracles.generate.probes import probes
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

LONG = 200  # packets: such a trace is left as it is
MAX_SPANS = 4

Reached = Callable[[Script], frozenset[int]]


@dataclass(frozen=True, slots=True)
class Strength:
    """What is done to make a suite notice more; `packets` is the most that probes may make it."""

    diversify: bool
    probe: bool
    packets: int = 4000


PLAIN = Strength(False, False)
STRONG = Strength(True, True)


def build(
    network: ir.Network,
    candidates: Iterable[Candidate],
    reached: Reached,
    strength: Strength,
    fresh: Machine,
) -> tuple[Item, ...]:
    """The suite: shortest traces first. `fresh` is a machine of the network before any packet;
    `reached` says which goals a script reaches on the reference."""
    chosen = needed(greedy(candidates))
    chosen.sort(key=lambda pair: length(pair[0].script))
    used = fields_used(network)
    spans = aim_at(network).spans[:MAX_SPANS]
    items: list[Item] = []
    total = sum(length(candidate.script) for candidate, _ in chosen)
    for number, (candidate, goals) in enumerate(chosen, 1):
        script = candidate.script
        if strength.diversify and length(script) < LONG:
            script = diversified(script, goals, reached, used, number)
        suffix: Script = ()
        if strength.probe and length(script) < LONG:
            suffix = probes(fresh.clone(), script, spans)
        if total + len(suffix) > strength.packets:
            suffix = ()
        total += len(suffix)
        items.append(
            Item(
                f"{number:04}",
                (*script, *suffix),
                tuple(sorted(goals)),
                candidate.method,
                len(suffix),
            )
        )
    return tuple(items)


def fields_used(network: ir.Network) -> frozenset[str]:
    """The header fields that the programs read or write."""
    return frozenset(
        node.name
        for program in dict.fromkeys(i.program for i in network.instances)
        for node in ir.walk(program.init + program.body)
        if isinstance(node, ir.Field | ir.SetField)
    )
