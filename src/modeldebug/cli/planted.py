"""From `planted.json` to the tables at the end of `compare --planted`. Pure functions: results in, rows of text out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..words import count, percent

Results = Mapping[str, Any]
Rows = list[tuple[str, ...]]

HEADINGS = ("recall", "precision", "purity", "first hit", "found", "regions", "matched")
BUGS = ("bug", "found by", "purity", "first hit")


def rows(results: Results) -> tuple[tuple[str, ...], Rows]:
    """Headings and a row for each entrant; shares with their intervals below them."""
    found = []
    for row in results["rows"]:
        shares = (_share(row[key]) for key in ("recall", "precision", "purity"))
        counts = (_number(row[key]) for key in ("first_hit", "found", "regions", "matched"))
        found.append((row["name"], *shares, *counts))
    return (results["settings"]["role"], *HEADINGS), found


def bugs(results: Results) -> Rows:
    """Each planted bug: in how many of all cells it was found, the mean purity there, and the earliest first hit."""
    every: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for cell in results["cells"]:
        for bug in cell["bugs"]:
            every.setdefault((cell["case"], bug["bug"]), []).append(bug)
    listed: Rows = []
    for (case, name), own in every.items():
        found = [bug for bug in own if bug["regions"]]
        hits = [bug["first_hit"] for bug in own if bug["first_hit"] is not None]
        purity = sum(bug["purity"] for bug in found) / len(found) if found else None
        hit = f"{min(hits):,}" if hits else "never"
        listed.append(
            (f"{case}: {name}", f"{len(found)} of {len(own)}", "-" if purity is None else percent(purity), hit)
        )
    return listed


def facts_of(results: Results, folder: Path) -> list[tuple[str, str]]:
    """Everything else, as label and text."""
    cells = count(len({(cell["name"], cell["seed"]) for cell in results["cells"]}), "cell")
    cases = sorted({cell["case"] for cell in results["cells"]})
    return [
        ("suite", f"version {results['suite']}, {results['base']}: {', '.join(cases)}; {cells} on each"),
        ("found", "a region matches a bug if more than half of its failures are the bug's; recall is the share of the "
         "bugs that one matches, precision the share of the regions that match one"),
        ("results", str(folder / "planted.json")),
        ("pages", str(folder / "CASE" / "report.html")),
    ]  # fmt: skip


def _share(found: Mapping[str, float | None]) -> str:
    if found["mean"] is None:
        return "-"
    if found["low"] is None or found["high"] is None:
        return percent(found["mean"])
    return f"{percent(found['mean'])}\n{100 * found['low']:.0f}-{100 * found['high']:.0f}"


def _number(found: Mapping[str, float | None]) -> str:
    return "-" if found["mean"] is None else f"{found['mean']:,.0f}"
