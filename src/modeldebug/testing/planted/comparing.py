"""`modeldebug compare --planted`: which entrants find bugs that are known, on every case of the suite."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from ...comparison.comparing import open_comparison, opened_folder, work_on
from ...comparison.intervals import interval, mean_over_seeds
from ...comparison.plan import Request
from ...config import Layer, merge
from ...errors import ConfigError, PluginError, RunFolderError, WaitingForPeople
from ...events import Listener
from ...words import count
from .scoring import Score, score, totals
from .suite import SUITE_VERSION, Base, Case, suite

RESULTS = "planted.json"
UNTIL = "regions"
FIGURES = ("recall", "precision", "purity", "first_hit", "bugs", "found", "regions", "matched", "natural", "queries")
SHARES = ("recall", "precision", "purity")
SEED = 0  # of the resampling


def work_on_cases(
    request: Request,
    base: Base,
    out: str | Path,
    *,
    workers: int | None = None,
    trust: bool = False,
    listeners: Sequence[Listener] = (),
) -> dict[str, Any]:
    """Compare entrants on the cases of one base, each in a folder of its own, and score what they found.

    Args:
        request: what is compared; data and classifier are the case's.
        base: whose cases: "digits" or "mnist".
        out: the folder; one that holds such comparisons is gone on with.
        workers, trust, listeners: as in `modeldebug.compare`.

    Raises:
        ConfigError: data or a classifier are given.
        WaitingForPeople: cells of some cases wait; nothing is scored until all cases are done.
        ModelDebugError: as `modeldebug.compare`.

    Returns:
        what `planted.json` holds: a row for each entrant with means over seeds, and the scores of each cell.
    """
    if request.role == "corrector":
        raise ConfigError("whether bugs are found is no matter of correctors", got="--planted with correctors")
    root, folder = _root(request), Path(out)
    request = replace(  # a searcher that starts where the classifier fails already finds what everybody knows
        request, entrants=tuple(e for e in request.entrants if e.name != request.baseline), baseline=None
    )
    scores: dict[tuple[str, int], list[Score]] = {}
    failed: list[PluginError] = []
    waiting: list[WaitingForPeople] = []
    for case in (case for case in suite() if case.base == base):
        own = _on_case(request, case, root)
        with opened_folder(own, folder / case.name) as store:
            try:
                work_on(store, workers=workers, trust=trust, listeners=listeners)
            except PluginError as error:  # of some cells; the others are in the table
                failed.append(error)
            except WaitingForPeople as wait:
                waiting.append(wait)
                continue
        done = open_comparison(folder / case.name)
        slugs = {entrant.name: entrant.slug for entrant in own.entrants}
        for cell in done.cells:
            path = folder / case.name / "cells" / slugs[cell["name"]] / f"seed-{cell['seed']}"
            scores.setdefault((cell["name"], cell["seed"]), []).append(score(path, case))
    if waiting:
        raise _wait(waiting)
    found = {
        "kind": "planted",
        "suite": SUITE_VERSION,
        "base": base,
        "rows": _rows(scores),
        "cells": [{"name": name, "seed": seed, **asdict(one)} for (name, seed), own in scores.items() for one in own],
        "settings": own.to_dict(),
    }
    _write(folder / RESULTS, found)
    if failed:
        raise failed[0]
    return found


def _wait(cases: Sequence[WaitingForPeople]) -> WaitingForPeople:
    told = [case.fix for case in cases if case.fix is not None] + ["then: the same command again"]
    what = f"people are waited for in {count(len(cases), 'case')}"
    return WaitingForPeople(what, fix=("\n" + " " * 12).join(told), plugin=cases[0].plugin)


def _on_case(request: Request, case: Case, root: str | None) -> Request:
    """The request with a case's data and classifier, up to labelled regions."""
    layers = [layer for layer in request.layers if not set(layer.settings) & {"dataset", "classifier"}]
    return replace(request, layers=(*layers, Layer(f"the case {case.name}", case.settings(root))), until=UNTIL)


def _root(request: Request) -> str | None:
    """The folder of the data, the one thing of them that may be set."""
    merged, _ = merge(request.layers)
    own: Mapping[str, Any] = {**merged.get("classifier", {}), **merged.get("dataset", {})}
    others = sorted(set(own) - {"root"})
    if others:
        raise ConfigError(
            "planted cases have data and classifiers of their own",
            got=f"dataset or classifier {others[0]}={own[others[0]]}",
            expected="no more than where MNIST lies: --set dataset.root=DIR",
        )
    return own.get("root")


def _rows(scores: Mapping[tuple[str, int], Sequence[Score]]) -> list[dict[str, Any]]:
    """Each entrant's figures over all cases: the mean over seeds, with an interval where there are several."""
    names, seeds = (list(dict.fromkeys(pair[i] for pair in scores)) for i in (0, 1))
    every = {pair: totals(own) for pair, own in scores.items()}
    rows: list[dict[str, Any]] = [{"name": name} for name in names]
    for figure in FIGURES:
        values = [[_number(every[name, seed][figure]) for seed in seeds] for name in names]  # type: ignore[index]
        point, resampled = mean_over_seeds(torch.tensor(values, dtype=torch.float64), seed=SEED)
        for i, row in enumerate(rows):
            row[figure] = interval(point[i], resampled[:, i], least=0, most=1 if figure in SHARES else None)
    return rows


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _write(file: Path, found: Mapping[str, Any]) -> None:
    try:
        file.write_text(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"this cannot be written: {error.strerror}", got=file) from error
