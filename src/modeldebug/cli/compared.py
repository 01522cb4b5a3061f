"""From `comparison.json` to the tables at its end. Pure functions: results in, rows of text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..report.comparison import reading, words
from ..report.comparison.outcome import against_baseline, headline
from ..words import count, preset_named

Results = Mapping[str, Any]
Rows = list[tuple[str, ...]]

MATRIX = 8  # entrants whose differences fit side by side; those of more are on the page
PAIRS = 3  # of the regions that only one entrant finds
_TYPED = {words.DASH: "-", words.MINUS: "-", "\u2192": "->", "\u00a0": " ", "\u2060": ""}


def said(results: Results) -> str:
    """Who leads, and who beats the baseline."""
    return typed(" ".join([f"{headline(results)}.", against_baseline(results)]).strip())


def typed(text: str) -> str:
    """Words of the page as a terminal has them.

    >>> typed("9 \u2192 3: 13.4\u201335.7\u00a0%")
    '9 -> 3: 13.4-35.7 %'
    """
    for of_page, plain in _TYPED.items():
        text = text.replace(of_page, plain)
    return text


def first(results: Results) -> tuple[tuple[str, ...], Rows]:
    """Headings and rows of the foremost figures, intervals below them, and whether each entrant beats the baseline."""
    shown = words.foremost(results)
    held = results["baseline"] is not None
    headings = (results["role"], *(one.short for one in shown), *(("baseline",) if held else ()))
    rows = []
    for row in results["rows"]:
        figures = (typed("\n".join(filter(None, words.together(row[one.key], one.written)))) for one in shown)
        verdict = reading.verdict(results, row) or "is it"
        rows.append((row["name"], *figures, *((verdict,) if held else ())))
    return headings, rows


def further(results: Results) -> list[tuple[tuple[str, ...], Rows]]:
    """Headings and rows of all other figures, family by family, without intervals."""
    found = []
    for family in words.families(results):
        headings = (family.title.lower(), *(one.short for one in family.metrics))
        rows = [
            (row["name"], *(typed(words.number(row[one.key]["mean"], one.written)) for one in family.metrics))
            for row in results["rows"]
        ]
        found.append((headings, rows))
    return found


def differences(results: Results) -> tuple[str, tuple[str, ...], Rows] | None:
    """What is held against what, headings and rows of the foremost figure's differences; None where there are none, or
    too many."""
    names = [row["name"] for row in results["rows"]]
    one = reading.held_by(results)
    known = any(found["metric"] == one.key and found["real"] is not None for found in results["differences"])
    if not known or len(names) > MATRIX:
        return None
    unit = ", in points" if one.written == "share" else ""
    told = f"{one.title}{unit}, row less column (* real: the 95 % interval of the difference leaves out 0)"
    rows = []
    for i, name in enumerate(names):
        pairs = (reading.against(results, name, other, one.key) for other in names)
        rows.append((str(i + 1), name, *(_difference(found, one.written) for found in pairs)))
    return told, ("", "", *(str(i + 1) for i in range(len(names)))), rows


def _difference(found: Mapping[str, Any] | None, written: words.Written) -> str:
    if found is None or found["mean"] is None:
        return ""
    return typed(words.difference(found, written)[0]) + ("*" if found["real"] else "")


def facts_of(results: Results, folder: Path) -> list[tuple[str, str]]:
    """Everything else, as label and text."""
    settings = results["settings"]
    seeds = count(len(settings["seeds"]), "seed")
    runs = count(len(results["cells"]), "run")
    return [
        ("compared", f"{runs}, {seeds}; budget of a search: {reading.budget_named(settings)}"),
        *(_ended(results) if words.searches(results) else ()),
        *(("alone", alone) for alone in _alone(results)),
        *(("note", f"{one.title}: {one.meaning}") for one in words.foremost(results) if one.key == "distinct_per_1k"),
        *(("note", caution) for caution in reading.cautions(results)),
        *(("warning", warning) for warning in results["warnings"]),
        ("preset", preset_named(settings["preset"], None)),
        ("report", str(folder / "report.html")),
        ("next", f'open the report; in Python: modeldebug.open_comparison("{folder}").rows'),
    ]


def _ended(results: Results) -> list[tuple[str, str]]:
    by_end: dict[str, list[str]] = {}
    for row in results["rows"]:
        by_end.setdefault(reading.endings(results, row["name"]), []).append(row["name"])
    return [("ended", "; ".join(f"{how}: {' and '.join(names)}" for how, names in by_end.items()))] if by_end else []


def _alone(results: Results) -> Sequence[str]:
    """What only one entrant finds, entrant by entrant."""
    found = []
    for row in results["rows"]:
        pairs = reading.regions_alone(results, row["name"])
        named = [f"{typed(pair)}{f' ({regions} regions)' if regions > 1 else ''}" for pair, regions, _ in pairs[:PAIRS]]
        more = [f"{len(pairs) - PAIRS} more pairs"] if len(pairs) > PAIRS else []
        if named:
            found.append(f"only {row['name']} finds {', '.join([*named, *more])}")
    return found
