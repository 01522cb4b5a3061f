"""Some genuine failures of each entrant, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ...types import Failures
from ..images import Picture, picture
from .tones import Tone

SHOWN, OF_ALL = 18, 240  # images of an entrant, and of all together, at most


@dataclass(frozen=True)
class Shot:
    """A failure: the image, what was expected and what was predicted."""

    picture: Picture
    pair: str
    alt: str


@dataclass(frozen=True)
class Gallery:
    """An entrant's failures."""

    name: str
    tone: Tone
    shots: tuple[Shot, ...]
    total: int
    images: int  # training images that these come from


def galleries(
    samples: Mapping[str, Failures], classes: Sequence[str], names: Sequence[str], tones: Mapping[str, Tone]
) -> tuple[Gallery, ...]:
    """Failures at even distances of each entrant's sample, which is in the order in which they were found."""
    most = max(1, min(SHOWN, OF_ALL // max(1, len(names))))
    return tuple(_gallery(name, samples[name], classes, tones[name], most) for name in names if name in samples)


def _gallery(name: str, sample: Failures, classes: Sequence[str], tone: Tone, most: int) -> Gallery:
    n = len(sample)
    rows = torch.arange(min(n, most)) * n // max(1, min(n, most))
    known = sample.origin[sample.origin >= 0]
    images = len(set(known.tolist())) + int((sample.origin < 0).sum())
    return Gallery(name, tone, tuple(_shot(sample, i, classes) for i in rows.tolist()), n, images)


def _shot(sample: Failures, i: int, classes: Sequence[str]) -> Shot:
    expected, predicted = int(sample.expected[i]), classes[int(sample.predicted[i])]
    is_ = "?" if expected < 0 else classes[expected]
    return Shot(picture(sample.x[i]), f"{is_} \u2192 {predicted}", f"a failure: {is_} taken for {predicted}")
