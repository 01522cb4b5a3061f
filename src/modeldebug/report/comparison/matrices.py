"""Entrants against each other: how much more the one has than the other, and which regions they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from .figures import course, short
from .numbers import signed
from .reading import against, regions_alone
from .tones import Tone
from .words import DASH, Results, difference, foremost, metric, number

MOST_ALONE = 8  # pairs of classes for each entrant
COURSES = {
    "failures": "Failures proposed",
    "genuine": "Genuine failures",
    "distinct": "Distinct failures",
    "regions": "Regions reached",
}
STOPS = 5  # places at which the curves stand in a table


@dataclass(frozen=True)
class Cell:
    """One entrant less another."""

    look: str  # more, less, same, unknown or self
    value: str
    interval: str
    words: str


@dataclass(frozen=True)
class Differences:
    """A figure's differences, each row less each column."""

    title: str
    unit: str
    known: bool
    rows: tuple[tuple[str, Tone, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Alone:
    """What only one entrant finds."""

    name: str
    tone: Tone
    regions: str
    pairs: tuple[tuple[str, str], ...]  # expected -> predicted, how often
    more: int


@dataclass(frozen=True)
class Overlap:
    """Which regions are shared."""

    regions: str
    rows: tuple[tuple[str, Tone, tuple[tuple[str, int, bool], ...]], ...]  # figure, heat, own
    alone: tuple[Alone, ...]


@dataclass(frozen=True)
class Course:
    """What was found by the time that so much was spent."""

    title: str
    figure: Markup
    stops: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def differences(results: Results, tones: Mapping[str, Tone]) -> tuple[Differences, ...]:
    """A matrix for each figure by which entrants are told apart."""
    names, listed = [row["name"] for row in results["rows"]], results["differences"]
    found = []
    for one in foremost(results):
        if not any(one.key == pair["metric"] for pair in listed):
            continue
        rows = tuple((a, tones[a], tuple(_cell(results, a, b, one.key) for b in names)) for a in names)
        some = any(pair["metric"] == one.key and pair["real"] is not None for pair in listed)
        found.append(Differences(one.title, "in points of a hundred" if one.written == "share" else "", some, rows))
    return tuple(found)


def _cell(results: Results, one: str, other: str, key: str) -> Cell:
    if one == other:
        return Cell("self", "", "", "")
    found, what = against(results, one, other, key), metric(results, key)
    if found is None or found["mean"] is None:
        return Cell("unknown", DASH, "", f"{one} less {other}: unknown")
    value, bounds = difference(found, what.written)
    if found["real"] is None:
        look = "unknown"
    else:
        look = ("more" if found["mean"] > 0 else "less") if found["real"] else "same"
    real = {"unknown": "unknown whether real", "same": "not told apart"}.get(look, "real")
    return Cell(look, value, bounds, f"{one} less {other}: {signed(found, what)}, {real}")


def overlap(results: Results, tones: Mapping[str, Tone]) -> Overlap | None:
    """The regions that entrants share, and those that only one finds; None where there are none to be shared."""
    found = results["overlap"]
    if found is None or not found["names"]:
        return None
    names, shared = found["names"], found["shared"]
    top = max(map(max, shared)) or 1.0
    rows = tuple(
        (
            name,
            tones[name],
            tuple((number(value, "number"), round(100 * value / top), i == j) for j, value in enumerate(shared[i])),
        )
        for i, name in enumerate(names)
    )
    alone = tuple(_alone(results, name, tones) for name in names)
    return Overlap(number(found["regions"], "number"), rows, alone)


def _alone(results: Results, name: str, tones: Mapping[str, Tone]) -> Alone:
    pairs = regions_alone(results, name)
    row = next(row for row in results["rows"] if row["name"] == name)
    shown = tuple((pair, f"\u00d7{regions}" if regions > 1 else "") for pair, regions, _ in pairs[:MOST_ALONE])
    return Alone(name, tones[name], number(row["regions_alone"]["mean"], "number"), shown, len(pairs) - len(shown))


def courses(results: Results, tones: Mapping[str, Tone]) -> tuple[Course, ...]:
    """The curves, those of regions only where there are any."""
    curves = results["curves"]
    kinds = [kind for kind in COURSES if kind != "regions" or results["overlap"] is not None]
    return tuple(_course(results, kind, tones) for kind in kinds) if curves else ()


def _course(results: Results, kind: str, tones: Mapping[str, Tone]) -> Course:
    curves = results["curves"]
    grid = curves[0]["queries"]
    places = sorted({round(i * (len(grid) - 1) / STOPS) for i in range(1, STOPS + 1)})
    rows = tuple((c["name"], tuple(number(_rounded(c[kind][i]), "number") for i in places)) for c in curves)
    return Course(COURSES[kind], course(kind, curves, tones), tuple(short(round(grid[i])) for i in places), rows)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
