"""Where the classifier under test comes from."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

from torch import nn

from ..component import ClassifierConfig
from ..context import Context
from ..types import Splits
from .base import Contract

ClassifierConfigT = TypeVar("ClassifierConfigT", bound=ClassifierConfig)


class ClassifierSource(Contract[ClassifierConfigT]):
    """Makes the module under test, and trains it where the settings ask for that."""

    @abstractmethod
    def _make(self) -> nn.Module:
        """A module that maps (n, c, h, w) float32 to (n, classes); torch's global generator is seeded."""

    @abstractmethod
    def _train(self, module: nn.Module, data: Splits, context: Context) -> None:
        """Train `module` in place on `data.train`."""
