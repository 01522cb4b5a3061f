"""The training images become codes to search from, all of them or those alone that the classifier gets right."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..batches import in_batches, in_parts
from ..classifier import Classifier
from ..context import Context
from ..contracts.generator import Generator
from ..sections import SearchSection
from ..store import Saved, tensors_of
from ..types import ImageSet, Origins
from .generate import reconstruct

NONE_RIGHT = (
    "the classifier gets no training image right both as it is and reconstructed, so there was nothing to search from. "
    "Look at the accuracy on reconstructions: train the classifier or the generator longer, or set search.start=all."
)


def encode_origins(
    model: Generator[Any],
    data: ImageSet,
    classifier: Classifier,
    context: Context,
    *,
    settings: SearchSection,
    can_encode: bool,
    conditional: bool,
    batch_size: int,
) -> Saved:
    """The training images to search from, as codes: all, or a drawn part; and of these all, or those that are right."""
    index, asked = torch.arange(len(data)), 0
    if settings.origins is not None and settings.origins < len(index):
        index = torch.randperm(len(data), generator=context.rng)[: settings.origins].sort().values
    considered, screened, device = len(index), settings.start == "right", context.device
    if screened:
        shown = model if can_encode else None
        index, asked = right_from_the_start(shown, data, index, classifier, batch_size=batch_size, device=device)
        context.progress(0.5, f"{len(index):,} of {considered:,} training images are right from the start")
    labels, codes = data.labels[index], None
    if can_encode:
        parts = in_parts(len(index), data.shape)
        codes = torch.cat([_codes(model, *data.batch(index[part]), batch_size, device) for part in parts])
    d = model.latent_size
    origins = Origins(
        index=index,
        labels=labels,
        z=None if codes is None else codes[:, :d].contiguous(),
        condition=labels if conditional else None,
        spread=None if codes is None or codes.shape[1] == d else codes[:, d:].contiguous(),
    )
    info = {
        "start": settings.start,
        "considered": considered,
        "origins": len(index),
        "screening_queries": asked,
        "warning": NONE_RIGHT if screened and not len(index) else None,
    }
    return Saved(tensors_of(origins), info)


def right_from_the_start(
    model: Generator[Any] | None,
    data: ImageSet,
    index: Tensor,
    classifier: Classifier,
    *,
    batch_size: int,
    device: torch.device,
) -> tuple[Tensor, int]:
    """The rows of those images that the classifier gets right as they are and, encoded and decoded again, still gets
    right; and how many images it was asked about. Without a model to encode them it is asked once.
    """
    rows, asked = [], 0
    for part in in_parts(len(index), data.shape):
        row, (x, y) = index[part], data.batch(index[part])
        right = _right(classifier, x, y)
        asked, row, x, y = asked + len(x), row[right], x[right], y[right]
        if model is not None:
            asked += len(x)
            row = row[_right(classifier, reconstruct(model, x, y, batch_size=batch_size, device=device), y)]
        rows.append(row)
    return torch.cat(rows), asked


def load_origins(saved: Saved) -> Origins:
    return Origins(**saved.tensors)


def _right(classifier: Classifier, x: Tensor, labels: Tensor) -> Tensor:
    """Which images (n, c, h, w) the classifier gives their label, (n,) bool."""
    return classifier.probs(x).argmax(1) == labels


def _codes(model: Generator[Any], x: Tensor, labels: Tensor, batch_size: int, device: torch.device) -> Tensor:
    """Codes (n, d) of images, and beside them the posterior's deviations: (n, 2 d), or (n, d) where it has none."""

    def codes(x: Tensor, labels: Tensor) -> Tensor:
        z, spread = model.encode(x, labels), model.spread(x, labels)
        return z if spread is None else torch.cat([z, spread], 1)

    return in_batches(codes, batch_size, device, x, labels)
