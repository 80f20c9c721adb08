"""Both models run on the same traffic, biased to their constants: kills wrong candidates before
any solver sees them, and finds shallow differences at once (prover.md, 4.3)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from nfverify.equivalence.constants import Constants
from nfverify.equivalence.problem import CLOCK, Problem
from nfverify.equivalence.tunnelled import wrapped
from nfverify.packet.codec import Malformed, build, deparse, parse
from nfverify.packet.fields import FIELDS, IP, Header, carried
from nfverify.packet.packet import WIRE_VALUES, Packet
from nfverify.semantics.machine import Emission, Machine
from nfverify.smat import ir

Key = tuple[ir.Value, ...]
Snapshot = dict[str, dict[Key, tuple[ir.Value, ...]]]
START = 1_000_000_000  # ns: the stamp of the first packet
TUNNELLED = 0.6  # of fresh packets, where headers are pushed or popped

_TCP = Header.LINK | Header.IP4 | Header.TCP
_SHAPES: tuple[tuple[int, Header, int], ...] = (
    (60, _TCP, 6),
    (20, Header.LINK | Header.IP4 | Header.UDP, 17),
    (7, Header.LINK | Header.IP4 | Header.ICMP, 1),
    (4, Header.LINK | Header.IP6 | Header.TCP, 6),
    (2, Header.LINK | Header.IP6 | Header.UDP, 17),
    (2, Header.LINK | Header.IP4 | Header.FRAG, 6),
    (3, Header.LINK | Header.IP4, 47),
    (2, Header.LINK | Header.VLAN | Header.IP4 | Header.UDP, 17),
)
_NOT_IP = (4, Header.LINK, 0)
_PLAIN = {
    "sip": (0x0A000001, 0x0A000002, 0xC0A80001, 0x08080808),
    "dip": (0x0A000002, 0x08080808, 0xC6336401),
    "sip6": (1, 0x20010DB8 << 96),
    "dip6": (2, (0x20010DB8 << 96) + 1),
    "sport": (1000, 1001, 80),
    "dport": (80, 443, 53, 1000),
    "ttl": (64, 1),
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """One input event: time in ns, port number, packet."""

    time: int
    port: int
    packet: Packet


Trace = tuple[Arrival, ...]


@dataclass(slots=True)
class Traffic:
    """A source of packets aimed at two models; the same from run to run."""

    problem: Problem
    constants: Constants
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    pools: dict[str, list[int]] = field(init=False)
    used: list[str] = field(init=False)
    _shapes: tuple[tuple[int, Header, int], ...] = field(init=False)
    _payloads: list[bytes] = field(init=False)
    _tunnels: bool = field(init=False)
    _only_ip: bool = field(init=False)
    seeds: list[dict[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        mentioned = {
            node.name
            for side in self.problem.sides
            for instance in side.network.instances
            for node in ir.walk(instance.program.body)
            if isinstance(node, ir.Field)
        }
        self._tunnels, self._only_ip = self.problem.tunnels, self.problem.only_ip()
        self._shapes = _SHAPES if self._only_ip else (*_SHAPES, _NOT_IP)
        self.used = [n for n in FIELDS if n in mentioned and FIELDS[n].on_wire]
        self._payloads = self._strings() if "payload" in self.used else []
        self.pools = {name: self._pool(name) for name in self.used}

    def _pool(self, name: str) -> list[int]:
        width = FIELDS[name].width or 1
        limit = (1 << width) - 1
        values = set(_PLAIN.get(name, (0, 1)))
        for constant in self.constants.fields.get(name, ()):
            values.update(v for v in (constant - 1, constant, constant + 1) if 0 <= v <= limit)
        if name in ("sip", "dip", "sip6", "dip6"):
            other = "dip" + name[3:] if name[0] == "s" else "sip" + name[3:]
            values.update(c & limit for c in self.constants.fields.get(other, ()) if c >= 0)
            values.update(
                v & limit
                for found in self.constants.variables.values()
                for v in found
                if v > 0xFFFF
            )
        for ruleset, args in self.constants.rulesets.values():
            column = next(
                (
                    ruleset.columns[i]
                    for i, a in enumerate(args)
                    if isinstance(a, ir.Field) and a.name == name
                ),
                None,
            )
            if column is not None:
                at = ruleset.columns.index(column)
                for row in ruleset.rows[:64]:
                    values.update(row.bounds[at])
        return sorted(values)

    def _strings(self) -> list[bytes]:
        """Payloads: the literal strings of the models, alone and inside others."""
        found = {
            node.value: None
            for side in self.problem.sides
            for instance in side.network.instances
            for node in ir.walk(instance.program.body)
            if isinstance(node, ir.Const) and isinstance(node.value, bytes)
        }
        literals = list(found)[:32]
        return [b"", b"x", b"GET / HTTP/1.1", *literals, *[b"--" + s + b"--" for s in literals]]

    def packets(self, replies: Sequence[Packet]) -> Iterator[Packet]:
        """An endless mix: repeats, replies to outputs, reverses, one field changed, fresh ones."""
        rng = self.rng
        seen: list[Packet] = []
        while True:
            dice = rng.random()
            packet: Packet | None = None
            if seen and dice < 0.35:
                packet = rng.choice(seen[-12:])
            elif replies and dice < 0.55:
                packet = self._reversed(rng.choice(replies[-12:]))
            elif seen and dice < 0.62:
                packet = self._reversed(rng.choice(seen[-12:]))
            elif seen and dice < 0.70:
                packet = self._changed(rng.choice(seen[-12:]))
            packet = packet or self._fresh() or make_packet(_TCP, {})
            assert packet is not None  # the plainest one exists
            seen.append(packet)
            yield packet

    def _fresh(self) -> Packet | None:
        rng = self.rng
        if self.seeds and rng.random() < 0.3:
            return self._make(dict(rng.choice(self.seeds)))
        values = {n: rng.choice(self.pools[n]) for n in self.used if n != "payload"}
        packet = self._make(values)
        if packet is not None and self._tunnels and rng.random() < TUNNELLED:
            inside = wrapped(rng, packet, self.pools)
            return packet if self._only_ip and not inside.present & IP else inside
        return packet

    def _make(self, values: dict[str, int]) -> Packet | None:
        weights = [w for w, _, _ in self._shapes]
        _, shape, proto = self.rng.choices(self._shapes, weights)[0]
        wanted = values.get("proto", proto)
        alike = [s for _, s, p in _SHAPES[:5] if p == wanted and s & shape & IP]
        if alike:
            shape, proto = alike[0], wanted
        payload = self.rng.choice(self._payloads) if self._payloads else b""
        return make_packet(shape, values | {"proto": proto}, payload)

    def _reversed(self, packet: Packet) -> Packet | None:
        values = _values(packet)
        for a, b in (("sip", "dip"), ("sip6", "dip6"), ("sport", "dport")):
            values[a], values[b] = values[b], values[a]
        return make_packet(packet.present, values, packet.payload)

    def _changed(self, packet: Packet) -> Packet | None:
        names = [n for n in self.used if n not in ("payload", "proto", "ethertype")]
        values = _values(packet)
        if names:
            name = self.rng.choice(names)
            values[name] = self.rng.choice(self.pools[name])
        return make_packet(packet.present, values, packet.payload)


def _values(packet: Packet) -> dict[str, int]:
    return {n: getattr(packet, n) for n, f in FIELDS.items() if f.on_wire and f.width}


def make_packet(present: Header, values: Mapping[str, int], payload: bytes = b"") -> Packet | None:
    """A parsed packet with these headers and fields (those of absent headers are left out);
    None if no frame has them."""
    given = {"iplen", "size", "payload"} | ({"ethertype"} if present & IP else set())
    there = carried(present)
    kept: dict[str, int | bytes] = {
        n: v for n, v in values.items() if n in there and n not in given
    }
    if payload and present & IP:
        kept["payload"] = payload
    try:
        packet = parse(build(present, kept))
    except ValueError:
        return None
    return None if isinstance(packet, Malformed) else packet


@dataclass(slots=True)
class Pair:
    """Both machines side by side, driven by the same events."""

    problem: Problem
    machines: tuple[Machine, Machine]
    observed: Callable[[Packet], object] = field(init=False)
    _tunnels: bool = field(init=False)

    def __post_init__(self) -> None:
        ignored = self.problem.options.ignore
        self.observed = attrgetter(*(f for f in WIRE_VALUES if f not in ignored))
        self._tunnels = self.problem.tunnels

    def clone(self) -> Pair:
        a, b = self.machines
        return Pair(self.problem, (a.clone(), b.clone()))

    def step(self, arrival: Arrival) -> tuple[bool, list[Packet]]:
        """Does this event tell the sides apart? Also what came out of the first side."""
        a, b = (m.emit(arrival.packet, arrival.time, arrival.port) for m in self.machines)
        differs = not self.same(a, b)
        if not differs and self.problem.options.observe_state:
            differs = self.states_differ()
        return differs, [e.packet for e in a]

    def same(self, a: Sequence[Emission], b: Sequence[Emission]) -> bool:
        """Is what came out of both the same, as far as it counts?"""
        return len(a) == len(b) and all(
            x.time == y.time
            and x.port == y.port
            and self.observed(x.packet) == self.observed(y.packet)
            and (not self._tunnels or self._frame(x.packet) == self._frame(y.packet))
            for x, y in zip(a, b, strict=True)
        )

    def _frame(self, packet: Packet) -> bytes:
        """The bytes that count of a packet."""
        return frame_without(packet, self.problem.options.ignore)

    def states_differ(self) -> bool:
        snapshot = self.snapshot()
        return any(
            snapshot.get(a, {}) != snapshot.get(b, {}) for a, b in self.problem.state_pairs()
        )

    def snapshot(self) -> Snapshot:
        """All variables of both sides by qualified name, with the clock."""
        found: Snapshot = {CLOCK: {(): (self.machines[0].now or 0,)}}
        for side, machine in zip(self.problem.sides, self.machines, strict=True):
            for instance, variables in machine.snapshot().items():
                for name, content in variables.items():
                    found[side.qualify(instance, name)] = content
        return found


def frame_without(packet: Packet, ignored: Sequence[str]) -> bytes:
    """The frame of a packet, where these fields are 0."""
    bare = packet.copy() if ignored else packet
    for name in ignored:
        if FIELDS[name].on_wire and FIELDS[name].headers & bare.present:
            setattr(bare, name, bytes(len(bare.payload)) if name == "payload" else 0)
    return deparse(bare)


def new_pair(problem: Problem, machines: Callable[[ir.Network], Machine]) -> Pair:
    """Fresh machines of both sides."""
    return Pair(problem, (machines(problem.a.network), machines(problem.b.network)))


@dataclass(slots=True)
class Simulation:
    """Traces, snapshots of pairs of states on their way, and one that tells apart, if any."""

    snapshots: list[Snapshot]
    traces: list[Trace]
    difference: Trace | None


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is simulated: mixed traces, and `hammers` of one or two packets repeated, which
    reach thresholds."""

    traces: int
    length: int
    hammers: int
    hammer_length: int


GAPS = (0, 0, 1, 1000, 1_000_000, 7_000_000, 100_000_000, 10**9)  # ns between two packets
FIRINGS = 200  # of a timer between two packets, at most
LIGHT = Effort(10, 40, 2, 130)
FULL = Effort(24, 40, 6, 300)


def simulate(
    pair: Pair,
    traffic: Traffic,
    allowed: Callable[[Arrival], bool],
    effort: Effort,
    out_of_time: Callable[[], bool] = lambda: False,
    *,
    go_on: bool = False,
) -> Simulation:
    """Traces from the initial states; stops at the first that tells the sides apart, unless told to
    `go_on`."""
    snapshots: list[Snapshot] = []
    traces: list[Trace] = []
    # Not so long that a fast timer fires for ever in between.
    longest = FIRINGS * min(traffic.problem.periods(), default=10**9)
    gaps = [gap for gap in GAPS if gap <= longest]
    for number in range(effort.traces + effort.hammers):
        if out_of_time():
            break
        hammer = number >= effort.traces
        run = pair.clone()
        events: list[Arrival] = []
        replies: list[Packet] = []
        origin = traffic.problem.options.origin
        time = START if origin is None else origin
        source = traffic.packets(replies)
        few = [next(source) for _ in range(1 + number % 2)] if hammer else []
        for count in range(effort.hammer_length if hammer else effort.length):
            if out_of_time():
                break
            rng = traffic.rng
            packet = few[count % len(few)] if hammer and count % 40 else next(source)
            time += rng.choice(gaps)
            arrival = Arrival(time, rng.randrange(traffic.problem.port_count), packet)
            if not allowed(arrival):
                continue
            events.append(arrival)
            differs, out = run.step(arrival)
            if differs and not go_on:
                return Simulation(snapshots, traces, tuple(events))
            replies += out
            if count < 6 or count % (50 if hammer else 6) == 0:
                snapshots.append(run.snapshot())
        traces.append(tuple(events))
    return Simulation(snapshots, traces, None)


def shrink(pair: Pair, trace: Trace) -> Trace:
    """A shorter trace that still tells apart: events left out one by one, the last kept."""
    best = trace
    index = len(best) - 2
    budget = 400
    while index >= 0 and budget:
        budget -= 1
        attempt = best[:index] + best[index + 1 :]
        found = first_difference(pair, attempt)
        if found is not None:
            best = attempt[: found + 1]
            index = min(index, len(best) - 1)
        index -= 1
    return best


def first_difference(pair: Pair, trace: Trace) -> int | None:
    """The index of the first event at which the sides part."""
    run = pair.clone()
    for i, arrival in enumerate(trace):
        if run.step(arrival)[0]:
            return i
    return None
