"""The generator is trained, and gated: are its reconstructions still what they were?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..batches import in_batches, in_parts
from ..classifier import Classifier
from ..context import Context
from ..contracts.generator import Generator
from ..contracts.labeler import Labeler
from ..sections import GateSection
from ..store import Saved, prefixed
from ..types import ImageSet, Splits
from ..words import percent
from .judges import ask

SHOWN = 16  # reconstructions kept for the report
STYLES, STYLED_AS = 6, 12  # images whose style is shown as so many classes


def fit_generator(
    model: Generator[Any],
    learnt: ImageSet,
    context: Context,
    *,
    classes: Sequence[str] | None = None,
    without: str | None = None,
) -> Saved:
    """Train the generator on training images.

    Args:
        classes: of the data that they are from, where these are not the classifier's.
        without: the class of which they hold none, where that was asked for.
    """
    model.fit(learnt, context)
    info: dict[str, Any] = {"latent_size": model.latent_size}
    if classes is not None:
        info["data"] = {"images": len(learnt), "classes": list(classes)}
    if without is not None:
        info |= {"without": without, "images": len(learnt)}
    health = model.health()
    if health is not None:
        info |= {"health": health.summary, "figures": dict(health.figures), "warning": health.warning}
    return Saved(model.state_dict(), info)


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
    conditional: bool,
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
    tensors = {"x": x, "back": back, "labels": y}
    if conditional:
        tensors |= prefixed("styles", styles(model, data, context, batch_size=batch_size))
    return Saved(tensors, info)


def styles(model: Generator[Any], data: Splits, context: Context, *, batch_size: int) -> dict[str, Tensor]:
    """Some validation images `x` (r, c, h, w) of different classes, and the code of each decoded under every class:
    `images` (r, m, c, h, w). Where there are many classes, under some that are drawn.
    """
    shown = data.validation.labels.unique()  # type: ignore[no-untyped-call]  # torch does not annotate it
    classes = shown[torch.randperm(len(shown), generator=context.rng)[:STYLED_AS]].sort().values
    first = torch.stack([(data.validation.labels == c).nonzero()[0, 0] for c in classes[:STYLES]])
    x, labels = data.validation.batch(first)
    z = in_batches(model.encode, batch_size, context.device, x, labels)
    told = classes.repeat(len(x))
    images = in_batches(model.decode, batch_size, context.device, z.repeat_interleave(len(classes), 0), told)
    shape = (len(x), len(classes), *data.spec.shape)
    return {"x": x, "labels": labels, "classes": classes, "images": images.view(shape)}


def reconstruct(model: Generator[Any], x: Tensor, labels: Tensor, *, batch_size: int, device: torch.device) -> Tensor:
    """Images encoded and decoded again, (n, c, h, w); a conditional generator is told the labels."""
    return in_batches(lambda a, b: model.decode(model.encode(a, b), b), batch_size, device, x, labels)
