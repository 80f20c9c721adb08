"""Bar charts as SVG, by hand: panels side by side, rows of bars; right on light and dark pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LABELS, _GAP, _TOP = 920, 150, 26, 64
_BAR, _SPACE = 13, 12
_FONT = "font: 12px system-ui, sans-serif"
_STYLE = f"""
text {{ {_FONT}; fill: #24292f; }}
.title {{ font-weight: 600; font-size: 14px; }}
.soft {{ fill: #57606a; }}
.line {{ stroke: #d0d7de; }}
.c0 {{ fill: #8c959f; }} .c1 {{ fill: #0969da; }} .c2 {{ fill: #bf8700; }} .c3 {{ fill: #1a7f37; }}
.c4 {{ fill: #8250df; }}
@media (prefers-color-scheme: dark) {{
  text {{ fill: #e6edf3; }} .soft {{ fill: #9198a1; }} .line {{ stroke: #3d444d; }}
  .c0 {{ fill: #6e7681; }} .c1 {{ fill: #4493f8; }} .c2 {{ fill: #d29922; }}
  .c3 {{ fill: #3fb950; }} .c4 {{ fill: #ab7df8; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """A group of rows beside others: for each row name, one value for each series."""

    title: str
    rows: Mapping[str, Sequence[float]]


def bars(title: str, series: Sequence[str], panels: Sequence[Panel], unit: str) -> str:
    """Each value a bar of its own, the series of a row below one another."""
    return _chart(title, series, panels, unit, stacked=False)


def stacks(title: str, series: Sequence[str], panels: Sequence[Panel], unit: str) -> str:
    """The series of a row one behind the other, with their sum."""
    return _chart(title, series, panels, unit, stacked=True)


def _chart(
    title: str, series: Sequence[str], panels: Sequence[Panel], unit: str, *, stacked: bool
) -> str:
    names = list(panels[0].rows)
    wide = (_WIDTH - _LABELS - _GAP * len(panels)) / len(panels)
    tall = _BAR * (1 if stacked else len(series)) + _SPACE
    height = _TOP + tall * len(names) + 18
    sizes = [sum(row) if stacked else max(row) for p in panels for row in p.rows.values()]
    scale = (wide - 44) / max(sizes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        f' width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="0" y="16">{escape(title)}</text>',
    ]
    parts += _legend(series)
    for row, name in enumerate(names):
        y = _TOP + row * tall + (tall - _SPACE) / 2 + 4
        parts.append(f'<text x="{_LABELS - 10}" y="{y:g}" text-anchor="end">{escape(name)}</text>')
    for number, panel in enumerate(panels):
        left = _LABELS + number * (wide + _GAP)
        head = f"{panel.title}, {unit}"
        parts.append(f'<text class="soft" x="{left:g}" y="{_TOP - 12}">{escape(head)}</text>')
        parts.append(
            f'<line class="line" x1="{left:g}" x2="{left:g}" y1="{_TOP - 4}" y2="{height - 18}"/>'
        )
        for row, name in enumerate(names):
            y = _TOP + row * tall
            values = panel.rows[name]
            parts += _stack(left, y, values, scale) if stacked else _row(left, y, values, scale)
    return "\n".join([*parts, "</svg>\n"])


def _legend(series: Sequence[str]) -> list[str]:
    parts, x = [], 0.0
    for number, name in enumerate(series):
        parts.append(f'<rect class="c{number}" x="{x:g}" y="26" width="11" height="11" rx="2"/>')
        parts.append(f'<text class="soft" x="{x + 16:g}" y="36">{escape(name)}</text>')
        x += 34 + 6.6 * len(name)
    return parts


def _row(left: float, y: float, values: Sequence[float], scale: float) -> list[str]:
    parts = []
    for number, value in enumerate(values):
        top = y + number * _BAR
        parts.append(_rectangle(number, left, top, value * scale, value))
        parts.append(_figure(left + value * scale, top, value))
    return parts


def _stack(left: float, y: float, values: Sequence[float], scale: float) -> list[str]:
    parts, x = [], left
    for number, value in enumerate(values):
        parts.append(_rectangle(number, x, y, value * scale, value))
        x += value * scale
    return [*parts, _figure(x, y, sum(values))]


def _rectangle(number: int, x: float, y: float, width: float, value: float) -> str:
    shape = f'x="{x:.1f}" y="{y:g}" width="{max(width, 0):.1f}" height="{_BAR - 1}"'
    return f'<rect class="c{number}" {shape}><title>{value:.1f}</title></rect>'


def _figure(x: float, y: float, value: float) -> str:
    return f'<text class="soft" x="{x + 5:.1f}" y="{y + _BAR - 3:g}">{value:.1f}</text>'
