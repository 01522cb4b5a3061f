"""What one cell came to: counts, costs, and for each failure what the comparison needs to know of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ..aims import run_targets
from ..config import RunConfig
from ..judging import GENUINE, JUDGEMENTS, NOT_ASKED
from ..prepare import make, prepare
from ..rng import derive_seed, rng_for
from ..stages.search import TRACE, load_failures
from ..store import RunStore, Saved, prefixed, tensors_of
from ..types import Failures, ImageSet, Splits
from .entrants import Compared

STAGE = "measures"
VERSION = 2  # raised whenever something else is measured
SAMPLE = 500  # genuine failures of a cell that are kept with their images
DRAWS, TESTED, NEIGHBOURS = 10_000, 1_000, 20_000  # what tells how likely and how near is usual
TAIL = 0.01  # of prior draws, and of test images, that count as unusual
SIDE = 32  # larger images are averaged down to so many pixels a side before distances are taken
UNKNOWN = -1


def key_of(store: RunStore, role: Compared) -> str:
    """The hash of everything that a cell's measures depend on: of files, since a search with a time limit that is done
    again may find something else under the same key."""
    files = {name: entry["files"] for name, entry in store.manifest["stages"].items() if name != STAGE}
    return hashlib.sha256(json.dumps([VERSION, role, files], sort_keys=True).encode()).hexdigest()


def measured(store: RunStore, role: Compared) -> bool:
    """Whether a cell's measures are there, and of what it holds now."""
    entry = store.manifest["stages"].get(STAGE)
    return entry is not None and entry["key"] == key_of(store, role)


def measure(store: RunStore, config: RunConfig, role: Compared, *, memory: float | None, trust: bool = False) -> Saved:
    """The measures of a cell whose last stage is finished.

    Tensors, one row for each failure that was kept: `origin`, `expected`, `predicted`, `judged`, `step`, `typical` and
    `near` (1, 0, or -1 where unknown), `shown` (rows of the sample); `trace` as the search has it; and `sample/*`, the
    genuine failures that are kept with their images.

    Args:
        memory: MB that the process grew by at its largest in the stage that is compared; None where it is unknown.
    """
    info = {stage: store.load_stage(stage).info for stage in store.manifest["stages"] if stage != STAGE}
    search, audit = store.load_stage("search"), store.load_stage("audit")
    failures, judged = load_failures(search), audit.tensors.get("judged")
    if judged is None:
        judged = torch.full((len(failures),), NOT_ASKED)
    prepared = prepare(config.in_batches_of(store.manifest["batch_size"]), aims=run_targets, trust=trust)
    generator = make(config, "generator", prepared.legitimate.spec)
    generator.load_state_dict(store.load_stage("generator").tensors)
    rng = rng_for(config.core.run.seed, STAGE)
    usual = float(generator.log_prior(generator.sample(DRAWS, rng)).quantile(TAIL))
    genuine = (judged == GENUINE).nonzero()[:, 0]
    drawn = torch.randperm(len(genuine), generator=rng_for(derive_seed(config.core.run.seed, STAGE), "sample"))
    shown = genuine[drawn[:SAMPLE].sort().values]
    sample = failures.subset(shown)
    near = torch.full((len(failures),), UNKNOWN)
    near[shown], farthest = _near(sample.x, prepared.splits)
    known = ~failures.log_prior.isnan()
    tensors = {
        "origin": failures.origin,
        "expected": failures.expected,
        "predicted": failures.predicted,
        "judged": judged,
        "step": failures.step,
        "typical": torch.where(known, (failures.log_prior >= usual).long(), UNKNOWN),
        "near": near,
        "shown": shown,
        TRACE: search.tensors[TRACE],
    }
    stages = store.manifest["stages"]
    found = {
        **{k: search.info[k] for k in ("queries", "guide_queries", "steps", "stopped", "origins", "found")},
        "kept": len(failures),
        **{k: audit.info[k] for k in JUDGEMENTS},
        "asked": int((judged != NOT_ASKED).sum()),
        "seconds": stages["search"]["seconds"],
        "memory_mb": memory,
        "usual": {"log_prior": usual, "distance": farthest},
        "scalars": scalars(info, role, {name: entry["seconds"] for name, entry in stages.items()}),
    }
    return Saved(tensors | prefixed("sample", tensors_of(sample)), found)


def sample_of(saved: Saved) -> Failures:
    """The genuine failures that a cell kept with their images."""
    return Failures(**saved.part("sample"))


def _near(x: Tensor, splits: Splits) -> tuple[Tensor, float | None]:
    """Which images (n, c, h, w) are as near to a training image as all but the farthest test images are (n,) int64, and
    how far that is."""
    if not len(x):
        return torch.empty(0, dtype=torch.int64), None
    train = _some(splits.train, NEIGHBOURS)
    farthest = float(_nearest(_some(splits.test, TESTED), train).quantile(1 - TAIL))
    return (_nearest(_flat(x), train) <= farthest).long(), farthest


def _some(images: ImageSet, most: int) -> Tensor:
    """So many images at most, spread over the set, flat."""
    step = -(-len(images) // most)
    rows = torch.arange(0, len(images), step)
    return torch.cat([_flat(images.subset(part).batch(slice(None))[0]) for part in torch.split(rows, 1000)])


def _flat(x: Tensor) -> Tensor:
    height, width = (min(side, SIDE) for side in x.shape[-2:])
    return adaptive_avg_pool2d(x, (height, width)).flatten(1)


def _nearest(x: Tensor, others: Tensor) -> Tensor:
    """The distance (n,) of each of x (n, p) to the nearest of others (m, p)."""
    return torch.cat([torch.cdist(part, others).amin(1) for part in torch.split(x, 250)])


def scalars(info: dict[str, Any], role: Compared, seconds: dict[str, float]) -> dict[str, float | None]:
    """What a cell is judged by besides its failures, by name.

    >>> scalars({"gate": {"classifier": 0.9, "oracle": 0.8}, "generator": {}}, "generator", {"generator": 3.0})
    {'classifier_on_reconstructions': 0.9, 'oracle_on_reconstructions': 0.8, 'generator_seconds': 3.0}
    """
    if role == "searcher":
        return {}
    if role == "generator":
        gate = info["gate"]
        return {
            "classifier_on_reconstructions": gate["classifier"],
            "oracle_on_reconstructions": gate["oracle"],
            "generator_seconds": seconds["generator"],
        }
    rows = info["regions"]["regions"]
    leaves = [row for row in rows if row["status"] != "split"]
    kept = [row for row in leaves if row["status"] == "kept"]
    agreed = [not row["disputed"] for row in kept if row["disputed"] is not None]
    asked = sum(row["samples"] for row in leaves)
    distilled: dict[str, float | None] = {
        "clusters": info["clusters"]["clusters"],
        "kept": len(kept),
        "mixed": sum(row["status"] == "mixed" for row in leaves),
        "covered": sum(row["size"] for row in kept) / max(1, info["search"]["failures"]),
        "purity": sum(row["purity"] for row in kept) / len(kept) if kept else None,
        "undisputed": sum(agreed) / len(agreed) if agreed else None,
    }
    if role == "clusterer":
        return {**distilled, "cluster_seconds": seconds["clusters"]}
    if role == "labeler":
        abstained = sum(row["abstained"] for row in leaves)
        return {
            **distilled,
            "abstained_samples": abstained / asked if asked else None,
            "label_accuracy": info["labeler"]["accuracy"],
            "labeler_seconds": seconds["labeler"],
        }
    correction = info["correction"]
    chosen = None if correction["skipped"] else correction["regions"]
    state = None if chosen is None or chosen["chosen"] is None else chosen["states"][chosen["chosen"]]
    before = None if correction["skipped"] else correction["before"]
    return {
        "regions": float(len(kept)),
        "region_accuracy_before": None if before is None else before["region_test"],
        "region_accuracy_after": (before or {"region_test": None})["region_test"]
        if state is None
        else state["region_test"],
        "test_accuracy_before": info["classifier"]["accuracy"]["test"],
        "test_accuracy_after": info["classifier"]["accuracy"]["test"] if state is None else state["test"],
        "corrected": float(state is not None),
        "correction_seconds": seconds["correction"],
    }
