"""The tables as an SVG of our own making: dark on white, every text escaped, no size unbounded."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nfverify.fastpath.view.drawn import (
    EVENT_COLUMNS,
    EVENT_HEADS,
    GLOBAL_COLUMNS,
    GLOBAL_HEADS,
    LOCAL_COLUMNS,
    Row,
    drawing,
)
from nfverify.fastpath.view.tables import View

LETTER, LINE, PAD = 6.7, 15, 10  # px: of a letter, between lines, around text
MARGIN, GAP, DROP = 24, 26, 58  # around all, between Local MATs, between the tables
TITLE = 26
_STYLE = """
text { font: 11px ui-monospace, Menlo, Consolas, monospace; fill: #1f2328; white-space: pre; }
.title { font: 600 15px system-ui, sans-serif; }
.head { font: 600 12px system-ui, sans-serif; }
.soft { fill: #59636e; }
.name { font-weight: 600; }
.forward { fill: #1a7f37; } .drop { fill: #cf222e; } .modify { fill: #0550ae; }
.encap, .decap { fill: #6639ba; } .tag { fill: #6639ba; } .state { fill: #953800; }
.box { fill: #fff; stroke: #59636e; } .bar { fill: #eef1f4; stroke: #59636e; }
.rule { stroke: #d1d9e0; }
.flow { stroke: #1f2328; fill: none; marker-end: url(#end); }
.event { stroke: #953800; fill: none; stroke-dasharray: 5 4; marker-end: url(#end); }
"""
_KINDS = frozenset({"forward", "drop", "modify", "encap", "decap", "tag", "state", "payload"})


def svg(view: View) -> str:
    """The picture: Local MATs in the order of the chain, the Global MAT below, then the events."""
    picture = drawing(view)
    wide = 2 * PAD + LETTER * LOCAL_COLUMNS
    count = len(picture.local)
    tables = (_table_width(GLOBAL_COLUMNS), _table_width(EVENT_COLUMNS))
    inner = max(count * wide + (count - 1) * GAP, *tables)
    step = (inner - wide) / (count - 1) if count > 1 else 0.0
    parts: list[str] = []
    top = MARGIN + 34.0
    below = top
    for number, (title, rows) in enumerate(picture.local):
        x = MARGIN + number * step + (0.0 if count > 1 else (inner - wide) / 2)
        height, drawn = _table(x, top, wide, title, (), (LOCAL_COLUMNS,), rows)
        parts += drawn
        below = max(below, top + height)
        if number:
            parts.append(_arrow("flow", (x - step + wide, top + 13), (x, top + 13)))
    mat = below + DROP
    for number, (_, rows) in enumerate(picture.local):
        x = MARGIN + number * step + wide / 2 + (0.0 if count > 1 else (inner - wide) / 2)
        parts.append(_arrow("flow", (x, top + _height((), rows)), (x, mat)))
    height, drawn = _table(
        MARGIN, mat, inner, "Global MAT", GLOBAL_HEADS, GLOBAL_COLUMNS, picture.classes
    )
    parts += drawn
    bottom = mat + height
    if picture.events:
        at = bottom + DROP
        height, drawn = _table(
            MARGIN, at, inner, "Event Table", EVENT_HEADS, EVENT_COLUMNS, picture.events
        )
        middle = MARGIN + inner / 2
        parts += [*drawn, _arrow("event", (middle, at), (middle, bottom))]
        bottom = at + height
    size = f'width="{inner + 2 * MARGIN:g}" height="{bottom + MARGIN:g}"'
    box = f'viewBox="0 0 {inner + 2 * MARGIN:g} {bottom + MARGIN:g}"'
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img"'
        f' aria-label="{escape(picture.title)}">',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8"'
        ' markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#1f2328"/>'
        "</marker></defs>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        _text(MARGIN, MARGIN + 8, picture.title, "title"),
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def _table_width(columns: Sequence[int]) -> float:
    return sum(2 * PAD + LETTER * c for c in columns)


def _height(heads: Sequence[str], rows: Sequence[Row]) -> float:
    return TITLE + (LINE + 8 if heads else 0) + sum(map(_row_height, rows)) + (0 if rows else LINE)


def _row_height(row: Row) -> float:
    return 10 + LINE * max(1, *map(len, row))


def _table(
    x: float,
    y: float,
    width: float,
    title: str,
    heads: Sequence[str],
    columns: Sequence[int],
    rows: Sequence[Row],
) -> tuple[float, list[str]]:
    """Its height, and its parts."""
    height = _height(heads, rows)
    parts = [
        f'<rect class="box" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4"/>',
        f'<rect class="bar" x="{x:g}" y="{y:g}" width="{width:g}" height="{TITLE}" rx="4"/>',
        _text(x + PAD, y + 17, title, "head"),
    ]
    scale = width / _table_width(columns)
    lefts = [x + scale * _table_width(columns[:i]) + PAD for i in range(len(columns))]
    at = y + TITLE
    if heads:
        parts += [_text(a, at + 15, head, "soft") for a, head in zip(lefts, heads, strict=True)]
        at += LINE + 8
    for number, row in enumerate(rows):
        if number or heads:
            parts.append(
                f'<line class="rule" x1="{x:g}" x2="{x + width:g}" y1="{at:g}" y2="{at:g}"/>'
            )
        for left, cell in zip(lefts, row, strict=False):
            kind = ""
            for place, line in enumerate(cell):
                first = not place and left == lefts[0]
                kind = "name" if first else _kind(line, kind)
                parts.append(_text(left, at + 16 + LINE * place, line, kind))
        at += _row_height(row)
    return height, parts


def _kind(line: str, before: str) -> str:
    """The colour of a line: that of the action that it names, or goes on with."""
    if line.startswith("  "):
        return before
    word = line.partition(" ")[0]
    if word.endswith(":"):
        return "state"
    return ("state" if word == "payload" else word) if word in _KINDS else ""


def _text(x: float, y: float, text: str, kind: str) -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{style}>{escape(_printable(text))}</text>'


def _printable(text: str) -> str:
    """XML has no place for most control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _arrow(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (to_x, to_y) = start, end
    return f'<path class="{kind}" d="M{x:g} {y:g} L{to_x:g} {to_y:g}"/>'
