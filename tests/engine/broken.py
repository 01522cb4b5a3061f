"""A plugin all of whose components break in the middle of a run, each in one way; and whose observer does, if told to.

It is a plugin like any other: tests install it, and name its components `broken:NAME`.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from modeldebug_defuse.beta_noise import BetaNoise
from modeldebug_defuse.dp_gmm import DpGmm
from modeldebug_defuse.lambda_finetuning import LambdaFinetuning
from modeldebug_defuse.settings import BetaNoiseConfig, DpGmmConfig, LambdaConfig
from torch import nn

from modeldebug import Candidates, ClassifierConfig, ClassifierSource, Component, ComponentConfig, Event, hookimpl
from modeldebug.testing.problems import ABILITIES, PlantedClassifier, PlantedGenerator

from .planted import Rule, RuleConfig

OBSERVER = "TEST_OBSERVER"  # the environment variable that says how the observer breaks


class Panic(BaseException):
    """What libraries in other languages raise: no Exception."""


class SearchesForNan(BetaNoise):
    def _step(self, problem: Any, state: Any) -> Any:
        n = len(problem.origins)
        return {**state, "done": True}, Candidates(z=torch.full((n, 2), torch.nan), origin=torch.arange(n))


class SearchesInThreeDimensions(BetaNoise):
    def _step(self, problem: Any, state: Any) -> Any:
        return {**state, "done": True}, Candidates(z=torch.zeros(4, 3), origin=torch.zeros(4, dtype=torch.int64))


class GivesNothing(BetaNoise):
    def _step(self, problem: Any, state: Any) -> Any:
        return None


class KeepsAnObject(BetaNoise):
    def _start(self, problem: Any, rng: Any) -> Any:
        return {**super()._start(problem, rng), "cache": [1, 2]}


class Raises(BetaNoise):
    def _step(self, problem: Any, state: Any) -> Any:
        raise ZeroDivisionError("no origins left")


class Panics(BetaNoise):
    def _step(self, problem: Any, state: Any) -> Any:
        raise Panic("index out of bounds")


class Exits(BetaNoise):
    def _step(self, problem: Any, state: Any) -> Any:
        raise SystemExit(0)


class MovesOrigins(BetaNoise):
    def _step(self, problem: Any, state: Any) -> Any:
        problem.origins.z.add_(1.0)
        return super()._step(problem, state)


class MovesOriginsPastTorch(BetaNoise):
    def _step(self, problem: Any, state: Any) -> Any:
        problem.origins.z.numpy()[0] += 1.0
        return super()._step(problem, state)


class Noisy(BetaNoise):
    def _step(self, problem: Any, state: Any) -> Any:
        print("step", state["next"])
        return super()._step(problem, state)


class CentresFailures(DpGmm):
    def _fit(self, failures: Any, context: Any) -> Any:
        codes = failures.z.numpy()
        codes -= codes.mean(0)
        return super()._fit(failures, context)


class Darkens(Rule):
    def _label(self, request: Any) -> Any:
        request.x.mul_(0.5)
        return super()._label(request)


class Relabels(LambdaFinetuning):
    def _correct(self, classifier: Any, data: Any, failures: Any, context: Any) -> Any:
        data.train.labels[0] = 0 if int(data.train.labels[0]) else 1
        return super()._correct(classifier, data, failures, context)


class LearnsInPlace(PlantedGenerator):
    def _fit(self, data: Any, context: Any) -> None:
        data.storage.clamp_(0.0, 0.5)


class _Darkened(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.inner(x)
        x.zero_()
        return answer


class WorksInPlace(ClassifierSource[ClassifierConfig]):
    """Answers as the planted classifier does, and wipes out what it was given."""

    def _make(self) -> nn.Module:
        return _Darkened(PlantedClassifier())

    def _train(self, module: nn.Module, data: Any, context: Any) -> None:
        raise AssertionError("it is trained already")


def _named(name: str, config: Any, factory: Any, **more: Any) -> Component:
    where = factory if isinstance(factory, str) else f"{__name__}:{factory.__name__}"
    return Component(name, "breaks", config, where, **more)


@hookimpl
def modeldebug_searchers() -> list[Component]:
    ways = {
        "nan": SearchesForNan, "three-dimensions": SearchesInThreeDimensions, "nothing": GivesNothing,
        "object": KeepsAnObject, "raises": Raises, "panics": Panics, "exits": Exits, "moves": MovesOrigins,
        "moves-past-torch": MovesOriginsPastTorch, "noisy": Noisy,
        "no-module": "no_such_package.search:Search", "no-class": f"{__name__}:NoSuchClass", "hangs": "hanging:Search",
    }  # fmt: skip
    return [_named(name, BetaNoiseConfig, way, requires=frozenset({"encode"})) for name, way in ways.items()]


@hookimpl
def modeldebug_generators() -> list[Component]:
    return [_named("in-place", ComponentConfig, LearnsInPlace, provides=ABILITIES)]


@hookimpl
def modeldebug_classifiers() -> list[Component]:
    return [_named("in-place", ClassifierConfig, WorksInPlace)]


@hookimpl
def modeldebug_clusterers() -> list[Component]:
    return [_named("centres", DpGmmConfig, CentresFailures)]


@hookimpl
def modeldebug_labelers() -> list[Component]:
    return [_named("darkens", RuleConfig, Darkens)]


@hookimpl
def modeldebug_correctors() -> list[Component]:
    return [_named("relabels", LambdaConfig, Relabels)]


@hookimpl
def modeldebug_event(event: Event) -> None:
    how = os.environ.get(OBSERVER)
    if how == "writes":
        event.data.clear()
    if how == "exits" and event.kind in ("run_started", "stage_finished"):
        raise SystemExit("no account")
