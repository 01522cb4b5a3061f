"""Results of comparisons, made by hand: every figure has a number of its own, so that each can be looked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, count
from typing import Any

import torch

from modeldebug.comparison.entrants import parse_entrant
from modeldebug.comparison.measures import scalars
from modeldebug.comparison.table import PER_CELL, RATES, SHARES, headline_of
from modeldebug.types import Failures

CLASSES = ["zero", "one", "<two>"]
NAMES = ("margin", "wild,scale=8", "reconstruct")
NOTHING: dict[str, Any] = {
    "gate": {"classifier": 0.9, "oracle": 0.8},
    "regions": {"regions": []},
    "clusters": {"clusters": 0},
    "search": {"failures": 0},
    "labeler": {"accuracy": 0.9},
    "correction": {"skipped": "no region was kept"},
    "classifier": {"accuracy": {"test": 0.9}},
}


def keys_of(role: Any) -> list[str]:
    """Every figure that a row of this role has."""
    return list(dict.fromkeys([*SHARES, *RATES, *PER_CELL, *scalars(NOTHING, role, defaultdict(float))]))


def kind_of(key: str) -> str:
    if key.endswith("seconds"):
        return "seconds"
    if key.endswith(("share", "before", "after", "reconstructions", "samples")):
        return "share"
    return "share" if key in ("covered", "purity", "undisputed", "corrected", "label_accuracy") else "number"


@dataclass
class Planted:
    """A comparison with a number of its own in every figure.

    Attributes:
        changes: of the results, made last.
        differences: (mean, low, high, real) of pairs, by metric; others are told apart by nothing.
    """

    role: Any = "searcher"
    names: Sequence[str] = NAMES
    seeds: Sequence[int] = (0, 1, 2)
    first: int = 101
    differences: dict[tuple[str, str, str], tuple[float, float | None, float | None, bool | None]] = field(
        default_factory=dict
    )
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = count(self.first, 3)
        self.numbers = {(name, key): next(numbers) for name in self.names for key in keys_of(self.role)}

    @property
    def texts(self) -> dict[tuple[str, str], str]:
        """What a reader should see of each figure: its number, and the bounds one below and one above it."""
        found = {}
        for (name, key), n in self.numbers.items():
            kind = kind_of(key)
            places = {"share": 1, "seconds": 1}.get(kind, 0)
            bare, low, high = (f"{x / (10 if places else 1):,.{places}f}" for x in (n, n - 1, n + 1))
            unit = {"share": " %", "seconds": " s"}.get(kind, " MB" if key == "memory_mb" else "")
            found[name, key] = f"{bare}{unit} {low}\u2013{high}"
        return found

    @property
    def baseline(self) -> str | None:
        return "reconstruct" if self.role == "searcher" and "reconstruct" in self.names else None

    def results(self) -> dict[str, Any]:
        told = headline_of(self.role)
        differences = []
        for metric in told:
            for one, other in combinations(self.names, 2):
                mean, low, high, real = self.differences.get((metric, one, other), (0.0, -1.0, 1.0, False))
                differences.append(
                    {"metric": metric, "one": one, "other": other, "mean": mean, "low": low, "high": high, "real": real}
                )
        rows = [self._row(name, differences) for name in self.names]
        return {
            "kind": "comparison",
            "role": self.role,
            "headline": headline_of(self.role),
            "baseline": self.baseline,
            "counted_at": 5000 if self.role in ("searcher", "generator") else None,
            "rows": rows,
            "differences": differences,
            "overlap": _overlap(self.names) if self.role == "searcher" else None,
            "curves": [curve(name, 100 * (i + 1)) for i, name in enumerate(self.names)],
            "cells": [self._cell(name, seed) for name in self.names for seed in self.seeds],
            "classes": CLASSES,
            "shared": _SHARED,
            "warnings": [],
            "failed": [],
            "waiting": [],
            "settings": self.settings(),
            "versions": {"python": "3.12.1", "torch": "9.8.7"},
            "machine": {"system": "Linux-6", "processors": 2, "threads": None},
            "created": "2026-11-22T18:00:00+0000",
            **self.changes,
        }

    def settings(self) -> dict[str, Any]:
        """What was asked for, and what it came to."""
        entrants = [{"name": n, "settings": parse_entrant(self.role, n).settings} for n in self.names]
        base = {role: {"use": f"some:{role}", "size": 3} for role in ("dataset", "classifier", "generator", "auditor")}
        return {
            "plugins": ["defuse", "rivals"],
            "preset": "tiny",
            "layers": [],
            "role": self.role,
            "entrants": entrants,
            "seeds": list(self.seeds),
            "budget": {"queries": 5000, "seconds": None},
            "retrain": False,
            "baseline": self.baseline,
            "base": {"run": {"seed": 7}, **base, self.role: {"use": "some:first", "size": 3}},
        }

    def _row(self, name: str, differences: Sequence[dict[str, Any]]) -> dict[str, Any]:
        row: dict[str, Any] = {"name": name}
        for key in keys_of(self.role):
            scale = {"share": 1000, "seconds": 10}.get(kind_of(key), 1)
            n = self.numbers[name, key]
            row[key] = {"mean": n / scale, "low": (n - 1) / scale, "high": (n + 1) / scale}
        foremost = headline_of(self.role)[0]
        held = [d for d in differences if (d["metric"], d["one"], d["other"]) == (foremost, name, "reconstruct")]
        row["beats_baseline"] = held[0]["real"] and held[0]["mean"] > 0 if held else None
        return row

    def _cell(self, name: str, seed: int) -> dict[str, Any]:
        counts = dict.fromkeys(("genuine", "third_class", "drift", "abstained", "asked", "without_origin", "steps"), 4)
        figures = {key: self.numbers[name, key] for key in keys_of(self.role) if key not in {*SHARES, *RATES}}
        return {
            "name": name, "seed": seed, **counts, "failures": 9001 + seed, "distinct": 7001 + seed,
            "distinct_origins": 2, "distinct_counted": 8001 + seed,
            "stopped": None if name == "margin" else "queries", **figures,
        }  # fmt: skip


_SHARED = {
    "images": {"train": 420, "validation": 140, "test": 141},
    "test_accuracy": 0.9431,
    "auditor": {
        "program": True, "exact": False, "error": 0.0123, "abstained": 0.05, "error_rate": 0.02, "threshold": 0.6,
        "reached": True,
    },
}  # fmt: skip


def curve(name: str, end: int) -> dict[str, Any]:
    """Something is found every 100 queries, up to `end` of 400."""
    queries = [0.0, 100.0, 200.0, 300.0, 400.0]
    found = [q / 100 if q <= end else None for q in queries]
    return {"name": name, "queries": queries, **dict.fromkeys(("failures", "genuine", "distinct", "regions"), found)}


def _overlap(names: Sequence[str]) -> dict[str, Any]:
    alone = [
        {"name": names[0], "seed": seed, "expected": expected, "predicted": "one", "failures": n}
        for seed, expected, n in ((0, "zero", 9), (1, "zero", 5), (1, None, 4))
    ]
    shared = [[61.5 if i == j else 21.0 + i + j for j in range(len(names))] for i in range(len(names))]
    return {"names": list(names), "regions": 71.5, "shared": shared, "alone": alone}


def sample(pairs: Sequence[tuple[int, int]]) -> Failures:
    """Failures of (expected, predicted), each from a training image of its own."""
    n = len(pairs)
    expected, predicted = (torch.tensor([pair[i] for pair in pairs], dtype=torch.int64) for i in (0, 1))
    probs = torch.nn.functional.one_hot(predicted, len(CLASSES)).float()
    x = torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    zeros, rows = torch.zeros(n), torch.arange(n)
    return Failures(x, probs, probs < 0.5, expected, rows, zeros, zeros, torch.zeros(n, dtype=torch.int64))
