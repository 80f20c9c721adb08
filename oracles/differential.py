"""Several executions of one model on the same traces: where two of them part."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from nfverify.oracles import states
from nfverify.oracles.comparators import Comparison, Parted
from nfverify.oracles.engines.base import (
    Demanding,
    Engine,
    Failure,
    Kind,
    Run,
    Setting,
    Stepping,
)
from nfverify.oracles.engines.command import CommandError
from nfverify.oracles.membership import Refused, refused
from nfverify.oracles.needs import Needs, together
from nfverify.oracles.renaming import parted_renamed
from nfverify.oracles.trace import Event, Trace
from nfverify.semantics.machine import Output
from nfverify.smat.ir import Network

Difference = Literal["outputs", "state", "not allowed", "undecided"] | Kind


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where an execution parts from the judge: at the last event of `trace`.

    The outputs of both are those at this event, of a `flat` run the first that differ (`right` may
    then be of another event). `what` says it in words unless it is the outputs.
    """

    trace: Trace
    kind: Difference
    left: str
    right: str
    left_out: tuple[Output, ...] = ()
    right_out: tuple[Output, ...] = ()
    what: str = ""
    said: str = ""
    flat: bool = False
    seen: tuple[tuple[Output, ...], ...] = ()  # all that came out, of what may choose


@dataclass(frozen=True, slots=True)
class Contest:
    """The judge, who is believed, and others on the same traces. Those that are `free`, by name,
    may do whatever the model can choose to do."""

    network: Network
    judge: Engine
    others: tuple[Engine, ...]
    comparison: Comparison = Comparison()  # noqa: RUF009 - frozen
    setting: Setting = Setting()  # noqa: RUF009 - frozen
    free: frozenset[str] = frozenset()
    own: Mapping[str, Mapping[Hashable, Hashable]] = field(default_factory=dict)
    """For a renaming: addresses of the model's that others have other ones for, by their name."""

    @property
    def needs(self) -> Needs:
        """What traces must be like."""
        engines = (self.judge, *self.others)
        return together(engine.needs for engine in engines if isinstance(engine, Demanding))

    def run(self, trace: Sequence[Event]) -> Divergence | None:
        """The first event of the trace at which one of the others parts from the judge."""
        trace = tuple(trace)
        right = self.judge.run(trace)
        found: Divergence | None = None
        if right.failure is not None:  # timers that never rest: nobody knows what is right
            what, names = right.failure.what, (self.judge.name, self.others[0].name)
            trace = trace[: len(right.steps) + 1]
            found = Divergence(trace, "undecided", *names, what=what)
            trace = trace[:-1]
            right = self.judge.run(trace)
        for other in self.others:
            if trace:
                divergence = self._against(other, trace, right)
                if divergence is not None:
                    found, trace = divergence, divergence.trace
                    right = replace(right, steps=right.steps[: len(trace)], state=None)
        return found

    def _against(self, other: Engine, trace: Trace, wanted: Run) -> Divergence | None:
        if other.name in self.free:
            return self._chosen(other, trace)
        if self.comparison.renaming:
            return self._renamed(other, trace)
        got = other.run(trace)
        parted = self.comparison.parted(wanted, got)
        if parted is not None:
            found = self._parted(other, trace, parted, got.flat)
            return self._first(other, found) if got.flat else found
        if got.failure is not None:
            at = len(trace) - 1 if got.flat else min(len(got.steps), len(trace) - 1)
            return self._failed(other, trace[: at + 1], got.failure, wanted.steps[at])
        if wanted.state is not None and got.state is not None and self.comparison.exact:
            what = states.difference(self.network, wanted.state, got.state)
            if what:
                return Divergence(trace, "state", self.judge.name, other.name, what=what)
        return None

    def _renamed(self, other: Engine, trace: Trace) -> Divergence | None:
        own = self.own.get(other.name, {})
        found = parted_renamed(stepping(self.judge), stepping(other), trace, self.comparison, own)
        match found:
            case None:
                return None
            case Parted():
                return self._parted(other, trace, found, False)
            case at, failure:
                return self._failed(other, trace[: at + 1], failure, ())

    def _chosen(self, other: Engine, trace: Trace) -> Divergence | None:
        found = refused(self.network, self.setting, stepping(other), trace)
        match found:
            case None:
                return None
            case Refused(seen=seen, reason=reason, undecided=undecided):
                kind: Difference = "undecided" if undecided else "not allowed"
                trace = trace[: len(seen)]
                out = seen[-1]
                return Divergence(trace, kind, "the model", other.name, (), out, reason, seen=seen)
            case at, failure:
                return self._failed(other, trace[: at + 1], failure, ())

    def _parted(self, other: Engine, trace: Trace, parted: Parted, flat: bool) -> Divergence:
        at, left, right = parted
        names = self.judge.name, other.name
        return Divergence(trace[: at + 1], "outputs", *names, left, right, flat=flat)

    def _failed(
        self, other: Engine, trace: Trace, failure: Failure, wanted: tuple[Output, ...]
    ) -> Divergence:
        names = self.judge.name, other.name
        what, said = failure.what, failure.said
        return Divergence(trace, failure.kind, *names, wanted, what=what, said=said)

    def _first(self, other: Engine, found: Divergence) -> Divergence:
        """The shortest beginning of the trace on which they part: outputs of a flat run don't tell
        their events."""
        low, high = 0, len(found.trace)
        while high - low > 1:
            middle = (low + high) // 2
            trace = found.trace[:middle]
            wanted, got = self.judge.run(trace), other.run(trace)
            parted = self.comparison.parted(wanted, got)
            if parted is None:
                low = middle
            else:
                high = middle
                found = replace(self._parted(other, trace, parted, True), trace=trace)
        return found


def stepping(engine: Engine) -> Stepping:
    """The engine, which must take its packets one by one. CommandError."""
    if isinstance(engine, Stepping):
        return engine
    what = f"{engine.name} runs whole captures"
    raise CommandError(f"{what}: it can't be sent packets that depend on its answers")
