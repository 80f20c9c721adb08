"""A network executed: packets and timers through its NFs (decisions 13, 14, 18-25).

machine = Machine(network)
outputs = machine.step(time_ns, port, frame)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Literal, NamedTuple, Self

from nfverify.lang.source import NOWHERE, Diagnostic
from nfverify.packet.codec import Malformed, Packet, deparse, parse
from nfverify.packet.packet import IP4, IP6
from nfverify.semantics import closures, walk
from nfverify.semantics.engine import (
    DROP,
    FORWARD,
    RESUBMIT,
    Chooser,
    Compiled,
    Context,
    Counters,
    Engine,
    Key,
    Outcome,
    Pass,
    Tags,
    Values,
    check_supported,
    number_tags,
)
from nfverify.semantics.operators import Function
from nfverify.semantics.state import (
    SavedState,
    Snapshot,
    Timer,
    copy_store,
    initial_store,
    latest_stamp,
    restamp,
    stores_from,
    take_snapshot,
)
from nfverify.semantics.ticks import RunawayError, Ticks
from nfverify.semantics.tracing import Hook, Tracer
from nfverify.smat.ir import MAX_PASSES, Network, Program

__all__ = ["ENGINES", "Emission", "Machine", "Output", "RunawayError"]

ENGINES: Mapping[str, Engine] = {"closures": closures.build, "walk": walk.build}
ERRORS = (
    *("malformed", "non_ip", "resubmit_limit", "loop_limit", "payload_length", "bad_port"),
    *("no_choice", "malformed_inner", "too_deep", "too_big"),
)
MAX_TIME = 1 << 62  # ns (decision 23)
MAX_VISITS = 1 << 20  # of NFs, by all copies of one packet
IP = IP4 | IP6


class Output(NamedTuple):
    """A frame that came out, its time in ns."""

    time: int
    port: int
    frame: bytes


class Emission(NamedTuple):
    """A packet that came out, before deparsing."""

    time: int
    port: int
    packet: Packet


@dataclass(frozen=True, slots=True)
class Node:
    """An NF of the network, ready to run."""

    name: str
    program: Program
    code: Compiled
    sees_non_ip: bool
    default: dict[int, int]  # the port by which a forwarded packet leaves, by ingress
    next: dict[int, int | None]  # the NF behind a port; None is the way out


class Machine:
    """One network with its state, clock and timers.

    `engine` is a name of ENGINES or an engine; `operators` are the user's functions by name;
    `state` is where to start instead of before `init`; `chooser` makes the choices of `choose`.
    Raises ModelError.
    """

    __slots__ = (
        "_context",
        "_created",
        "_nodes",
        "_stores",
        "_timers",
        "_tracers",
        "counters",
        "network",
        "non_ip",
        "now",
        "trace",
    )

    def __init__(
        self,
        network: Network,
        *,
        operators: Mapping[str, Function] | None = None,
        engine: str | Engine = "closures",
        non_ip: Literal["bypass", "drop"] = "bypass",
        state: SavedState | Mapping[str, Mapping[str, Mapping[Key, Values]]] | None = None,
        chooser: Chooser | None = None,
    ) -> None:
        for program in {id(i.program): i.program for i in network.instances}.values():
            check_supported(program)
        self.network = network
        self.non_ip = non_ip
        self.trace: Hook | None = None
        self.counters: Counters = dict.fromkeys(ERRORS, 0)
        self.now: int | None = None
        tags = number_tags(tuple(i.program for i in network.instances))
        self._context = Context(max(2, len(network.ports)), tags, dict(operators or {}), chooser)
        build = ENGINES[engine] if isinstance(engine, str) else engine
        self._nodes = tuple(self._node(index, build) for index in range(len(network.instances)))
        self._tracers: list[Tracer] = []
        self._stores = [initial_store(node.program) for node in self._nodes]
        self._timers: list[Timer] = []
        self._created = 0
        if state is not None:
            self.restore(state)

    def _node(self, index: int, build: Engine) -> Node:
        instance, network = self.network.instances[index], self.network
        program = instance.program
        ports = range(self._context.ports)
        return Node(
            instance.name,
            program,
            build(program, replace(self._context, instance=instance.name)),
            program.sees_non_ip,
            {port: program.default_port(port) for port in ports},
            {port: network.successor(index, port) for port in ports},
        )

    # Events -------------------------------------------------------------------------------

    def step(self, time: int, port: int, frame: bytes) -> list[Output]:
        """The timers due, then a frame that arrives by `port` at `time`, ns: all that comes out."""
        return _deparsed(self.receive(time, port, frame))

    def advance(self, time: int) -> list[Output]:
        """Time passes: the timers due. Nothing happens before the first packet."""
        return _deparsed(self.wait(time))

    def receive(self, time: int, port: int, frame: bytes) -> list[Emission]:
        """As `step`, with packets that are not deparsed yet."""
        out = self.wait(time, start=True)
        packet = parse(frame)
        if isinstance(packet, Malformed):
            self.counters["malformed"] += 1
        else:
            self._enter(packet, port, out)
        return out

    def process(self, packet: Packet, now: int, port: int) -> list[tuple[int, Packet]]:
        """As `step` for a parsed packet, which stays as it was: (port, packet) for each output."""
        return [(e.port, e.packet) for e in self.emit(packet, now, port)]

    def emit(self, packet: Packet, now: int, port: int) -> list[Emission]:
        """As `process`, with the times of the outputs."""
        out = self.wait(now, start=True)
        self._enter(packet.copy(), port, out)
        return out

    def wait(self, time: int, *, start: bool = False) -> list[Emission]:
        """As `advance`, not deparsed; with `start`, a packet comes, and may be the first."""
        if not 0 <= time < MAX_TIME:
            raise ValueError(f"time {time} is not in 0..2^62-1")
        out: list[Emission] = []
        if self.now is None:
            if not start:
                return out
            self._start(time)
        time = max(time, self.now or 0)
        if self._timers and self._timers[0].due <= time:
            self._fire(time, out)
        self.now = time
        return out

    def _start(self, time: int) -> None:
        """`init` of each NF at the first packet's stamp, in order, then their first timers."""
        self.now = time
        for node, store in zip(self._nodes, self._stores, strict=True):
            restamp(node.program, store, time)
        for index, node in enumerate(self._nodes):
            tags = [0] * len(self._context.tags)
            node.code.init(Packet(), tags, time, self._stores[index], self.counters)
        for index, node in enumerate(self._nodes):
            for timer in node.program.timers:
                tags = [0] * len(self._context.tags)
                for name, value in timer.tags:
                    tags[self._context.tags[name]] = value
                self._wait(time + timer.delay, index, Packet(), tags)

    def _wait(self, due: int, instance: int, packet: Packet, tags: Tags) -> None:
        packet.under, packet.tunnels = None, 0  # it comes back as a frame would
        heappush(self._timers, Timer(due, self._created, instance, packet, tags))
        self._created += 1

    def _fire(self, time: int, out: list[Emission]) -> None:
        ticks = Ticks(self.network)
        while self._timers and self._timers[0].due <= time:
            skipped = ticks.skipped(self._timers, self._stores, self.counters, len(out), time)
            if skipped:
                # Every timer moves by the same, so the heap stays one.
                self._timers = [t._replace(due=t.due + skipped) for t in self._timers]
            due, _, instance, packet, tags = heappop(self._timers)
            self.now = due
            self._send(instance, packet.copy(), tags.copy(), out)

    def _enter(self, packet: Packet, port: int, out: list[Emission]) -> None:
        if not 0 <= port < self._context.ports:
            raise ValueError(f"the network has no port {port}")
        if self.non_ip == "drop" and not packet.bits & IP:
            self.counters["non_ip"] += 1
            return
        packet.iface = port
        self._send(self.network.ingress, packet, [0] * len(self._context.tags), out)

    # Packets ------------------------------------------------------------------------------

    def _send(self, instance: int, packet: Packet, tags: Tags, out: list[Emission]) -> None:
        """Through the NFs from `instance` on, each copy through all of them before the next."""
        now = self.now or 0
        dummy = not packet.bits
        waiting: list[tuple[int | None, int, Packet, Tags]] = [(instance, 0, packet, tags)]
        for _ in range(MAX_VISITS):
            if not waiting:
                return
            target, port, packet, tags = waiting.pop()
            if target is None:
                out.append(Emission(now, port, packet))
                continue
            node = self._nodes[target]
            if not (dummy or packet.bits & IP or node.sees_non_ip):
                outcome: Outcome = FORWARD
            else:
                outcome = self._visit(target, node, packet, tags, now)
            if isinstance(outcome, int):
                self._wait(now + outcome, target, packet, tags)
            elif dummy:
                continue
            elif outcome is None:
                port = node.default[packet.iface]
                waiting.append((node.next[port], port, packet, tags))
            elif outcome:
                first, *others = outcome
                waiting.extend(
                    (node.next[port], port, packet.copy(), tags.copy()) for port in reversed(others)
                )
                waiting.append((node.next[first], first, packet, tags))
        if waiting:
            message = f"copies of one packet went through over {MAX_VISITS:,} NFs"
            raise RunawayError(Diagnostic("error", "too-many-copies", message, NOWHERE))

    def _visit(self, index: int, node: Node, packet: Packet, tags: Tags, now: int) -> Outcome:
        """The passes of a packet through one NF: how the last one ended, never RESUBMIT."""
        store, counters = self._stores[index], self.counters
        body = node.code.body if self.trace is None else self._traced(index, self.trace)
        for _ in range(MAX_PASSES):
            outcome = body(packet, tags, now, store, counters)
            if outcome != RESUBMIT:
                return outcome
        counters["resubmit_limit"] += 1
        return DROP

    def _traced(self, index: int, hook: Hook) -> Pass:
        if not self._tracers:
            self._tracers = [Tracer(node.name, node.program, self._context) for node in self._nodes]
        return self._tracers[index].visit(hook)

    # State --------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """A copy of every variable; scalars stand under the key (). Constants are left out, keys
        that expired too; the values of a map with `timeout` or `max` end with their stamp, ns."""
        return take_snapshot(self.network, self._stores, self.now or 0)

    def live(self, variable: str) -> tuple[Mapping[Key, Values], ...]:
        """The rows of a variable in each NF that has it, not copied: to be looked at only."""
        return tuple(
            store[index]
            for node, store in zip(self._nodes, self._stores, strict=True)
            for index, held in enumerate(node.program.state)
            if held.name == variable
        )

    def plain(self) -> dict[str, dict[str, Values]]:
        """The variables without keys, by instance: cheap, however much the maps hold."""
        return {
            node.name: {
                variable.name: rows[()]
                for variable, rows in zip(node.program.state, store, strict=True)
                if () in rows
            }
            for node, store in zip(self._nodes, self._stores, strict=True)
        }

    @property
    def timers(self) -> tuple[Timer, ...]:
        """The packets that wait, in the order in which they will fire."""
        return tuple(sorted(self._timers))

    def save(self) -> SavedState:
        """All that a later run needs to go on from here."""
        return SavedState(self.now, self.snapshot(), self.timers)

    def restore(self, state: SavedState | Mapping[str, Mapping[str, Mapping[Key, Values]]]) -> None:
        """Go on from a saved state, or from a snapshot with `init` done and no timers, at the time
        of its latest stamp (0 if it has none).

        What it doesn't mention begins as usual. ValueError for names the network doesn't have, and
        for aged keys with stamps after `now`, or more than `max` of them.
        """
        if not isinstance(state, SavedState):
            taken = {i: {v: dict(d) for v, d in s.items()} for i, s in state.items()}
            state = SavedState(latest_stamp(self.network, state), taken)
        self._stores = stores_from(self.network, state.instances, state.now or 0)
        self.now = state.now
        self._timers = [t._replace(number=n) for n, t in enumerate(sorted(state.timers))]
        self._created = len(self._timers)

    def clone(self) -> Self:
        """An independent machine in the same state, without the trace hook; shares the code."""
        other = self.__class__.__new__(self.__class__)
        other.network, other.non_ip, other.now = self.network, self.non_ip, self.now
        other.trace = None
        other.counters = self.counters.copy()
        other._context, other._nodes = self._context, self._nodes
        other._tracers = []
        other._stores = [
            copy_store(node.program, store)
            for node, store in zip(self._nodes, self._stores, strict=True)
        ]
        other._timers, other._created = self._timers.copy(), self._created
        return other


def _deparsed(out: list[Emission]) -> list[Output]:
    return [Output(e.time, e.port, deparse(e.packet)) for e in out]
