"""What the pictures show: the tables cut to a size that can be looked at, wrapped to columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nfverify.fastpath.view.tables import Event, LocalRow, ShownClass, ShownPath, View

MOST_CLASSES, MOST_PATHS, MOST_LINES = 12, 4, 14
LOCAL_COLUMNS = 34  # characters
GLOBAL_COLUMNS = (8, 38, 38, 34, 48, 38)
GLOBAL_HEADS = (
    *("class", "flows", "record holds", "packets", "state, then header", "outdated by"),
)
EVENT_COLUMNS = (18, 50, 80)
EVENT_HEADS = ("state", "changed by", "records")

Cell = tuple[str, ...]  # lines
Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Local MATs with their titles, and the rows of the other two tables."""

    title: str
    local: tuple[tuple[str, tuple[Row, ...]], ...]
    classes: tuple[Row, ...]
    events: tuple[Row, ...]


def drawing(view: View) -> Drawing:
    """The tables of a picture; what is left out of them is counted there."""
    classes = [_class(c) for c in view.classes[:MOST_CLASSES]]
    left = len(view.classes) - len(classes)
    if left:
        classes.append(((f"… {left} more",),))
    return Drawing(
        f"{view.name}: Local MATs into the Global MAT",
        tuple((f"Local MAT: {mat.instance}", tuple(map(_local, mat.rows))) for mat in view.local),
        tuple(classes),
        tuple(map(_event, view.events)),
    )


def _local(row: LocalRow) -> Row:
    lines = [row.entry, *(f"{a.kind} {a.text}".strip() for a in row.actions)]
    state = [f"state {text}" for text in row.functions]
    if row.payload != "ignore":
        state.append(f"payload {row.payload}")
    return (_cell(lines + state, LOCAL_COLUMNS),)


def _class(class_: ShownClass) -> Row:
    packets: list[str] = []
    actions: list[str] = []
    for path in class_.paths[:MOST_PATHS]:
        guard, done = _path(path)
        height = max(len(guard), len(done))
        packets += [*guard, *[""] * (height - len(guard))]
        actions += [*done, *[""] * (height - len(done))]
    if len(class_.paths) > MOST_PATHS:
        packets.append(f"… {len(class_.paths) - MOST_PATHS} more ways")
    _, flows, record, _, _, outdated = GLOBAL_COLUMNS
    return (
        (class_.name,),
        _cell(class_.condition or ("every flow",), flows),
        _cell([f"{v.name} = {v.text}" for v in class_.values], record),
        _cut(packets),
        _cut(actions),
        _cell([f"{var}{key}" for var, key in class_.watches], outdated),
    )


def _path(path: ShownPath) -> tuple[list[str], list[str]]:
    guard = _wrapped([" && ".join(path.residual) or "all"], GLOBAL_COLUMNS[3])
    steps = [f"{f.instance}: {text}" for f in path.functions for text in f.writes]
    steps += [f"{a.kind} {a.text}".strip() for a in path.actions]
    return guard, _wrapped(steps, GLOBAL_COLUMNS[4])


def _event(event: Event) -> Row:
    variable, writers, records = EVENT_COLUMNS
    match event.policy, event.reach:
        case "hot", _:
            reach = "hot: each packet reads it"
        case policy, None:
            reach = f"{policy}: all"
        case policy, ():
            reach = f"{policy}: no record of another flow rests on it"
        case policy, found:
            keys = dict.fromkeys(key for _, key in found or ())
            reach = f"{policy}: those that watch {', '.join(keys)}"
    return (
        _cell([event.variable], variable),
        _cell(event.writers or ("nobody",), writers),
        _cell([reach], records),
    )


def _cell(texts: Iterable[str], columns: int) -> Cell:
    return _cut(_wrapped(texts, columns))


def _cut(lines: Sequence[str]) -> Cell:
    if len(lines) <= MOST_LINES:
        return tuple(lines)
    return (*lines[: MOST_LINES - 1], "…")


def _wrapped(texts: Iterable[str], columns: int) -> list[str]:
    return [
        line
        for text in texts
        for line in textwrap.wrap(text, columns, subsequent_indent="  ", break_on_hyphens=False)
    ]
