"""What the report says of the generator: its reconstructions, and one style as every class."""

from __future__ import annotations

from dataclasses import dataclass

from .findings import Findings
from .images import THUMB, Picture, picture
from .regions import Sample, sample_of
from .wording import count, percent


@dataclass(frozen=True)
class Pair:
    """An original beside its reconstruction."""

    original: Sample
    back: Sample


@dataclass(frozen=True)
class Style:
    """An image, and its style as every class; `own` is the column of its own class."""

    original: Sample
    images: tuple[Picture, ...]
    own: int


@dataclass(frozen=True)
class Styles:
    """Some images, and the style of each as the classes that stand above the columns."""

    classes: tuple[str, ...]
    rows: tuple[Style, ...]


@dataclass(frozen=True)
class Gate:
    """Whether reconstructions are still themselves."""

    rows: tuple[tuple[str, str, str, bool], ...]  # who, accuracy, threshold, passed
    images: str
    pairs: tuple[Pair, ...]
    styles: Styles | None  # None where the generator is not told the class


def gate(findings: Findings) -> Gate | None:
    """The generator's gate; None where it cannot encode."""
    info, tensors = findings.info("gate"), findings.stages["gate"].tensors
    if info["classifier"] is None:
        return None
    rows = tuple(
        (name, percent(info[key]), percent(findings.config["gate"][key]), info[key] >= findings.config["gate"][key])
        for name, key in (("the classifier", "classifier"), ("the oracle", "oracle"))
        if info[key] is not None
    )
    shown = zip(tensors["x"], tensors["back"], tensors["labels"].tolist(), strict=True)
    pairs = tuple(Pair(*(sample_of(findings, image, y, y, THUMB) for image in (x, back))) for x, back, y in shown)
    return Gate(rows, count(info["images"], "validation image"), pairs, _styles(findings))


def _styles(findings: Findings) -> Styles | None:
    tensors = findings.stages["gate"].part("styles")
    if not tensors:
        return None
    classes = tensors["classes"].tolist()
    shown = zip(tensors["x"], tensors["labels"].tolist(), tensors["images"], strict=True)
    rows = tuple(
        Style(sample_of(findings, x, y, y, THUMB), tuple(picture(image, THUMB) for image in images), classes.index(y))
        for x, y, images in shown
    )
    return Styles(tuple(findings.classes[c] for c in classes), rows)
