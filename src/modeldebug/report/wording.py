"""Numbers in words, as the page prints them: with spaces that do not break, and real dashes."""

from __future__ import annotations

from .. import words
from ..judging import wilson

SPACE = "\u00a0"  # does not break between a number and its unit
DASH = "\u2013"


def percent(share: float | None) -> str:
    """A share of one.

    >>> percent(0.9724).replace(SPACE, " "), percent(None) == DASH
    ('97.2 %', True)
    """
    return DASH if share is None else words.percent(share).replace(" ", SPACE)


def unbroken(text: str) -> str:
    """Plain words as the page prints them: no line ends between a number and its per cent sign."""
    return text.replace(" %", f"{SPACE}%")


def count(number: int, noun: str) -> str:
    """A number of things."""
    return words.count(number, noun).replace(" ", SPACE)


def duration(seconds: float) -> str:
    """A time."""
    return words.duration(seconds).replace(" ", SPACE)


def points(difference: float) -> str:
    """The size of a difference of two shares.

    >>> points(-0.0112).replace(SPACE, " ")
    '1.1 points'
    """
    return f"{abs(100 * difference):.1f}{SPACE}points"


def interval(low: float, high: float) -> str:
    """An interval of shares, in percent.

    >>> interval(0.49, 0.943).replace(SPACE, " ").replace(DASH, "-")
    '49.0-94.3 %'
    """
    return f"{100 * low:.1f}{DASH}{100 * high:.1f}{SPACE}%"


def interval_of(share: float, n: int) -> str:
    """The 95 % Wilson interval of a share that was counted over n things."""
    return interval(*wilson(round(share * n), n))


def strength(value: float) -> str:
    """A lambda, as short as it can be said."""
    return f"{value:g}".replace("e-0", "e-")
