"""The figures of an inspection: violins of confidences, curves over the number of samples, and maps of boundaries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from markupsafe import Markup, escape
from torch import Tensor

from ...diagnostics import MIXED
from ...words import STILL
from ..figures import ACCENT, INK, MUTED, as_svg, as_webp, drawing, frame
from .words import short

HEIGHT, LEFT, TOP = 120, 26, 8  # of a violin plot: its scale, and the room around, in CSS pixels
COLUMN = 34
GRID = 48  # points of a density
NARROWEST = 0.012  # bandwidth of a density, so that a point mass can be seen
NAMED = 6  # curves that have a name each
STYLES = ("-", "--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)), (0, (1, 3)))
BOUNDARY = {"samples": "#1c9a4b", "one": "#c2410c", "other": "#2b78ab", "rest": "#8d939e"}
MARKERS = {"samples": "*", "one": "^", "other": "s", "rest": "o"}


@dataclass(frozen=True, eq=False)
class Violin:
    """One violin: the probabilities (n,) of a class, and what they should be, if they are asked for."""

    name: str
    values: Tensor
    wanted: float | None


def violins(shown: Sequence[Violin], *, scale: bool = True) -> Markup:
    """Violins side by side, as an SVG element in the page's colours; with dots at the means and lines at what is
    wanted."""
    names = [short(violin.name) for violin in shown]
    long = max(map(len, names)) > 3
    below = 16 if not long else 12 + 6 * max(map(len, names))
    left = LEFT if scale else 4
    width, height = left + COLUMN * len(shown) + 4, TOP + HEIGHT + below
    parts = []
    for value in (0, 0.5, 1):
        y = _y(value)
        parts.append(f'<line x1="{left}" x2="{width - 4}" y1="{y}" y2="{y}" stroke="var(--rule)"/>')
        if scale:
            parts.append(_label(f"{value:g}", left - 5, y + 3.5, "end"))
    for i, (violin, name) in enumerate(zip(shown, names, strict=True)):
        x = left + COLUMN * (i + 0.5)
        parts += _violin(violin, x)
        turned = f' transform="rotate(-90 {x + 3.5:g} {TOP + HEIGHT + 8})"' if long else ""
        parts.append(
            _label(name, x + 3.5, TOP + HEIGHT + 8, "end", turned) if long else _label(name, x, height - 3, "middle")
        )
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return Markup(f'<svg class="violins" {size} aria-hidden="true">{"".join(parts)}</svg>')


def _y(value: float) -> float:
    return round(TOP + HEIGHT * (1 - value), 1)


def _label(text: str, x: float, y: float, anchor: str, turned: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{turned}>{escape(text)}</text>'


def _violin(violin: Violin, x: float) -> list[str]:
    colour, parts = ("--muted" if violin.wanted is None else "--accent"), []
    if len(violin.values):
        at, width = density(violin.values)
        half = [(_y(a), 0.44 * COLUMN * w) for a, w in zip(at, width, strict=True)]
        outline = [(x - w, y) for y, w in half] + [(x + w, y) for y, w in reversed(half)]
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in outline)
        parts.append(f'<path d="M{path}Z" fill="var({colour})" fill-opacity=".35" stroke="var({colour})"/>')
        parts.append(f'<circle cx="{x:g}" cy="{_y(float(violin.values.mean()))}" r="2.5" fill="var(--ink)"/>')
    if violin.wanted is not None:
        y, reach = _y(violin.wanted), 0.48 * COLUMN
        ends = f'x1="{x - reach:g}" x2="{x + reach:g}" y1="{y}" y2="{y}"'
        parts.append(f'<line {ends} stroke="var(--bad)" stroke-width="1.5" stroke-dasharray="4 2"/>')
    return parts


def density(values: Tensor) -> tuple[list[float], list[float]]:
    """A normal density estimate over probabilities (n,): places in [0, 1], and widths whose largest is 1.

    >>> at, width = density(torch.tensor([0.5, 0.5, 0.5]))
    >>> round(at[width.index(max(width))], 2), max(width)
    (0.5, 1.0)
    """
    spread = float(values.std(correction=0)) if len(values) > 1 else 0.0
    bandwidth = max(NARROWEST, 1.06 * spread * len(values) ** -0.2)
    low = max(0.0, float(values.min()) - 3 * bandwidth)
    high = min(1.0, float(values.max()) + 3 * bandwidth)
    at = torch.linspace(low, high, GRID + 1)
    height = (-0.5 * ((at[:, None] - values) / bandwidth).square()).exp().mean(1)
    return at.tolist(), (height / height.max()).tolist()


@dataclass(frozen=True)
class Course:
    """How a target's figures change with the number of samples."""

    name: str
    samples: tuple[int, ...]
    confidence: tuple[float, ...]
    rhat: tuple[float | None, ...]


def stopping(courses: Sequence[Course]) -> Markup:
    """Mean confidence, and rank R-hat, against the number of samples (Bayes-TrEx, figure 26)."""
    with drawing((7.6, 3.1)) as figure:
        figure.set_layout_engine("constrained")
        left, right = figure.subplots(1, 2)
        named = len(courses) <= NAMED
        for i, course in enumerate(courses):
            style: dict[str, Any] = {"color": MUTED, "linewidth": 0.8, "alpha": 0.7}
            if named:
                style = {"color": (ACCENT, INK)[i % 2], "linewidth": 1.4, "linestyle": STYLES[i], "label": course.name}
            left.plot(course.samples, course.confidence, **style)
            right.plot(course.samples, [math.nan if r is None or r >= STILL else r for r in course.rhat], **style)
        right.axhline(MIXED, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
        for axes, words in ((left, "mean confidence"), (right, "rank R-hat")):
            frame(axes)
            axes.set_xlabel("samples", color=INK)
            axes.set_ylabel(words, color=INK)
            axes.set_xlim(left=0)
        left.set_ylim(-0.03, 1.03)
        right.set_ylim(bottom=0.98)
        handles, labels = left.get_legend_handles_labels()
        if handles:
            figure.legend(
                handles, labels, loc="outside lower center", ncols=min(3, len(labels)), frameon=False, labelcolor=INK
            )
        return Markup(as_svg(figure))


def boundary(xy: Tensor, predicted: Tensor, pair: tuple[int, ...], draws: int) -> str:
    """A map of prior draws, the first of xy (n, 2), by their predictions (draws,), and of the samples over them, as a
    picture (a data URI)."""
    prior, samples = xy[:draws], xy[draws:]
    one, other = predicted == pair[0], predicted == pair[1]
    groups = (("rest", prior[~one & ~other]), ("one", prior[one]), ("other", prior[other]), ("samples", samples))
    with drawing((4.6, 3.6)) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        for kind, at in groups:
            axes.scatter(
                at[:, 0].numpy(),
                at[:, 1].numpy(),
                s=26 if kind == "samples" else 11,
                color=BOUNDARY[kind],
                marker=MARKERS[kind],
                alpha=0.35 if kind == "rest" else 0.75,
                linewidths=0,
            )
        axes.margins(0.03)
        return as_webp(figure)
