"""The brute-force reference for samplers: prior draws, weighted by a target's likelihood (importance sampling).

It needs no chain and no tuning, so what it says of a five-dimensional posterior holds; but only so far as draws fall
into it: a target that none of two million draws comes near may still have a posterior somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import modeldebug
from modeldebug import Classifier, Generator, Target, rng_for
from modeldebug.aims import inspection_targets
from modeldebug.folders import restore_config
from modeldebug.prepare import make, prepare
from modeldebug.store import RunStore

COUNTED = 10.0  # draws that a posterior must count for, to be called reached by the reference
BLOCK = 8192


@dataclass(frozen=True)
class Reference:
    """What weighted prior draws say of a target's posterior: for how many draws they count, mean and standard deviation
    of the code (d,) and of the probabilities that the target is about, and the largest mean distance from u*."""

    size: float
    mean: Tensor
    spread: Tensor
    confidence: Tensor
    confidence_spread: Tensor
    error: float

    def reaches(self, sigma: float) -> bool:
        return self.size >= COUNTED and self.error <= 2 * sigma


def models(folder: Path, objects: dict[str, Any], *, stage: str = "generator") -> tuple[Generator[Any], Classifier]:
    """Generator and classifier of a finished inspection."""
    store = RunStore.open(folder)
    _, config = restore_config(store, objects)
    prepared = prepare(config, aims=inspection_targets)
    learnt = store.load_stage(stage)
    generator = make(config, "generator", prepared.legitimate.spec)
    generator.load_state_dict(learnt.tensors)
    return generator, prepared.classifier.copy(store.load_stage("classifier").tensors)


def prior_draws(
    generator: Generator[Any], classifier: Classifier, n: int, *, seed: int, batch_size: int = 128
) -> tuple[Tensor, Tensor]:
    """Codes (n, d) from the prior and what the classifier says of their images (n, k)."""
    codes, answers, rng = [], [], rng_for(seed, "reference")
    classifier = Classifier(**{**vars(classifier), "batch_size": batch_size})
    for start in range(0, n, BLOCK):
        z = generator.sample(min(BLOCK, n - start), rng)
        images = modeldebug.in_batches(generator.decode, batch_size, torch.device("cpu"), z, None)
        codes.append(z)
        answers.append(classifier.probs(images))
    return torch.cat(codes), torch.cat(answers)


def weighted(target: Target, z: Tensor, probs: Tensor, sigma: float) -> Reference:
    """The posterior of a target by weighted prior draws."""
    weights = (-target.misfit(probs).double() / sigma**2).softmax(0)[:, None]
    mean, spread = _moments(weights, z)
    confidence, confidence_spread = _moments(weights, target.confidences(probs))
    gap = (weights * target.gap(probs)).sum(0).abs().max()
    return Reference(
        size=float(1 / weights.square().sum()),
        mean=mean,
        spread=spread,
        confidence=confidence,
        confidence_spread=confidence_spread,
        error=float(gap),
    )


def _moments(weights: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column of weighted values."""
    mean = (weights * values).sum(0)
    return mean, (weights * (values - mean).square()).sum(0).sqrt()
