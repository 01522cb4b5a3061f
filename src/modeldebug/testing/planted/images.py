"""The images of a case: those of its base, given styles."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from ...data import split
from ...registry import Registry
from ...rng import rng_for
from ...types import DataSpec, ImageSet, Splits
from .bugs import Ball, BallBug, about
from .styles import STYLES, moved
from .suite import Case

PLAIN = 0.4  # share of the images without a style


@cache
def base_images(base: str, root: str | None) -> ImageSet:
    """All images that the base has for training, float32; of digits, which are few, all there are."""
    component = Registry.load(("datasets",)).find("dataset", f"datasets:{base}").component
    chosen = {} if root is None or base == "digits" else {"root": root}
    splits: Splits = component.make(component.config.model_validate(chosen)).load_all(rng_for(0, "planted", base))
    parts = (splits.train, splits.validation, splits.test) if base == "digits" else (splits.train, splits.validation)
    batches = [part.batch(slice(None)) for part in parts]
    return ImageSet(torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches]))


def balls(case: Case, images: ImageSet) -> dict[str, Ball]:
    """The balls of a case's bugs, by the bug's name; `images` are those of its base."""
    return {
        bug.name: Ball.of(bug, images.batch(images.labels == bug.label)[0])
        for bug in case.bugs
        if isinstance(bug, BallBug)
    }


def styled(case: Case, x: Tensor, rng: torch.Generator, *, plain: float = PLAIN) -> Tensor:
    """Images (n, 1, h, w), each plain or in one of the case's styles, with a strength of its own."""
    found = x.clone()
    drawn, strength = torch.rand(2, len(x), generator=rng).unbind()
    which = ((drawn - plain) / (1 - plain) * len(case.styles)).floor()
    for i, name in enumerate(case.styles):
        rows = which == i
        found[rows] = STYLES[name].put_on(x[rows], strength[rows].sqrt())  # the stronger, the more often
    return found.clamp(0, 1)


def jittered(x: Tensor, rng: torch.Generator) -> Tensor:
    """Images (n, 1, h, w), each turned, sheared, zoomed and shifted a little by its own draw."""
    angle, shear, zoom, right, down = (2 * torch.rand(5, len(x), generator=rng) - 1).unbind()
    shift = 0.08 * torch.stack([right, down], 1)
    return moved(x, angle * math.radians(8), 0.08 * shear, 1 + 0.06 * zoom, shift).clamp(0, 1)


def planted_splits(case: Case, root: str | None = None) -> Splits:
    """The data set of a case: legitimate images with right labels, in all styles. All that is made of one image is in
    one part, and the test part holds nothing that a bug is about, so that it does not show them.
    """
    images, rng = base_images(case.base, root), rng_for(case.seed, "planted", "data")
    chosen = torch.randperm(len(images), generator=rng)[: case.originals]
    x, y = images.batch(chosen)
    parts = split(x, y, classes=[str(c) for c in range(10)], rng=rng)
    train, validation, test = (_copied(case, part, rng) for part in (parts.train, parts.validation, parts.test))
    inside, found = torch.zeros(len(test), dtype=torch.bool), balls(case, images)
    for bug in case.bugs:
        inside |= about(bug, *test.batch(slice(None)), found.get(bug.name))
    spec = DataSpec(parts.spec.shape, parts.spec.classes)
    return Splits(spec, train, validation, test.subset(~inside))


def _copied(case: Case, part: ImageSet, rng: torch.Generator) -> ImageSet:
    x, y = part.batch(slice(None))
    together = x.repeat(case.copies, 1, 1, 1)
    return ImageSet(styled(case, together, rng), y.repeat(case.copies))
