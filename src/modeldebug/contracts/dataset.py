"""Where images come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic

import torch

from ..types import Splits
from .base import ConfigT


class DatasetSource(ABC, Generic[ConfigT]):
    """Loads a data set and splits it; made with its settings alone: `factory(config)`.

    Example::

        class Noise(DatasetSource[NoiseConfig]):
            def _load(self, rng):
                return split(images, labels, classes=("a", "b"), rng=rng)
    """

    name: str = "unnamed"

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    def load(self, rng: torch.Generator) -> Splits:
        """The data set, split the same way for the same generator state.

        Raises:
            DataError: for files that are missing, or data that cannot be debugged with.
        """
        from ..data import check_splits

        return check_splits(self._load(rng), name=self.name)

    @abstractmethod
    def _load(self, rng: torch.Generator) -> Splits: ...
