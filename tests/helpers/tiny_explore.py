"""Exhaustive exploration of two networks side by side, on the reference semantics alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from nfverify.equivalence.provable import check_provable
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

WIRE = attrgetter(*(name for name, info in FIELDS.items() if info.on_wire))


class TooLarge(Exception):
    """More states than this method is meant for."""


@dataclass(frozen=True, slots=True)
class Arriving:
    """One packet of the world, at one of its times (ns)."""

    time: int
    port: int
    packet: Packet


@dataclass(slots=True)
class Explorer:
    """The transition system of one network over the events of a world, made as it is asked for."""

    network: ir.Network
    events: Sequence[Arriving]
    limit: int
    machines: list[Machine] = field(default_factory=list)
    variables: list[object] = field(default_factory=list)  # of each state, by name
    numbers: dict[object, int] = field(default_factory=dict)
    edges: dict[tuple[int, int], tuple[int, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_provable(self.network)  # the order of keys is no part of the states here
        self.number(Machine(self.network))

    def number(self, machine: Machine) -> int:
        """The number of the state in which a machine is."""
        variables = tuple(
            (instance, name, tuple(sorted(content.items())))
            for instance, found in machine.snapshot().items()
            for name, content in sorted(found.items())
        )
        timers = tuple((t.due, t.instance, tuple(t.tags)) for t in machine.timers)
        key = (machine.now, timers, variables)
        if key not in self.numbers:
            if len(self.machines) >= self.limit:
                raise TooLarge
            self.numbers[key] = len(self.machines)
            self.machines.append(machine)
            self.variables.append(variables)
        return self.numbers[key]

    def step(self, state: int, event: int) -> tuple[int, object]:
        """The state after an event, and what came out."""
        if (state, event) not in self.edges:
            machine = self.machines[state].clone()
            arriving = self.events[event]
            out = machine.process(arriving.packet, arriving.time, arriving.port)
            seen = tuple((port, WIRE(packet)) for port, packet in out)
            self.edges[state, event] = self.number(machine), seen
        return self.edges[state, event]


@dataclass(frozen=True, slots=True)
class Explored:
    """`shortest`: the length of the shortest trace that tells apart; None if none of any length
    does. `telling`: does what comes out depend on what came before?"""

    shortest: int | None
    states: int
    telling: bool


def explore(
    a: ir.Network,
    b: ir.Network,
    events: Sequence[Arriving],
    limit: int = 3000,
    state_too: bool = False,
) -> Explored:
    """Every trace of these events, times not falling, through both networks. TooLarge beyond
    `limit` states. With `state_too`, networks with the same variables differ where these do."""
    left, right = Explorer(a, events, limit), Explorer(b, events, limit)
    level: list[tuple[int, int]] = [(0, 0)]
    seen = set(level)
    depth, shortest = 0, None
    while level and shortest is None:
        depth += 1
        following = []
        for x, y in level:
            now = left.machines[x].now
            for event, arriving in enumerate(events):
                if now is not None and arriving.time < now:
                    continue
                (p, out), (q, other) = left.step(x, event), right.step(y, event)
                if out != other or (state_too and left.variables[p] != right.variables[q]):
                    shortest = depth
                if (p, q) not in seen:
                    if len(seen) >= limit:
                        raise TooLarge
                    seen.add((p, q))
                    following.append((p, q))
        level = following
    outputs: dict[int, set[object]] = {}
    for (_, event), (_, out) in left.edges.items():
        outputs.setdefault(event, set()).add(out)
    return Explored(shortest, len(seen), any(len(found) > 1 for found in outputs.values()))
