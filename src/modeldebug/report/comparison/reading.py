"""What the results of a comparison say, for its page and for the console: verdicts, differences, cautions. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...words import duration
from .words import Metric, Results, foremost, searches

AGAINST = "distinct"  # the figure by which searchers are held against the baseline


def budget_named(settings: Mapping[str, Any]) -> str:
    """What each search could spend.

    >>> budget_named({"budget": {"queries": 200_000, "seconds": None}})
    '200,000 queries'
    """
    given = settings["budget"]
    if given["queries"] is not None:
        return f"{given['queries']:,} queries"
    return "to its end" if given["seconds"] is None else duration(given["seconds"])


def endings(results: Results, name: str) -> str:
    """How the searches of an entrant ended.

    >>> cells = [{"name": "margin", "stopped": None}, {"name": "margin", "stopped": "queries"}]
    >>> endings({"cells": cells}, "margin")
    'by itself in 1 of 2, budget spent in 1 of 2'
    """
    stopped = [cell["stopped"] for cell in results["cells"] if cell["name"] == name]
    said = {None: "by itself", "queries": "budget spent", "seconds": "time was up"}
    found = [(said.get(why, f"stopped by {why}"), stopped.count(why)) for why in dict.fromkeys(stopped)]
    if len(found) == 1:
        return found[0][0]
    return ", ".join(f"{how} in {n} of {len(stopped)}" for how, n in found)


def against(results: Results, one: str, other: str, key: str) -> Mapping[str, Any] | None:
    """How much more one entrant has than another, with `mean`, `low`, `high` and `real`; None where it is unknown."""
    for found in results["differences"]:
        if found["metric"] == key and (found["one"], found["other"]) == (one, other):
            return {name: found[name] for name in ("mean", "low", "high", "real")}
        if found["metric"] == key and (found["one"], found["other"]) == (other, one):
            mean, low, high = (None if found[of] is None else -found[of] for of in ("mean", "high", "low"))
            return {"mean": mean, "low": low, "high": high, "real": found["real"]}
    return None


def held_by(results: Results) -> Metric:
    """The foremost figure in which entrants were held against each other; the first one where none was."""
    shown = foremost(results)
    held = {found["metric"] for found in results["differences"]}
    return next((one for one in shown if one.key in held), shown[0])


def regions_alone(results: Results, name: str) -> list[tuple[str, int, int]]:
    """What only one entrant finds: (expected -> predicted, regions, failures in them), over all seeds, most first."""
    overlap = results["overlap"] or {"alone": []}
    found: dict[str, list[int]] = {}
    for place in overlap["alone"]:
        if place["name"] == name:
            is_ = "?" if place["expected"] is None else place["expected"]
            found.setdefault(f"{is_} \u2192 {place['predicted']}", []).append(place["failures"])
    listed = [(pair, len(sizes), sum(sizes)) for pair, sizes in found.items()]
    return sorted(listed, key=lambda row: (-row[1], -row[2], row[0]))


def verdict(results: Results, row: Mapping[str, Any]) -> str:
    """Whether an entrant beats the baseline; empty where there is none, or it is the baseline itself."""
    baseline = results["baseline"]
    if baseline is None or row["name"] == baseline:
        return ""
    found = against(results, row["name"], baseline, AGAINST)
    if found is None or found["mean"] is None or found["real"] is None:
        return "unknown"
    if not found["real"]:
        return "not told apart"
    return "beats it" if row["beats_baseline"] else "falls short"


def cautions(results: Results) -> Sequence[str]:
    """What the intervals of this comparison do not say."""
    settings = results["settings"]
    found = []
    if len(settings["seeds"]) == 1:
        found.append(
            "There is one seed: shares and rates have intervals over training images alone, and figures that each run "
            "has once have none. Add seeds with --seeds."
        )
    if searches(results):
        found += _unequal(results)
    if not settings["retrain"]:
        found.append("All seeds share one classifier and one generator: another training may order entrants otherwise.")
    return found


UNEQUAL = 0.9  # of the queries of whoever spent more: with fewer, the two did not spend the same


def _unequal(results: Results) -> list[str]:
    """What makes counts of distinct failures unlike: who spent what, and whose failures are of no image."""
    spent = {row["name"]: row["queries"]["mean"] or 0 for row in results["rows"]}
    at = results.get("counted_at")  # comparisons of earlier versions do not say
    found = _at_different(results, spent) if at is None else _at_one(results, spent, at)
    alone = {cell["name"] for cell in results["cells"] if cell["without_origin"] and not cell["distinct_origins"]}
    return found + [
        f"Failures of {name} come from no training image: each counts as distinct." for name in sorted(alone)
    ]


def _at_one(results: Results, spent: Mapping[str, float], at: float) -> list[str]:
    """At how many queries distinct failures are counted, where not everybody spent that."""
    baseline, found = results["baseline"], []
    if any(at < UNEQUAL * queries for queries in spent.values()):
        shortest = dict.fromkeys(cell["name"] for cell in results["cells"] if cell["queries"] == at)
        found.append(
            f"Distinct failures are counted at {at:,} queries, which is all that {' and '.join(shortest)} spent: what "
            "others found later is in the curves and in all other figures"
            + (f", and counts where each is held against {baseline}." if baseline is not None else ".")
        )
    if baseline is not None and spent[baseline] < UNEQUAL * at:
        found.append(
            f"The baseline, {baseline}, ended after {spent[baseline]:,.0f} queries, and is counted there: its rate is "
            "not to be held against those of the others."
        )
    return found


def _at_different(results: Results, spent: Mapping[str, float]) -> list[str]:
    most = max(spent.values(), default=0)
    return [
        f"{name} spent {queries:,.0f} queries on average, where others spent up to {most:,.0f}: its number of failures "
        "is held against theirs at unequal spending. The curves show all at equal spending."
        for name, queries in spent.items()
        if queries < UNEQUAL * most and name != results["baseline"]
    ]
