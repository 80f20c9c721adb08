"""Failing traces made smaller and plainer, always in the same order, so that the result is the
same from run to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nfverify.oracles.plain import Plainer, Step
from nfverify.oracles.trace import Event, Trace
from nfverify.packet.codec import Malformed, parse

Failing = Callable[[Trace], Trace | None]
"""The beginning of a trace up to where it fails; None if it doesn't."""
ATTEMPTS = 400  # traces that are tried
WORK = 120_000  # events in them
PATIENCE = 24  # failures in a row, after which leaving out so many events is given up


def shrink(
    trace: Trace,
    failing: Failing,
    plainer: Plainer = Plainer(),  # noqa: B008 - frozen
    attempts: int = ATTEMPTS,
    polish: int = ATTEMPTS,
) -> Trace:
    """A trace with fewer events, then with plainer ones, that fails as well: with so many attempts
    at the former, and at the latter."""
    search = _Search(failing, trace, attempts)
    _guess(search)
    _later(search)
    _leave_out(search)
    search.left, search.work = polish, WORK
    for step in plainer.whole():
        _plainer(search, step)
    _leave_out(search)
    before: Trace = ()
    while not search.spent and before != search.best:
        before = search.best
        for step in plainer.single():
            _plainer(search, step)
        _leave_out(search)
    return search.best


@dataclass(slots=True)
class _Search:
    failing: Failing
    best: Trace
    left: int
    work: int = WORK
    tried: set[Trace] = field(default_factory=set)

    @property
    def spent(self) -> bool:
        """May it try no more?"""
        return self.left <= 0 or self.work <= 0

    def attempt(self, trace: Sequence[Event]) -> bool:
        """Does it still fail? Then it is the best one."""
        trace = tuple(trace)
        if self.spent or not trace or trace == self.best or trace in self.tried:
            return False
        self.left -= 1
        self.work -= len(trace)
        self.tried.add(trace)
        found = self.failing(trace)
        if found is None or len(found) > len(self.best):
            return False
        self.best = found
        return True


def _guess(search: _Search) -> None:
    """What has most to do with the last packet: it alone, its flow, its hosts, the latest ones."""
    last = search.best[-1]
    if search.attempt([last]):
        return
    for related in (_ends, _hosts):
        names = related(last.frame)
        kin = [event for event in search.best if names & related(event.frame)]
        if last in kin and search.attempt(kin):
            break
    count = 2
    while count < len(search.best):
        if search.attempt(search.best[-count:]):
            return
        count *= 3


def _ends(frame: bytes) -> frozenset[tuple[int, int]]:
    packet = parse(frame)
    if isinstance(packet, Malformed):
        return frozenset()
    source, destination = packet.sip or packet.sip6, packet.dip or packet.dip6
    return frozenset({(source, packet.sport), (destination, packet.dport)})


def _hosts(frame: bytes) -> frozenset[tuple[int, int]]:
    return frozenset((address, 0) for address, _ in _ends(frame))


def _later(search: _Search) -> None:
    """The latest event from which on the trace still fails, if it is as with counters."""
    low, whole = 0, search.best
    high = len(whole) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if search.attempt(whole[middle:]):
            low = middle
        else:
            high = middle - 1


def _leave_out(search: _Search) -> None:
    """Halves, quarters, …, single events, from the end; the last one stays."""
    step = len(search.best) // 2
    while step and not search.spent:
        end, failures = len(search.best) - 1, 0
        while end > 0 and failures < PATIENCE:
            low = max(0, end - step)
            if search.attempt((*search.best[:low], *search.best[end:])):
                end, failures = min(low, len(search.best) - 1), 0
            else:
                end, failures = low, failures + 1
        step //= 2


def _plainer(search: _Search, step: Step) -> None:
    """Each trace that the step offers; those of the best one, once one of them fails."""
    number = 0
    while not search.spent:
        offered = step(search.best)
        trace = next((t for n, t in enumerate(offered) if n == number), None)
        if trace is None:
            return
        if not search.attempt(trace):
            number += 1
