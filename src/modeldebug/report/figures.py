"""What matplotlib draws for a run: the trade-off curve (SVG) and the map of the latent space (WebP).

matplotlib is slow to import: it is imported where it is used. The SVG's colours are names of the page's own colours,
so that the figure is readable on a light and on a dark page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image
from torch import Tensor

from .images import data_uri
from .wording import strength

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# colours that matplotlib writes into the SVG, and the page's colours that take their places
INK, MUTED, RULE, ACCENT, PAPER = "#010101", "#020202", "#030303", "#040404", "#050505"
_NAMES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", ACCENT: "--accent", PAPER: "--card"}
_LABEL = (52, 11)  # the room that a label takes, in points, across and up
_MARKERS = {"genuine": "o", "third_class": "^", "drift": "s", "abstained": "X", "not_asked": ".", "failures": "o"}
COLOURS = {
    "genuine": "#c2410c",
    "third_class": "#8b5fc7",
    "drift": "#2b78ab",
    "abstained": "#8a6d00",
    "not_asked": "#a5765c",
    "failures": "#c2410c",
}


@dataclass(frozen=True)
class Mark:
    """One classifier in the trade-off figure: its region and its test accuracy."""

    label: str
    region: float
    test: float


@dataclass(frozen=True)
class Curve:
    """The sweep over lambdas, the chosen one, and what it is held against."""

    strengths: tuple[float, ...]
    sweep: tuple[Mark, ...]
    chosen: int
    before: Mark
    control: Mark
    alone: Mark | None


def trade_off(curve: Curve) -> str:
    """The trade-off of test accuracy against region accuracy, as an SVG element for the page."""
    with drawing((5.2, 3.7)) as figure:
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot()
        frame(axes)
        x, y = _percents(curve.sweep)
        axes.plot(x, y, color=ACCENT, linewidth=1.1, alpha=0.45, zorder=2)
        axes.plot(x, y, "o", color=ACCENT, markersize=4, zorder=3, label="corrected, one dot for each lambda")
        best = curve.sweep[curve.chosen]
        style: dict[str, Any] = {"linestyle": "none", "markerfacecolor": PAPER, "markeredgewidth": 1.4, "zorder": 4}
        for mark, shape, colour, size in (
            (best, "o", ACCENT, 11),
            (curve.before, "D", INK, 7),
            (curve.control, "s", INK, 7),
            *([(curve.alone, "^", INK, 8)] if curve.alone else []),
        ):
            axes.plot(*_percents([mark]), shape, markeredgecolor=colour, markersize=size, label=mark.label, **style)
        axes.plot(*_percents([best]), "o", color=ACCENT, markersize=5, zorder=5)
        axes.margins(0.1, 0.12)
        axes.set_xlabel("region accuracy, untouched samples (%)", color=INK)
        axes.set_ylabel("test accuracy (%)", color=INK)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, labelcolor=INK, fontsize=8)
        figure.draw_without_rendering()  # only now it is known where the points are
        _name_points(axes, curve)
        return as_svg(figure)


def _percents(marks: Sequence[Mark]) -> tuple[list[float], list[float]]:
    return [100 * m.region for m in marks], [100 * m.test for m in marks]


def frame(axes: Axes) -> None:
    """Axes as all figures have them: a pale grid, and no box."""
    axes.set_facecolor("none")
    axes.grid(color=RULE, linewidth=0.6)
    axes.tick_params(colors=MUTED, labelsize=8, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(RULE)


def _name_points(axes: Axes, curve: Curve) -> None:
    """Write lambdas to the left of their points, the chosen one first, where nothing else is in the way."""
    to_points = 72 / axes.figure.dpi

    def place(mark: Mark) -> Any:
        return axes.transData.transform((100 * mark.region, 100 * mark.test)) * to_points

    dots = [place(mark) for mark in (*curve.sweep, curve.before, curve.control, curve.alone) if mark]
    named: list[Any] = []
    order = [curve.chosen, *(i for i in reversed(range(len(curve.sweep))) if i != curve.chosen)]
    for i in order:
        mark, here = curve.sweep[i], place(curve.sweep[i])
        covered = any(4 < across < _LABEL[0] and abs(up) < _LABEL[1] for across, up in (here - dot for dot in dots))
        crowded = any((abs(here - other) < _LABEL).all() for other in named)
        if i != curve.chosen and (covered or crowded):
            continue
        named.append(here)
        axes.annotate(
            f"\u03bb = {strength(curve.strengths[i])}",
            (100 * mark.region, 100 * mark.test),
            xytext=(-8, -9 if i == curve.chosen else -3),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
            color=INK if i == curve.chosen else MUTED,
            fontweight="bold" if i == curve.chosen else "normal",
        )


@dataclass(frozen=True)
class Map:
    """The map as a picture, and where on it each class lies: shares of its width and height, from the upper left."""

    uri: str
    places: tuple[tuple[int, float, float], ...]


def latent_map(codes: Tensor, labels: Tensor, groups: Sequence[tuple[str, Tensor]]) -> Map:
    """Training codes pale, failures over them; the names of the classes are left to the page.

    Args:
        codes: (n, 2) of training images.
        labels: (n,) int64, their classes.
        groups: the kind and places (m, 2) of failures, in the order in which they are drawn.
    """
    everything = [codes, *(xy for _, xy in groups)]
    low = [min(float(xy[:, i].min()) for xy in everything if len(xy)) for i in (0, 1)]
    high = [max(float(xy[:, i].max()) for xy in everything if len(xy)) for i in (0, 1)]
    pad = [0.03 * (top - bottom) or 1.0 for bottom, top in zip(low, high, strict=True)]
    with drawing((6.0, 4.5)) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(low[0] - pad[0], high[0] + pad[0])
        axes.set_ylim(low[1] - pad[1], high[1] + pad[1])
        axes.scatter(codes[:, 0].numpy(), codes[:, 1].numpy(), s=9, color="#8d939e", alpha=0.35, linewidths=0)
        for kind, xy in groups:
            axes.scatter(
                xy[:, 0].numpy(),
                xy[:, 1].numpy(),
                s=15,
                color=COLOURS[kind],
                marker=_MARKERS[kind],
                alpha=0.8,
                linewidths=0,
            )
        uri = as_webp(figure)
        places = []
        for label in sorted(set(labels.tolist())):
            x, y = codes[labels == label].median(0).values.tolist()
            across = (x - low[0] + pad[0]) / (high[0] - low[0] + 2 * pad[0])
            down = 1 - (y - low[1] + pad[1]) / (high[1] - low[1] + 2 * pad[1])
            places.append((label, round(across, 4), round(down, 4)))
    return Map(uri, tuple(places))


@contextmanager
def drawing(size: tuple[float, float]) -> Iterator[Figure]:
    """A figure with matplotlib's own defaults, whatever the user's are: the same folder gives the same page."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "modeldebug", "font.size": 9})
        yield Figure(figsize=size, facecolor="none")


def as_webp(figure: Figure) -> str:
    """A figure with many points as a picture (a data URI)."""
    buffer, small = io.BytesIO(), io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, transparent=True)
    Image.open(buffer).save(small, "WEBP", quality=85)
    return data_uri("webp", small.getvalue())


def as_svg(figure: Figure) -> str:
    """A figure as an SVG element for the page, in the page's colours."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', text, count=1)
    text = text.replace("xlink:href", "href")
    for colour, name in _NAMES.items():
        text = text.replace(colour, f"var({name})")
    return text
