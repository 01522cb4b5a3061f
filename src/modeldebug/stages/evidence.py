"""What the report shows besides the stages' own results: novelty, a map of the latent space, and confusions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..batches import in_parts
from ..classifier import Classifier
from ..rng import derive_seed, rng_for
from ..sections import ReportSection
from ..store import Saved
from ..types import Failures, ImageSet, Origins, Region, Splits
from .test_set import Errors, answers_to, confusion, inspect_test_set

PERPLEXITY = 30  # AAAI appendix B.5


def gather(
    data: Splits,
    classifier: Classifier,
    corrected: Classifier | None,
    origins: Origins,
    failures: Failures,
    regions: tuple[Region, ...],
    region_images: Tensor,
    *,
    settings: ReportSection,
    seed: int,
    errors: Errors | None = None,
) -> Saved:
    """Everything that the report needs and no stage has: so a report is drawn from the run folder alone.

    Args:
        region_images: (m * n, c, h, w) float32, the labelled samples of the clusters, in their order.
        errors: those that a search among the test images has found; None where it searched elsewhere.
    """
    predicted = classifier.predict(data.train)
    confusions = [
        confusion(c.predict(data.test), data.test.labels, data.spec.num_classes) for c in (classifier, corrected) if c
    ]
    tensors, info = _novelty(data.train, predicted, regions, region_images)
    info["confusion"] = {"before": confusions[0], "after": confusions[1] if corrected else None}
    info["test_set"] = None
    if errors is not None:
        found = inspect_test_set(data.test, answers_to(classifier, data.test), errors, classes=data.spec.classes)
        tensors, info["test_set"] = tensors | found.tensors, found.info
    info["misclassified_train"] = int((predicted != data.train.labels).sum())
    if settings.tsne and len(origins) and origins.z is not None and failures.z is not None and len(failures):
        tensors |= _map(origins, failures, settings.tsne, seed)
    return Saved(tensors, info)


def _novelty(
    train: ImageSet, predicted: Tensor, regions: tuple[Region, ...], region_images: Tensor
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """For the first sample of each region, the nearest misclassified training image by l2 (AAAI section 4.3)."""
    wrong = (predicted != train.labels).nonzero()[:, 0]
    if not len(wrong) or not len(regions):
        return {}, {"novelty": None}
    first = region_images.view(len(regions), -1, *region_images.shape[1:])[:, 0].flatten(1)
    parts = [wrong[part] for part in in_parts(len(wrong), train.shape)]
    distance = torch.cat([torch.cdist(first, train.batch(rows)[0].flatten(1)) for rows in parts], 1)
    nearest = distance.argmin(1)
    images, labels = train.batch(wrong[nearest])
    info = {
        "novelty": [
            {"distance": float(distance[i, j]), "label": int(labels[i]), "predicted": int(predicted[wrong[j]])}
            for i, j in enumerate(nearest.tolist())
        ]
    }
    return {"novelty/x": images}, info


def _map(origins: Origins, failures: Failures, most: int, seed: int) -> dict[str, Tensor]:
    """t-SNE of training codes and failures together; rows are drawn at random where there are more than `most`."""
    from sklearn.manifold import TSNE

    rng = rng_for(seed, "t-SNE")
    assert origins.z is not None
    assert failures.z is not None
    codes = torch.randperm(len(origins), generator=rng)[:most]
    bad = torch.randperm(len(failures), generator=rng)[:most]
    both = torch.cat([origins.z[codes], failures.z[bad]]).numpy()
    perplexity = min(PERPLEXITY, (len(both) - 1) // 3)
    if perplexity < 1:
        return {}
    seed32 = derive_seed(seed, "t-SNE") % 2**32
    xy = TSNE(perplexity=perplexity, init="pca", random_state=seed32).fit_transform(both)
    return {"map/xy": torch.from_numpy(xy).float(), "map/labels": origins.labels[codes], "map/failures": bad}
