"""Pure functions that turn votes into labels, failures into judged failures, and samples into regions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .types import Region, RegionStatus

GENUINE, THIRD_CLASS, DRIFT, ABSTAINED = range(4)
JUDGEMENTS = ("genuine", "third_class", "drift", "abstained")


def majority(votes: Tensor, num_classes: int, agreement: float = 0.0) -> Tensor:
    """The label of each image, (n,) int64, -1 where it has none.

    The answer with most votes wins; "none of the above" (-1) is an answer like any other; -2 is no vote. A tie
    abstains, and so does a winner whose share of the votes is not above `agreement`.

    >>> majority(torch.tensor([[1, 1, 0], [0, 1, -1], [-1, -1, 2]]), 3)
    tensor([ 1, -1, -1])
    """
    counts = torch.stack([(votes == answer).sum(1) for answer in range(-1, num_classes)], 1)  # (n, 1 + k)
    best, winner = counts.max(1)
    tied = (counts == best[:, None]).sum(1) > 1
    agreed = best > agreement * counts.sum(1)
    return torch.where(tied | ~agreed, -1, winner - 1)


def vote_share(votes: Tensor, num_classes: int) -> Tensor:
    """The share of its votes that the most frequent answer of each image got, (n,) float32; NaN without a vote.

    "None of the above" (-1) is an answer like any other (AAAI section 4.5).

    >>> vote_share(torch.tensor([[1, 1, 0, 1], [2, -1, -1, -2]]), 3)
    tensor([0.7500, 0.6667])
    """
    counts = torch.stack([(votes == answer).sum(1) for answer in range(-1, num_classes)], 1)  # (n, 1 + k)
    return counts.max(1).values / counts.sum(1)


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
    """How many failures are of each kind, by name."""
    return {name: int((judged == code).sum()) for code, name in enumerate(JUDGEMENTS)}


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
) -> Region:
    """A region from the labels of its samples (AAAI section 4.1).

    It is kept when more than `rho` of the labelled samples disagree with the prediction; its label is the majority's.
    A tie, or a label for less than `min_labelled` of the samples, leaves it `unlabelled`; a purity below `min_purity`
    makes it `mixed`.

    Args:
        labels: (n,) int64, -1 for samples that got no label.
        predicted: (n,) int64.
    """
    labelled = labels >= 0
    n = int(labelled.sum())
    label = int(majority(labels[labelled][None], num_classes)[0]) if n else -1
    disagree = float((labels != predicted)[labelled].float().mean()) if n else None
    status: RegionStatus = "kept"
    hits = int((labels == label).sum()) if label >= 0 else 0
    purity = hits / n if label >= 0 else None
    if purity is None or disagree is None or n < min_labelled * len(labels):
        status = "unlabelled"
    elif disagree <= rho:
        status = "correct"
    elif purity < min_purity:
        status = "mixed"
    low, high = wilson(hits, n) if purity is not None else (None, None)
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
    )
