"""Correction: corrected classifiers are scored on draws that nothing was fitted to, and one is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..classifier import Classifier
from ..context import Context
from ..contracts.corrector import Corrector
from ..contracts.labeler import Labeler
from ..rng import rng_for, spawn
from ..sections import CorrectionSection
from ..store import Saved, prefixed
from ..types import DataSpec, Failures, ImageSet, LabelledImages, Region, Splits
from .judges import ask_in_parts
from .sampler import Sampler


@dataclass(frozen=True, eq=False)
class _Draws:
    """One draw of every kept region, with the regions' labels."""

    finetune: LabelledImages
    select: LabelledImages
    test: LabelledImages


def correct(
    corrector: Corrector[Any],
    classifier: Classifier,
    data: Splits,
    regions: tuple[Region, ...],
    sampler: Sampler | None,
    failures: Failures,
    labeler: Labeler[Any],
    context: Context,
    *,
    settings: CorrectionSection,
    agreement: float,
) -> Saved:
    """Correct the classifier on the kept regions, beside two controls; every number is on draws that were neither
    finetuned on nor chosen by.

    The controls: the same finetuning without failures (lambda = 0), and on as many single failures, without
    clustering, with their own labels; not the latter where none has a label.
    """
    kept = [r for r in regions if r.status == "kept"]
    if not kept or sampler is None:
        return Saved({}, {"skipped": _why_nothing(failures)})
    if not any(p.requires_grad for p in classifier.module.parameters()):
        frozen = "'s weights are frozen (requires_grad is False)"
        some = next(classifier.module.parameters(), None) is not None
        return Saved({}, {"skipped": "the classifier" + (frozen if some else " has no weights that can be trained")})
    seed = spawn(context.rng)
    draws = _Draws(*(_draw(kept, sampler, settings.draws, seed, part) for part in ("finetune", "select", "test")))
    before = _score("before", 0.0, classifier, data, draws)
    groups: dict[str, LabelledImages | None] = {"control": None, "regions": draws.finetune}
    info: dict[str, Any] = {"skipped": None, "rule": settings.rule, "before": before}
    alone = _single_failures(failures, len(draws.finetune), labeler, data.spec, agreement, seed)
    if alone is None:
        info["failures_alone"] = {"states": [], "chosen": None, "images": 0}
    else:
        groups["failures_alone"] = alone
    tensors: dict[str, Tensor] = {}
    floor = before["validation"] - settings.tolerance
    for i, (group, images) in enumerate(groups.items()):
        part = context.part(i, len(groups), group.replace("_", " "))
        states = corrector.correct(classifier, data.without_test(), images, part)
        scores = [_score(s.name, s.strength, classifier.copy(s.state), data, draws) for s in states]
        if group == "control":  # what the control loses too is not lost by correcting
            floor = min(floor, scores[0]["validation"] - settings.tolerance)
        best = _choose(scores, settings, floor)
        info[group] = {"states": scores, "chosen": best, "images": 0 if images is None else len(images)}
        if group == "regions":
            tensors = prefixed("corrected", states[best].state)
            info["per_region"] = _per_region(kept, draws.test, classifier, classifier.copy(states[best].state))
    return Saved(tensors, info)


def _why_nothing(failures: Failures) -> str:
    """Why there is nothing to correct with."""
    if not len(failures):
        return "no failures were found"
    if failures.z is None:
        return "the failures are images without codes: no region can be drawn from, and nothing is finetuned on them"
    return "no cluster was kept as a region"


def _draw(kept: list[Region], sampler: Sampler, n: int, seed: int, part: str) -> LabelledImages:
    _, images = sampler.draw_each([r.cluster for r in kept], n, lambda cluster: rng_for(seed, part, cluster))
    labels = [torch.full((n,), r.label) for r in kept if r.label is not None]
    return LabelledImages(images, torch.cat(labels))


def _single_failures(
    failures: Failures, n: int, labeler: Labeler[Any], spec: DataSpec, agreement: float, seed: int
) -> LabelledImages | None:
    """n single failures with labels of their own: the labeler's where it is a program, else the expected ones. Where
    fewer have a label, some are there twice; those without one are left out. None where no failure has any."""
    rng = rng_for(seed, "failures alone")
    some = torch.randperm(len(failures), generator=rng)[: 4 * n]
    labels = expected = failures.expected[some]
    if labeler.is_program:
        unlabelled = ImageSet(failures.x, torch.zeros(len(failures), dtype=torch.int64)).subset(some)
        labels = ask_in_parts(labeler, "failures-alone", unlabelled, spec, agreement, truth=expected)
    if not bool((labels >= 0).any()):
        labels = expected
    usable = (labels >= 0).nonzero()[:, 0]
    if not len(usable):
        return None
    rows = usable.repeat(-(-n // len(usable)))[:n]
    return LabelledImages(failures.x[some[rows]], labels[rows])


def _score(name: str, strength: float, classifier: Classifier, data: Splits, draws: _Draws) -> dict[str, Any]:
    """Accuracies of one state; `test` and `region_test` are for the reader and choose nothing."""
    return {
        "name": name,
        "strength": strength,
        "validation": classifier.accuracy(data.validation),
        "test": classifier.accuracy(data.test),
        "region_select": classifier.accuracy(ImageSet(draws.select.x, draws.select.labels)),
        "region_test": classifier.accuracy(ImageSet(draws.test.x, draws.test.labels)),
    }


def _choose(scores: list[dict[str, Any]], settings: CorrectionSection, floor: float) -> int:
    """The chosen state.

    By the rule `regions`: of the states whose validation accuracy is at least `floor`, those within the tolerance of
    the best region accuracy; of these the highest validation accuracy, and the weakest correction. By `validation`
    (the paper's), or where none reaches the floor: the highest validation accuracy.
    """

    def merit(row: int) -> tuple[float, float]:
        return scores[row]["validation"], -scores[row]["strength"]

    rows = range(len(scores))
    able = [i for i in rows if scores[i]["validation"] >= floor]
    if settings.rule == "validation" or not able:
        return max(rows, key=merit)
    best = max(scores[i]["region_select"] for i in able)
    return max((i for i in able if scores[i]["region_select"] >= best - settings.tolerance), key=merit)


def _per_region(
    kept: list[Region], test: LabelledImages, before: Classifier, after: Classifier
) -> list[dict[str, Any]]:
    """Accuracy on the untouched draw of each region, before and after."""
    right = [(c.probs(test.x).argmax(1) == test.labels).float().view(len(kept), -1).mean(1) for c in (before, after)]
    return [{"cluster": r.cluster, "before": float(b), "after": float(a)} for r, b, a in zip(kept, *right, strict=True)]
