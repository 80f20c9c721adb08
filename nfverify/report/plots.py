"""Plots as SVG, by hand: bars of ratios and lines of series; colours come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Iterator

from markupsafe import Markup

from nfverify.report.escape import one_line
from nfverify.report.results import Ratio, Series
from nfverify.report.results_text import ratio_text

_BAR_WIDTH, _BAR_HEIGHT = 240, 14
_WIDTH, _HEIGHT = 560, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 16, 30, 44
MAX_POINTS = 2000
_TICKS = 5


def bar(ratio: Ratio) -> Markup:
    """A bar as long as the share, with a line at the threshold."""
    share = ratio.reached / ratio.total if ratio.total else 1.0
    enough = ratio.least is None or ratio.reached >= ratio.least * ratio.total
    parts = [
        _element("rect", "track", x=0, y=0, width=_BAR_WIDTH, height=_BAR_HEIGHT, rx=3),
        _element(
            "rect", "good" if enough else "bad",
            x=0, y=0, width=round(share * _BAR_WIDTH, 2), height=_BAR_HEIGHT, rx=3,
        ),
    ]  # fmt: skip
    if ratio.least is not None:
        x = round(min(1.0, max(0.0, ratio.least)) * _BAR_WIDTH, 2)
        parts.append(_element("line", "least", x1=x, x2=x, y1=-3, y2=_BAR_HEIGHT + 3))
    view = f"0 -3 {_BAR_WIDTH} {_BAR_HEIGHT + 6}"
    return _svg("bar", view, one_line(ratio_text(ratio)), Markup("").join(parts))


def time_bar(seconds: float, most: float) -> Markup:
    """A bar as long as the share of the longest time."""
    width = round(seconds / most * _BAR_WIDTH, 2) if most > 0 else 0
    rect = _element("rect", "time", x=0, y=0, width=width, height=_BAR_HEIGHT, rx=3)
    return _svg("bar", f"0 -3 {_BAR_WIDTH} {_BAR_HEIGHT + 6}", f"{seconds:.2f} s", rect)


def line(series: Series) -> Markup:
    """The points joined by lines, both axes from zero unless points lie below it."""
    points = sorted(p for p in series.points if all(map(math.isfinite, p)))[:MAX_POINTS]
    if not points:
        return Markup("")
    xs, ys = _axis([x for x, _ in points]), _axis([y for _, y in points])
    places = [(_across(x, xs), _up(y, ys)) for x, y in points]
    parts = [*_grid(xs, ys)]
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y in places)
    parts.append(Markup('<polyline class="curve" points="{}"/>').format(path))
    for (x, y), (x_value, y_value) in zip(places, points, strict=True):
        title = f"{one_line(series.x)} {x_value:g}: {y_value:,g} {one_line(series.y)}"
        parts.append(
            Markup('<circle class="point" cx="{}" cy="{}" r="3"><title>{}</title></circle>').format(
                f"{x:.2f}", f"{y:.2f}", title
            )
        )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(_text(one_line(series.x), middle, _HEIGHT - 6, "middle"))
    parts.append(_text(one_line(series.y), 4, 13, "start"))
    return _svg("plot", f"0 0 {_WIDTH} {_HEIGHT}", one_line(series.title), Markup("").join(parts))


def _axis(values: list[float]) -> list[float]:
    """Round numbers that enclose the values and zero, in equal steps."""
    low, high = min(0.0, *values), max(0.0, *values)
    raw = (high - low) / _TICKS or 1.0
    unit = 10.0 ** math.floor(math.log10(raw))
    steps = [unit * n for n in (1, 2, 2.5, 5, 10)]
    if all(float(value).is_integer() for value in values):  # of what is counted there are no halves
        steps = [step for step in steps if step.is_integer()] or [1.0]
    step = next(step for step in steps if step >= raw * (1 - 1e-9))
    first, last = math.floor(low / step), math.ceil(high / step - 1e-9)
    return [step * n for n in range(first, max(last, first + 1) + 1)]


def _across(x: float, ticks: list[float]) -> float:
    share = (x - ticks[0]) / (ticks[-1] - ticks[0])
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _up(y: float, ticks: list[float]) -> float:
    share = (y - ticks[0]) / (ticks[-1] - ticks[0])
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _grid(xs: list[float], ys: list[float]) -> Iterator[Markup]:
    for tick in ys:
        y = round(_up(tick, ys), 2)
        yield _element("line", "grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y)
        yield _text(short(tick), _LEFT - 8, y + 4, "end")
    for tick in xs:
        x = round(_across(tick, xs), 2)
        yield _element("line", "grid", x1=x, x2=x, y1=_TOP, y2=_HEIGHT - _BOTTOM)
        yield _text(short(tick), x, _HEIGHT - _BOTTOM + 18, "middle")


def short(value: float) -> str:
    """1200000 as 1.2M."""
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale:
            return f"{value / scale:.4g}{letter}"
    return f"{value:.4g}"


def _svg(class_: str, view: str, title: str, inner: Markup) -> Markup:
    return Markup(
        '<svg class="{}" viewBox="{}" role="img" aria-label="{}"><title>{}</title>{}</svg>'
    ).format(class_, view, title, title, inner)


def _element(name: str, class_: str, **attributes: float) -> Markup:
    given = Markup("").join(Markup(' {}="{}"').format(k, f"{v:g}") for k, v in attributes.items())
    return Markup("<{} class='{}'{}/>").format(Markup(name), class_, given)


def _text(text: str, x: float, y: float, anchor: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
        f"{x:g}", f"{y:g}", anchor, text
    )
