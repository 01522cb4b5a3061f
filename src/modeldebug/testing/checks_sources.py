"""What data sets and classifiers must do."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..classifier import Classifier
from ..context import Context
from ..contracts.classifier import ClassifierSource
from ..contracts.dataset import DatasetSource
from ..rng import isolated_global_rng, rng_for
from ..types import Splits
from .problems import SPEC
from .runner import NotApplicable, Subject, globals_watched, require, rule, same


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


def _made(subject: Subject, seed: int = 0) -> tuple[ClassifierSource[Any], nn.Module]:
    source: ClassifierSource[Any] = subject.make()
    with isolated_global_rng(seed):
        return source, source._make()


def _trained(subject: Subject) -> nn.Module:
    source, module = _made(subject)
    if not source.config.train:
        raise NotApplicable("train is false")
    with isolated_global_rng(0):
        source._train(module, subject.known.splits, Context.quiet(0))
    return module


@rule(
    "classifier",
    says="the module answers (n, c, h, w) with finite (n, classes), and an image's answer does not depend on others",
    why="every failure is judged by these answers",
    do="take the sizes from self.spec; in eval mode, normalise nothing over the batch",
)
def answers_fit_the_data(subject: Subject) -> None:
    classifier = Classifier(_made(subject)[1], SPEC, name=subject.name, batch_size=8)
    x = subject.known.splits.test.batch(slice(None, 12))[0]
    alone, together = classifier.probs(x[:3]), classifier.probs(x)[:3]
    gap = float((alone - together).abs().max())
    require(gap < 1e-5, f"probabilities that differ by {gap:.3g} when other images stand beside them")


@rule(
    "classifier",
    says="the same seed makes and trains the same weights",
    why="the same seed must give the same run",
    do="draw from context.rng, or from torch's global generators, which the core seeds",
)
def making_and_training_repeat(subject: Subject) -> None:
    first, second = (dict(_made(subject)[1].state_dict()) for _ in range(2))
    require(same(first, second), "other weights after making it")
    if _made(subject)[0].config.train:
        first, second = (dict(_trained(subject).state_dict()) for _ in range(2))
        require(same(first, second), "other weights after training")


@rule(
    "classifier",
    says="with train=true it learns the known problem: at least 80 % of held-out images",
    why="the failures of a model that has not learned are no bugs worth finding",
    do="train in place on data.train, longer or with a larger learning rate",
)
def training_learns(subject: Subject) -> None:
    classifier = Classifier(_trained(subject), SPEC, name=subject.name)
    accuracy = classifier.accuracy(subject.known.splits.test)
    require(accuracy >= 0.8, f"{accuracy:.0%} of the held-out images right")
