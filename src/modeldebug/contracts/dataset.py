"""Where images come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch

from ..component import DatasetConfig
from ..data import check_debuggable, check_splits, chosen
from ..errors import PluginError
from ..types import Splits

DatasetConfigT = TypeVar("DatasetConfigT", bound=DatasetConfig)


class DatasetSource(ABC, Generic[DatasetConfigT]):
    """Loads a data set and splits it; made with its settings alone: `factory(config)`.

    Example::

        class Noise(DatasetSource[DatasetConfig]):
            def _load(self, rng):
                return split(images, labels, classes=("a", "b"), rng=rng)
    """

    name: str = "unnamed"

    def __init__(self, config: DatasetConfigT) -> None:
        self.config = config

    def load(self, rng: torch.Generator) -> Splits:
        """The data set, split the same way for the same generator state; of the wanted classes, and no larger than the
        settings allow.

        Raises:
            DataError: for files that are missing, data that cannot be debugged with, or classes that are not there.
            PluginError: the settings do not extend `DatasetConfig`.
        """
        splits, config = self.load_all(rng), self.config
        return check_debuggable(chosen(splits, config.classes, config.limit, rng=rng, name=self.name), name=self.name)

    def load_all(self, rng: torch.Generator) -> Splits:
        """The whole data set, split, before `classes` and `limit` choose from it: whoever needs two choices reads the
        images once.

        Raises:
            DataError, PluginError: as `load`; an empty split or a single class is no error here.
        """
        settings: object = self.config
        if not isinstance(settings, DatasetConfig):
            raise PluginError(
                "the settings of a data set lack what every data set has: classes and limit",
                got=f"{type(settings).__name__}, no subclass of DatasetConfig",
                expected="a subclass of modeldebug.DatasetConfig",
                fix="derive the settings of the component from modeldebug.DatasetConfig",
                plugin=self.name,
            )
        return check_splits(self._load(rng), name=self.name)

    @abstractmethod
    def _load(self, rng: torch.Generator) -> Splits: ...
