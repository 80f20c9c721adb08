"""The tables as text for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from nfverify.fastpath.view.tables import (
    HEAD_BYTES,
    KEY_BYTES,
    Action,
    Event,
    LocalMat,
    ShownClass,
    ShownPath,
    View,
)

SHOWN = 12  # classes, unless all are asked for
KEYS = 4  # of a variable that records watch
WAYS = 3  # through the chain, for each reason to be slow
_LABEL = 10


class Line(NamedTuple):
    """A line of the report; `head` is one that begins a table."""

    text: str
    head: bool = False


def lines(view: View, width: int = 100, *, everything: bool = False) -> Iterator[Line]:
    """The report in lines of `width` characters."""
    yield Line(f"fast path of {view.name}: {_summary(view)}", head=True)
    yield from _item("key", [", ".join(view.key)], width)
    yield from _item("serves", [" && ".join(view.served) or "every packet"], width)
    yield from _item("record", [_record(view)], width)
    for mat in view.local:
        yield Line("")
        yield from _local(mat, width)
    yield Line("")
    yield Line("Global MAT", head=True)
    shown = view.classes if everything else view.classes[:SHOWN]
    for class_ in shown:
        yield from _class(class_, width)
    if len(shown) < len(view.classes):
        more = len(view.classes) - len(shown)
        yield Line(f"  … {more} more {_plural(more, 'class', 'classes')} (--all shows them)")
    if view.events:
        yield Line("")
        yield Line("Event Table", head=True)
        for event in view.events:
            yield from _item(event.variable, [_event(event)], width, label=18)
    if view.pairs:
        yield Line("")
        yield Line("State functions side by side", head=True)
        for pair in view.pairs:
            said = f"no: {pair.reason}" if pair.reason else "yes"
            yield from _item(f"{pair.first}, {pair.second}", [said], width, label=18)
    if view.slow:
        yield Line("")
        yield Line("Not on the fast path", head=True)
        for slow in view.slow:
            yield from _wrapped(f"{len(slow.ways)} × {slow.reason}", width, "  ", "      ")
            ways = slow.ways if everything else slow.ways[:WAYS]
            for way in ways:
                yield from _wrapped(_way(way), width, "      ", "        ")
            if len(ways) < len(slow.ways):
                yield Line(f"      … {len(slow.ways) - len(ways)} more")


def _summary(view: View) -> str:
    classes, ways = len(view.classes), sum(len(s.ways) for s in view.slow)
    paths = sum(len(c.paths) for c in view.classes)
    return (
        f"{classes} {_plural(classes, 'class', 'classes')} of flows,"
        f" {paths} fast {_plural(paths, 'path', 'paths')},"
        f" {ways} slow"
    )


def _record(view: View) -> str:
    count, size = view.values
    parts = f"key {KEY_BYTES}, head {HEAD_BYTES}, "
    parts += f"up to {count} {_plural(count, 'value', 'values')} of {size}" if size else "no values"
    compiled = view.compiled
    if compiled is None:
        return parts
    direct = compiled.references
    parts += f", {direct} direct {_plural(direct, 'reference', 'references')}" if direct else ""
    left = len(view.classes) - compiled.classes
    more = f"; {left} {_plural(left, 'class is', 'classes are')} not compiled" if left else ""
    return f"{compiled.bytes} bytes as compiled: {parts}{more}"


def _local(mat: LocalMat, width: int) -> Iterator[Line]:
    name = mat.instance if mat.instance == mat.program else f"{mat.instance} ({mat.program})"
    yield Line(f"Local MAT of {name}", head=True)
    if not mat.rows:
        yield Line("  no packet on the fast path takes an entry of it")
    for row in mat.rows:
        yield from _item(row.entry, [_actions(row.actions)], width, label=14)
        if row.functions:
            payload = "" if row.payload == "ignore" else f" (payload: {row.payload})"
            text = f"state: {'; '.join(row.functions)}{payload}"
            yield from _item("", [text], width, label=14)


def _class(class_: ShownClass, width: int) -> Iterator[Line]:
    condition = " && ".join(_closed(c) for c in class_.condition) or "every flow"
    yield from _wrapped(f"{class_.name}: {condition}", width, "  ", "    ")
    if class_.values:
        values = [f"{v.name} = {v.text}" for v in class_.values]
        yield from _item("record", ["; ".join(values)], width, indent=4)
    if class_.watches:
        watches = [f"{var}{key}" for var, key in class_.watches]
        yield from _item("outdated", [f"by a change of {', '.join(watches)}"], width, indent=4)
    for path in class_.paths:
        yield from _path(path, width)


def _path(path: ShownPath, width: int) -> Iterator[Line]:
    residual = " && ".join(_closed(c) for c in path.residual) or "always"
    yield from _item("if", [residual], width, indent=4)
    functions = [f"{f.instance}: {'; '.join(f.writes)}" for f in path.functions]
    yield from _item("state", functions, width, indent=6)
    yield from _item("header", [_actions(path.actions)], width, indent=6)
    if path.outputs:
        yield from _item("port", [", ".join(path.outputs)], width, indent=6)
    for group in path.parallel:
        yield from _item("parallel", [", ".join(group)], width, indent=6)


def _closed(text: str) -> str:
    """In parentheses if it is a choice."""
    return f"({text})" if " || " in text or " ? " in text else text


def _actions(actions: Sequence[Action]) -> str:
    return "; ".join(f"{a.kind} {a.text}".strip() for a in actions)


def _event(event: Event) -> str:
    by = f"changed by {', '.join(event.writers)}" if event.writers else "never changed"
    match event.policy, event.reach:
        case "hot", _:
            return f"{by}: read by each packet"
        case _, None:
            return f"{by}: outdates all records"
        case _, ():
            return f"{by}: no event, as no record of another flow rests on it"
        case _, reach:
            keys = list(dict.fromkeys(key or "it" for _, key in reach or ()))
            more = f" and {len(keys) - KEYS} more" if len(keys) > KEYS else ""
            return f"{by}: outdates the records that watch {', '.join(keys[:KEYS])}{more}"


def _way(way: Iterable[tuple[str, str]]) -> str:
    return " > ".join(f"{instance}: {entry}" for instance, entry in way)


def _item(
    name: str, texts: Sequence[str], width: int, *, indent: int = 2, label: int = _LABEL
) -> Iterator[Line]:
    """A label, and beside it one paragraph for each text."""
    for number, text in enumerate(texts):
        start = " " * indent + (name if number == 0 else "").ljust(label)
        start = start if start.endswith(" ") else start + " "
        yield from _wrapped(text, width, start, " " * (indent + label))


def _wrapped(text: str, width: int, first: str, other: str) -> Iterator[Line]:
    for line in textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=other, break_on_hyphens=False
    ) or [first.rstrip()]:
        yield Line(line)


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many
