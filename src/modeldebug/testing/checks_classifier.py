"""What classifiers must do."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..classifier import Classifier
from ..context import Context
from ..contracts.classifier import ClassifierSource
from ..rng import isolated_global_rng
from .problems import SPEC
from .runner import NotApplicable, Subject, globals_noted, globals_watched, left_alone, require, rule, same


def _made(subject: Subject, seed: int = 0) -> tuple[ClassifierSource[Any], nn.Module]:
    source: ClassifierSource[Any] = subject.make()
    with isolated_global_rng(seed):
        return source, source._make()


def _train(subject: Subject) -> nn.Module:
    source, module = _made(subject)
    if not source.config.train:
        raise NotApplicable("train is false")
    with isolated_global_rng(0):
        source._train(module, subject.known.splits, Context.quiet(0))
    return module


def _trained(subject: Subject) -> tuple[nn.Module, list[str], bool]:
    """A trained module, what global state its training left changed, and whether it left the data alone."""

    def train() -> tuple[nn.Module, list[str], bool]:
        data = subject.known.splits.train
        before = data.images.clone(), data.labels.clone()
        with globals_noted() as changed:
            module = _train(subject)
        return module, changed, same(before, (data.images, data.labels))

    trained: tuple[nn.Module, list[str], bool] = subject.once("trained", train)
    return trained


@rule(
    "classifier",
    says="the module answers (n, c, h, w) with finite (n, classes), one image as well as many, and an image's answer"
    " does not depend on the others",
    why="every failure is judged by these answers",
    do="take the sizes from self.spec; squeeze nothing; in eval mode, normalise nothing over the batch",
)
def answers_fit_the_data(subject: Subject) -> None:
    module = _made(subject)[1].eval()
    x = subject.known.splits.test.batch(slice(None, 12))[0]
    with torch.no_grad():
        shape = tuple(module(x[:1]).shape)
    require(shape == (1, SPEC.num_classes), f"an answer of shape {shape} to one image of {SPEC.num_classes} classes")
    classifier = Classifier(module, SPEC, name=subject.name, batch_size=8)
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
        first, second = (dict(module.state_dict()) for module in (_trained(subject)[0], _train(subject)))
        require(same(first, second), "other weights after training")


@rule(
    "classifier",
    says="with train=true it learns the known problem: at least 80 % of held-out images",
    why="the failures of a model that has not learned are no bugs worth finding",
    do="train in place on data.train, longer or with a larger learning rate",
)
def training_learns(subject: Subject) -> None:
    classifier = Classifier(_trained(subject)[0], SPEC, name=subject.name)
    accuracy = classifier.accuracy(subject.known.splits.test)
    require(accuracy >= 0.8, f"{accuracy:.0%} of the held-out images right")


@rule(
    "classifier",
    says="training leaves the images and labels that it is given as they were",
    why="the generator learns from the same images, and searches start from them",
    do="clone before writing: x = x - mean, not x -= mean",
)
def inputs_are_left_alone(subject: Subject) -> None:
    require(_trained(subject)[2], "changed training images or labels")


@rule(
    "classifier",
    says="making and training leave the gradient mode, the default dtype and the threads as they were",
    why="every later stage would go by other rules",
    do="use `with torch.no_grad():` rather than set_grad_enabled; set no threads and no default dtype",
)
def globals_are_left_alone(subject: Subject) -> None:
    with globals_watched():
        source, _ = _made(subject)
    if source.config.train:
        left_alone(_trained(subject)[1])
