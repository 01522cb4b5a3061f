"""How near a generator's images are to real ones: FID and KID with features of the classifier under test."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from ..batches import in_batches, in_parts
from ..classifier import Classifier
from ..context import Context
from ..contracts.generator import Generator
from ..rng import isolated_global_rng, spawn
from ..types import ImageSet, Splits
from ..words import extra_missing

REAL = 5000  # test images at most
FEWEST = 10  # images of which a covariance is worth something
WIDEST = 2048  # features; a covariance of more of them is of no use with so few images
SUBSETS = 50  # of KID, each half as large as the smaller of the two sets


@dataclass(frozen=True, eq=False)
class Codes:
    """What images are decoded from.

    Attributes:
        z: (n, d) float32.
        condition: (n,) int64, the class told to a conditional decoder, or None.

    >>> len(Codes(torch.zeros(3, 2)).at(slice(2)))
    2
    """

    z: Tensor
    condition: Tensor | None = None

    def __len__(self) -> int:
        return len(self.z)

    def at(self, rows: Tensor | slice) -> Codes:
        """The given rows."""
        return Codes(self.z[rows], None if self.condition is None else self.condition[rows])


@dataclass(frozen=True, eq=False)
class Images:
    """Generated images, by the stage that they are of."""

    stage: str
    generator: Generator[Any]
    codes: Codes


def decoded(model: Generator[Any], codes: Codes, asked: Classifier) -> Iterator[Tensor]:
    """Images (m, c, h, w) of codes part by part, in batches as large as those that the classifier is asked."""
    for rows in in_parts(len(codes), model.spec.shape):
        part = codes.at(rows)
        yield in_batches(model.decode, asked.batch_size, asked.device, part.z, part.condition)


def quality(
    splits: Splits, classifier: Classifier, made: Sequence[Images], context: Context, *, most: int
) -> dict[str, Any]:
    """FID and KID against test images, by stage: of at most so many generated images each and, under `data`, of
    training images, which are as near as images can be. Without torchmetrics, the reason why there are none."""
    none = {"fid": None, "kid": None}
    if find_spec("torchmetrics") is None:
        return {**none, "quality": {"reason": extra_missing("torchmetrics", "metrics")}}
    if len(splits.test) < FEWEST:
        return {**none, "quality": {"reason": f"there are only {len(splits.test)} test images"}}
    layer = _last_linear(classifier, splits.test.batch(slice(2))[0])
    real = _features(classifier, layer, _real(splits.test, REAL, context))
    compared = {"data": _features(classifier, layer, _real(splits.train, most, context))}
    for images in made:
        codes = images.codes.at(torch.randperm(len(images.codes), generator=context.rng)[:most])
        compared[images.stage] = _features(classifier, layer, decoded(images.generator, codes, classifier))
    found = {}
    for stage, features in compared.items():
        if len(features) >= FEWEST:
            with isolated_global_rng(spawn(context.rng)):
                found[stage] = distances(real, features)
    return {
        "fid": {stage: fid for stage, (fid, _, _) in found.items()},
        "kid": {stage: kid for stage, (_, kid, _) in found.items()},
        "quality": {
            "reason": None,
            "features": "log-probabilities"
            if layer is None
            else f"the {real.shape[1]} inputs of the last linear layer",
            "test_images": len(real),
            "images": {stage: len(compared[stage]) for stage in found},
            "kid_deviation": {stage: deviation for stage, (_, _, deviation) in found.items()},
        },
    }


def distances(real: Tensor, made: Tensor) -> tuple[float, float, float]:
    """FID, and KID with its standard deviation over subsets, between features (n, d) and (m, d). The subsets are drawn
    from torch's global generator."""
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    given = _Given(real.shape[1])
    size = max(2, min(len(real), len(made)) // 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*will save all extracted features", UserWarning)
        kid = KernelInceptionDistance(feature=given, subsets=SUBSETS, subset_size=size)
    fid = FrechetInceptionDistance(feature=given, normalize=True)
    for metric in (fid, kid):
        metric.update(real.double(), real=True)
        metric.update(made.double(), real=False)
    mean, deviation = kid.compute()
    return max(0.0, float(fid.compute())), float(mean), float(deviation)


class _Given(nn.Module):
    """Features that were computed already, where torchmetrics expects a network."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.num_features = features

    def forward(self, features: Tensor) -> Tensor:
        return features


def _last_linear(classifier: Classifier, x: Tensor) -> nn.Linear | None:
    """The linear layer that is asked last about images x, if its inputs are vectors, and not too wide ones."""
    asked: list[tuple[nn.Linear, Tensor]] = []

    def note(layer: nn.Module, given: tuple[Any, ...]) -> None:
        assert isinstance(layer, nn.Linear)
        asked.append((layer, given[0]))

    linear = [layer for layer in classifier.module.modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_pre_hook(note) for layer in linear]
    try:
        classifier.probs(x)
    finally:
        for hook in hooks:
            hook.remove()
    if not asked:
        return None
    layer, given = asked[-1]
    return layer if given.dim() == 2 and given.shape[1] <= WIDEST else None


def _features(classifier: Classifier, layer: nn.Linear | None, images: Iterable[Tensor]) -> Tensor:
    """Features (n, d) of images (n, c, h, w) that come part by part."""
    given: list[Tensor] = []

    def ask(x: Tensor) -> Tensor:
        given.clear()
        answer = classifier.log_probs(x)
        return answer if layer is None else given[-1]

    hook = None if layer is None else layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    classifier.module.eval()
    try:
        parts = [in_batches(ask, classifier.batch_size, classifier.device, x) for x in images]
    finally:
        if hook is not None:
            hook.remove()
    return torch.cat(parts or [torch.empty(0, 0)])


def _real(images: ImageSet, most: int, context: Context) -> Iterator[Tensor]:
    """At most so many images, drawn at random."""
    rows = torch.randperm(len(images), generator=context.rng)[:most]
    return (images.batch(rows[part])[0] for part in in_parts(len(rows), images.shape))
