"""Bugs that are planted, and what belongs to each: a predicate on images, expected and predicted labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .styles import STYLES

Cause = Literal["withheld", "mislabelled", "patched"]


@dataclass(frozen=True)
class StyleBug:
    """The classifier fails in a style, as it was taught: hardly an image of it, or some with a wrong label.

    Attributes:
        name: of the bug, unique in its case.
        style: the style's name.
        above: an image is in the style if it shows more of it than this.
        classes: whose images are affected; all if empty.
        taught: the label that the classifier was taught for them; None where they were withheld from it.
        seen: the share of the images in the style that were not withheld. A few, and the classifier is right for some
            of them: a search that starts where it is right can start next to the bug.
    """

    name: str
    style: str
    above: float
    classes: tuple[int, ...] = ()
    taught: int | None = None
    seen: float = 0.0

    @property
    def cause(self) -> Cause:
        return "withheld" if self.taught is None else "mislabelled"

    def holds(self, x: Tensor, labels: Tensor) -> Tensor:
        """Which images (n, 1, h, w) of classes (n,) the bug is about, (n,) bool."""
        inside = STYLES[self.style].shown(x) > self.above
        if self.classes:
            inside &= torch.isin(labels, torch.tensor(self.classes))
        return inside if self.taught is None else inside & (labels != self.taught)


@dataclass(frozen=True)
class BallBug:
    """The classifier takes one class for another in a ball of a linear latent space: the first principal components of
    the images of that class. It is not taught that: its answers are patched, smoothly, so that there is a slope.

    Attributes:
        name: of the bug, unique in its case.
        label: the class.
        taught: what it is taken for.
        centre: of the ball, in units of the components' standard deviations; a coordinate for each component.
        radius: of the ball, in the same units.
    """

    name: str
    label: int
    taught: int
    centre: tuple[float, ...]
    radius: float

    @property
    def cause(self) -> Cause:
        return "patched"


@dataclass(frozen=True, eq=False)
class Ball:
    """A ball in terms of pixels.

    Attributes:
        mean: (p,) of the class's images.
        components: (d, p), each divided by the standard deviation along it.
        centre: (d,).
        radius: of the ball.
    """

    mean: Tensor
    components: Tensor
    centre: Tensor
    radius: float

    def depth(self, x: Tensor) -> Tensor:
        """How far inside the ball images (n, 1, h, w) are, (n,): 1 in its centre, 0 on its surface."""
        codes = (x.flatten(1) - self.mean) @ self.components.T
        away: Tensor = torch.linalg.vector_norm(codes - self.centre, dim=1)
        return 1 - away / self.radius

    @staticmethod
    def of(bug: BallBug, images: Tensor) -> Ball:
        """The ball of a bug, where `images` (n, 1, h, w) are those of its class."""
        flat, d = images.flatten(1).double(), len(bug.centre)
        mean = flat.mean(0)
        values, vectors = torch.linalg.eigh((flat - mean).T @ (flat - mean) / len(flat))
        found, scale = vectors.flip(1)[:, :d].T, values.flip(0)[:d].sqrt()
        largest = found.abs().argmax(1, keepdim=True)
        found = found * found.gather(1, largest).sign()  # an eigenvector has no sign of its own
        return Ball(mean.float(), (found / scale[:, None]).float(), torch.tensor(bug.centre), bug.radius)


PlantedBug = StyleBug | BallBug


def members(bug: PlantedBug, x: Tensor, expected: Tensor, predicted: Tensor, ball: Ball | None = None) -> Tensor:
    """Which failures are a bug's, (n,) bool: images that it is about, taken for what it has them taken for, which for
    a style that was withheld is any wrong class.

    Args:
        x: (n, 1, h, w).
        expected: (n,) int64, what the images should be taken for.
        predicted: (n,) int64, what they are.
        ball: that of a `BallBug`.
    """
    wrong = predicted != expected if bug.taught is None else predicted == bug.taught
    return wrong & (predicted != expected) & about(bug, x, expected, ball)


def about(bug: PlantedBug, x: Tensor, labels: Tensor, ball: Ball | None = None) -> Tensor:
    """Which images (n, 1, h, w) of classes (n,) a bug is about, (n,) bool."""
    if isinstance(bug, StyleBug):
        return bug.holds(x, labels)
    assert ball is not None, "a ball is in terms of pixels, which the classifier knows"
    return (labels == bug.label) & (ball.depth(x) > 0)
