"""The coverage table of a suite: how many goals of each entry are reached, and which are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath

from nfverify.equivalence.reach.outcome import Open, Unreachable
from nfverify.equivalence.reach.script import length
from nfverify.lang.source import Span
from nfverify.oracles.coverage.goals import KINDS, Goal, Kind
from nfverify.oracles.generate.manifest import Json
from nfverify.oracles.generate.outcome import Generated, Hit

_PLURAL: dict[Kind, str] = {
    "entry": "entries",
    "gap": "gaps",
    "boundary": "boundaries",
    "value": "values",
    "overlap": "overlaps",
    "pair": "pairs",
}


def text(found: Generated) -> str:
    """For a terminal."""
    rows = _rows(found)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", *_lists(found, lambda line: f"  {line}")]).rstrip() + "\n"


def markdown(found: Generated) -> str:
    """For a page."""
    head, *rows = [[cell.replace("|", "\\|") for cell in row] for row in _rows(found)]
    lines = [
        f"# Coverage of {found.instrumented.original.name}: {summary(found)}",
        "",
        "| " + " | ".join(head) + " |",
        "|---|---|" + "--:|" * (len(head) - 2),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        *_lists(found, lambda line: f"* {line}"),
    ]
    return "\n".join(lines).rstrip() + "\n"


def summary(found: Generated) -> str:
    """All of it in one line."""
    packets = sum(length(item.script) for item in found.items)
    words = [f"{found.count(Hit)} of {len(found.goals)} goals reached"]
    for kind, what in ((Unreachable, "unreachable"), (Open, "unknown")):
        count = found.count(kind)
        if count:
            words.append(f"{count} {what}")
    words.append(f"{len(found.items)} traces, {packets:,} packets")
    return ", ".join(words)


def goals_json(found: Generated) -> list[Json]:
    """Every goal with what became of it, in the order of their numbers."""
    return [_goal(goal, found) for goal in found.goals]


def place(span: Span) -> str:
    """file:line:column, the file without its folder; nothing for what no text stands for."""
    if not span.source.text:
        return ""
    return f"{PurePath(span.source.name).name}:{span.line}:{span.column}"


def _goal(goal: Goal, found: Generated) -> Json:
    shown = {
        "number": goal.number,
        "kind": goal.kind,
        "instance": goal.instance,
        "entry": goal.entry,
        "text": goal.text,
        "at": place(goal.span),
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
    kinds = [kind for kind in KINDS if any(goal.kind == kind for goal in found.goals)]
    rows = [["instance", "entry", *(_PLURAL[kind] for kind in kinds)]]
    places = dict.fromkeys((goal.instance, goal.entry) for goal in found.goals)
    for instance, entry in places:
        here = [g for g in found.goals if (g.instance, g.entry) == (instance, entry)]
        cells = [_cell([g for g in here if g.kind == kind], found) for kind in kinds]
        rows.append([instance, entry or "(no entry)", *cells])
    rows.append(
        ["all", "", *(_cell([g for g in found.goals if g.kind == k], found) for k in kinds)]
    )
    return rows


def _cell(goals: Sequence[Goal], found: Generated) -> str:
    """Reached of all that may be reachable."""
    if not goals:
        return ""
    fates = [found.fates[goal.number] for goal in goals]
    hit = sum(isinstance(fate, Hit) for fate in fates)
    never = sum(isinstance(fate, Unreachable) for fate in fates)
    return f"{hit}/{len(goals) - never}" if len(goals) > never else "-"


def _lists(found: Generated, item: Callable[[str], str]) -> Iterator[str]:
    for kind, title in ((Unreachable, "Unreachable, proved"), (Open, "Unknown")):
        goals = [g for g in found.goals if isinstance(found.fates[g.number], kind)]
        if not goals:
            continue
        yield f"{title} ({len(goals)}):"
        yield ""
        for goal in goals:
            yield item(_line(goal, found))
        yield ""


def _line(goal: Goal, found: Generated) -> str:
    where = f"{goal.instance}: {goal.entry}" if goal.entry else goal.instance
    line = f"{where}: {goal.kind}: {goal.text}"
    fate = found.fates[goal.number]
    if isinstance(fate, Open):
        more = f", needs about {fate.packets:,} packets" if fate.packets else ""
        return f"{line}; no trace of up to {fate.depth} packets ({fate.reason}{more})"
    assert isinstance(fate, Unreachable)
    return f"{line} (by {fate.method})"
