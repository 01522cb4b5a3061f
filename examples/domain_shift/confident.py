"""Images that a classifier is sure of, sampled with modeldebug, and how many of them an auditor says it is right about.

Samples of one population go together, since they begin as the same prior draws. So intervals are of the cluster
bootstrap over populations, all classes of a population with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from domains import Domains
from modeldebug_labelers.plugin import modeldebug_labelers
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import modeldebug
from modeldebug import Context, DataSpec, ImageSet, Labeler, Splits
from modeldebug.judging import wilson
from modeldebug.sections import AuditSection
from modeldebug.stages.judges import ask_in_parts, fit_auditor

SURE = 0.85  # from which probability on an answer counts as confident, as in Bayes-TrEx (section 4.4)
FEWEST = 10  # samples that a class needs to be told of, as many as the paper labelled by hand
RESAMPLES = 2000
JUDGING = AuditSection.model_validate({})  # an answer takes more than half of the members' votes


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval; `share` is None where there is nothing to count."""

    share: float | None
    low: float
    high: float

    def __str__(self) -> str:
        if self.share is None:
            return "-"
        return f"{100 * self.share:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"

    @staticmethod
    def of(hits: int, n: int) -> Rate:
        """Of n independent tries, with Wilson's interval."""
        return Rate(hits / n if n else None, *wilson(hits, n))


@dataclass(frozen=True, eq=False)
class Judged:
    """Confident samples of every class, as the auditor judged them.

    Attributes:
        right, wrong, abstained: (populations, k) int64, samples of each population and class.
        doubtful: (k,) int64, samples that the classifier is less sure of; they are left out.
        reached: how many classes the sampler reached: their populations agree, and are near the target.
    """

    right: Tensor
    wrong: Tensor
    abstained: Tensor
    doubtful: Tensor
    reached: int


@dataclass(frozen=True, eq=False)
class Auditor:
    """A judge that was trained on images of the target domain, and what it does with its test images.

    Attributes:
        threshold: from which confidence on it answers.
        accuracy: among the test images that it answers.
        abstained: share of the test images that it does not answer.
    """

    labeler: Labeler[Any]
    spec: DataSpec
    threshold: float | None
    accuracy: Rate
    abstained: float

    def labels(self, x: Tensor, name: str) -> Tensor:
        """The class (n,) int64 of each image, -1 for an abstention."""
        images = ImageSet(x, torch.zeros(len(x), dtype=torch.int64))
        return ask_in_parts(self.labeler, name, images, self.spec, JUDGING.agreement, self.threshold)


def auditor(data: Splits, *, settings: Mapping[str, Any], error_rate: float, seed: int) -> Auditor:
    """An ensemble (`labelers:oracle`) that learns from the training images, and abstains as often as it must for
    `error_rate` among its answers on the validation images."""
    component = next(c for c in modeldebug_labelers() if c.name == "oracle")
    made = component.make(component.config(**settings), data.spec)
    made.name = component.name
    judging = JUDGING.model_copy(update={"error_rate": error_rate})
    found = fit_auditor(made, data, Context.quiet(seed=seed), settings=judging).info
    answered = round((1 - found["abstained"]) * len(data.test))
    accuracy = Rate.of(round((found["accuracy"] or 0) * answered), answered)
    return Auditor(made, data.spec, found["threshold"], accuracy, found["abstained"])


def sampled(
    model: nn.Module, domains: Domains, *, settings: Mapping[str, Any], out: Path, reuse: Path | None = None
) -> modeldebug.Inspection:
    """Images of the target domain's generator that a model is sure of, for every class.

    Args:
        reuse: the inspection of another model: its generator learnt from the same images.
    """
    data = {
        part: TensorDataset(images.images, images.labels)
        for part, images in (("train", domains.target), ("test", domains.labelled.test))
    }
    own: dict[str, Any] = {"dataset": {"names": domains.labelled.spec.classes}, "classifier": {"output": "logits"}}
    return modeldebug.inspect(
        model, data, targets="high-confidence", plugins=("bayestrex", "gan"), preset="bayestrex",
        settings={**own, **settings}, out=out, reuse=reuse,
    )  # fmt: skip


def judged(inspection: modeldebug.Inspection, judge: Auditor) -> Judged:
    """What the auditor says of the samples that the classifier is sure of."""
    k = judge.spec.num_classes
    names = [f"high-confidence:{c}" for c in range(k)]
    every = [inspection.samples(name) for name in names]
    populations = 1 + max(int(samples.chain.max()) for samples in every if len(samples))
    counts = torch.zeros(3, populations, k, dtype=torch.int64)
    doubtful = torch.zeros(k, dtype=torch.int64)
    for c, (name, samples) in enumerate(zip(names, every, strict=True)):
        sure = samples.probs[:, c] >= SURE
        doubtful[c] = int((~sure).sum())
        if bool(sure.any()):
            labels = judge.labels(inspection.images(name)[sure], f"class {c}")
            counts[:, :, c] = tally(labels, c, samples.chain[sure], populations)
    right, wrong, abstained = counts.unbind()
    return Judged(right, wrong, abstained, doubtful, sum(target.reached for target in inspection.targets))


def tally(labels: Tensor, wanted: int, chain: Tensor, populations: int) -> Tensor:
    """How many samples of each population are right, wrong or not judged, (3, populations) int64.

    >>> tally(torch.tensor([7, 7, 1, -1]), 7, torch.tensor([0, 0, 1, 1]), 2)
    tensor([[2, 0],
            [0, 1],
            [0, 1]])
    """
    kind = torch.where(labels == wanted, 0, torch.where(labels >= 0, 1, 2))
    return (kind * populations + chain).bincount(minlength=3 * populations).view(3, populations)


@dataclass(frozen=True, eq=False)
class Accuracy:
    """How many of its confident samples a classifier is right about, of those that the auditor answers.

    Attributes:
        share: (k,) float64, in each class; NaN where there are fewer than `FEWEST` answers.
        resampled: (r, k) float64, the same of populations that were drawn with replacement.
        populations: (k,) int64, how many have answers.
    """

    share: Tensor
    resampled: Tensor
    populations: Tensor

    @staticmethod
    def of(found: Judged, *, seed: int) -> Accuracy:
        """With `RESAMPLES` of the populations, all classes of a population drawn together."""
        right, answered = found.right.double(), (found.right + found.wrong).double()
        n = len(right)
        drawn = torch.from_numpy(np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)).double()
        share = (right.sum(0) / answered.sum(0)).where(answered.sum(0) >= FEWEST, math.nan)
        return Accuracy(share, (drawn @ right) / (drawn @ answered), (answered > 0).sum(0))

    def classes(self) -> Tensor:
        """(m,) int64, those with answers enough."""
        return (~self.share.isnan()).nonzero()[:, 0]

    def mean(self, classes: Tensor) -> Rate:
        """The mean of some classes (m,), all with answers enough, each with the same weight as in Bayes-TrEx (table 3).

        Where every resample gives the same, as where there is no error, the interval is Wilson's over populations.
        """
        if not len(classes):
            return Rate(None, 0.0, 1.0)
        share = float(self.share[classes].mean())
        if share in (0.0, 1.0):
            n = int(self.populations[classes].max())
            return Rate(share, *wilson(round(share) * n, n))
        return Rate(share, *_interval(self.resampled[:, classes].nanmean(1)))

    def less(self, other: Accuracy) -> Rate:
        """By how much it exceeds another, on the mean of the classes in which both have answers enough."""
        classes = (~(self.share - other.share).isnan()).nonzero()[:, 0]
        if not len(classes):
            return Rate(None, -1.0, 1.0)
        share = float((self.share - other.share)[classes].mean())
        return Rate(share, *_interval((self.resampled - other.resampled)[:, classes].nanmean(1)))


def _interval(resampled: Tensor) -> tuple[float, float]:
    low, high = resampled.nanquantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high


@torch.no_grad()
def answers(model: nn.Module, data: ImageSet) -> tuple[Tensor, Tensor]:
    """How sure a model is of its answer to each image (n,), and whether that is right (n,)."""
    parts: Sequence[Tensor] = [
        model(data.batch(slice(start, start + 512))[0]).softmax(1) for start in range(0, len(data), 512)
    ]
    sure, said = torch.cat(list(parts)).max(1)
    return sure, said == data.labels
