"""`results.json`: the stable summary of a run for machines. What was not measured is null, never 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from .judging import JUDGEMENTS
from .store import RunStore
from .targets import read_targets
from .types import DataSpec

STAGES = (
    "data", "classifier", "guide", "labeler", "auditor", "auditor_2", "auditor_3", "generator", "gate",
    "origins", "search", "audit", "clusters", "regions", "correction", "evidence",
)  # fmt: skip


def summarise(store: RunStore) -> dict[str, Any]:
    """The results of a finished run or inspection, from its stages' figures.

    The keys are documented in docs/results.md; they are added to, never renamed.
    """
    info = {stage: store.load_stage(stage).info for stage in store.manifest["stages"]}
    return {"kind": store.kind} | (_of_run(store, info) if store.kind == "run" else _of_inspection(store, info))


def _of_run(store: RunStore, info: Mapping[str, Any]) -> dict[str, Any]:
    correction = info["correction"]
    done = correction["skipped"] is None
    control, regions, alone = (_chosen(correction, g) for g in ("control", "regions", "failures_alone"))
    before = correction["before"] if done else None
    kept = [r for r in info["regions"]["regions"] if r["status"] == "kept"]
    unjudged = info["audit"]["judged"] is None
    disputed = [r["disputed"] for r in kept if r["disputed"] is not None]
    searched = {k: info["search"][k] for k in ("queries", "origins", "found", "failures", "distinct_origins")}
    searched |= {k: info["search"][k] for k in ("guide_queries", "failing", "without_origin", "without_code")}
    searched |= {k: info["origins"][k] for k in ("considered", "screening_queries")}
    targets = info["search"]["targets"]
    searched |= {
        "stopped": info["search"]["stopped"],
        "targets": None if targets is None else _described(targets, info["data"]["classes"]),
    }
    return {
        "test_accuracy": {
            "before": info["classifier"]["accuracy"]["test"],
            "after": _get(regions, "test"),
            "control": _get(control, "test"),
            "failures_alone": _get(alone, "test"),
        },
        "region_accuracy": {
            "before": _get(before, "region_test"),
            "after": _get(regions, "region_test"),
            "control": _get(control, "region_test"),
            "failures_alone": _get(alone, "region_test"),
        },
        "region_purity": sum(r["purity"] for r in kept) / len(kept) if kept else None,
        "agreement": info["regions"]["agreement"],
        "clusters": info["clusters"]["clusters"],
        "regions": len(kept),
        "region_names": [r["name"] for r in sorted(kept, key=lambda r: -r["weight"]) if r.get("name")],
        "splits": _splits(info["regions"], store.manifest["config"]["regions"]["split"]),
        "regions_judged": None if unjudged else len(disputed),
        "regions_disputed": None if unjudged else sum(disputed),
        "regions_of_one_image": sum(r["origins"] == 1 for r in kept),
        "generator_data": _generator_data(store, info["generator"].get("data")),
        "search": searched | {k: info["audit"][k] for k in ("judged", *JUDGEMENTS, "shares", "genuine_origins")},
        "reconstruction_accuracy": {k: info["gate"][k] for k in ("classifier", "oracle")},
        "guide": store.manifest["config"].get("guide", {}).get("use"),
        "guide_accuracy": info["guide"]["accuracy"]["test"] if "guide" in info else None,
        "oracle_accuracy": info["labeler"]["accuracy"],
        "labels_exact": bool(info["labeler"].get("exact")),
        "oracle_abstained": info["labeler"]["abstained"],
        "auditor_accuracy": info.get("auditor", {}).get("accuracy"),
        "auditor_abstained": info.get("auditor", {}).get("abstained"),
        "auditors": _auditors(store, info),
        "auditor_agreement": info["audit"]["agreement"],
        "test_set": _test_set(store, info),
        "lambda": _get(regions, "strength"),
        "correction_skipped": correction["skipped"],
        **_circumstances(store, info),
    }


def _of_inspection(store: RunStore, info: Mapping[str, Any]) -> dict[str, Any]:
    classes, config = info["data"]["classes"], store.manifest["config"]
    sampled = {stage: own for stage, own in info.items() if stage.startswith("samples")}
    targets = [
        {**target, "generator": stage.replace("samples", "generator"), "stopped": own["stopped"]}
        for stage, own in sampled.items()
        for target in _described(own["targets"], classes)
    ]
    return {
        "classes": classes,
        "targets": targets,
        "reached": sum(target["reached"] for target in targets),
        "sampler": config["searcher"]["use"],
        "sigma": config["search"]["sigma"],
        "queries": sum(own["queries"] for own in sampled.values()),
        "test_accuracy": info["classifier"]["accuracy"]["test"],
        "generator_data": _generator_data(store, info[targets[0]["generator"]].get("data")),
        "test_set": _test_set(store, info),
        **{k: info["evidence"][k] for k in ("fid", "kid")},
        **_circumstances(store, info),
    }


def _described(targets: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Diagnoses of targets, with the names of their classes."""
    numbered = DataSpec((1, 1, 1), tuple(map(str, range(len(classes)))))
    read = read_targets([target["target"] for target in targets], numbered)
    return [{**target, "described": own.described(classes)} for target, own in zip(targets, read, strict=True)]


def _circumstances(store: RunStore, info: Mapping[str, Any]) -> dict[str, Any]:
    """Warnings, times, and what decided the figures."""
    seconds = {stage: store.manifest["stages"][stage]["seconds"] for stage in info}
    warnings = {stage: w for stage in info if (w := info[stage].get("warning"))}
    return {
        "warnings": list(warnings.values()),
        "warning_stages": list(warnings),
        "seconds": {"total": round(sum(seconds.values()), 3), **seconds},
        "preset": store.manifest["preset"],
        "budget": store.manifest["budget"],
        "advice": store.manifest["advice"],
        "seed": store.manifest["config"]["run"]["seed"],
        "versions": store.manifest["versions"],
    }


def _splits(labelled: Mapping[str, Any], mode: str) -> dict[str, Any]:
    """What splitting made of the clusters that were mixed: counts, and median purities before and after it."""
    every, rounds = labelled["regions"], labelled["rounds"]
    parts = [row for row in every if row["parent"] is not None and row["status"] != "split"]
    purities = [row["purity"] for row in every if row["status"] != "split" and row["purity"] is not None]
    return {
        "mode": mode,
        "mixed": rounds[0]["mixed"] + rounds[0]["split"] if rounds else 0,
        "split": rounds[0]["split"] if rounds else 0,
        "parts": len(parts),
        "kept": sum(row["status"] == "kept" for row in parts),
        "purity_before": rounds[0]["purity"] if rounds else None,
        "purity_after": median(purities) if purities else None,
        "rounds": rounds,
    }


def _auditors(store: RunStore, info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each auditor is, how often it errs and abstains, and what it calls the failures."""
    measured = ("program", "exact", "error_rate", "threshold", "validation_error", "reached", "error", "abstained")
    return [
        {
            "role": role,
            "component": store.manifest["config"][role]["use"],
            **{k: info[role][k] for k in measured},
            "judged": sum(counts.values()),
            "failures": counts,
        }
        for role, counts in info["audit"]["auditors"].items()
    ]


def _test_set(store: RunStore, info: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the test set shows by itself, and how far the auditor that judged its errors can be believed; None where
    that was not looked at."""
    found = info["evidence"]["test_set"]
    if found is None:
        return None
    auditor = None
    if "auditor" in info:
        measured = {k: info["auditor"][k] for k in ("program", "error", "abstained")}
        auditor = {"component": store.manifest["config"]["auditor"]["use"], **measured}
    return {**found, "auditor": auditor}


def _generator_data(store: RunStore, learnt: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the generator learnt from, where that is not the classifier's data."""
    return None if learnt is None else {"dataset": store.manifest["config"]["generator_data"]["use"], **learnt}


def _chosen(correction: Mapping[str, Any], group: str) -> Mapping[str, Any] | None:
    if correction["skipped"] is not None or correction[group]["chosen"] is None:
        return None
    chosen: Mapping[str, Any] = correction[group]["states"][correction[group]["chosen"]]
    return chosen


def _get(score: Mapping[str, Any] | None, key: str) -> Any:
    return None if score is None else score[key]
