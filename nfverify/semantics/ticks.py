"""Fast-forward over timers that only repeat themselves (decision 23).

If variables, waiting timers (relative to the clock) and outputs are back where they were some
firings ago, and no NF with a timer reads the clock or has keys that age, then every further period
does the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from nfverify.lang.source import NOWHERE, Diagnostic, ModelError
from nfverify.semantics.engine import Counters, Store
from nfverify.semantics.state import Timer, packet_values
from nfverify.smat.ir import Delay, Network, Now, SetOutput, walk

MAX_FIRINGS = 1 << 20  # that are executed between two packets
PATIENCE = 1 << 10  # firings before it is worth a look
MAX_COMPARED = 1 << 27  # entries of variables; then there is no more looking


class RunawayError(ModelError):
    """Timers or copies of a packet that go on for longer than any run could wait."""


@dataclass(frozen=True, slots=True)
class _Reference:
    due: int
    timers: list[tuple[object, ...]]
    stores: list[Store]
    counters: Counters
    outputs: int


@dataclass(slots=True)
class Ticks:
    """Watches the firings between two packets (Brent's search for a cycle)."""

    network: Network
    firings: int = 0
    reference: _Reference | None = None
    lap: int = PATIENCE
    since: int = 0
    compared: int = 0

    def skipped(
        self, timers: list[Timer], stores: list[Store], counters: Counters, outputs: int, time: int
    ) -> int:
        """Called before each firing: by how many ns all timers may be moved on towards `time`.

        Adds to `counters` what the skipped periods would have. Raises RunawayError.
        """
        self.firings += 1
        if self.firings > MAX_FIRINGS:
            what = f"fired over {MAX_FIRINGS:,} times between two packets"
            raise RunawayError(_endless(self.network, timers[0], what))
        self.since += 1
        if self.firings <= PATIENCE or self.compared > MAX_COMPARED:
            return 0
        due = timers[0].due
        if self.reference is not None and self._repeats(timers, stores, outputs):
            period = due - self.reference.due
            if not period:
                raise RunawayError(_endless(self.network, timers[0], "never stop"))
            if not _tells_time(self.network, timers):
                times = (time - due) // period
                for name, value in self.reference.counters.items():
                    counters[name] += times * (counters[name] - value)
                self.reference = None
                return times * period
        if self.since >= self.lap:
            self.reference = _Reference(
                due,
                _relative(timers),
                [[values.copy() for values in store] for store in stores],
                counters.copy(),
                outputs,
            )
            self.since = 0
            self.lap *= 2
        return 0

    def _repeats(self, timers: list[Timer], stores: list[Store], outputs: int) -> bool:
        reference = self.reference
        if (
            reference is None
            or reference.outputs != outputs
            or len(reference.timers) != len(timers)
            or reference.timers != _relative(timers)
        ):
            return False
        pairs = [
            pair
            for stored, store in zip(reference.stores, stores, strict=True)
            for pair in zip(stored, store, strict=True)
        ]
        for before, after in sorted(pairs, key=lambda pair: len(pair[1])):
            self.compared += len(after)
            if before != after:
                return False
        return True


def _relative(timers: list[Timer]) -> list[tuple[object, ...]]:
    """The timers in order of firing, due times from the first one on."""
    first = timers[0].due
    return [(t.due - first, t.instance, packet_values(t.packet), t.tags) for t in sorted(timers)]


def _tells_time(network: Network, timers: list[Timer]) -> bool:
    programs = [network.instances[i].program for i in {t.instance for t in timers}]
    return any(
        any(variable.aged for variable in p.state)
        or any(isinstance(node, Now) for node in walk(p.body))
        for p in programs
    )


def _endless(network: Network, timer: Timer, what: str) -> Diagnostic:
    instance = network.instances[timer.instance]
    nodes = walk(instance.program.body)
    spans = [n.span for n in nodes if isinstance(n, SetOutput) and isinstance(n.output, Delay)]
    return Diagnostic(
        "error",
        "too-many-firings",
        f"the timers of {instance.name} {what}",
        spans[0] if spans else NOWHERE,
        "make the timer longer",
    )
