"""Curves of what was found against what was spent: small SVG figures in the page's colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from .tones import Tone

WIDTH, HEIGHT = 420, 240  # of a figure, in CSS pixels
LEFT, RIGHT, TOP, BELOW = 44, 12, 8, 36  # the room around its axes
TICKS = 4  # at most, besides 0


def course(kind: str, curves: Sequence[Mapping[str, Any]], tones: Mapping[str, Tone]) -> Markup:
    """One figure: a line for each entrant up to where the last of its searches ended, and a dot there.

    Args:
        kind: what was counted.
        curves: `queries` and counts of each entrant, None where none of its searches went so far.
        tones: how each entrant looks, by name.
    """
    most_x = max(curve["queries"][-1] for curve in curves)
    most_y = max((value for curve in curves for value in curve[kind] if value is not None), default=0.0)
    xs, ys = ticks(most_x), ticks(most_y)
    top = ys[-1] if ys[-1] >= most_y else ys[-1] + ys[1]
    ys = [*ys, top] if top > ys[-1] else ys
    parts = [_rule(TOP + _share(y, top), f"{y:,.0f}" if y >= 1 or y == 0 else f"{y:g}") for y in ys]
    parts += [_label(short(x), _across(x, most_x), HEIGHT - BELOW + 15, "middle") for x in xs]
    parts.append(_label("queries", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 3, "middle"))
    for curve in curves:
        points = [
            (_across(x, most_x), TOP + _share(y, top))
            for x, y in zip(curve["queries"], curve[kind], strict=True)
            if y is not None
        ]
        parts.append(_line(points, curve["name"], tones[curve["name"]]))
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    return Markup(f'<svg class="course" {size} aria-hidden="true">{"".join(parts)}</svg>')


def ticks(most: float) -> list[float]:
    """Round numbers from 0 to at most `most`, the step being 1, 2 or 5 times a power of ten.

    >>> ticks(5120), ticks(7), ticks(0)
    ([0.0, 2000.0, 4000.0], [0.0, 2.0, 4.0, 6.0], [0.0, 1.0])
    """
    if most <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(most / TICKS))
    step = next(times * power for times in (1, 2, 5, 10) if times * power * TICKS >= most)
    return [i * step for i in range(math.floor(most / step + 1e-9) + 1)]


def short(number: float) -> str:
    """A number of queries.

    >>> short(2000), short(1_500_000), short(420)
    ('2k', '1.5M', '420')
    """
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"


def _share(value: float, top: float) -> float:
    return (HEIGHT - TOP - BELOW) * (1 - value / top)


def _across(value: float, most: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (value / most if most else 0.0)


def _rule(y: float, text: str) -> str:
    line = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--rule)"/>'
    return line + _label(text, LEFT - 6, y + 4, "end")


def _label(text: str, x: float, y: float, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(points: Sequence[tuple[float, float]], name: str, tone: Tone) -> str:
    if not points:
        return ""
    path = "{:.1f} {:.1f}".format(*points[0]) + "".join(f"H{x:.1f}V{y:.1f}" for x, y in points[1:])  # steps
    x, y = points[-1]
    dash = f' stroke-dasharray="{tone.dash}"' if tone.dash else ""
    return (
        f'<g class="{tone.look}"><title>{escape(name)}</title>'
        f'<path d="M{path}" fill="none" stroke="var(--tone)" stroke-width="2" stroke-linejoin="round"{dash}/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="var(--tone)"/></g>'
    )
