"""The coverage table of a suite: how many goals of each entry are reached, and which are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from nfverify.equivalence.reach.outcome import Open, Unreachable
from nfverify.equivalence.reach.script import length
from nfverify.lang.markdown import prose
from nfverify.oracles.coverage.goals import Goal
from nfverify.oracles.coverage.table import aligned, grid, line
from nfverify.oracles.generate.manifest import Json
from nfverify.oracles.generate.outcome import Generated, Hit


def text(found: Generated) -> str:
    """For a terminal."""
    return f"{aligned(_rows(found))}\n{chr(10).join(_lists(found, '  '))}".rstrip() + "\n"


def markdown(found: Generated) -> str:
    """For a page."""
    head, *rows = [list(map(prose, row)) for row in _rows(found)]
    lines = [
        f"# Coverage of {found.instrumented.original.name}: {summary(found)}",
        "",
        "| " + " | ".join(head) + " |",
        "|---|---|" + "--:|" * (len(head) - 2),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        *_lists(found, "* ", prose),
    ]
    return "\n".join(lines).rstrip() + "\n"


def summary(found: Generated) -> str:
    """All of it in one line."""
    packets = sum(length(item.script) for item in found.items)
    written = sum(len(item.script) for item in found.items)
    words = [f"{found.count(Hit)} of {len(found.goals)} goals reached"]
    for kind, what in ((Unreachable, "unreachable"), (Open, "unknown")):
        count = found.count(kind)
        if count:
            words.append(f"{count} {what}")
    loops = f" ({written:,} without repetitions)" if written < packets else ""
    words.append(f"{len(found.items)} traces, {packets:,} packets{loops}")
    return ", ".join(words)


def goals_json(found: Generated) -> list[Json]:
    """Every goal with what became of it, in the order of their numbers."""
    return [_goal(goal, found) for goal in found.goals]


def _goal(goal: Goal, found: Generated) -> Json:
    shown = {
        "number": goal.number,
        "kind": goal.kind,
        "instance": goal.instance,
        "entry": goal.entry,
        "text": goal.text,
        "at": goal.at,
    }
    match found.fates[goal.number]:
        case Hit(trace=trace):
            return shown | {"status": "reached", "trace": trace}
        case Unreachable(method=method, relation=relation):
            return shown | {"status": "unreachable", "method": method, "because": list(relation)}
        case Open(depth=depth, reason=reason, packets=packets):
            return shown | {
                "status": "unknown", "depth": depth, "reason": reason, "packets": packets,
            }  # fmt: skip


def _rows(found: Generated) -> list[list[str]]:
    return grid(found.goals, lambda goals: _cell(goals, found))


def _cell(goals: Sequence[Goal], found: Generated) -> str:
    """Reached of all that may be reachable."""
    fates = [found.fates[goal.number] for goal in goals]
    hit = sum(isinstance(fate, Hit) for fate in fates)
    never = sum(isinstance(fate, Unreachable) for fate in fates)
    return f"{hit}/{len(goals) - never}" if len(goals) > never else "-"


def _lists(found: Generated, mark: str, shown: Callable[[str], str] = str) -> Iterator[str]:
    for kind, title in ((Unreachable, "Unreachable, proved"), (Open, "Unknown")):
        goals = [g for g in found.goals if isinstance(found.fates[g.number], kind)]
        if not goals:
            continue
        yield f"{title} ({len(goals)}):"
        yield ""
        for goal in goals:
            yield mark + shown(_line(goal, found))
        yield ""


def _line(goal: Goal, found: Generated) -> str:
    words = line(goal)
    fate = found.fates[goal.number]
    if isinstance(fate, Open):
        more = f", needs about {fate.packets:,} packets" if fate.packets else ""
        return f"{words}; no trace of up to {fate.depth} packets ({fate.reason}{more})"
    assert isinstance(fate, Unreachable)
    return f"{words} (by {fate.method})"
