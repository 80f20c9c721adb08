"""From traces that reach goals to a suite: few of them, varied, with probes at their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from nfverify.equivalence.reach.runner import mark
from nfverify.equivalence.reach.script import VARIATIONS, Loop, Script, expand, length
from nfverify.oracles.aim import Aim, aim_at
from nfverify.oracles.generate.cover import Candidate, greedy, needed
from nfverify.oracles.generate.diversify import diversified
from nfverify.oracles.generate.folding import looped
from nfverify.oracles.generate.manifest import Item
from nfverify.oracles.generate.merging import merged
from nfverify.oracles.generate.packets import ends
from nfverify.oracles.generate.probes import probes
from nfverify.oracles.generate.variants import (
    beginnings,
    crowded,
    driven,
    representatives,
    strangers,
    timed,
    twins,
)
from nfverify.packet.packet import Packet
from nfverify.semantics.machine import Machine, RunawayError
from nfverify.smat import ir

LONG = 200  # packets: such a trace keeps its values
ENDLESS = 5000  # packets: such a trace is left as it is
PLAYED = 40_000  # packets of long traces that are there for no goal
MAX_SPANS = 4
MAX_PATTERNS = 8
MAX_STRANGERS = 24
LOOPS = 4  # different ones
FAR = 1000  # between the numbers of a trace and of itself with other values

Reached = Callable[[Script], frozenset[int]]


@dataclass(frozen=True, slots=True)
class Strength:
    """What is done to make a suite notice more. `packets` is how many it may then have, repetitions
    of more than LONG counted once."""

    strong: bool
    packets: int = 3900


PLAIN = Strength(False)
STRONG = Strength(True)


def build(
    network: ir.Network,
    candidates: Iterable[Candidate],
    reached: Reached,
    strength: Strength,
    fresh: Machine,
) -> tuple[Item, ...]:
    """The suite: traces for goals, shortest first, then what makes it notice more. `fresh` is a
    machine of the network before any packet; `reached` says which goals a script reaches on the
    reference."""
    found = [_looped(c, reached, fields_used(network)) for c in candidates]
    found = merged(found, reached, LONG)
    found.sort(key=lambda c: length(c.script))
    chosen = needed(greedy(found))
    chosen.sort(key=lambda pair: length(pair[0].script))
    work = _Work(network, reached, strength, fresh, aim_at(network))
    for candidate, goals in chosen:
        work.case(candidate, goals)
    if strength.strong:
        work.strengthen(found)
    return tuple(work.items)


def _looped(candidate: Candidate, reached: Reached, used: frozenset[str]) -> Candidate:
    """The candidate with loops, if it has repetitions."""
    for script in looped(candidate.script, used):
        if len(script) < len(candidate.script) and candidate.goals <= reached(script):
            return Candidate(script, candidate.goals, candidate.method)
    return candidate


@dataclass(slots=True)
class _Work:
    """A suite in the making; `left` packets may still be added."""

    network: ir.Network
    reached: Reached
    strength: Strength
    fresh: Machine
    aim: Aim
    items: list[Item] = field(default_factory=list)
    seen: set[object] = field(default_factory=set)
    left: int = 0
    played: int = PLAYED
    timers: bool = True

    def __post_init__(self) -> None:
        self.left = self.strength.packets
        self.timers = bool(self.aim.ticks)

    def case(self, candidate: Candidate, goals: frozenset[int]) -> None:
        """A trace that is there for its goals."""
        script = candidate.script
        suffix: Script = ()
        if self.strength.strong and length(script) < LONG:
            used = fields_used(self.network)
            script = diversified(script, goals, self.reached, used, len(self.items) + 1)
        if self.strength.strong and length(script) < ENDLESS:
            suffix = self.probes(script)
            if cost((*script, *suffix)) > self.left:
                suffix = ()
        self.add(script, suffix, candidate.method, goals)

    def add(
        self, script: Script, suffix: Script, method: str, goals: frozenset[int] = frozenset()
    ) -> None:
        self.left -= cost((*script, *suffix))
        name = f"{len(self.items) + 1:04}"
        goal_list = tuple(sorted(goals))
        self.items.append(Item(name, (*script, *suffix), goal_list, method, len(suffix)))

    def probes(self, script: Script) -> Script:
        spans, patterns = self.aim.spans[:MAX_SPANS], self.aim.patterns[:MAX_PATTERNS]
        try:
            found = probes(self.fresh.clone(), script, spans, patterns)
        except RunawayError:
            return ()
        return found if self.runs((*script, *found)) else ()

    def runs(self, script: Script) -> bool:
        """Does a script come to its end? Fast timers can run away in a long pause."""
        if not self.timers:
            return True
        machine = self.fresh.clone()
        try:
            for arrival in expand(script):
                machine.process(arrival.packet, arrival.time, arrival.port)
        except RunawayError:
            return False
        return True

    # More -----------------------------------------------------------------------------------

    def strengthen(self, candidates: list[Candidate]) -> None:
        """Cousins of the traces, as many as there is room for."""
        cases = [(i.script[: len(i.script) - i.probes], i.goals) for i in self.items]
        short = [script for script, _ in cases if length(script) < LONG]
        others = representatives({n: c.script for n, c in enumerate(candidates)})[:MAX_STRANGERS]
        loops = _loops(candidates)
        self.optional(self.over_ip6(cases), "over IPv6")
        crowds = [script for loop in loops if self.turns(script := crowded(loop))]
        alone = list(self.alone(loops))
        after = list(self.longer(short, loops))
        self.optional(((s, self.probes(s)) for s in crowds), "loop")
        self.optional(self.loops_over_ip6(crowds), "loop")
        if clocked(self.network):
            timed_ = [s for loop in loops[:2] for s in timed(loop, self.aim.spans[:MAX_SPANS])]
            self.optional(((script, ()) for script in timed_), "loop", 0.6)
            self.optional(self.loops_over_ip6(timed_), "loop", 0.6)
        self.optional(iter(alone), "loop", 0.3)
        self.optional(iter(after), "loop", 0.6)
        again = [script for script, _ in alone + after]
        self.optional(self.loops_over_ip6(again), "loop", 0.5)
        if hashes(self.network):
            self.optional(
                self.with_strangers(self.again(cases), others, moved=False), "probed", 0.6
            )
        self.optional(self.with_strangers(short, others, moved=True), "probed", 0.6)
        self.optional(self.with_strangers(short, others, moved=False), "probed", 0.6)
        starts = [b for script in short for b in beginnings(script)]
        self.optional(((s, self.probes(s)) for s in starts), "beginning")
        self.optional(self.with_strangers(starts, others, moved=True), "beginning")

    def again(self, cases: Sequence[tuple[Script, tuple[int, ...]]]) -> list[Script]:
        """The traces with other values: where a hash decides, each is another case."""
        used = fields_used(self.network)
        return [
            diversified(script, goals, self.reached, used, FAR * turn + number)
            for turn in (1, 2)
            for number, (script, goals) in enumerate(cases)
            if length(script) < LONG
        ]

    def optional(
        self, found: Iterator[tuple[Script, Script]], method: str, share: float = 1.0
    ) -> None:
        """Traces that may be left out: the first that fit into a share of the room."""
        room = int(self.left * share)
        for script, suffix in found:
            size, played = cost((*script, *suffix)), length(script)
            key = tuple(map(mark, (*script, *suffix)))
            if (not suffix and method != "loop") or size > room or key in self.seen:
                continue
            if not self.runs((*script, *suffix)):
                continue
            if played > LONG:
                if played > self.played:
                    continue
                self.played -= played
            self.seen.add(key)
            room -= size
            self.add(script, suffix, method)

    def over_ip6(
        self, cases: list[tuple[Script, tuple[int, ...]]]
    ) -> Iterator[tuple[Script, Script]]:
        if not {"sip6", "dip6"} & fields_used(self.network):
            return
        for script, goals in cases:
            if length(script) >= LONG:
                continue
            found = [
                (len(self.reached(twin) & set(goals)), twin) for twin in twins(script, self.aim)
            ]
            if found:
                most, twin = max(found, key=itemgetter(0))
                if most:
                    yield twin, self.probes(twin)

    def loops_over_ip6(self, cases: Sequence[Script]) -> Iterator[tuple[Script, Script]]:
        if not {"sip6", "dip6"} & fields_used(self.network):
            return
        for script in cases:
            for twin in twins(script, self.aim):
                if self.turns(twin):
                    yield twin, self.probes(twin)
                    break

    def alone(self, loops: Sequence[Loop]) -> Iterator[tuple[Script, Script]]:
        """Loops from the start, in every variation: what is counted once for all, and what for
        each host, port or destination."""
        for loop in loops[:1]:
            for vary in VARIATIONS:
                script: Script = (Loop(loop.arrival, vary, loop.count + 2, loop.gap),)
                if self.turns(script):
                    yield script, ()

    def longer(
        self, cases: Sequence[Script], loops: Sequence[Loop]
    ) -> Iterator[tuple[Script, Script]]:
        """Thresholds driven to their end after each trace: a lost count shows there, and there
        only. The traces that have written most come first."""
        for script in sorted(cases, key=length, reverse=True):
            for loop in loops:
                more = driven(script, loop)
                if more is not None and self.turns(more):
                    yield more, ()
                    break

    def turns(self, script: Script) -> bool:
        """Do the repetitions at the end of a script come to be treated in another way?"""
        *before, loop = script
        if not isinstance(loop, Loop) or not self.runs(script):
            return False
        machine = self.fresh.clone()
        for arrival in expand(tuple(before)):
            machine.process(arrival.packet, arrival.time, arrival.port)
        found = set()
        for arrival in expand((loop,)):
            out = machine.process(arrival.packet, arrival.time, arrival.port)
            found.add(tuple(port for port, _ in out))
        return len(found) > 1

    def with_strangers(
        self, cases: Sequence[Script], others: Sequence[Packet], *, moved: bool
    ) -> Iterator[tuple[Script, Script]]:
        for script in cases:
            _, last = ends(script)
            yield script, tuple(strangers(last, others, moved=moved))


def _loops(candidates: list[Candidate]) -> list[Loop]:
    """The loops that reach something, each kind once."""
    found: dict[object, Loop] = {}
    for candidate in candidates:
        for part in candidate.script:
            if isinstance(part, Loop) and part.count <= 1100:
                packet = part.arrival.packet
                found.setdefault((part.vary, packet.present, part.count > 10), part)
    return list(found.values())[:LOOPS]


def cost(script: Script) -> int:
    """Packets of a script; a long repetition, which a threshold of the model asks for, is one."""
    counts = (part.count if isinstance(part, Loop) else 1 for part in script)
    return sum(count if count <= LONG else 1 for count in counts)


def hashes(network: ir.Network) -> bool:
    """Does a hash decide anything?"""
    return any(
        isinstance(node, ir.Apply) and node.op == "hash"
        for instance in network.instances
        for node in ir.walk(instance.program.body)
    )


def clocked(network: ir.Network) -> bool:
    """Does the time of a packet matter, apart from timers?"""
    return any(
        variable.aged for instance in network.instances for variable in instance.program.state
    ) or any(
        isinstance(node, ir.Now)
        for instance in network.instances
        for node in ir.walk(instance.program.body)
    )


def fields_used(network: ir.Network) -> frozenset[str]:
    """The header fields that the programs read or write."""
    return frozenset(
        node.name
        for program in dict.fromkeys(i.program for i in network.instances)
        for node in ir.walk(program.init + program.body)
        if isinstance(node, ir.Field | ir.SetField)
    )
