"""The labelers: the oracle or people who label regions, and the auditor who judges single failures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..batches import in_parts
from ..context import Context
from ..contracts.labeler import Labeler
from ..errors import WaitingForPeople
from ..judging import JUDGEMENTS, count_judgements, judge_failures, majority
from ..store import Saved
from ..types import Answers, DataSpec, Failures, ImageSet, LabelRequest, Splits


def fit_labeler(labeler: Labeler[Any], data: Splits, context: Context, *, agreement: float) -> Saved:
    """Let a labeler learn, and measure a program on the real test images: how often it abstains and errs."""
    labeler.fit(data.without_test(), context)
    info: dict[str, Any] = {"program": labeler.is_program, "accuracy": None, "abstained": None}
    if labeler.is_program:
        labels = ask_in_parts(labeler, "fit", data.test, data.spec, agreement)
        answered = labels >= 0
        right = labels == data.test.labels
        info["abstained"] = float((~answered).float().mean())
        info["accuracy"] = float(right[answered].float().mean()) if bool(answered.any()) else None
    return Saved(labeler.state_dict(), info)


def ask(
    labeler: Labeler[Any], name: str, x: Tensor, spec: DataSpec, agreement: float, group: Tensor | None = None
) -> Tensor:
    """Labels (n,) int64 of images, -1 for none.

    Raises:
        WaitingForPeople: the labeler pends.
    """
    if not len(x):
        return torch.empty(0, dtype=torch.int64)
    return majority(votes(labeler, name, x, spec, group), spec.num_classes, agreement)


def votes(labeler: Labeler[Any], name: str, x: Tensor, spec: DataSpec, group: Tensor | None = None) -> Tensor:
    """The votes (n, annotators) int64 on at least one image.

    Raises:
        WaitingForPeople: the labeler pends.
    """
    group = torch.full((len(x),), -1) if group is None else group
    answer = labeler.label(LabelRequest(name, x, spec, group))
    if not isinstance(answer, Answers):
        raise WaitingForPeople(f"{answer.waiting} images wait for labels", fix=answer.how, plugin=labeler.name)
    return answer.votes


def ask_in_parts(labeler: Labeler[Any], name: str, images: ImageSet, spec: DataSpec, agreement: float) -> Tensor:
    """`ask` about a whole image set, converted in parts so that memory stays flat."""
    parts = enumerate(in_parts(len(images), spec.shape))
    return torch.cat([ask(labeler, f"{name}-{i}", images.batch(rows)[0], spec, agreement) for i, rows in parts])


def audit(
    auditor: Labeler[Any] | None, failures: Failures, spec: DataSpec, context: Context, *, agreement: float
) -> Saved:
    """Judge every failure by itself: genuine, third class, drift or abstained; null counts where nobody judges."""
    if auditor is None:
        return Saved({}, dict.fromkeys(JUDGEMENTS))
    images = ImageSet(failures.x, failures.expected.clamp_min(0))
    labels = ask_in_parts(auditor, "audit", images, spec, agreement)
    judged = judge_failures(failures.allowed, failures.predicted, labels)
    context.progress(1.0, f"{len(failures)} failures judged")
    return Saved({"labels": labels, "judged": judged}, count_judgements(judged))
