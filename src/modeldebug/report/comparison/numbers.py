"""The figures of the entrants beside each other: the first table, and a small one for each further figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..regions import MEANINGS
from ..wording import unbroken
from .reading import AGAINST, against, endings, verdict
from .tones import Tone
from .words import (
    Metric,
    Results,
    difference,
    families,
    foremost,
    known,
    metric,
    number,
    searches,
    together,
)

KINDS = {"genuine": "genuine", "third_class": "third class", "drift": "drift", "abstained": "abstained"}
VERDICTS = {
    "beats it": ("right", "\u2713"),
    "falls short": ("wrong", "\u2717"),
    "not told apart": ("unlabelled", "\u2248"),
    "unknown": ("unlabelled", "?"),
}


@dataclass(frozen=True)
class Bar:
    """A figure with its 95 % interval, and where they lie on the figure's scale, in percent of its width."""

    value: str
    interval: str
    at: float | None
    low: float
    width: float


@dataclass(frozen=True)
class Entry:
    """An entrant's name, how it looks, and a figure of its own."""

    name: str
    tone: Tone
    bar: Bar


@dataclass(frozen=True)
class Panel:
    """One figure of every entrant."""

    title: str
    meaning: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Stack:
    """What the auditor made of an entrant's failures: looks, names, widths and shares."""

    name: str
    tone: Tone
    parts: tuple[tuple[str, str, float, str], ...]


@dataclass(frozen=True)
class Group:
    """Figures that are read together."""

    title: str
    stacks: tuple[Stack, ...]
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Verdict:
    """Whether an entrant beats the baseline."""

    look: str
    mark: str
    words: str
    difference: str


@dataclass(frozen=True)
class Row:
    """An entrant in the first table."""

    name: str
    tone: Tone
    note: str
    bars: tuple[Bar, ...]
    verdict: Verdict | None
    spent: str
    ended: str


def rows(results: Results, tones: Mapping[str, Tone]) -> tuple[Row, ...]:
    """The first table."""
    columns = [bars(results, one) for one in foremost(results)]
    told = searches(results)
    found = []
    for i, row in enumerate(results["rows"]):
        name = row["name"]
        found.append(
            Row(
                name=name,
                tone=tones[name],
                note="the baseline" if name == results["baseline"] else "",
                bars=tuple(column[i] for column in columns),
                verdict=_verdict(results, row),
                spent=number(row["queries"]["mean"], "number") if told else "",
                ended=endings(results, name) if told else "",
            )
        )
    return tuple(found)


def groups(results: Results, tones: Mapping[str, Tone]) -> tuple[Group, ...]:
    """All further figures."""
    found = []
    for family in families(results):
        stacks = _stacks(results, tones) if any(one.key == "drift_share" for one in family.metrics) else ()
        found.append(Group(family.title, stacks, tuple(_panel(results, one, tones) for one in family.metrics)))
    return tuple(found)


def bars(results: Results, one: Metric) -> tuple[Bar, ...]:
    """A figure of every entrant, on one scale from 0."""
    values = [row[one.key] for row in results["rows"]]
    ends = [end for value in values for end in (value["mean"], value["high"]) if end is not None]
    top = max(ends, default=0.0) or 1.0
    return tuple(_bar(value, one, top) for value in values)


def _bar(value: Mapping[str, float | None], one: Metric, top: float) -> Bar:
    mean, low, high = value["mean"], value["low"], value["high"]
    said, bounds = together(value, one.written)
    start, end = (0.0, 0.0) if low is None or high is None else (low, high)
    return Bar(
        value=unbroken(said),
        interval=_bounds(value, unbroken(bounds)),
        at=None if mean is None else round(100 * mean / top, 2),
        low=round(100 * start / top, 2),
        width=round(100 * (end - start) / top, 2),
    )


def _bounds(value: Mapping[str, float | None], said: str) -> str:
    if value["mean"] is None:
        return ""
    if value["low"] is None:
        return "no interval"
    return "in each run" if value["low"] == value["high"] else said


def _panel(results: Results, one: Metric, tones: Mapping[str, Tone]) -> Panel:
    names = [row["name"] for row in results["rows"]]
    entries = (Entry(name, tones[name], bar) for name, bar in zip(names, bars(results, one), strict=True))
    return Panel(one.title, one.meaning, tuple(entries))


def _stacks(results: Results, tones: Mapping[str, Tone]) -> tuple[Stack, ...]:
    found = []
    for row in results["rows"] if known(results, "genuine_share") else ():
        shares = {kind: row[f"{kind}_share"]["mean"] or 0.0 for kind in KINDS}
        parts = tuple(
            (kind, KINDS[kind], round(100 * share, 2), unbroken(number(share, "share")))
            for kind, share in shares.items()
            if share
        )
        found.append(Stack(row["name"], tones[row["name"]], parts))
    return tuple(found)


def meanings() -> tuple[tuple[str, str, str], ...]:
    """The kinds of failures: look, name and what they are."""
    return tuple((kind, name, MEANINGS[kind]) for kind, name in KINDS.items())


def _verdict(results: Results, row: Mapping[str, Any]) -> Verdict | None:
    said, baseline = verdict(results, row), results["baseline"]
    if not said:
        return None
    found = against(results, row["name"], baseline, AGAINST)
    by = "" if found is None or found["mean"] is None else signed(found, metric(results, AGAINST))
    words = {
        "beats it": f"beats {baseline}",
        "falls short": f"falls short of {baseline}",
        "not told apart": f"not told apart from {baseline}",
        "unknown": "one seed cannot say",
    }
    return Verdict(*VERDICTS[said], words[said], by)


def signed(found: Mapping[str, Any], one: Metric) -> str:
    """A difference with its interval."""
    said, bounds = difference(found, one.written)
    return f"{said} ({bounds})" if bounds else said


def listed(names: Sequence[str]) -> str:
    """Names in a row.

    >>> listed(["a", "b", "c"]), listed(["a"])
    ('a, b and c', 'a')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
