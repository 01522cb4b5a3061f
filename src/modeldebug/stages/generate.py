"""The generator is trained and gated, and the training images become codes to search from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..batches import in_batches, in_parts
from ..classifier import Classifier
from ..context import Context
from ..contracts.generator import Generator
from ..contracts.labeler import Labeler
from ..rng import rng_for
from ..sections import GateSection
from ..store import Saved
from ..types import ImageSet, Origins, Splits
from ..words import percent
from .judges import ask

SHOWN = 16  # reconstructions kept for the report


def fit_generator(model: Generator[Any], data: Splits, others: Splits | None, context: Context) -> Saved:
    """Train the generator on training images only: of the classifier's data, or of `others` where there are some."""
    learnt = (data if others is None else others).train
    model.fit(learnt, context)
    about = {} if others is None else {"data": {"images": len(learnt), "classes": list(others.spec.classes)}}
    return Saved(model.state_dict(), {"latent_size": model.latent_size, **about})


def gate(
    model: Generator[Any],
    data: Splits,
    classifier: Classifier,
    labeler: Labeler[Any],
    context: Context,
    *,
    settings: GateSection,
    agreement: float,
    can_encode: bool,
    batch_size: int,
) -> Saved:
    """Are validation images still themselves after encoding and decoding, to the classifier and to the oracle?"""
    info: dict[str, Any] = {"classifier": None, "oracle": None, "images": None, "warning": None}
    if not can_encode:
        return Saved({}, info)
    images, predicted, named = data.validation, [], []
    for i, rows in enumerate(in_parts(len(images), data.spec.shape)):
        back = reconstruct(model, *images.batch(rows), batch_size=batch_size, device=context.device)
        predicted.append(classifier.probs(back).argmax(1))
        if labeler.is_program:
            named.append(ask(labeler, f"gate-{i}", back, data.spec, agreement))
    info["images"] = len(images)
    info["classifier"] = float((torch.cat(predicted) == images.labels).float().mean())
    if named:
        info["oracle"] = float((torch.cat(named) == images.labels).float().mean())
    checks = (("classifier", settings.classifier), ("oracle", settings.oracle))
    low = [
        f"{who} {percent(info[who])} (gate {percent(g)})"
        for who, g in checks
        if info[who] is not None and info[who] < g
    ]
    if low:
        info["warning"] = (
            "reconstructions are poor, so failures may be artefacts of the generator: accuracy on unperturbed "
            f"reconstructions: {', '.join(low)}. Train the generator longer, or lower its beta."
        )
    x, y = images.batch(slice(SHOWN))
    back = reconstruct(model, x, y, batch_size=batch_size, device=context.device)
    return Saved({"x": x, "back": back, "labels": y}, info)


def reconstruct(model: Generator[Any], x: Tensor, labels: Tensor, *, batch_size: int, device: torch.device) -> Tensor:
    """Images encoded and decoded again, (n, c, h, w); a conditional generator is told the labels."""
    return in_batches(lambda a, b: model.decode(model.encode(a, b), b), batch_size, device, x, labels)


def encode_origins(
    model: Generator[Any],
    data: ImageSet,
    *,
    limit: int | None,
    seed: int,
    can_encode: bool,
    conditional: bool,
    batch_size: int,
    device: torch.device,
) -> Origins:
    """The training images to search from, as codes; a drawn part of them where there is a limit."""
    index = torch.arange(len(data))
    if limit is not None and limit < len(index):
        index = torch.randperm(len(data), generator=rng_for(seed, "origins"))[:limit].sort().values
    labels = data.labels[index]
    z = None
    if can_encode:
        z = torch.cat(
            [
                in_batches(model.encode, batch_size, device, *data.batch(index[part]))
                for part in in_parts(len(index), data.shape)
            ]
        )
    return Origins(index, labels, z, labels if conditional else None)
