"""The hook and the settings. Nothing here imports torch: `modeldebug plugins list` has to start fast."""

from __future__ import annotations

from pydantic import Field

from modeldebug import Component, ComponentConfig, hookimpl


class WalkConfig(ComponentConfig):
    """Gaussian walks from training codes."""

    steps: int = Field(20, ge=1, description="steps of each walk, and so queries for each training image")
    size: float = Field(0.15, gt=0, description="standard deviation of a step, in each latent dimension")
    block: int = Field(128, ge=1, description="training images in one step of the search")


@hookimpl
def modeldebug_searchers() -> list[Component]:
    return [
        Component(
            "gaussian-walk", "Gaussian walks that lower the confidence in the expected label", WalkConfig,
            "modeldebug_random_walk.walk:GaussianWalk", requires=frozenset({"encode"}),
        ),
    ]  # fmt: skip
