"""Splitting and checking data sets: what every source of images goes through."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .errors import DataError, nearest
from .tensors import check_tensor
from .types import DataSpec, ImageSet, Splits

TRAIN, VALIDATION = 0.6, 0.2  # shares; the rest is the test set
PARTS = ("train", "validation", "test")


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


def hold_out(images: ImageSet, n: int, *, rng: torch.Generator) -> tuple[ImageSet, ImageSet]:
    """The rest, and `n` images drawn at random from each class in proportion: both views of the same storage.

    Raises:
        DataError: `n` images or fewer.

    >>> images = ImageSet(torch.zeros(20, 1, 8, 8), torch.arange(20) % 2)
    >>> rest, held_out = hold_out(images, 4, rng=torch.Generator().manual_seed(0))
    >>> len(rest), held_out.labels.bincount()
    (16, tensor([2, 2]))
    """
    if n >= len(images):
        raise DataError(
            "there are too few images to hold some out",
            got=f"{len(images):,} images",
            expected=f"more than {n:,}",
            fix="hold out fewer, or give more images",
        )
    counts = _apportioned(images.labels.bincount(), n)
    chosen = torch.zeros(len(images), dtype=torch.bool)
    chosen[_drawn(images.labels, counts, rng)] = True
    return images.subset(~chosen), images.subset(chosen)


def chosen(
    splits: Splits, classes: Sequence[str | int] | None, limit: int | None, *, rng: torch.Generator, name: str
) -> Splits:
    """The images of some classes, and at most so many; None for all. Views of the same storage.

    Raises:
        DataError: as `narrowed` and `limited`; or no training image is left.
    """
    if classes is not None:
        splits = narrowed(splits, classes, name=name)
    if limit is not None:
        splits = limited(splits, limit, rng=rng, name=name)
    _refuse_empty(splits, "train", name=name)
    return splits


def narrowed(splits: Splits, classes: Sequence[str | int], *, name: str) -> Splits:
    """The images of some classes, numbered anew in the order given; views of the same storage.

    Raises:
        DataError: a class that is not there, or is named twice.

    >>> from modeldebug.testing import known_problem
    >>> narrowed(known_problem().splits, ("bright-bright", 0), name="known").spec.classes
    ('bright-bright', 'dark-dark')
    """
    known = splits.spec.classes
    wanted = [_class_number(value, known, name) for value in classes]
    twice = [known[number] for number in wanted if wanted.count(number) > 1]
    if twice:
        raise DataError(f"the class '{twice[0]}' is chosen twice", got=", ".join(map(str, classes)), plugin=name)
    numbers = torch.full((len(known),), -1)
    numbers[wanted] = torch.arange(len(wanted))

    def part(images: ImageSet) -> ImageSet:
        chosen = images.subset(numbers[images.labels] >= 0)
        return replace(chosen, labels=numbers[chosen.labels])

    spec = replace(splits.spec, classes=tuple(known[number] for number in wanted))
    return Splits(spec, part(splits.train), part(splits.validation), part(splits.test))


def _class_number(value: str | int, known: Sequence[str], plugin: str) -> int:
    """A class's number by its name; where no class has that name, the value is the number itself."""
    if str(value) in known:
        return known.index(str(value))
    if str(value).isdecimal() and int(value) < len(known):
        return int(value)
    raise DataError(
        f"there is no class '{value}' in the data set",
        expected=f"{nearest(str(value), known)}; or a number from 0 to {len(known) - 1}",
        fix="check the setting 'classes'",
        plugin=plugin,
    )


def limited(splits: Splits, limit: int, *, rng: torch.Generator, name: str) -> Splits:
    """At most `limit` images, drawn at random; each class in each split keeps its share, and at least one image.

    Raises:
        DataError: the limit is smaller than one image of each class in each split.

    >>> from modeldebug.testing import known_problem
    >>> few = limited(known_problem().splits, 100, rng=torch.Generator().manual_seed(0), name="known")
    >>> len(few.train), len(few.validation), len(few.test)
    (60, 20, 20)
    """
    parts, k = (splits.train, splits.validation, splits.test), splits.spec.num_classes
    sizes = torch.stack([part.labels.bincount(minlength=k) for part in parts])  # (3, k)
    if limit >= int(sizes.sum()):
        return splits
    least = int((sizes > 0).sum())
    if limit < least:
        raise DataError(
            "the limit leaves no image of some class in some split",
            got=f"limit={limit}",
            expected=f"at least {least}: one image of each class in each split",
            fix=f"set the limit to {least}, or choose fewer classes",
            plugin=name,
        )
    counts = _apportioned(sizes.flatten(), limit, least=1).view_as(sizes)
    few = [part.subset(_drawn(part.labels, count, rng)) for part, count in zip(parts, counts, strict=True)]
    return Splits(splits.spec, *few)


def _apportioned(sizes: Tensor, n: int, *, least: int = 0) -> Tensor:
    """How many of `n` items fall to groups of these sizes: in proportion, by largest remainders, but to each group that
    is not empty at least `least`."""
    quota = sizes.double() * (n / int(sizes.sum()))
    counts = quota.floor().long().clamp_min(least).minimum(sizes)
    while missing := n - int(counts.sum()):
        gap = quota - counts
        if missing > 0:
            counts[gap.masked_fill(counts >= sizes, -torch.inf).argmax()] += 1
        else:
            counts[gap.masked_fill(counts <= least, torch.inf).argmin()] -= 1
    return counts


def _drawn(labels: Tensor, counts: Tensor, rng: torch.Generator) -> Tensor:
    """So many rows of each class, drawn at random and sorted: (sum of counts,) int64."""
    drawn = []
    for label, count in enumerate(counts.tolist()):
        rows = (labels == label).nonzero()[:, 0]
        drawn.append(rows[torch.randperm(len(rows), generator=rng)[:count]])
    return torch.cat(drawn).sort().values


def check_splits(splits: Splits, *, name: str) -> Splits:
    """Refuse images that are not as their description says.

    Raises:
        DataError: labels out of range, images of other shapes, NaN, values outside [0, 1].
    """
    spec = splits.spec
    for part in PARTS:
        images: ImageSet = getattr(splits, part)
        if images.shape != spec.shape:
            raise DataError(
                f"images of the {part} split have another shape than the rest",
                got=images.shape,
                expected=spec.shape,
                plugin=name,
            )
        if len(images) and int(images.labels.max()) >= spec.num_classes:
            raise DataError(
                "a label is out of range",
                got=f"label {int(images.labels.max())} in the {part} split",
                expected=f"0 to {spec.num_classes - 1} ({spec.num_classes} classes)",
                plugin=name,
            )
        for chunk in images.chunks() if images.dtype == torch.float32 else ():
            check_tensor(
                f"the images of the {part} split",
                chunk,
                shape=("n", *spec.shape),
                dtype=torch.float32,
                low=0,
                high=1,
                plugin=name,
                error=DataError,
            )
    return splits


def check_debuggable(splits: Splits, *, name: str) -> Splits:
    """Refuse a data set that a classifier cannot be debugged with, saying why.

    Raises:
        DataError: a split is empty, or there is one class only.
    """
    _refuse_empty(splits, *PARTS, name=name)
    present = len(splits.train.labels.unique())  # type: ignore[no-untyped-call]  # torch does not annotate it
    if present < 2:
        raise DataError(
            "the data hold one class only: there is nothing that a classifier could confuse",
            got=f"{present} class in {len(splits.train)} training images",
            expected="two classes or more",
            plugin=name,
        )
    return splits


def _refuse_empty(splits: Splits, *parts: str, name: str) -> None:
    for part in parts:
        if not len(getattr(splits, part)):
            raise DataError(
                f"the {part} split is empty",
                got=f"{len(splits.train)} / {len(splits.validation)} / {len(splits.test)} images "
                "(train / validation / test)",
                expected="at least a few images of each class in each split",
                fix="give more images, or check the paths that they are read from",
                plugin=name,
            )


def data_hash(splits: Splits) -> str:
    """SHA-256 over the description, the images and the labels of all three splits, in hexadecimal.

    >>> from modeldebug.testing import known_problem
    >>> len(data_hash(known_problem().splits))
    64
    """
    digest = hashlib.sha256(repr(splits.spec).encode())
    for part in (splits.train, splits.validation, splits.test):
        digest.update(repr((part.dtype, (len(part), *part.shape))).encode())
        for chunk in part.chunks():
            digest.update(chunk.contiguous().numpy().data)
        digest.update(repr((part.labels.dtype, tuple(part.labels.shape))).encode())
        digest.update(part.labels.contiguous().numpy().data)
    return digest.hexdigest()
