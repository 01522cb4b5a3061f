"""A comparison in numbers: rows, cells, differences, overlap and curves, as `comparison.json` has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from ..judging import ABSTAINED as ABSTAINS
from ..judging import DRIFT, GENUINE, NOT_ASKED, THIRD_CLASS
from ..store import Saved
from . import curves
from .entrants import Compared
from .intervals import Counts, Totals, difference, interval, mean_over_seeds, rate, totals
from .landscape import Landscape
from .spending import common_spending, share_within

Cells = Mapping[tuple[str, int], Saved]
Rates = Mapping[str, tuple[Tensor, Tensor]]  # points, and resampled

_COUNTED = (
    "failures", "asked", "genuine", "third_class", "drift", "abstained", "all_genuine", "distinct", "typical",
    "typical_known", "near", "near_known", "queries", "counted_at", "seconds", "cells",
)  # fmt: skip
_COSTS = ("queries", "counted_at", "seconds", "cells")
_COLUMN = {name: i for i, name in enumerate(_COUNTED)}
_KINDS = {"genuine": GENUINE, "third_class": THIRD_CLASS, "drift": DRIFT, "abstained": ABSTAINS}
SHARES: Mapping[str, tuple[str, str]] = {
    "genuine_share": ("genuine", "asked"),
    "third_class_share": ("third_class", "asked"),
    "drift_share": ("drift", "asked"),
    "abstained_share": ("abstained", "asked"),
    "typical_share": ("typical", "typical_known"),
    "near_share": ("near", "near_known"),
}
"""Numerator, and the denominator that it is a part of. Typical and near are shares of the genuine failures."""
RATES: Mapping[str, tuple[str, str, float]] = {
    "failures_per_1k": ("failures", "queries", 1000),
    "genuine_per_1k": ("all_genuine", "queries", 1000),
    "distinct_per_1k": ("distinct", "counted_at", 1000),
    "genuine_per_second": ("all_genuine", "seconds", 1),
    "failures": ("failures", "cells", 1),
    "distinct": ("distinct", "cells", 1),
}
"""Numerator, denominator, and for how many of it."""
COUNTED_AT = ("distinct", "distinct_per_1k")
"""What is counted at the queries that all spent."""
PER_CELL = ("queries", "guide_queries", "classes", "pairs", "regions", "regions_alone", "seconds", "memory_mb")
PARTS = frozenset({
    *SHARES, "covered", "purity", "undisputed", "corrected", "abstained_samples", "label_accuracy",
    "classifier_on_reconstructions", "oracle_on_reconstructions", "region_accuracy_before", "region_accuracy_after",
    "test_accuracy_before", "test_accuracy_after",
})  # fmt: skip
"""What is a share of something, so that it is at most 1."""
SEED = 0  # of the resampling: the same figures whenever the table is made


def tabulate(
    role: Compared,
    cells: Cells,
    landscapes: Mapping[int, Landscape],
    classes: Sequence[str],
    *,
    baseline: str | None,
    timed: bool = False,
) -> dict[str, Any]:
    """Everything that a comparison says, but for its settings.

    Distinct failures are counted at the queries that all entrants spent, unless it was time that each could spend.

    Args:
        cells: the measures of each entrant with each seed.
        landscapes: by seed; empty where entrants have no latent space in common.
        baseline: the entrant that the others are held against.
        timed: whether the budget is a time.
    """
    headline = headline_of(role)
    if not cells:
        nothing: dict[str, Any] = {key: [] for key in ("rows", "differences", "curves", "cells")}
        return {"role": role, "headline": headline, "baseline": None, "counted_at": None, "overlap": None, **nothing}
    names = list(dict.fromkeys(name for name, _ in cells))
    seeds = list(dict.fromkeys(seed for _, seed in cells))
    at = common_spending(cells, baseline) if role in ("searcher", "generator") and not timed else None
    counts = {pair: _counts(saved, at) for pair, saved in cells.items()}
    listed = {
        (name, seed): _cell(name, seed, saved, landscapes.get(seed), counts[name, seed])
        for (name, seed), saved in cells.items()
    }
    found = totals({(names.index(n), seeds.index(s)): own for (n, s), own in counts.items()}, seed=SEED)
    measured = _rates(found)
    for key in (*PER_CELL, *dict.fromkeys(key for saved in cells.values() for key in saved.info["scalars"])):
        values = [[_number(listed[name, seed][key]) for seed in seeds] for name in names]
        measured[key] = mean_over_seeds(torch.tensor(values, dtype=torch.float64), seed=SEED)
    rows = []
    for i, name in enumerate(names):
        row: dict[str, Any] = {"name": name}
        for key, (point, resampled) in measured.items():
            row[key] = interval(point[i], resampled[:, i], least=0, most=1 if key in PARTS else None)
        rows.append(row)
    held = {} if at is None or baseline is None else _against(baseline, names, seeds, cells)
    differences = _differences(headline, names, measured, held, at)
    for row in rows:
        row["beats_baseline"] = _beats(row["name"], baseline, headline[0], differences)
    return {
        "role": role,
        "headline": headline,
        "baseline": baseline,
        "counted_at": at,
        "rows": rows,
        "differences": differences,
        "overlap": _overlap(names, landscapes, classes),
        "curves": _curves(names, seeds, cells, landscapes),
        "cells": list(listed.values()),
    }


def _differences(
    headline: Sequence[str],
    names: Sequence[str],
    measured: Rates,
    held: Mapping[tuple[str, str], tuple[int | None, Rates]],
    at: int | None,
) -> list[dict[str, Any]]:
    """How much more of each figure one entrant has than another, for every two of them."""
    found = []
    for key in headline:
        for i, j in combinations(range(len(names)), 2):
            spent, own, pair = at, difference(*measured[key], i, j), (names[i], names[j])
            if key in COUNTED_AT and pair in held:
                spent, rates = held[pair]
                own = difference(*rates[key], 0, 1)
            counted_at = spent if key in COUNTED_AT else None
            found.append({"metric": key, "one": pair[0], "other": pair[1], "counted_at": counted_at, **own})
    return found


def _against(
    baseline: str, names: Sequence[str], seeds: Sequence[int], cells: Cells
) -> Mapping[tuple[str, str], tuple[int | None, Rates]]:
    """The rates of the baseline and of each other entrant at what the latter spent, with the number of these queries:
    whether a search beats the baseline is no matter of what third ones spent."""
    found = {}
    for pair in (pair for pair in combinations(names, 2) if baseline in pair):
        at = common_spending({(n, s): saved for (n, s), saved in cells.items() if n in pair}, baseline)
        both = {(i, j): _counts(cells[n, s], at) for i, n in enumerate(pair) for j, s in enumerate(seeds)}
        found[pair] = at, _rates(totals(both, seed=SEED))
    return found


def _rates(found: Totals) -> dict[str, tuple[Tensor, Tensor]]:
    """Each share and rate of the entrants, and resampled."""
    scaled = found.point[:, _COLUMN["failures"]] / found.point[:, _COLUMN["asked"]]
    shares = {name: rate(found, _COLUMN[part], _COLUMN[whole], share=True) for name, (part, whole) in SHARES.items()}
    return shares | {
        name: rate(found, _COLUMN[over], _COLUMN[under], per=per, unit=scaled if over == "all_genuine" else None)
        for name, (over, under, per) in RATES.items()
    }


def headline_of(role: Compared) -> list[str]:
    """The figures by which entrants of a role are told apart, the first one first: of searches a number at the same
    budget, since a rate would favour whoever stops early."""
    return {
        "searcher": ["distinct", "distinct_per_1k", "genuine_share"],
        "generator": ["distinct", "distinct_per_1k", "genuine_share"],
        "clusterer": ["covered", "purity"],
        "labeler": ["covered", "purity"],
        "corrector": ["region_accuracy_after", "test_accuracy_after"],
    }[role]


def _counts(saved: Saved, at: int | None) -> Counts:
    """What a cell found, by training image: of distinct failures, those within the first `at` queries."""
    tensors, info = saved.tensors, saved.info
    origin, judged = tensors["origin"], tensors["judged"]
    n, asked = len(origin), judged != NOT_ASKED
    columns = torch.zeros(n, len(_COUNTED) - len(_COSTS), dtype=torch.float64)
    columns[:, _COLUMN["failures"]] = info["found"] / max(1, n)
    columns[:, _COLUMN["asked"]] = asked.double()
    for kind, code in _KINDS.items():
        columns[:, _COLUMN[kind]] = (judged == code).double()
    genuine = judged == GENUINE
    columns[:, _COLUMN["all_genuine"]] = genuine * (info["found"] / max(1, int(asked.sum())))
    for kind in ("typical", "near"):
        columns[:, _COLUMN[kind]] = (genuine & (tensors[kind] == 1)).double()
        columns[:, _COLUMN[f"{kind}_known"]] = (genuine & (tensors[kind] >= 0)).double()
    rows, place = torch.unique(origin, return_inverse=True)
    summed = torch.zeros(len(rows), columns.shape[1], dtype=torch.float64).index_add_(0, place, columns)
    spent = info["queries"] if at is None else min(at, info["queries"])
    within = genuine * share_within(tensors["trace"], spent)[tensors["step"]]
    summed[:, _COLUMN["distinct"]].scatter_reduce_(0, place, within, "amax")  # an image counts once, when first found
    alone = origin < 0  # each failure without a training image is an image of its own
    columns[:, _COLUMN["distinct"]] = within
    costs = torch.tensor([info["queries"], spent, info["seconds"], 1], dtype=torch.float64)
    return Counts(torch.cat([rows[rows >= 0], origin[alone]]), torch.cat([summed[rows >= 0], columns[alone]]), costs)


def _cell(name: str, seed: int, saved: Saved, around: Landscape | None, counts: Counts) -> dict[str, Any]:
    """A cell as the table lists it."""
    tensors, info = saved.tensors, saved.info
    genuine = tensors["judged"] == GENUINE
    origin = tensors["origin"][genuine]
    expected, predicted = tensors["expected"][genuine].tolist(), tensors["predicted"][genuine].tolist()
    reached = None if around is None else [place.reached for place in around.places if name in place.reached]
    return {
        "name": name,
        "seed": seed,
        "queries": info["queries"],
        "guide_queries": info["guide_queries"],
        "failures": info["found"],
        **{kind: info[kind] for kind in _KINDS},
        "asked": info["asked"],
        "distinct_origins": len(set(origin[origin >= 0].tolist())),
        "without_origin": int((origin < 0).sum()),
        "distinct": len(set(origin[origin >= 0].tolist())) + int((origin < 0).sum()),
        "distinct_counted": round(float(counts.values[:, _COLUMN["distinct"]].sum()), 3),
        "classes": len(set(expected) - {-1}),
        "pairs": len(set(zip(expected, predicted, strict=True))),
        "regions": None if reached is None else len(reached),
        "regions_alone": None if reached is None else sum(len(who) == 1 for who in reached),
        "steps": info["steps"],
        "stopped": info["stopped"],
        "seconds": info["seconds"],
        "memory_mb": info["memory_mb"],
        **info["scalars"],
    }


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _beats(name: str, baseline: str | None, metric: str, differences: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether an entrant is better than the baseline by more than chance; None where nothing can be said."""
    for found in differences:
        if found["metric"] == metric and {found["one"], found["other"]} == {name, baseline} and name != baseline:
            more = found["mean"] if found["one"] == name else -found["mean"]
            return None if found["real"] is None else bool(found["real"]) and more > 0
    return None


def _overlap(
    names: Sequence[str], landscapes: Mapping[int, Landscape], classes: Sequence[str]
) -> dict[str, Any] | None:
    """How many regions two entrants both reach, on average over seeds, and those that only one reaches."""
    if not landscapes:
        return None

    def both(one: str, other: str) -> float:
        counts = (sum({one, other} <= place.reached for place in around.places) for around in landscapes.values())
        return fmean(counts)

    shared = [[both(one, other) for other in names] for one in names]
    alone: list[dict[str, Any]] = [
        {
            "name": next(iter(place.reached)),
            "seed": seed,
            "expected": None if place.expected < 0 else classes[place.expected],
            "predicted": classes[place.predicted],
            "failures": place.found[next(iter(place.reached))],
        }
        for seed, around in landscapes.items()
        for place in around.places
        if len(place.reached) == 1
    ]
    alone.sort(key=lambda row: -row["failures"])
    regions = fmean(len(around.places) for around in landscapes.values())
    return {"names": list(names), "regions": regions, "shared": shared, "alone": alone}


def _curves(
    names: Sequence[str], seeds: Sequence[int], cells: Cells, landscapes: Mapping[int, Landscape]
) -> list[dict[str, Any]]:
    found: dict[str, list[dict[str, Tensor]]] = {}
    for name in names:
        for seed in seeds:
            saved = cells[name, seed]
            nowhere = torch.full((len(saved.tensors["shown"]),), -1)
            places = landscapes[seed].assignment[name] if seed in landscapes else nowhere
            found.setdefault(name, []).append(curves.of_cell(saved, places))
    most = max(saved.info["queries"] for saved in cells.values())
    return [{"name": name, **curves.averaged(own, most)} for name, own in found.items()]
