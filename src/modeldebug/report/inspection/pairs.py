"""All pairs of classes at a glance (Bayes-TrEx, figures 5, 12 and 27)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ..images import THUMB, Picture, picture
from ..wording import count
from .found import Aim, Found
from .words import number

FEWEST = 3  # pairs of which a matrix is drawn

Pair = tuple[int, int]


@dataclass(frozen=True)
class Cell:
    """A cell of a matrix of images: an image, black where there is none, or empty where nothing was asked for."""

    look: Literal["image", "black", "empty"]
    picture: Picture | None
    alt: str


@dataclass(frozen=True)
class Share:
    """A cell of the matrix of confidences; `heat` is the share of colour in its background, in per cent."""

    text: str
    heat: int
    look: Literal["hit", "none", "black"]


@dataclass(frozen=True)
class Images:
    """Images by their pair of classes."""

    rows: tuple[tuple[str, Picture | None, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Pairs:
    """Ambiguous pairs, as matrices."""

    names: tuple[str, ...]
    edges: tuple[Picture | None, ...]
    found: Images
    test: Images
    confidences: tuple[tuple[str, tuple[Share, ...]], ...]
    summary: str
    compared: str


def pairs(found: Found) -> Pairs | None:
    """The matrices; None where there are too few pairs."""
    aims: dict[Pair, Aim] = {
        (a.target.classes[0], a.target.classes[1]): a for a in found.aims if a.target.kind == "ambiguous"
    }
    if len(aims) < FEWEST:
        return None
    classes = sorted({c for pair in aims for c in pair})
    typical, known = found.pictures("typical/x"), found.evidence["known"]
    edges = tuple(picture(typical[c], THUMB) if known[c] else None for c in classes)
    names = tuple(found.classes[c] for c in classes)

    def sample(pair: Pair, nth: int) -> Tensor | None:
        aim = aims[pair]
        return aim.images[min(nth, len(aim.images) - 1)] if aim.reached and len(aim.images) else None

    tested = _tested(found)

    def real(pair: Pair, nth: int) -> Tensor | None:
        images = tested.get(pair)
        return None if images is None else images[min(nth, len(images) - 1)]

    def matrix(image: Callable[[Pair, int], Tensor | None], missing: str) -> Images:
        return Images(
            tuple(
                (
                    names[i],
                    edges[i],
                    tuple(_cell(found, set(aims), (row, column), image, missing) for column in classes),
                )
                for i, row in enumerate(classes)
            )
        )

    reached = sum(aim.reached for aim in aims.values())
    seen = [pair for pair in aims if pair in tested]
    images = sum(n for i, j, n in found.evidence["test_set"]["ambiguous_pairs"] if (i, j) in aims)
    return Pairs(
        names=names,
        edges=edges,
        found=matrix(sample, "not reached"),
        test=matrix(real, "no test image"),
        confidences=tuple(
            (name, tuple(_share(aims, (row, column)) for column in classes))
            for name, row in zip(names, classes, strict=True)
        ),
        summary=f"{reached} of {count(len(aims), 'pair')} reached.",
        compared=f"The test set has {count(images, 'such image')}, of {len(seen)} of the {len(aims)} pairs; the "
        f"inspection found samples of {reached}.",
    )


def _tested(found: Found) -> Mapping[Pair, Tensor]:
    """The ambiguous test images that were kept, by their pair."""
    images, probs = found.pictures("test/torn/x"), found.tensor("test/torn/probs")
    if not len(images):
        return {}
    between = [tuple(row) for row in probs.topk(2).indices.sort(1).values.tolist()]
    return {(i, j): images[[n for n, pair in enumerate(between) if pair == (i, j)]] for i, j in set(between)}


def _cell(
    found: Found, asked: set[Pair], place: Pair, image: Callable[[Pair, int], Tensor | None], missing: str
) -> Cell:
    pair = (min(place), max(place))
    if pair not in asked:
        return Cell("empty", None, "")
    between = f"{found.classes[pair[0]]} and {found.classes[pair[1]]}"
    shown = image(pair, int(place[0] > place[1]))
    if shown is None:
        return Cell("black", None, f"{between}: {missing}")
    return Cell("image", picture(shown, THUMB), f"torn between {between}")


def _share(aims: Mapping[Pair, Aim], place: Pair) -> Share:
    """In row i and column j, the mean confidence in j."""
    aim = aims.get((min(place), max(place)))
    if aim is None:
        return Share("", 0, "none")
    if not aim.reached:
        return Share("", 0, "black")
    confidence = aim.diagnosis["confidence"][aim.target.classes.index(place[1])]
    return Share(number(confidence, 2).removeprefix("0"), round(60 * confidence), "hit")
