"""Run folders made by hand, stage by stage: what each stage of a real run would have left there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from modeldebug.agreement import agreement_table
from modeldebug.judging import (
    ABSTAINED,
    DRIFT,
    GENUINE,
    JUDGEMENTS,
    NOT_ASKED,
    THIRD_CLASS,
    count_judgements,
    count_regions,
    judge_region,
    share_intervals,
)
from modeldebug.store import RunStore, Saved
from modeldebug.types import Region
from modeldebug.votes import Answers

AUDITOR: dict[str, Any] = {
    "program": True, "exact": False, "error_rate": 0.005, "threshold": 0.5337, "validation_error": 0.0049,
    "reached": True, "accuracy": 0.9957, "error": 0.0043, "abstained": 0.0123, "warning": None,
}  # fmt: skip
AGREEMENT = {"judgement": 0.913, "label": 0.975, "both_answer": 44, "both_asked": 60}
STATUSES = ("kept", "kept", "correct", "mixed", "unlabelled")


@dataclass(frozen=True)
class Made:
    """What is to be in a run folder.

    Attributes:
        statuses: what each cluster is found to be.
        parents: the cluster that each is a part of; none is, where it is not given.
        drifted: clusters of which every failure is drift.
        drawn, plain: failures that are draws from the prior, and plain images without an origin.
        failing: wrong answers that were not proposed.
        of_one_image: clusters whose failures all started from the same training image.
        chosen: which state of the sweep over lambdas was chosen.
    """

    shape: tuple[int, int, int] = (1, 8, 8)
    classes: tuple[str, ...] = ("zero", "one", "two", "three")
    failures: int = 60
    statuses: tuple[str, ...] = STATUSES
    parents: tuple[int | None, ...] = ()
    auditor: bool = True
    second_auditor: bool = False
    samples: int = 10
    warning: str | None = None
    encodes: bool = True
    conditional: bool = False
    screened: bool = False
    drawn: int = 0
    plain: int = 0
    failing: int = 0
    queries: int = 12345
    origins: int = 300
    guide_accuracy: float | None = None
    misclassified: int = 3
    people: bool = False
    annotators: int = 3
    judged: int | None = None  # people judged so many of the failures
    drifted: tuple[int, ...] = ()
    of_one_image: tuple[int, ...] = ()
    chosen: int = 1
    rule: str = "regions"
    after: float = 0.946  # region accuracy
    own: dict[str, Any] = field(default_factory=dict)  # settings of the user's own, by "section.name"
    report: dict[str, int] = field(default_factory=dict)

    def store(self, path: Path) -> RunStore:
        """A finished run folder."""
        store = RunStore.create(path, _manifest(self))
        for name, saved in _stages(self).items():
            store.save_stage(name, "key", saved, seconds=1.5)
        return store


def _manifest(made: Made) -> dict[str, Any]:
    config: dict[str, Any] = {
        "run": {"seed": 7, "device": "auto", "batch_size": 512},
        "search": {"origins": None, "start": "right" if made.screened else "all", "max_failures": 50000},
        "gate": {"classifier": 0.8, "oracle": 0.9},
        "audit": {"agreement": 0.5, "error_rate": 0.005, "sample": 200},
        "regions": {
            "samples": made.samples,
            "tau": 0.5,
            "rho": 0.5,
            "agreement": 0.5,
            "aggregate": "majority",
            "min_purity": 0.8,
            "min_labelled": 0.5,
            "split": "expected",
        },
        "correction": {"draws": 32, "rule": made.rule, "tolerance": 0.005},
        "report": {"samples": 6, "tsne": 20, "regions": 40} | made.report,
        "dataset": {"use": "datasets:arrays", "path": "data.npz"},
        "classifier": {"use": "classifiers:cnn", "weights": None, "train": True},
        "generator": {"use": "defuse:vae", "beta": 0.5},
        "searcher": {"use": "defuse:beta-noise", "draws": 100, "scale": 8.0},
        "clusterer": {"use": "defuse:dp-gmm", "components": 20},
        "labeler": {"use": "labelers:human" if made.people else "labelers:oracle"},
        "auditor": {"use": "labelers:oracle" if made.judged is None else "labelers:human"},
        "corrector": {"use": "defuse:lambda", "lambdas": [0.1, 1.0, 10.0]},
    }
    if not made.auditor:
        del config["auditor"]
    if made.guide_accuracy is not None:
        config["guide"] = {"use": "labelers:ensemble", "weights": None, "train": True}
    if made.second_auditor:
        config["auditor_2"] = {"use": "labelers:oracle", "architecture": "residual"}
    sources = {f"{role}.use": "preset defuse" for role in config if "use" in config[role]}
    for name, value in made.own.items():
        section, _, setting = name.partition(".")
        config[section][setting] = value
        sources[name] = "--set"
    return {
        "status": "done",
        "kind": "run",
        "folder": "/where/it/was/started",
        "created": "2026-01-02T03:04:05+0000",
        "plugins": ["defuse"],
        "preset": "defuse",
        "budget": None,
        "advice": "",
        "reuse": None,
        "config": config,
        "sources": sources,
        "versions": {"python": "3.11.0", "modeldebug": "0.1.0", "torch": "2.13.0"},
        "machine": {"system": "Linux", "processors": 2, "threads": 2},
        "batch_size": 512,
    }


def _stages(made: Made) -> dict[str, Saved]:
    k, rng = len(made.classes), torch.Generator().manual_seed(0)
    clusters = len(made.statuses) - sum(parent is not None for parent in made.parents) if made.failures else 0
    assignment = torch.arange(made.failures) % max(1, clusters)
    judged = torch.tensor([GENUINE, THIRD_CLASS, DRIFT, ABSTAINED]).repeat(-(-made.failures // 4))[: made.failures]
    judged[torch.isin(assignment, torch.tensor(made.drifted))] = DRIFT
    if made.judged is not None:
        judged[made.judged :] = NOT_ASKED
    expected = torch.randint(k, (made.failures,), generator=rng)
    regions = _regions(made, judged, assignment, rng)
    kept = [r for r in regions.info["regions"] if r["status"] == "kept"]
    program = {"program": True, "exact": False, "accuracy": 0.991, "abstained": 0.023}
    people = {"program": False, "accuracy": None, "abstained": None}
    stages = {
        "data": Saved({}, {
            "shape": list(made.shape), "classes": list(made.classes), "sha256": "5ha256" * 8,
            "images": {"train": 300, "validation": 100, "test": 200},
            "per_class": {part: [1] * k for part in ("train", "validation", "test")},
        }),
        "classifier": Saved({}, {
            "trained": True, "output": "logits",
            "accuracy": {"train": 0.995, "validation": 0.98, "test": 0.965},
        }),
        "labeler": Saved({}, people if made.people else program),
        "generator": Saved({}, {"latent_size": 2}),
        "gate": _gate(made, rng),
        "origins": Saved({}, {
            "start": "right" if made.screened else "all", "considered": 320, "origins": made.origins,
            "screening_queries": 630 if made.screened else 0, "warning": None,
        }),
        "search": Saved(
            {
                "x": torch.rand(made.failures, *made.shape, generator=rng),
                "probs": torch.rand(made.failures, k, generator=rng),
                "expected": expected,
            },
            {
                "queries": made.queries, "guide_queries": None if made.guide_accuracy is None else 4321, "steps": 3,
                "stopped": None, "targets": None,
                "origins": made.origins, "failing": made.failing + made.failures,
                "found": made.failures, "failures": made.failures,
                "distinct_origins": min(50, made.failures - made.drawn - made.plain),
                "without_origin": made.drawn + made.plain, "without_code": made.plain,
            },
        ),
        "audit": _audit(made, judged, expected),
        "clusters": Saved(
            {}, {"clusters": clusters, "converged": True if clusters else None, "note": "a note", "names": []}
        ),
        "regions": regions,
        "correction": _correction(made, kept),
        "evidence": _evidence(made, len(regions.info["regions"]), bool(kept), rng),
    }  # fmt: skip
    if made.guide_accuracy is not None:
        accuracy = dict.fromkeys(("train", "validation", "test"), made.guide_accuracy)
        stages["guide"] = Saved({}, {"trained": True, "output": "logits", "accuracy": accuracy})
    measured = AUDITOR if made.judged is None else dict.fromkeys(AUDITOR) | {"program": False}
    return stages | {role: Saved({}, dict(measured)) for role in _auditors(made)}


def _auditors(made: Made) -> tuple[str, ...]:
    return (("auditor", "auditor_2") if made.second_auditor else ("auditor",)) if made.auditor else ()


def _audit(made: Made, judged: torch.Tensor, expected: torch.Tensor) -> Saved:
    """As many failures of each training image as the search says that there are training images."""
    roles, origin = _auditors(made), torch.arange(made.failures) % 50
    if not roles:
        shares: dict[str, Any] = {name: {"share": None, "low": None, "high": None} for name in JUDGEMENTS}
        counts: dict[str, Any] = dict.fromkeys((*JUDGEMENTS, "judged", "not_asked"))
        return Saved(
            {},
            {**counts, "untouched": False, "shares": shares, "genuine_origins": None, "auditors": {}, "agreement": []},
        )
    info = {
        **count_judgements(judged),
        "judged": int((judged != NOT_ASKED).sum()),
        "not_asked": int((judged == NOT_ASKED).sum()),
        "shares": share_intervals(judged, origin, seed=0),
        "untouched": False,
        "genuine_origins": len(origin[judged == GENUINE].unique()),
        "auditors": {role: count_judgements(judged) for role in roles},
        "agreement": [{"auditors": list(roles), **AGREEMENT}] if len(roles) == 2 else [],
    }
    unlabelled = (judged == ABSTAINED) | (judged == NOT_ASKED)
    return Saved({"labels": torch.where(unlabelled, -1, expected), "judged": judged}, info)


def _gate(made: Made, rng: torch.Generator) -> Saved:
    info = {"classifier": 0.911, "oracle": 0.922, "images": 100, "warning": made.warning}
    if not made.encodes:
        return Saved({}, dict.fromkeys(info))
    x = torch.rand(4, *made.shape, generator=rng)
    tensors = {"x": x, "back": x.flip(0), "labels": torch.arange(4) % len(made.classes)}
    if made.conditional:
        classes = torch.arange(len(made.classes))[:12]
        tensors["styles/x"], tensors["styles/labels"], tensors["styles/classes"] = x[:2], classes[:2], classes
        tensors["styles/images"] = torch.rand(2, len(classes), *made.shape, generator=rng)
    return Saved(tensors, info)


def _regions(made: Made, judged: torch.Tensor, assignment: torch.Tensor, rng: torch.Generator) -> Saved:
    """Labels and predictions that make each cluster what it is to be."""
    if not made.failures or not made.statuses:
        return Saved(
            {},
            {
                "regions": [],
                "rounds": [],
                "agreement": _agreement(made, torch.empty(0, 0).long(), torch.empty(0).bool()),
            },
        )
    n, k = made.samples, len(made.classes)
    parents = made.parents or (None,) * len(made.statuses)
    labels, predicted, every, rows = [], [], list[Region](), []
    weights = (torch.arange(1, len(made.statuses) + 1) / sum(range(len(made.statuses) + 1))).tolist()
    for c, status in enumerate(made.statuses):
        label = torch.full((n,), c % k)
        if status in ("mixed", "split"):
            label[: n // 2] = (c + 1) % k
            label[0] = c % k
        if status == "unlabelled":
            label[:] = -1
        elif n > 2:
            label[1] = -1
        said = (label + (0 if status == "correct" else 2 if status in ("mixed", "split") else 1)) % k
        counts = count_judgements(judged[assignment == c]) if made.auditor else dict.fromkeys(JUDGEMENTS)
        size = int((assignment == c).sum())
        region = judge_region(
            label, said, cluster=c, weight=weights[c], size=size, origins=1 if c in made.of_one_image else 5,
            num_classes=k, rho=0.5, min_purity=0.8, min_labelled=0.5, parent=parents[c],
        )  # fmt: skip
        if status == "split":
            region = replace(region, status="split")
        region = replace(region, disputed=c in made.drifted if made.auditor and any(counts.values()) else None)
        assert region.status == status, (region, label, said)
        labels.append(label)
        predicted.append(said)
        every.append(region)
        rows.append(vars(region) | {"failures": counts})
    rounds = [[r for r in every if (r.parent is None) is first] for first in (True, False)]
    x = torch.rand(len(rows) * n, *made.shape, generator=rng)
    votes = torch.cat(labels)[:, None].repeat(1, made.annotators)
    votes[::3, -1] = torch.randint(-1, k, votes[::3, -1].shape, generator=rng)
    kept = torch.tensor([row["status"] == "kept" for row in rows]).repeat_interleave(n)
    return Saved(
        {"x": x, "labels": torch.cat(labels), "predicted": torch.cat(predicted), "votes": votes},
        {
            "regions": rows,
            "rounds": [count_regions(found) for found in rounds if found],
            "agreement": _agreement(made, votes, kept),
        },
    )


def _agreement(made: Made, votes: torch.Tensor, kept: torch.Tensor) -> dict[str, Any]:
    names = ("ann", "bob", "cho", "dee", "eli") if made.people else tuple(f"member {i}" for i in range(1, 6))
    return agreement_table(Answers(votes, None, names[: votes.shape[1]]), kept, len(made.classes))


def _correction(made: Made, kept: list[dict[str, Any]]) -> Saved:
    if not kept:
        return Saved({}, {"skipped": "no cluster was kept as a region" if made.failures else "no failures were found"})

    def state(name: str, strength: float, test: float, region: float) -> dict[str, Any]:
        rates = {"validation": test + 0.01, "test": test, "region_select": region - 0.01, "region_test": region}
        return {"name": name, "strength": strength, **rates}

    def group(chosen: int, images: int, *states: dict[str, Any]) -> dict[str, Any]:
        return {"states": list(states), "chosen": chosen, "images": images}

    sweep = [
        state(f"lambda={s:g}", s, t, r) for s, t, r in ((0.1, 0.975, 0.77), (1.0, 0.96, made.after), (10.0, 0.9, 0.98))
    ]
    alone = [state(f"lambda={s:g}", s, t, r) for s, t, r in ((0.1, 0.955, 0.51), (1.0, 0.945, 0.612), (10.0, 0.8, 0.7))]
    info = {
        "skipped": None,
        "rule": made.rule,
        "before": state("before", 0.0, 0.965, 0.213),
        "control": group(0, 0, state("lambda=0", 0.0, 0.97, 0.254)),
        "regions": group(made.chosen, 32 * len(kept), *sweep),
        "failures_alone": group(1, 32 * len(kept), *alone),
        "per_region": [{"cluster": r["cluster"], "before": 0.104, "after": 0.937} for r in kept],
    }
    return Saved({"corrected/weight": torch.zeros(2)}, info)


def _evidence(made: Made, clusters: int, corrected: bool, rng: torch.Generator) -> Saved:
    k = len(made.classes)
    table = torch.diag(torch.full((k,), 9))
    table[0, 1] = 4
    confusion = {"before": table.tolist(), "after": table.tolist() if corrected else None}
    info: dict[str, Any] = {
        "confusion": confusion, "misclassified_train": made.misclassified, "novelty": None, "test_set": None,
    }  # fmt: skip
    tensors = {}
    if made.misclassified and clusters:
        info["novelty"] = [{"distance": 1.234, "label": 0, "predicted": 1}] * clusters
        tensors["novelty/x"] = torch.rand(clusters, *made.shape, generator=rng)
    if made.failures and made.encodes:
        rows = torch.randperm(made.failures, generator=rng)[:20]
        tensors["map/labels"] = torch.arange(20) % k
        tensors["map/failures"] = rows
        tensors["map/xy"] = torch.randn(20 + len(rows), 2, generator=rng)
    return Saved(tensors, info)
