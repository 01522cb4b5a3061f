"""The cases of the suite as components, which runs take by these names: `--dataset ...`, `--classifier ...`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from pydantic import Field
from torch import nn

from ...component import AbsolutePath, ClassifierConfig, DatasetConfig
from ...context import Context
from ...contracts.classifier import ClassifierSource
from ...contracts.dataset import DatasetSource
from ...rng import rng_for
from ...types import Splits
from .images import base_images, planted_splits
from .suite import SUITE_VERSION, case_of
from .teaching import network_of, teach

_CASE: Any = Field(description="name of the case: modeldebug.testing.planted.suite() has them")
_SUITE: Any = Field(
    SUITE_VERSION, ge=SUITE_VERSION, le=SUITE_VERSION, description="version of the suite that the case is of"
)
_ROOT: Any = Field(None, description="folder of MNIST's files, for cases that need it; downloaded if unset")


class PlantedDataConfig(DatasetConfig):
    """Settings of the data of a planted case."""

    case: str = _CASE
    suite: int = _SUITE
    root: AbsolutePath | None = _ROOT


class PlantedClassifierConfig(ClassifierConfig):
    """Settings of the classifier of a planted case."""

    train: bool = Field(True, description="teach it in the run, which takes seconds")
    case: str = _CASE
    suite: int = _SUITE
    root: AbsolutePath | None = _ROOT
    epochs: int | None = Field(None, ge=1, description="passes over the images of the base; the case's own if unset")


class PlantedData(DatasetSource[PlantedDataConfig]):
    """Legitimate images of a planted case, in all its styles; the same for every seed of a run."""

    Config = PlantedDataConfig

    def _load(self, rng: torch.Generator) -> Splits:
        return planted_splits(case_of(self.config.case), self.config.root)


class PlantedClassifier(ClassifierSource[PlantedClassifierConfig]):
    """The classifier of a planted case, which learns from data of its own; the same for every seed of a run."""

    Config = PlantedClassifierConfig

    def _make(self) -> nn.Module:
        return network_of(case_of(self.config.case), base_images(case_of(self.config.case).base, self.config.root))

    def _train(self, module: nn.Module, data: Splits, context: Context) -> None:
        case = case_of(self.config.case)
        own = replace(context, rng=rng_for(case.seed, "planted", "lessons"))
        teach(case, module, base_images(case.base, self.config.root), own, epochs=self.config.epochs)
