"""Networks on platforms, held against the reference: traces for them, and engines as Runners."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from random import Random

import hostile_frames
from agreement import Maker, NonIp, Runner, Step, Trace, describe, difference, record_events, shrink

from nfverify.cythonized.options import Options
from nfverify.equivalence.fastpath.derive import derive
from nfverify.equivalence.reach.script import expand
from nfverify.lang.source import NOWHERE, Diagnostic
from nfverify.oracles.campaign import Campaign
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.engines.reference import reference
from nfverify.oracles.generate.pipeline import Limits, generate
from nfverify.oracles.needs import Needs, fitted
from nfverify.oracles.platforms.platform import Build, PlatformEngine
from nfverify.oracles.platforms.registry import platform
from nfverify.oracles.trace import Event, monotone
from nfverify.packet.codec import deparse
from nfverify.semantics.machine import Output, RunawayError
from nfverify.semantics.operators import Function
from nfverify.semantics.state import SavedState
from nfverify.smat import ir
from nfverify.smat.load import load

CAPACITY = 1 << 17  # keys of tables without `max`, where tables don't grow
WHOLE = 1 << 20  # events of a batch: all of them
FEW = 2000  # packets of a solved trace that is still short


@dataclass(slots=True)
class Placed:
    """A network on a platform as a Runner: each batch is a run of its own, from a state on."""

    engine: PlatformEngine
    state: SavedState | None

    def run(self, events: Sequence[Event]) -> list[Step]:
        run = self.engine.run(events, self.state)
        if run.failure is not None:
            what = f"{run.failure.kind} after {len(run.steps)}: {run.failure.what}"
            what = f"{self.engine.name}: {what}\n{run.failure.said}"
            if run.failure.kind == "refused" and "timers" in run.failure.what:
                raise RunawayError(Diagnostic("error", "runaway", what, NOWHERE))
            raise AssertionError(what)
        assert len(run.steps) == len(events)
        assert run.state is not None
        self.state = run.state
        return [list(step) for step in run.steps]

    def advance(self, time: int) -> Step:
        run = self.engine.run((), self.state, time)
        assert run.failure is None, run.failure
        self.state = run.state
        return [Output(*out) for step in run.steps for out in step]

    def save(self) -> SavedState:
        assert self.state is not None
        return self.state

    @property
    def counters(self) -> None:
        return None


def engine(
    name: str,
    network: ir.Network,
    *,
    non_ip: NonIp = "bypass",
    fast: bool = False,
    sanitize: bool = False,
    capacity: int | None = CAPACITY,
) -> PlatformEngine:
    """The network built for a platform. ModelError, BuildError."""
    plan = derive(network) if fast else None
    build = Build(network, Options(sanitize=sanitize), fast=plan, capacity=capacity)
    return platform(name).engine(build, Setting(non_ip=non_ip))


def placed(made: PlatformEngine) -> Maker:
    """A built engine as what the agreement tests start."""

    def make(
        network: ir.Network,
        state: SavedState | None,
        operators: Mapping[str, Function],
        non_ip: NonIp,
    ) -> Runner:
        return Placed(made, state)

    return make


def check(made: PlatformEngine, trace: Trace) -> None:
    """AssertionError with a report unless the platform does as the reference did."""
    maker = placed(made)
    found = difference(trace, maker, Random(0), batch=WHOLE, whole=True)
    if found is not None:
        raise AssertionError(f"{made.name}: {describe(shrink(found, maker, 60, whole=True))}")


# Traces -----------------------------------------------------------------------------------


@cache
def network_of(source: str) -> ir.Network:
    """A model by path or lib:NAME, loaded once."""
    return load(source)


@cache
def traffic(
    source: str, needs: Needs, seed: int, kinds: tuple[int, ...], non_ip: NonIp = "bypass"
) -> Trace:
    """Traffic aimed at a model: the campaign's traces of these numbers, one behind the other."""
    network = network_of(source)
    judge = reference(network, Setting(non_ip=non_ip))
    campaign = Campaign(network, judge, seed, needs)
    events = joined([campaign.trace(kind) for kind in kinds])
    return recorded(network, events, needs, non_ip)


@cache
def hostile(source: str, needs: Needs, seed: int, count: int) -> Trace:
    """Random frames, whole and damaged, in no relation to the model."""
    rng = Random(seed)
    return recorded(network_of(source), list(islice(hostile_events(rng), count)), needs)


def hostile_events(rng: Random) -> Iterator[Event]:
    """Random frames at random times, without end."""
    now = 0
    while True:
        now += rng.choice((0, 0, 1, 1000, 1_000_000))
        yield Event(now, rng.randrange(2), hostile_frames.frame(rng))


@cache
def solved(source: str, needs: Needs, most: int) -> Trace:
    """Traces made by the solver to reach every entry, of at most so many packets each, one behind
    the other."""
    network = network_of(source)
    found = generate(network, "entries", limits=Limits(prove=False))
    traces: list[list[Event]] = []
    for item in found.items:
        arrivals = list(islice(expand(item.script), most + 1))
        if len(arrivals) <= most:
            traces.append([Event(a.time, a.port, deparse(a.packet)) for a in arrivals])
    return recorded(network, joined(traces), needs)


def joined(traces: Sequence[Sequence[Event]]) -> list[Event]:
    """Traces one behind the other, each so much later that it is not before the last."""
    found: list[Event] = []
    for trace in traces:
        if trace:
            start = min(event.time for event in trace)
            shift = max(0, found[-1].time - start) if found else 0
            found += [event._replace(time=event.time + shift) for event in monotone(trace)]
    return found


def recorded(
    network: ir.Network,
    events: Sequence[Event],
    needs: Needs,
    non_ip: NonIp = "bypass",
    rest: int = 20_000_000,
) -> Trace:
    """The reference on the events that can be given, in the way that they can be, and on `rest` ns
    behind them."""
    given = fitted(events, needs)
    return record_events(network, given, engine="closures", non_ip=non_ip, rest=rest)
