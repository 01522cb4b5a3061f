"""Pure functions that turn votes into labels, failures into judged failures, and samples into regions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from .types import Region, RegionStatus
from .votes import Answers

GENUINE, THIRD_CLASS, DRIFT, ABSTAINED = range(4)
NOT_ASKED = -1  # of failures that the auditor was not shown: no judgement, and no abstention
JUDGEMENTS = ("genuine", "third_class", "drift", "abstained")
NONE_OF_THE_ABOVE, NO_VOTE = -1, -2  # as a labeler gives them


def vote_counts(votes: Tensor, num_classes: int) -> Tensor:
    """How many votes (n, annotators) each answer of each image got, (n, 1 + k) int64: "none of the above", then the
    classes. It is an answer like any other (AAAI section 4.5); -2 is no vote.

    >>> vote_counts(torch.tensor([[1, 1, 0], [0, -2, -1]]), 2)
    tensor([[0, 1, 2],
            [1, 1, 0]])
    """
    n, answers = len(votes), num_classes + 1
    given = votes != NO_VOTE
    cells = (torch.arange(n)[:, None] * answers + votes + 1)[given]
    return cells.bincount(minlength=n * answers).view(n, answers)


def winning_answer(counts: Tensor) -> Tensor:
    """The answer with most votes, (n,) int64: a class, -1 for "none of the above", and -2 where there is a tie, or no
    vote.

    >>> winning_answer(vote_counts(torch.tensor([[1, 1, 0], [0, 1, -2], [-1, -1, 2]]), 3))
    tensor([ 1, -2, -1])
    """
    best, winner = counts.max(1)
    tied = (counts == best[:, None]).sum(1) > 1  # so are the counts of an image without votes
    return torch.where(tied, NO_VOTE, winner - 1)


def majority(votes: Tensor, num_classes: int, agreement: float = 0.0) -> Tensor:
    """The label of each image, (n,) int64, -1 where it has none.

    The answer with most votes wins; "none of the above" (-1) is an answer like any other; -2 is no vote. A tie
    abstains, and so does a winner whose share of the votes is not above `agreement`.

    >>> majority(torch.tensor([[1, 1, 0], [0, 1, -1], [-1, -1, 2]]), 3)
    tensor([ 1, -1, -1])
    """
    counts = vote_counts(votes, num_classes)
    agreed = counts.amax(1) > agreement * counts.sum(1)
    return torch.where(agreed, winning_answer(counts).clamp_min(-1), -1)


def labels_of(answers: Answers, num_classes: int, agreement: float = 0.0, threshold: float | None = None) -> Tensor:
    """The label of each image, (n,) int64: the majority's, -1 where it has none or the confidence is below `threshold`.

    Who gives no confidence is believed as the votes stand.

    >>> labels_of(Answers(torch.tensor([[1], [0], [-1]]), torch.tensor([0.9, 0.6, 0.99])), 2, threshold=0.7)
    tensor([ 1, -1, -1])
    """
    labels = majority(answers.votes, num_classes, agreement)
    if threshold is None or answers.confidence is None:
        return labels
    return torch.where(answers.confidence >= threshold, labels, -1)


@dataclass(frozen=True)
class Threshold:
    """From which confidence on a labeler is believed, and what that gave on the images that it was chosen on.

    Attributes:
        confidence: answers with less are abstentions; None where nothing was answered.
        error: share of wrong answers among the others; None where nothing was answered.
        answers: how many others there are.
        reached: whether they are wrong as rarely as was asked for on these images, and enough to tell. It is no bound
            on the error on others.
    """

    confidence: float | None
    error: float | None
    answers: int
    reached: bool


def abstention_threshold(right: Tensor, confidence: Tensor, error_rate: float) -> Threshold:
    """The lowest confidence from which on at most the share `error_rate` of the answers is wrong.

    It is in the manner of selective classification (Geifman & El-Yaniv 2017), without their bound: the share is
    empirical, chosen and counted on the same images, so that on others it may be larger.

    A threshold must leave 1 / `error_rate` answers: among fewer, a single wrong one is too large a share, so that none
    says little. Where that many are not to be had, half of all will do, and the rate does not count as reached. Where
    no threshold reaches the rate, the one with the smallest share of wrong answers is given; of equals, the lowest.

    Args:
        right: (n,) bool, whether each answer is right.
        confidence: (n,) float32.

    >>> abstention_threshold(torch.tensor([True, True, False, True]), torch.tensor([0.9, 0.8, 0.6, 0.5]), 0.25)
    Threshold(confidence=0.5, error=0.25, answers=4, reached=True)
    >>> abstention_threshold(torch.tensor([True, True, False, True]), torch.tensor([0.9, 0.8, 0.6, 0.5]), 0.1)
    Threshold(confidence=0.800000011920929, error=0.0, answers=2, reached=False)
    """
    if not len(right):
        return Threshold(None, None, 0, reached=False)
    order = confidence.argsort(descending=True, stable=True)
    sorted_confidence = confidence[order]
    wrong = (~right[order]).cumsum(0)
    answers = torch.arange(1, len(right) + 1)
    error = wrong.double() / answers
    possible = torch.ones_like(right)
    possible[:-1] = sorted_confidence[1:] < sorted_confidence[:-1]  # answers of equal confidence stand or fall together
    possible &= answers >= min(1 / error_rate, len(right) / 2)
    good = possible & (error <= error_rate)
    if not bool(good.any()):
        good = possible & (error == error[possible].min())
    i = int(good.nonzero()[-1])
    reached = bool(error[i] <= error_rate) and i + 1 >= 1 / error_rate
    return Threshold(float(sorted_confidence[i]), float(error[i]), i + 1, reached)


def vote_share(votes: Tensor, num_classes: int) -> Tensor:
    """The share of its votes that the most frequent answer of each image got, (n,) float32; NaN without a vote.

    >>> vote_share(torch.tensor([[1, 1, 0, 1], [2, -1, -1, -2]]), 3)
    tensor([0.7500, 0.6667])
    """
    counts = vote_counts(votes, num_classes)
    return counts.amax(1) / counts.sum(1)


def mean_and_error(values: Tensor) -> dict[str, float | int | None]:
    """Mean of values (n,), its standard error and n; None where there are too few. NaN is left out.

    >>> mean_and_error(torch.tensor([0.5, 1.0, 0.75, 0.75]))["mean"]
    0.75
    """
    known = values[~values.isnan()]
    n = len(known)
    return {
        "mean": float(known.mean()) if n else None,
        "standard_error": float(known.std()) / math.sqrt(n) if n > 1 else None,
        "n": n,
    }


def judge_failures(allowed: Tensor, predicted: Tensor, label: Tensor) -> Tensor:
    """What each failure is, (n,) int64: GENUINE, THIRD_CLASS, DRIFT or ABSTAINED.

    Args:
        allowed: (n, k) bool, predictions that would have been right.
        predicted: (n,) int64, what the classifier said.
        label: (n,) int64, what the auditor or a person says; -1 for no label.

    >>> allowed = torch.eye(3).bool()[torch.tensor([0, 0, 0, 0])]
    >>> judge_failures(allowed, torch.tensor([1, 1, 1, 1]), torch.tensor([0, 2, 1, -1]))
    tensor([0, 1, 2, 3])
    """
    is_allowed = allowed.gather(1, label.clamp_min(0)[:, None])[:, 0]
    judged = torch.full_like(label, THIRD_CLASS)
    judged[is_allowed] = GENUINE
    judged[label == predicted] = DRIFT
    judged[label < 0] = ABSTAINED
    return judged


def count_judgements(judged: Tensor) -> dict[str, int]:
    """How many failures are of each kind, by name; those that were not asked about are of none."""
    return {name: int((judged == code).sum()) for code, name in enumerate(JUDGEMENTS)}


def is_disputed(counts: Mapping[str, int]) -> bool | None:
    """Whether the auditor calls more failures of a region drift than genuine or third class; None where it was asked
    about none of them.

    >>> is_disputed({"genuine": 2, "third_class": 1, "drift": 4, "abstained": 9})
    True
    """
    return counts["drift"] > counts["genuine"] + counts["third_class"] if sum(counts.values()) else None


def share_intervals(
    judged: Tensor, origin: Tensor, *, seed: int, resamples: int = 1000
) -> dict[str, dict[str, float | None]]:
    """The share of each kind of failure, with a 95 % percentile interval of the cluster bootstrap: training images are
    drawn with replacement, each with all its failures, since failures of one image go together.

    Images whose failures were judged alike are counted together: how often each such group is drawn is multinomial, so
    that 50,000 failures take a fraction of a second. Where no failure is of a kind, or all are, every resample gives
    the same; there the interval is Wilson's, over training images. From a single image nothing can be resampled: where
    its failures differ, the interval is [0, 1].

    Args:
        judged: (n,) int64, as `judge_failures` gives it; failures that were not asked about are left out.
        origin: (n,) int64, rows of training images; a failure without one (-1) counts as an image of its own.

    >>> share_intervals(torch.tensor([0, 0, 2, 2]), torch.tensor([5, 5, 7, 7]), seed=0)["genuine"]
    {'share': 0.5, 'low': 0.0, 'high': 1.0}
    """
    asked = judged != NOT_ASKED
    judged, origin = judged[asked], origin[asked]
    n, kinds = len(judged), len(JUDGEMENTS)
    if not n:
        return {name: {"share": None, "low": None, "high": None} for name in JUDGEMENTS}
    alone = origin < 0
    own = torch.where(alone, -1 - torch.arange(n), origin)
    images, image = torch.unique(own, return_inverse=True)
    counts = (image * kinds + judged).bincount(minlength=len(images) * kinds).view(-1, kinds)
    alike, times = torch.unique(counts, dim=0, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = torch.from_numpy(rng.multinomial(len(images), times.numpy() / len(images), size=resamples)).double()
    totals = drawn @ alike.double()  # (resamples, kinds)
    shares = totals / totals.sum(1, keepdim=True)
    low, high = shares.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64), dim=0)
    found: dict[str, dict[str, float | None]] = {}
    for code, name in enumerate(JUDGEMENTS):
        share = int(counts[:, code].sum()) / n
        interval = float(low[code]), float(high[code])
        if share in (0, 1):
            interval = wilson(round(share) * len(images), len(images))
        elif len(images) == 1:
            interval = 0.0, 1.0
        found[name] = {"share": share, "low": interval[0], "high": interval[1]}
    return found


def agreement_of(labels: tuple[Tensor, Tensor], judged: tuple[Tensor, Tensor]) -> dict[str, float | int | None]:
    """How far two auditors say the same of the failures that both were asked about (`both_asked`): `judgement`, the
    share that they judge to be the same kind; `label`, the share with the same label of the `both_answer` where neither
    abstains. None where there is nothing.

    >>> one, other = torch.tensor([1, 2, -1, 0]), torch.tensor([1, 0, -1, -1])
    >>> agreement_of((one, other), (torch.tensor([0, 1, 3, 0]), torch.tensor([0, 0, 3, 3])))
    {'judgement': 0.5, 'label': 0.5, 'both_answer': 2, 'both_asked': 4}
    """
    asked = (judged[0] != NOT_ASKED) & (judged[1] != NOT_ASKED)
    both = asked & (labels[0] >= 0) & (labels[1] >= 0)
    same_label, same_kind = labels[0][both] == labels[1][both], judged[0][asked] == judged[1][asked]
    return {
        "judgement": float(same_kind.double().mean()) if len(same_kind) else None,
        "label": float(same_label.double().mean()) if len(same_label) else None,
        "both_answer": len(same_label),
        "both_asked": len(same_kind),
    }


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a rate (95 % by default).

    >>> [round(v, 3) for v in wilson(8, 10)]
    [0.49, 0.943]
    """
    if n == 0:
        return 0.0, 1.0
    rate, square = hits / n, z * z
    centre = (rate + square / (2 * n)) / (1 + square / n)
    half = z * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n)) / (1 + square / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def judge_region(
    labels: Tensor,
    predicted: Tensor,
    *,
    cluster: int,
    weight: float,
    size: int,
    origins: int,
    num_classes: int,
    rho: float,
    min_purity: float,
    min_labelled: float,
    parent: int | None = None,
    name: str | None = None,
) -> Region:
    """A region from the labels of its samples (AAAI section 4.1).

    It is kept when more than `rho` of the labelled samples disagree with the prediction; its label is the majority's.
    A label for less than `min_labelled` of the samples, or a tie, leaves it `unlabelled`. Where less than `min_purity`
    share a label, it is `mixed`, whatever the classifier says: being right on the whole tells nothing of each class.

    Args:
        labels: (n,) int64, -1 for samples that got no label.
        predicted: (n,) int64.
    """
    labelled = labels >= 0
    n = int(labelled.sum())
    label = int(majority(labels[labelled][None], num_classes)[0]) if n else -1
    disagree = float((labels != predicted)[labelled].float().mean()) if n else None
    hits = int(labels[labelled].bincount().max()) if n else 0
    purity = hits / n if n else None
    status: RegionStatus = "kept"
    if purity is None or disagree is None or n < min_labelled * len(labels):
        status = "unlabelled"
    elif purity < min_purity:
        status = "mixed"
    elif label < 0:
        status = "unlabelled"
    elif disagree <= rho:
        status = "correct"
    low, high = wilson(hits, n) if n else (None, None)
    return Region(
        cluster=cluster,
        weight=weight,
        size=size,
        origins=origins,
        status=status,
        label=label if label >= 0 else None,
        predicted=int(predicted.mode().values),
        samples=len(labels),
        abstained=len(labels) - n,
        disagree=disagree,
        purity=purity,
        purity_low=low,
        purity_high=high,
        parent=parent,
        name=name,
    )


def count_regions(regions: Sequence[Region]) -> dict[str, Any]:
    """How many regions there are, and of each status; and the median purity of those that have one."""
    statuses = [region.status for region in regions]
    purities = [region.purity for region in regions if region.purity is not None]
    return {
        "labelled": len(regions),
        **{status: statuses.count(status) for status in get_args(RegionStatus)},
        "purity": median(purities) if purities else None,
    }
