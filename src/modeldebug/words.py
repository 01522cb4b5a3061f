"""Numbers in words, for the console, the report and messages. What was not measured is a dash, never 0."""

from __future__ import annotations

from collections.abc import Sequence

DASH = "-"


def percent(share: float | None) -> str:
    """A share of one.

    >>> percent(0.9724), percent(None)
    ('97.2 %', '-')
    """
    return DASH if share is None else f"{100 * share:.1f} %"


def count(number: int | None, noun: str) -> str:
    """A number of things.

    >>> count(1, "query"), count(1200, "query"), count(None, "region")
    ('1 query', '1,200 queries', '- regions')
    """
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{DASH if number is None else format(number, ',')} {noun if number == 1 else plural}"


def trained_on(dataset: str, images: int, classes: Sequence[str]) -> str:
    """What a generator learnt from.

    >>> trained_on("datasets:mnist", 12_665, ("0", "1"))
    '12,665 training images of datasets:mnist (0, 1)'
    >>> trained_on("datasets:gtsrb", 26_640, [str(i) for i in range(43)])
    '26,640 training images of datasets:gtsrb (43 classes)'
    """
    named = ", ".join(classes) if len(classes) <= 10 else count(len(classes), "class")
    return f"{images:,} training images of {dataset} ({named})"


def doubts(disputed: int | None, of_one_image: int) -> str:
    """How many kept regions are open to doubt, and why; empty where none is, or nobody could dispute.

    >>> doubts(2, 4), doubts(None, 1), doubts(0, 0)
    ('2 disputed by the auditor, 4 from one training image', '1 from one training image', '')
    """
    parts = ((disputed, "disputed by the auditor"), (of_one_image, "from one training image"))
    return ", ".join(f"{n:,} {why}" for n, why in parts if n)


def preset_named(preset: str | None, budget: str | None) -> str:
    """A preset with its budget, where it has one.

    >>> preset_named("defuse-mnist", "laptop"), preset_named("tiny", None), preset_named(None, None)
    ('defuse-mnist, budget laptop', 'tiny', 'none')
    """
    return f"{preset or 'none'}" + (f", budget {budget}" if budget else "")


def duration(seconds: float) -> str:
    """A time.

    >>> [duration(s) for s in (0.004, 4.21, 59, 150, 7500)]
    ['under 0.1 s', '4.2 s', '59 s', '2 min 30 s', '2 h 5 min']
    """
    if seconds < 0.1:
        return "under 0.1 s"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
