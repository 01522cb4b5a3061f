"""The settings of the rivals. Nothing here imports torch."""

from __future__ import annotations

from pydantic import Field

from modeldebug import ComponentConfig


class PriorConfig(ComponentConfig):
    """Plain draws from the prior."""

    draws: int = Field(20_000, ge=1, description="draws in all, each a query; the classes take turns")
    block: int = Field(2048, ge=1, description="draws in one step of the search")


class ReconstructConfig(ComponentConfig):
    """The training images, encoded and decoded."""

    block: int = Field(2048, ge=1, description="training images in one step of the search")
