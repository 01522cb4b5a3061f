"""Pairs of domains: labelled images of one, images of another, and further ones by which the rest is judged.

The target's images are divided once: those that adaptation and generator see, without their labels; those that the
auditor learns from, which nothing else sees; and those by which accuracy is measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from modeldebug_datasets.plugin import modeldebug_datasets
from torch import Tensor, nn

from modeldebug import DataSpec, ImageSet, Splits, hold_out, rng_for

SIDE = 28  # pixels of a LeNet's image
PAIRS = ("mnist-digits", "fashion-shifted", "svhn-mnist", "mnist-shifted", "digits-shifted")
SHIFTS = ("rotated", "inverted", "blurred")

Change = Callable[[Tensor], Tensor]  # images (n, c, h, w) in [0, 1] to others


@dataclass(frozen=True, eq=False)
class Domains:
    """A source and a target, of images (1, 28, 28) and the same classes.

    Attributes:
        title: what they are.
        source: labelled images of the source domain.
        target: images of the target domain for adaptation and generator; their labels are not for use.
        labelled: further images of the target domain. An auditor learns from `train` and is calibrated on
            `validation`, which nothing else sees; accuracy is measured on `test`.
    """

    title: str
    source: ImageSet
    target: ImageSet
    labelled: Splits


def make(pair: str, *, root: Path | None, shift: str, images: int, seed: int) -> Domains:
    """The domains of a pair, at most `images` of the source and as many of the target for each purpose.

    Args:
        root: the folder that holds the data sets' files; they are downloaded if None.
        shift: of pairs whose target is the source, shifted: "rotated:40", "inverted" or "blurred:2".

    Raises:
        ValueError: there is no such pair or shift.
        DataError: files that are missing or damaged, or no network.
    """
    if pair not in PAIRS:
        raise ValueError(f"no pair '{pair}'; there are {', '.join(PAIRS)}")
    rng = rng_for(seed, "domains")
    origin, _, goal = pair.partition("-")
    first = _read(origin, root, images, seed)
    changed: Change = fitted
    if goal != "shifted":
        second, title = _read(goal, root, images, seed), f"{origin} to {goal}"
        source = first.train
    else:
        # one data set gives both, and no image is in both
        name, changed = shifted(shift)
        source, rest = hold_out(first.train, len(first.train) * 2 // 3, rng=rng)
        second, title = Splits(first.spec, rest, first.validation, first.test), f"{origin} to {origin}, {name}"
    target, auditing = hold_out(second.train, len(second.train) // 2, rng=rng)
    learnt = _changed(_at_most(source, images, rng), fitted)
    parts = (target, auditing, second.validation, second.test)
    target, train, validation, test = (_changed(_at_most(part, images, rng), changed) for part in parts)
    spec = DataSpec((1, SIDE, SIDE), second.spec.classes)
    return Domains(title, learnt, target, Splits(spec, train, validation, test))


def shifted(text: str) -> tuple[str, Change]:
    """A shift in words, and what it does to images.

    Raises:
        ValueError: there is no such shift.

    >>> shifted("rotated:30")[0]
    'rotated by 30 degrees'
    >>> shifted("inverted")[1](torch.zeros(1, 1, 28, 28)).min()
    tensor(1.)
    """
    kind, _, amount = text.partition(":")
    if kind == "rotated":
        degrees = float(amount or 40)
        return f"rotated by {degrees:g} degrees", lambda x: rotated(fitted(x), degrees)
    if kind == "inverted":
        return "inverted", lambda x: 1 - fitted(x)
    if kind == "blurred":
        pixels = float(amount or 2)
        return f"blurred by {pixels:g} pixels", lambda x: blurred(fitted(x), pixels)
    raise ValueError(f"no shift '{text}'; there are {', '.join(SHIFTS)}, two of them with an amount (rotated:40)")


def fitted(x: Tensor) -> Tensor:
    """Images in grey, (n, 1, 28, 28).

    >>> fitted(torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 1, 28, 28])
    """
    if x.shape[1] == 3:
        x = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    if x.shape[2:] == (SIDE, SIDE):
        return x
    resized = nn.functional.interpolate(x, size=SIDE, mode="bilinear", antialias=True, align_corners=False)
    return resized.clamp(0, 1)


def rotated(x: Tensor, degrees: float) -> Tensor:
    """Images turned anticlockwise about their middle; what comes in from outside is black."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0]]).expand(len(x), 2, 3)
    grid = nn.functional.affine_grid(turn, list(x.shape), align_corners=False)
    return nn.functional.grid_sample(x, grid, align_corners=False).clamp(0, 1)


def blurred(x: Tensor, pixels: float) -> Tensor:
    """Images convolved with a Gaussian of this standard deviation."""
    reach = math.ceil(3 * pixels)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / pixels) ** 2)
    weights = weights / weights.sum()
    across = nn.functional.conv2d(nn.functional.pad(x, (reach, reach, 0, 0)), weights.view(1, 1, 1, -1))
    return nn.functional.conv2d(nn.functional.pad(across, (0, 0, reach, reach)), weights.view(1, 1, -1, 1)).clamp(0, 1)


def _read(name: str, root: Path | None, images: int, seed: int) -> Splits:
    """A data set of the toolkit's own; no more are held out for validation than are to be used."""
    name = {"fashion": "fashion-mnist"}.get(name, name)
    component = next(c for c in modeldebug_datasets() if c.name == name)
    settings: dict[str, Any] = {} if root is None or name == "digits" else {"root": str(root)}
    settings |= {"validation": images} if name in ("mnist", "fashion-mnist") else {}
    source = component.make(component.config(**settings))
    source.name = name
    data: Splits = source.load(rng_for(seed, "data", name))
    return data


def _at_most(images: ImageSet, n: int, rng: torch.Generator) -> ImageSet:
    return images if len(images) <= n else hold_out(images, n, rng=rng)[1]


def _changed(images: ImageSet, change: Change) -> ImageSet:
    """Every image changed; float32 in [0, 1]."""
    n = len(images)
    parts = [change(images.batch(slice(start, start + 512))[0]) for start in range(0, n, 512)]
    return ImageSet(torch.cat(parts), images.labels)
