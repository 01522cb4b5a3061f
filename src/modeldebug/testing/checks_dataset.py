"""What data sets must do."""

from __future__ import annotations

from typing import Any

from ..contracts.dataset import DatasetSource
from ..rng import isolated_global_rng, rng_for
from ..types import Splits
from .runner import Subject, globals_watched, require, rule, same


def _load(subject: Subject, seed: int = 0) -> Splits:
    source: DatasetSource[Any] = subject.make()
    return source.load(rng_for(seed, "data"))


@rule(
    "dataset",
    says="three splits of images in [0, 1] (or uint8) with labels from 0, two classes or more, none of them empty",
    why="every stage builds on them",
    do="use modeldebug.as_images, as_labels and split",
)
def splits_are_usable(subject: Subject) -> None:
    _load(subject)


@rule(
    "dataset",
    says="the same seed gives the same splits, whatever the global generators are",
    why="a resumed run loads the data again, and refuses data that differ",
    do="draw from the generator that _load is given; sort the names of files",
)
def loading_repeats(subject: Subject) -> None:
    splits = []
    for seed in (1, 2):
        with isolated_global_rng(seed):
            splits.append(_load(subject))
    require(same(*splits), "other splits for the same seed")


@rule(
    "dataset",
    says="loading changes no global state",
    why="later stages would depend on which data set was loaded",
    do="pass `generator=rng` to every draw",
)
def globals_are_left_alone(subject: Subject) -> None:
    with globals_watched():
        _load(subject)
