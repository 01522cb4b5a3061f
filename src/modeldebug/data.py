"""Splitting and checking data sets: what every source of images goes through."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from .errors import DataError
from .tensors import check_tensor
from .types import DataSpec, ImageSet, Splits

TRAIN, VALIDATION = 0.6, 0.2  # shares; the rest is the test set


def split(images: Tensor, labels: Tensor, *, classes: Sequence[str], rng: torch.Generator) -> Splits:
    """Split labelled images 60 / 20 / 20 into train, validation and test, within each class.

    Args:
        images: (n, c, h, w) uint8, or float32 in [0, 1].
        labels: (n,) int64 from 0.
        classes: a name for each label.
        rng: decides which image goes where.

    Raises:
        DataError: no images, or a label without a class name; images or labels of another dtype or shape.

    >>> rng = torch.Generator().manual_seed(0)
    >>> parts = split(torch.zeros(20, 1, 8, 8), torch.arange(20) % 2, classes=("zero", "one"), rng=rng)
    >>> len(parts.train), len(parts.validation), len(parts.test)
    (12, 4, 4)
    """
    if not len(labels):
        raise DataError("the data set is empty", got="0 images", fix="check the path that it is read from")
    if int(labels.max()) >= len(classes):
        raise DataError(
            "a label is out of range",
            got=f"label {int(labels.max())}",
            expected=f"0 to {len(classes) - 1} ({len(classes)} classes)",
            fix="number the classes from 0, and name as many",
        )
    parts: tuple[list[Tensor], ...] = ([], [], [])
    for label in range(len(classes)):
        rows = (labels == label).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=rng)]
        ends = [round(len(rows) * TRAIN), round(len(rows) * (TRAIN + VALIDATION))]
        for part, chosen in zip(parts, torch.tensor_split(rows, ends), strict=True):
            part.append(chosen)
    everything = ImageSet(images, labels)
    train, validation, test = (everything.subset(torch.cat(part).sort().values) for part in parts)
    shape = tuple(images.shape[1:])
    assert len(shape) == 3
    return Splits(DataSpec(shape, tuple(classes)), train, validation, test)


def check_splits(splits: Splits, *, name: str) -> Splits:
    """Refuse a data set that cannot be debugged with, saying why.

    Raises:
        DataError: empty, one class only, labels out of range, images of other shapes, NaN, values outside [0, 1].
    """
    spec = splits.spec
    for part in ("train", "validation", "test"):
        images: ImageSet = getattr(splits, part)
        if len(images) == 0:
            raise DataError(
                f"the {part} split is empty",
                got=f"{len(splits.train)} / {len(splits.validation)} / {len(splits.test)} images "
                "(train / validation / test)",
                expected="at least a few images of each class in each split",
                fix="give more images, or check the paths that they are read from",
                plugin=name,
            )
        if tuple(images.images.shape[1:]) != spec.shape:
            raise DataError(
                f"images of the {part} split have another shape than the rest",
                got=tuple(images.images.shape[1:]),
                expected=spec.shape,
                plugin=name,
            )
        if int(images.labels.max()) >= spec.num_classes:
            raise DataError(
                "a label is out of range",
                got=f"label {int(images.labels.max())} in the {part} split",
                expected=f"0 to {spec.num_classes - 1} ({spec.num_classes} classes)",
                plugin=name,
            )
        if images.images.dtype == torch.float32:
            check_tensor(
                f"the images of the {part} split",
                images.images,
                shape=("n", *spec.shape),
                dtype=torch.float32,
                low=0,
                high=1,
                plugin=name,
                error=DataError,
            )
    present = len(set(splits.train.labels.tolist()))
    if spec.num_classes < 2 or present < 2:
        raise DataError(
            "the data hold one class only: there is nothing that a classifier could confuse",
            got=f"{present} class in {len(splits.train)} training images",
            expected="two classes or more",
            plugin=name,
        )
    return splits


def data_hash(splits: Splits) -> str:
    """SHA-256 over the description, the images and the labels of all three splits, in hexadecimal.

    >>> from modeldebug.testing import known_problem
    >>> len(data_hash(known_problem().splits))
    64
    """
    digest = hashlib.sha256(repr(splits.spec).encode())
    for part in (splits.train, splits.validation, splits.test):
        for tensor in (part.images, part.labels):
            digest.update(repr((tensor.dtype, tuple(tensor.shape))).encode())
            for rows in torch.split(tensor, 4096):
                digest.update(rows.contiguous().numpy().data)
    return digest.hexdigest()
