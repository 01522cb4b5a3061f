"""What all contracts share."""

from __future__ import annotations

from abc import ABC
from typing import Generic, TypeVar

from ..component import ComponentConfig
from ..types import DataSpec

ConfigT = TypeVar("ConfigT", bound=ComponentConfig)


class Contract(ABC, Generic[ConfigT]):
    """A component, made by the core with its settings and the description of the data.

    Attributes:
        config: the validated settings.
        spec: shape of an image and the classes.
        name: `plugin:component`, for messages; set by the core.
    """

    name: str = "unnamed"

    def __init__(self, config: ConfigT, spec: DataSpec) -> None:
        self.config = config
        self.spec = spec
