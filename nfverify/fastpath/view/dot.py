"""The tables as a graph for Graphviz: Local MATs into the Global MAT, the Event Table beside it."""

from __future__ import annotations

from collections.abc import Iterable

from nfverify.fastpath.view.drawn import Drawing, Row, drawing
from nfverify.fastpath.view.tables import View


def dot(view: View) -> str:
    """A node for each table, with a field for each of its rows."""
    picture = drawing(view)
    lines = [
        f"digraph {_quoted(view.name)} {{",
        "    rankdir=TB;",
        '    node [shape=record, fontname="monospace", fontsize=10];',
    ]
    lines += [f"    n{i} [label={_label(*t)}];" for i, t in enumerate(picture.local)]
    lines += [
        f"    mat [label={_label('Global MAT', _under(picture))}];",
        f"    events [label={_label('Event Table', picture.events)}];",
    ]
    count = len(picture.local)
    same = "; ".join(f"n{i}" for i in range(count))
    lines.append(f"    {{ rank=same; {same} }}")
    lines += [f"    n{i} -> n{i + 1};" for i in range(count - 1)]
    lines += [f"    n{i} -> mat;" for i in range(count)]
    lines += ["    events -> mat [style=dashed];", "}"]
    return "\n".join(lines) + "\n"


def _under(picture: Drawing) -> list[Row]:
    """The rows of the Global MAT, one cell below the other."""
    return [(tuple(line for cell in row for line in cell),) for row in picture.classes]


def _label(title: str, rows: Iterable[Row]) -> str:
    fields = [
        _escaped(title),
        *("".join(_escaped(line) + "\\l" for cell in row for line in cell) for row in rows),
    ]
    return '"{' + "|".join(fields) + '}"'


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(text: str) -> str:
    for mark in '\\"{}|<>':
        text = text.replace(mark, "\\" + mark)
    return text
