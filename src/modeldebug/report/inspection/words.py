"""Targets in words, as a reader meets them."""

from __future__ import annotations

from collections.abc import Sequence

from ...targets import Target
from ..wording import DASH

LONG = 14  # letters of a class name that fit under a violin or at the edge of a matrix


def headline(target: Target, classes: Sequence[str]) -> str:
    """What the classifier was to say.

    >>> headline(Target("ambiguous", (0, 1), (0.5, 0.5)), ["cat", "dog"])
    'Torn between cat and dog'
    >>> headline(Target("graded", (0, 1), (0.6, 0.4)), ["cat", "dog"])
    'cat at 0.6, dog at 0.4'
    """
    named = [classes[c] for c in target.classes]
    if target.kind == "graded":
        return ", ".join(f"{name} at {wanted:g}" for name, wanted in zip(named, target.wanted, strict=True))
    if target.kind == "uniform":
        return "Torn between all classes"
    said = {
        "high-confidence": "Sure of {0}",
        "ambiguous": "Torn between {0} and {1}",
        "class-excluded": "Taken for {0}, by a generator that never learnt {0}",
        "novel-class": "Taken for {0}, of classes that the classifier does not know",
        "misclassified": "{0} taken for another class",
    }
    return said[target.kind].format(*named)


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash where there is none.

    >>> number(0.49712), number(None) == DASH
    ('0.497', True)
    """
    return DASH if value is None else f"{value:.{digits}f}"


def short(name: str, most: int = LONG) -> str:
    """A class name that fits.

    >>> short("Speed limit (80 km/h)")
    'Speed limit (…'
    """
    return name if len(name) <= most else f"{name[: most - 1]}\u2026"


def listed(parts: Sequence[str]) -> str:
    """Words in a row.

    >>> listed(["cat", "dog", "owl"])
    'cat, dog and owl'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
