"""SmoothGrad: which pixels an answer hangs on (Smilkov et al. 2017; Bayes-TrEx, appendix K)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from ..batches import batch_of
from ..classifier import Classifier, gradient
from ..context import Context
from ..errors import ClassifierError
from ..rng import isolated_global_rng, spawn
from ..words import extra_missing

NOISE = 0.15  # standard deviation, of images in [0, 1]
REPEATS = 25  # noisy copies of an image
BRIGHTEST = 0.99  # the share of pixels that are not at full brightness


def explain(
    classifier: Classifier, asked: Sequence[tuple[dict[str, int], Tensor]], context: Context
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Maps of images (c, h, w) in [0, 1], each for the class that its words name, and those words; without captum, or
    where the classifier has no gradients, the reason why there are none.

    The maps, `saliency/x` (n, 1, h, w) uint8, are the sizes of the mean gradients of the classifier's own score of
    the class over noisy copies of the image, the largest channel of each pixel, each map on a scale of its own.
    """
    info: dict[str, Any] = {"reason": None, "of": [words for words, _ in asked], "noise": NOISE, "repeats": REPEATS}
    if not asked:
        return {}, info
    if find_spec("captum") is None:
        return {}, {**info, "of": [], "reason": extra_missing("captum", "explain")}
    x = torch.stack([image for _, image in asked])
    try:
        probe = x[:1].to(classifier.device).requires_grad_()
        classifier.module.eval()
        gradient(classifier.log_probs(probe), probe, classifier)
    except ClassifierError as error:
        return {}, {**info, "of": [], "reason": error.what}
    classes = torch.tensor([words["class"] for words, _ in asked])
    with isolated_global_rng(spawn(context.rng)):
        maps = smooth_grad(classifier, x, classes)
    scale = maps.flatten(1).quantile(BRIGHTEST, 1).clamp_min(torch.finfo(torch.float32).tiny)
    return {"saliency/x": ((maps / scale[:, None, None])[:, None].clamp(0, 1) * 255).round().byte()}, info


def smooth_grad(
    classifier: Classifier, x: Tensor, classes: Tensor, *, noise: float = NOISE, repeats: int = REPEATS
) -> Tensor:
    """Sizes (n, h, w), each the largest of the channels', of the mean gradients of the module's answer for the class of
    each image (n,), over noisy copies of images x (n, c, h, w). Noise is drawn from torch's global generator.
    """
    from captum.attr import NoiseTunnel, Saliency

    def answer(images: Tensor) -> Tensor:
        given: Tensor = classifier.module(classifier.normalised(images))
        return given

    classifier.module.eval()
    tunnel = NoiseTunnel(Saliency(answer))
    parts = []
    for rows in torch.split(torch.arange(len(x)), classifier.batch_size):
        with batch_of(classifier.batch_size):
            found = tunnel.attribute(
                x[rows].to(classifier.device).requires_grad_(),
                nt_type="smoothgrad",
                nt_samples=repeats,
                nt_samples_batch_size=1,
                stdevs=noise,
                target=classes[rows].to(classifier.device),
                abs=False,  # so that slopes that change their sign with the noise cancel
            )
            parts.append(found.detach().cpu().abs().amax(1))
    return torch.cat(parts)
