"""Two executions of one network held against each other, event by event.

trace = record(network, rng, count) runs the judge on traffic aimed at the network;
difference(trace, maker, rng) runs another engine on it: None, or where they part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Literal, Protocol

from reduce import text

from nfverify.oracles.states import shape
from nfverify.oracles.trace import Event
from nfverify.oracles.traffic import LATEST, Traffic
from nfverify.packet.codec import Malformed, parse
from nfverify.semantics import state_binary, state_json, walk
from nfverify.semantics.machine import Machine, Output, RunawayError
from nfverify.semantics.operators import Function
from nfverify.semantics.state import SavedState
from nfverify.smat import ir

Step = list[Output]
NonIp = Literal["bypass", "drop"]
MAX_BATCH = 300


class Runner(Protocol):
    """An execution under way."""

    def run(self, events: Sequence[Event]) -> list[Step]:
        """One batch: what came out at each event. RunawayError where the judge has it."""

    def advance(self, time: int) -> Step: ...

    def save(self) -> SavedState: ...

    @property
    def counters(self) -> Mapping[str, int] | None:
        """None: they can't be asked for."""


class Maker(Protocol):
    """Starts an execution of a network, from a state or from the beginning."""

    def __call__(
        self,
        network: ir.Network,
        state: SavedState | None,
        operators: Mapping[str, Function],
        non_ip: NonIp,
    ) -> Runner: ...


@dataclass(slots=True)
class Reference:
    """The reference semantics as a Runner."""

    machine: Machine

    def run(self, events: Sequence[Event]) -> list[Step]:
        return [self.machine.step(*event) for event in events]

    def advance(self, time: int) -> Step:
        return self.machine.advance(time)

    def save(self) -> SavedState:
        return self.machine.save()

    @property
    def counters(self) -> Mapping[str, int]:
        return self.machine.counters


def reference(engine: str = "walk") -> Maker:
    """An engine of the reference semantics."""

    def make(
        network: ir.Network,
        state: SavedState | None,
        operators: Mapping[str, Function],
        non_ip: NonIp,
    ) -> Runner:
        return Reference(
            Machine(network, engine=engine, operators=operators, non_ip=non_ip, state=state)
        )

    return make


@dataclass(frozen=True, slots=True)
class Trace:
    """What the judge did: `states` by the number of events before them; the last may be followed by
    a `tail`, time that passes. `runaway`: the last event is one that the judge refused."""

    network: ir.Network
    events: tuple[Event, ...]
    expected: tuple[tuple[Output, ...], ...]
    states: Mapping[int, SavedState]
    counters: Mapping[str, int]
    until: int
    tail: tuple[Output, ...]
    runaway: bool
    operators: Mapping[str, Function] = field(default_factory=dict)
    non_ip: NonIp = "bypass"


@dataclass(frozen=True, slots=True)
class Difference:
    """`at` is the number of the event, or None for the end."""

    trace: Trace
    at: int | None
    what: str
    expected: object
    got: object


def record(
    network: ir.Network,
    rng: Random,
    count: int,
    *,
    operators: Mapping[str, Function] | None = None,
    engine: str = "walk",
    non_ip: NonIp = "bypass",
    plain: float = 0.5,
    many: float = 0.0,
) -> Trace:
    """The judge on `count` events of Traffic, with two states on the way and some time behind."""
    traffic = Traffic(network, rng, plain, many)
    judge = Machine(network, engine=engine, operators=operators, non_ip=non_ip)
    cuts = {count // 3, 2 * count // 3}
    return _record(traffic.event, traffic, judge, count, cuts, operators or {}, traffic.patience)


def record_traffic(traffic: Traffic, judge: Machine, count: int) -> Trace:
    """As `record`, of traffic of any kind, by a judge that has not run yet."""
    cuts = {count // 3, 2 * count // 3}
    return _record(traffic.event, traffic, judge, count, cuts, {}, traffic.patience)


def record_events(
    network: ir.Network,
    events: Sequence[Event],
    *,
    operators: Mapping[str, Function] | None = None,
    engine: str = "walk",
    non_ip: NonIp = "bypass",
    rest: int = 0,
) -> Trace:
    """The judge on these events, and on `rest` ns behind them."""
    judge = Machine(network, engine=engine, operators=operators, non_ip=non_ip)
    count, following = len(events), iter(events).__next__
    cuts = {count // 3, 2 * count // 3}
    return _record(following, None, judge, count, cuts, operators or {}, lambda: rest)


def again(trace: Trace, events: Sequence[Event]) -> Trace:
    """As a trace, of other events."""
    return record_events(
        trace.network,
        events,
        operators=trace.operators,
        non_ip=trace.non_ip,
        rest=trace.until - max(event.time for event in trace.events),
    )


def _record(
    following: Callable[[], Event],
    traffic: Traffic | None,
    judge: Machine,
    count: int,
    cuts: set[int],
    operators: Mapping[str, Function],
    rest: Callable[[], int],
) -> Trace:
    events: list[Event] = []
    expected: list[tuple[Output, ...]] = []
    states: dict[int, SavedState] = {}
    runaway = False
    for number in range(count):
        if number in cuts:
            states[number] = judge.save()
        event = following()
        events.append(event)
        try:
            outputs = judge.step(*event)
        except RunawayError:
            runaway = True
            break
        expected.append(tuple(outputs))
        if traffic is not None:
            traffic.saw(outputs)
    until, tail = judge.now or 0, ()
    if not runaway:
        until = min(until + rest(), LATEST)
        tail = tuple(judge.advance(until))
        states[len(events)] = judge.save()
    return Trace(
        judge.network,
        tuple(events),
        tuple(expected),
        states,
        dict(judge.counters),
        until,
        tail,
        runaway,
        operators,
        judge.non_ip,
    )


# Comparing --------------------------------------------------------------------------------


def _part(one: Mapping[str, object], other: Mapping[str, object]) -> tuple[str, object, object]:
    """The first thing in which two shapes differ."""
    for name in (*one, *other):
        left, right = one.get(name), other.get(name)
        if left != right:
            if isinstance(left, dict) and isinstance(right, dict):
                keys = [k for k in (*left, *right) if left.get(k) != right.get(k)]
                pick = keys[:4]
                return name, {k: left.get(k) for k in pick}, {k: right.get(k) for k in pick}
            return name, left, right
    raise AssertionError("no difference")


def difference(
    trace: Trace,
    maker: Maker,
    rng: Random,
    *,
    batch: int = MAX_BATCH,
    cuts: bool = True,
    whole: bool = False,
) -> Difference | None:
    """Another engine on the trace, in batches of 1 to `batch`, or as few as can be if `whole`. With
    `cuts`, its state at the first cut goes on in the judge, whose state at the second goes on in
    the engine."""
    network, judge = trace.network, reference()
    marks = sorted(n for n in trace.states if 0 < n < len(trace.events)) if cuts else []
    bounds = [0, *marks, len(trace.events)]
    makers = [maker, judge, maker] if len(marks) == 2 else [maker] * (len(bounds) - 1)
    state: SavedState | None = None
    counted: Counter[str] = Counter()
    told = True
    for number, (low, high) in enumerate(pairwise(bounds)):
        runner = makers[number](network, state, trace.operators, trace.non_ip)
        at = low
        while at < high:
            sizes = (batch,) if whole else (1, 2, rng.randrange(1, batch + 1), batch)
            size = min(rng.choice(sizes), high - at)
            if trace.runaway and high == len(trace.events):
                if at == high - 1:
                    return _refused(trace, runner)
                size = min(size, high - 1 - at)
            try:
                steps = runner.run(trace.events[at : at + size])
            except RunawayError as error:
                return Difference(trace, None, f"refused in {at}..{at + size}", "", str(error))
            for offset in range(size):
                got = tuple(steps[offset])
                if got != trace.expected[at + offset]:
                    what = "outputs"
                    return Difference(trace, at + offset, what, trace.expected[at + offset], got)
            at += size
        if high == len(trace.events):
            tail = tuple(runner.advance(trace.until))
            if tail != trace.tail:
                return Difference(trace, None, f"until {trace.until}", trace.tail, tail)
        state = runner.save()
        found, wanted = shape(network, state), shape(network, trace.states[high])
        if found != wanted:
            name, right, wrong = _part(wanted, found)
            return Difference(trace, high - 1, f"state after it: {name}", right, wrong)
        counters = runner.counters
        told = told and counters is not None
        counted.update({k: v for k, v in (counters or {}).items() if v})
        state = _carried(network, state, rng)
    expected = {k: v for k, v in trace.counters.items() if v}
    if told and expected != dict(counted):
        return Difference(trace, None, "counters", expected, dict(counted))
    return None


def _refused(trace: Trace, runner: Runner) -> Difference | None:
    try:
        runner.run(trace.events[-1:])
    except RunawayError:
        return None
    return Difference(trace, len(trace.events) - 1, "not refused", "RunawayError", "")


def _carried(network: ir.Network, state: SavedState, rng: Random) -> SavedState:
    """As an object, or as it comes back from JSON or the binary form."""
    match rng.randrange(3):
        case 0:
            return state_json.load(network, state_json.dump(network, state), "state")
        case 1:
            return state_binary.load(network, state_binary.dump(network, state), "state")
        case _:
            return state


# Reports ----------------------------------------------------------------------------------


def shrink(
    found: Difference, maker: Maker, attempts: int = 300, *, whole: bool = False
) -> Difference:
    """A shorter trace on which they part, found by leaving events out."""
    tries = 0
    ways = ((1, False), (MAX_BATCH, False), (MAX_BATCH, True))

    def test(events: Sequence[Event]) -> Difference | None:
        nonlocal tries
        if not events:
            return None
        trace = again(found.trace, events)
        for batch, cuts in ways[1:] if whole else ways:
            tries += 1
            other = difference(trace, maker, Random(0), batch=batch, cuts=cuts, whole=whole)
            if other is not None:
                return other
        return None

    best = found
    end = len(found.trace.events) if found.at is None else found.at + 1
    shorter = test(found.trace.events[:end])
    best = shorter or best
    step = len(best.trace.events) // 2
    while step and tries < attempts:
        at = 0
        while at < len(best.trace.events) and tries < attempts:
            events = best.trace.events
            other = test((*events[:at], *events[at + step :]))
            if other is not None:
                best = other
            else:
                at += step
        step //= 2
    return best


def describe(found: Difference) -> str:
    """For people: the network, the trace, where they part, and the entries taken there."""
    trace = found.trace
    lines = [text(trace.network), "", f"they part: {found.what}"]
    if found.at is not None:
        lines[-1] += f", at event {found.at} of {len(trace.events)}"
    lines += [f"  expected {found.expected!r}", f"  got      {found.got!r}", "events:"]
    last = len(trace.events) if found.at is None else found.at + 1
    for number, event in enumerate(trace.events[max(0, last - 12) : last], max(0, last - 12)):
        packet = parse(event.frame)
        shown = packet.reason if isinstance(packet, Malformed) else repr(packet)
        lines.append(f"  {number}: ({event.time}, {event.port}, {event.frame.hex()!r})  {shown}")
    if found.at is not None:
        lines.append(
            f"entries taken at {found.at}: {', '.join(_entries(trace, found.at)) or 'none'}"
        )
    return "\n".join(lines)


def _entries(trace: Trace, at: int) -> list[str]:
    log = walk.Log()
    machine = Machine(
        trace.network,
        operators=trace.operators,
        non_ip=trace.non_ip,
        engine=lambda program, context: walk.build(program, context, log),
    )
    for event in trace.events[:at]:
        machine.step(*event)
    log.entries.clear()
    try:
        machine.step(*trace.events[at])
    except RunawayError:
        return [*log.entries[:20], "…"]
    return log.entries


def check(
    network: ir.Network,
    maker: Maker,
    rng: Random,
    count: int,
    *,
    operators: Mapping[str, Function] | None = None,
    non_ip: NonIp = "bypass",
    judge: str = "walk",
    many: float = 0.0,
) -> Trace:
    """AssertionError with a report unless the engine does as the judge does."""
    trace = record(network, rng, count, operators=operators, non_ip=non_ip, engine=judge, many=many)
    found = difference(trace, maker, rng)
    if found is not None:
        raise AssertionError(describe(shrink(found, maker)))
    return trace
