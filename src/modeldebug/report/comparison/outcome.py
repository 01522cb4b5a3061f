"""The first screen: who leads, whether that is more than chance, and who beats the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...words import error_of
from ..wording import count, unbroken
from .numbers import listed
from .reading import against, budget_named, cautions, held_by, verdict
from .words import DASH, Metric, Results, number, searches, together

JOINED = f"\u2060{DASH}\u2060"  # a dash at which no line ends


@dataclass(frozen=True)
class Outcome:
    """The first screen."""

    headline: str
    lead: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]  # which run, and why it did not end
    warnings: tuple[str, ...]
    cautions: tuple[str, ...]
    tiles: tuple[tuple[str, str, str], ...]


def outcome(results: Results) -> Outcome:
    """The first screen of the page."""
    return Outcome(
        headline=headline(results),
        lead=tuple(sentence for sentence in (_compared(results), against_baseline(results)) if sentence),
        failed=tuple(
            [(f"{cell['name']}, seed {cell['seed']}", cell["error"]) for cell in results["failed"]]
            + [(wait["run"], wait["what"]) for wait in results.get("waiting", ())]
        ),
        warnings=tuple(results["warnings"]),
        cautions=tuple(cautions(results)),
        tiles=_tiles(results),
    )


def headline(results: Results) -> str:
    """Who has the most of what entrants are told apart by, and whether that is more than chance."""
    one = held_by(results)
    known = [row for row in results["rows"] if row[one.key]["mean"] is not None]
    if not known:
        return f"No {results['role']} has figures to compare"
    first = max(known, key=lambda row: row[one.key]["mean"])
    others = [row["name"] for row in known if row is not first]
    alike = [name for name in others if not _more(results, first["name"], name, one.key)]
    leads = f"{first['name']}{' (the baseline)' if first['name'] == results['baseline'] else ''} leads"
    said = f"{leads} in {one.title}: {_figure(first, one)}"
    if not others:
        return f"{first['name']}, {one.title}: {_figure(first, one)}"
    if not alike:
        return f"{said}, more than by chance"
    few = listed(alike) if len(alike) <= 3 else f"{len(alike)} others"
    return f"{said}; not told apart from {few}"


def against_baseline(results: Results) -> str:
    """Who beats the baseline, and who does not; empty where there is none."""
    baseline = results["baseline"]
    said: dict[str, list[str]] = {}
    for row in results["rows"]:
        said.setdefault(verdict(results, row), []).append(row["name"])
    said.pop("", None)
    if not said:
        return ""
    beaten = said.get("beats it", [])
    who = listed(beaten) if beaten else f"No {results['role']}"
    held = f"{who} {'beat' if len(beaten) > 1 else 'beats'} the baseline, {baseline}, in distinct failures"
    rest = [
        *([f"{listed(said['not told apart'])} cannot be told apart from it"] if "not told apart" in said else []),
        *([f"{listed(said['falls short'])} {_falls(said)} short of it"] if "falls short" in said else []),
        *([f"of {listed(said['unknown'])} it is unknown"] if "unknown" in said else []),
    ]
    plainly = f" A {results['role']} that does not beat {baseline} is not searching." if rest else ""
    return "; ".join([held, *rest]) + "." + plainly


def _falls(said: Mapping[str, Sequence[str]]) -> str:
    return "falls" if len(said["falls short"]) == 1 else "fall"


def _more(results: Results, one: str, other: str, key: str) -> bool:
    found = against(results, one, other, key)
    return found is not None and bool(found["real"])


def _figure(row: Mapping[str, Any], one: Metric) -> str:
    said, bounds = together(row[one.key], one.written)
    return unbroken(said) + (f" ({bounds.replace(DASH, JOINED)})" if bounds else "")


def _compared(results: Results) -> str:
    settings, role = results["settings"], results["role"]
    limit, seeds = budget_named(settings), len(settings["seeds"])
    each = "one seed" if seeds == 1 else f"each of {seeds} seeds"
    search = "to its end" if limit == "to its end" else f"until the end of the step in which {limit} were spent"
    if role == "searcher":
        shared = f"Each searcher made a search {search} with {each}, on the same data, models and origins."
        if results["baseline"] is not None:
            shared += f" (The baseline, {results['baseline']}, may begin with other training images: see Reproduce.)"
    elif role == "generator":
        shared = f"In each generator a search {search} was made with {each}, on the same data and models."
    else:
        shared = f"Each {role} was given the same: what a search {search} had found, with {each}."
    return f"{shared} What was found was judged by {settings['base']['auditor']['use']}, which none of them sees."


def _tiles(results: Results) -> tuple[tuple[str, str, str], ...]:
    settings, shared, cells = results["settings"], results["shared"], results["cells"]
    own = cells if searches(results) or not cells else [cell for cell in cells if cell["name"] == cells[0]["name"]]
    asked = sum(cell["asked"] for cell in own)
    varied = "everything, models too" if settings["retrain"] else "the search and what follows"
    return (
        ("Compared", count(len(results["rows"]), results["role"]), count(len(cells), "run")),
        ("Seeds", str(len(settings["seeds"])), f"decide {varied}"),
        ("Budget", unbroken(budget_named(settings)), "of each search"),
        ("Test accuracy", unbroken(number(shared["test_accuracy"], "share")), "of the classifier"),
        ("Judged", count(asked, "failure"), f"auditor {_short(error_of(shared['auditor']))}"),
    )


def _short(words: str) -> str:
    return unbroken(words.partition("; ")[0].partition(" on test images")[0])
