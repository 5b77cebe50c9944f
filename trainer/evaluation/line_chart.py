"""Line charts as SVG text, for pages that must be one file and need no script."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Final

COLORS: Final = ("#4c7bd9", "#d9773c", "#3f9d6b", "#8a5bc7")
WIDTH: Final = 500
HEIGHT: Final = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 10, 26


def line_chart(title: str, curves: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """One chart with gridlines, its lines named below.

    Args:
        title: above it.
        curves: steps and values by name; at least one point in each.
    """
    series = {name: [(float(step), float(value)) for step, value in points] for name, points in curves.items()}
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points]
    x_ticks, y_ticks = round_ticks(min(xs), max(xs), 5), round_ticks(min(ys), max(ys), 5)
    x_low, x_high = min(xs), max(max(xs), min(xs) + 1e-9)
    y_low, y_high = min(y_ticks[0], min(ys)), max(y_ticks[-1], max(ys))

    def x_px(x: float) -> float:
        return _LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - _LEFT - _RIGHT)

    def y_px(y: float) -> float:
        return HEIGHT - _BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - _TOP - _BOTTOM)

    parts = []
    for tick in y_ticks:
        parts.append(
            f"<line x1='{_LEFT}' x2='{WIDTH - _RIGHT}' y1='{y_px(tick):.1f}' y2='{y_px(tick):.1f}' stroke='#dfe3ea'/>"
            f"<text x='{_LEFT - 6}' y='{y_px(tick) + 4:.1f}' text-anchor='end'>{tick:g}</text>"
        )
    for tick in x_ticks:
        if x_low <= tick <= x_high:
            parts.append(f"<text x='{x_px(tick):.1f}' y='{HEIGHT - 8}' text-anchor='middle'>{tick:g}</text>")
    for points, color in zip(series.values(), _colors(len(series)), strict=True):
        path = " ".join(f"{x_px(x):.1f},{y_px(y):.1f}" for x, y in points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{color}' stroke-width='2'/>")
        parts.append(f"<circle cx='{x_px(points[-1][0]):.1f}' cy='{y_px(points[-1][1]):.1f}' r='3' fill='{color}'/>")
    legend = " &nbsp; ".join(
        f"<span style='color:{color}'>&#9632;</span> {html.escape(name)} {points[-1][1]:.4g}"
        for (name, points), color in zip(series.items(), _colors(len(series)), strict=True)
    )
    return (
        f"<figure class='chart'><figcaption>{html.escape(title)}, by step</figcaption>"
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' font-size='11' fill='#5a6274'>"
        f"{''.join(parts)}</svg><figcaption>{legend}</figcaption></figure>"
    )


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from just below ``low`` to just above ``high``.

    Args:
        low: least value.
        high: greatest value.
        most: about how many steps.
    """
    if high <= low:
        high = low + max(abs(low), 1.0) * 0.1
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * (1.0 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _colors(count: int) -> list[str]:
    return [COLORS[number % len(COLORS)] for number in range(count)]
