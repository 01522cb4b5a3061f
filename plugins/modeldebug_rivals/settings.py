"""The settings of the rivals. Nothing here imports torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from modeldebug import ComponentConfig


class PriorConfig(ComponentConfig):
    """Plain draws from the prior."""

    draws: int = Field(20_000, ge=1, description="draws in all, each a query; the classes take turns")
    block: int = Field(2048, ge=1, description="draws in one step of the search")


class ReconstructConfig(ComponentConfig):
    """The training images, encoded and decoded."""

    block: int = Field(2048, ge=1, description="training images in one step of the search")


class NaturalConfig(ComponentConfig):
    """Natural adversarial examples (Zhao et al. 2018); defaults are the paper's, and of its code where it says none."""

    search: Literal["hybrid", "iterative"] = Field(
        "hybrid", description="hybrid shrinking search (the paper's algorithm 2), or growing shells (algorithm 1)"
    )
    samples: int = Field(5000, ge=1, description="N, codes drawn around a training image's at a time (the paper: 5000)")
    delta_r: float = Field(0.01, gt=0, description="width of the narrowest shell, in latent units (the paper: 0.01)")
    radius: float = Field(10.0, gt=0, description="r, how far from the code is searched at most (the paper's code: 10)")
    extra: int = Field(
        5,
        ge=1,
        description="B, how often in a row a draw may bring nothing nearer before the search ends (its code: 5)",
    )
    block: int = Field(4096, ge=1, description="codes asked about in one step; one training image's draws at least")


class GeneticConfig(ComponentConfig):
    """A genetic algorithm in latent space (SINVAD, Kang et al. 2020); defaults are those of the authors' own code."""

    fitness: Literal["flip", "variation"] = Field(
        "flip",
        description="what is fitter: a code that flips the prediction, the nearer the better; or one whose prediction "
        "varies more among the classes (entropy), whatever the label",
    )
    population: int = Field(50, ge=3, description="codes of one training image that live at a time")
    parents: int = Field(20, ge=2, description="the fittest, which live on and have children")
    generations: int = Field(500, ge=1, description="at most; it ends earlier when mutations have shrunk away")
    spread: float = Field(0.7, gt=0, description="standard deviation of the first codes around the training image's")
    mutation: float = Field(0.1, gt=0, description="standard deviation of the noise added to a child")
    shrink: float = Field(
        0.7,
        gt=0,
        lt=1,
        description="factor of the mutation after each generation that is no fitter; then it begins anew",
    )
    smallest: float = Field(1e-3, gt=0, description="the search for a training image ends below such a mutation")
    back: float = Field(
        0.5, ge=0, lt=1, description="probability that a child's number becomes that of the training image again"
    )
    block: int = Field(4096, ge=1, description="codes asked about in one step; one population at least")

    @model_validator(mode="after")
    def _has_children(self) -> GeneticConfig:
        if self.parents >= self.population:
            raise ValueError(f"parents={self.parents} leaves no room for children in population={self.population}")
        return self


class HeldOutConfig(ComponentConfig):
    """The test images, as they are."""

    block: int = Field(2048, ge=1, description="test images in one step of the search")
