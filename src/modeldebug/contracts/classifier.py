"""Where the classifier under test comes from."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal, TypeVar

from pydantic import Field
from torch import nn

from ..component import ComponentConfig
from ..context import Context
from ..types import Splits
from .base import Contract


class ClassifierConfig(ComponentConfig):
    """Settings that every classifier has; a component's own settings extend them."""

    weights: str | None = Field(None, description="file with weights to load: .safetensors, or a state dict (.pt)")
    train: bool = Field(False, description="train it in the run, before it is debugged")
    output: Literal["auto", "logits", "probabilities"] = Field(
        "auto", description="what the module returns; log-probabilities count as logits"
    )
    mean: tuple[float, ...] | None = Field(None, description="subtracted from each channel before the module")
    std: tuple[float, ...] | None = Field(None, description="each channel is divided by it, after the mean")


ClassifierConfigT = TypeVar("ClassifierConfigT", bound=ClassifierConfig)


class ClassifierSource(Contract[ClassifierConfigT]):
    """Makes the module under test, and trains it where the settings ask for that."""

    @abstractmethod
    def _make(self) -> nn.Module:
        """A module that maps (n, c, h, w) float32 to (n, classes); torch's global generator is seeded."""

    @abstractmethod
    def _train(self, module: nn.Module, data: Splits, context: Context) -> None:
        """Train `module` in place on `data.train`."""
