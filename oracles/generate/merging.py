"""Traces that share a long beginning, such as a pool used up, as one trace with all their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nfverify.equivalence.reach.runner import mark
from nfverify.equivalence.reach.script import Loop, Script, length
from nfverify.equivalence.simulate import Arrival
from nfverify.oracles.generate.cover import Candidate

Reached = Callable[[Script], frozenset[int]]


def merged(candidates: Iterable[Candidate], reached: Reached, long: int) -> list[Candidate]:
    """The candidates; those of over `long` packets joined as far as they still reach all that they
    reached apart."""
    found: list[Candidate] = []
    groups: dict[object, list[Candidate]] = {}
    for candidate in candidates:
        place = _loop(candidate.script)
        if length(candidate.script) <= long or place is None:
            found.append(candidate)
            continue
        before, loop = candidate.script[:place], candidate.script[place]
        key = (*map(mark, before), mark(loop)[:-1])
        groups.setdefault(key, []).append(candidate)
    for group in groups.values():
        found += _joined(sorted(group, key=lambda c: length(c.script)), reached)
    return found


def _joined(group: list[Candidate], reached: Reached) -> list[Candidate]:
    wholes: list[Candidate] = []
    for other in group:
        for number, whole in enumerate(wholes):
            both = _both(whole, other, reached)
            if both is not None:
                wholes[number] = both
                break
        else:
            wholes.append(other)
    return wholes


def _both(whole: Candidate, other: Candidate, reached: Reached) -> Candidate | None:
    wanted = whole.goals | other.goals
    if wanted == whole.goals:
        return whole
    for script in _after(whole.script, other.script):
        goals = reached(script)
        if wanted <= goals:
            return Candidate(script, goals, whole.method)
    return None


def _after(first: Script, second: Script) -> Iterable[Script]:
    """The ends of the second put behind the first; the loop goes on where it stopped."""
    place = _loop(second)
    assert place is not None
    loop = second[place]
    assert isinstance(loop, Loop)
    done = sum(part.count for part in first if isinstance(part, Loop) and part.vary == loop.vary)
    ends = second[place + 1 :]
    yield _moved(first, ends)
    mine = _loop(first)
    if mine is not None:
        yield _moved(_moved(first[: mine + 1], ends), first[mine + 1 :])
        for cut in range(mine + 2, len(first)):
            if _time(first[cut - 1]) != _start(first[cut]):
                yield _moved(_moved(first[:cut], ends), first[cut:])
    if 0 < done < loop.count and loop.vary != "both":
        rest = Loop(loop.repetition(done), loop.vary, loop.count - done, loop.gap)
        yield _moved(first, (rest, *ends))


def _moved(first: Script, second: Script) -> Script:
    """One script after another, no packet before an earlier one."""
    found = list(first)
    now = _time(first[-1])
    for part in second:
        arrival = part.arrival if isinstance(part, Loop) else part
        arrival = Arrival(max(now, arrival.time), arrival.port, arrival.packet)
        moved = (
            Loop(arrival, part.vary, part.count, part.gap) if isinstance(part, Loop) else arrival
        )
        found.append(moved)
        now = _time(moved)
    return tuple(found)


def _start(part: Arrival | Loop) -> int:
    return part.arrival.time if isinstance(part, Loop) else part.time


def _time(part: Arrival | Loop) -> int:
    return part.repetition(part.count - 1).time if isinstance(part, Loop) else part.time


def _loop(script: Script) -> int | None:
    """The place of the longest loop."""
    places = [n for n, part in enumerate(script) if isinstance(part, Loop)]
    return max(places, key=lambda n: _count(script[n]), default=None)


def _count(part: Arrival | Loop) -> int:
    return part.count if isinstance(part, Loop) else 1
