"""A mutation score for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from nfverify.equivalence.simulate import Arrival
from nfverify.lang.markdown import prose
from nfverify.oracles.coverage.table import aligned
from nfverify.oracles.generate.manifest import Item
from nfverify.oracles.mutation.grading import Fate, Grade, Outcome
from nfverify.packet.codec import Malformed, parse

_TITLES: dict[Fate, str] = {
    "different": "Not noticed, though they differ",
    "undecided": "Not noticed, and undecided",
}
MAX_WHY = 120


def summary(found: Grade) -> str:
    """All of it in one line."""
    rest = len(found.outcomes) - found.count("equivalent")
    return (
        f"{100 * found.score:.1f} % killed: {found.count('killed')} of {rest} mutants"
        f" ({found.count('equivalent')} more are equivalent), by {found.traces} traces of"
        f" {found.packets:,} packets"
    )


def text(found: Grade, *, brief: bool = False) -> str:
    """For a terminal; `brief`: the score only."""
    if brief:
        return summary(found) + "\n"
    table = aligned(_rows(found)).removesuffix("\n")
    return "\n".join([summary(found), "", table, *_survivors(found, "  ")]) + "\n"


def markdown(found: Grade) -> str:
    """For a page."""
    head, *rows = [list(map(prose, row)) for row in _rows(found)]
    lines = [
        f"# Mutants of {found.network.name}: {summary(found)}",
        "",
        "| " + " | ".join(head) + " |",
        "|---|" + "--:|" * (len(head) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
        *_survivors(found, "* ", prose),
    ]
    return "\n".join(lines) + "\n"


def as_json(found: Grade) -> str:
    """Every mutant with its fate."""
    data = {
        "version": 1,
        "network": found.network.name,
        "score": round(found.score, 6),
        "traces": found.traces,
        "packets": found.packets,
        "mutants": [
            {
                "number": o.mutant.number,
                "operator": o.mutant.operator,
                "instance": o.mutant.instance,
                "entry": o.mutant.entry,
                "change": o.mutant.text,
                "at": o.mutant.at,
                "fate": o.fate,
                "killed_by": None if o.kill is None else [o.kill.trace + 1, o.kill.event + 1],
                "why": o.why,
            }
            for o in found.outcomes
        ],
    }
    return json.dumps(data, indent=1) + "\n"


def missing_tests(found: Grade) -> list[Item]:
    """The traces that tell survivors apart, each once, as a suite."""
    traces = dict.fromkeys(o.trace for o in found.outcomes if o.trace is not None)
    items = []
    for number, trace in enumerate(traces, 1):
        script = []
        for event in trace:
            packet = parse(event.frame)
            assert not isinstance(packet, Malformed)  # a counterexample's packets are well-formed
            script.append(Arrival(event.time, event.port, packet))
        items.append(Item(f"{number:04}", tuple(script), (), "mutant"))
    return items


def _rows(found: Grade) -> list[list[str]]:
    fates: tuple[Fate, ...] = ("killed", "equivalent", "different", "undecided")
    rows = [["operator", "mutants", *fates]]
    for operator, counts in found.by_operator().items():
        rows.append([operator, str(counts.total()), *(str(counts[f] or "") for f in fates)])
    total = [str(found.count(f) or "") for f in fates]
    rows.append(["all", str(len(found.outcomes)), *total])
    return rows


def _survivors(found: Grade, mark: str, shown: Callable[[str], str] = str) -> Iterator[str]:
    for fate, title in _TITLES.items():
        outcomes = [o for o in found.outcomes if o.fate == fate]
        if outcomes:
            yield ""
            yield f"{title} ({len(outcomes)}):"
            yield ""
            yield from (mark + shown(_line(o)) for o in outcomes)


def _line(outcome: Outcome) -> str:
    mutant = outcome.mutant
    where = f"{mutant.instance}: {mutant.entry}: " if mutant.entry else f"{mutant.instance}: "
    if outcome.trace is not None:
        count = len(outcome.trace)
        why = f"a test of {count} packet{'s' * (count > 1)} would"
    else:
        why = outcome.why if len(outcome.why) <= MAX_WHY else outcome.why[: MAX_WHY - 3] + "..."
    return f"{where}{mutant.text} ({mutant.operator}, {mutant.at}): {why}"
