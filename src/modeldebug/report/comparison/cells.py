"""Every run of a comparison in a row of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..wording import unbroken
from .words import DASH, Results, families, metric, number, searches

_ONLY_OF_CELLS = {
    "seed": "seed",
    "asked": "judged",
    "genuine": "genuine",
    "third_class": "third class",
    "drift": "drift",
    "abstained": "abstained",
    "without_origin": "from no image",
    "distinct_counted": "counted",
    "steps": "steps",
    "stopped": "ended",
}
_LEFT_OUT = ("name", "distinct_origins")  # the latter is a part of `distinct`


@dataclass(frozen=True)
class Cells:
    """The table of all runs."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def cells(results: Results) -> Cells:
    """All runs, with the figures that apply to this role."""
    listed = results["cells"]
    keys = [key for key in (listed[0] if listed else {}) if key not in _LEFT_OUT]
    if not searches(results):
        own = {*results["headline"], *(one.key for family in families(results) for one in family.metrics)}
        keys = [key for key in keys if key == "seed" or key in own]
    keys = [key for key in keys if key == "stopped" or any(cell[key] is not None for cell in listed)]
    headings = tuple(_ONLY_OF_CELLS.get(key) or metric(results, key).short for key in keys)
    return Cells(
        headings, tuple((cell["name"], tuple(_written(results, key, cell) for key in keys)) for cell in listed)
    )


def _written(results: Results, key: str, cell: Mapping[str, Any]) -> str:
    value = cell[key]
    if key == "stopped":
        return {None: "by itself", "queries": "budget spent", "seconds": "time was up"}.get(value, str(value))
    if key in _ONLY_OF_CELLS:
        return DASH if value is None else f"{value:,}"
    return unbroken(number(value, metric(results, key).written))
