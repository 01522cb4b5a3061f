"""From one class to another: graded targets over the same two classes, side by side (Bayes-TrEx, figure 8)."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from ..images import Shot
from .figures import Violin, violins
from .found import Aim, Found
from .galleries import shot
from .words import number

FEWEST = 3  # targets that make a strip
SHOWN = 4  # samples of each


@dataclass(frozen=True)
class Column:
    """One step of the way."""

    wanted: str
    means: str
    reached: bool
    reason: str
    shots: tuple[Shot, ...]
    violins: Markup
    alt: str


@dataclass(frozen=True)
class Strip:
    """The way between two classes."""

    title: str
    names: tuple[str, str]
    columns: tuple[Column, ...]


def strips(found: Found) -> tuple[Strip, ...]:
    """One for each two classes with enough graded targets; certainty of one of them is an end of the way."""
    graded = [aim for aim in found.aims if aim.target.kind == "graded"]
    made = []
    for a, b in sorted({(c[0], c[1]) for aim in graded if len(c := aim.target.classes) == 2}):
        own = [aim for aim in graded if set(aim.target.classes) <= {a, b}]
        if len(own) >= FEWEST:
            own.sort(key=lambda aim: -_wanted(aim, a))
            names = found.classes[a], found.classes[b]
            made.append(Strip(" to ".join(names), names, tuple(_column(found, aim, (a, b)) for aim in own)))
    return tuple(made)


def _wanted(aim: Aim, c: int) -> float:
    return dict(zip(aim.target.classes, aim.target.wanted, strict=True)).get(c, 0.0)


def _column(found: Found, aim: Aim, pair: tuple[int, int]) -> Column:
    wanted = [_wanted(aim, c) for c in pair]
    means = [number(float(aim.samples.probs[:, c].mean()) if len(aim.samples) else None, 2) for c in pair]
    shown = [Violin(found.classes[c], aim.samples.probs[:, c], w) for c, w in zip(pair, wanted, strict=True)]
    words = [f"{found.classes[c]} {m}, wanted {w:g}" for c, m, w in zip(pair, means, wanted, strict=True)]
    return Column(
        wanted=" / ".join(f"{w:g}" for w in wanted),
        means=" / ".join(means),
        reached=aim.reached,
        reason=aim.diagnosis["reason"],
        shots=tuple(shot(aim, i, found.classes) for i in range(min(SHOWN, len(aim.images)))),
        violins=violins(shown, scale=False),
        alt="; ".join(words),
    )
