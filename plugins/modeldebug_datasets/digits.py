"""scikit-learn's handwritten digits: real images that need no network."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from modeldebug import DatasetSource, Splits, split

from .settings import DigitsConfig

_HIGHEST = 16.0  # the grey values of this data set are 0 to 16


class Digits(DatasetSource[DigitsConfig]):
    """1,797 images (1, 8, 8) float32 in [0, 1] of ten classes, split 60 / 20 / 20 (UCI's optical recognition of
    handwritten digits, test part).

    >>> len(Digits(DigitsConfig(limit=100)).load(torch.Generator()).train)
    60
    """

    def _load(self, rng: torch.Generator) -> Splits:
        bunch = load_digits()
        images = torch.from_numpy(bunch.images).float()[:, None] / _HIGHEST  # (1797, 1, 8, 8)
        labels = torch.from_numpy(bunch.target).long()
        return split(images, labels, classes=[str(name) for name in bunch.target_names], rng=rng)
