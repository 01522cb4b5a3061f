"""All numbers of Bayes-TrEx on one page: each setting with its meaning and default. Nothing here imports torch."""

from __future__ import annotations

from pydantic import Field, model_validator

from modeldebug import ComponentConfig


class VaeFcConfig(ComponentConfig):
    """A fully connected VAE."""

    latent: int = Field(5, ge=1, description="d, latent dimensions (the paper: 5)")
    hidden: int = Field(400, ge=1, description="units of the hidden layer of encoder and decoder (the paper: 400)")
    beta: float = Field(1.0, ge=0, description="weight of the KL divergence (the paper: 1)")
    epochs: int = Field(30, ge=1, description="passes over the training images")
    batch_size: int = Field(128, ge=2, description="images in a batch")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam; it falls to zero along a cosine")


class SmcConfig(ComponentConfig):
    """A tempered population with Newton moves."""

    populations: int = Field(4, ge=2, description="independent populations, one after another: the repeats of R-hat")
    particles: int = Field(256, ge=4, description="of a population, for each target")
    pool: int = Field(
        262_144, ge=16, description="at most so many prior draws to begin a population with, shared by all targets"
    )
    crowd: int = Field(
        256, ge=2, description="a population begins at the smallest sigma at which its prior draws count for so many"
    )
    keep: float = Field(
        0.5, gt=0, lt=1, description="sigma falls until the particles count for this share of their number"
    )
    moves: int = Field(8, ge=1, description="moves at each sigma")
    accept: float = Field(0.3, gt=0, lt=1, description="share of accepted moves that their reach is adapted to")
    stages: int = Field(30, ge=1, description="falls of sigma at most: the last one leads to the target in any case")


class HmcConfig(ComponentConfig):
    """Batched Hamiltonian Monte Carlo."""

    chains: int = Field(16, ge=1, description="chains of each target, all in one batch")
    warmup: int = Field(200, ge=1, description="iterations that adapt step sizes and masses, none of them kept")
    samples: int = Field(200, ge=1, description="codes kept of each chain")
    leaps: int = Field(16, ge=1, description="leapfrog steps of an iteration")
    draws: int = Field(4096, ge=1, description="prior draws to choose each target's starts from, by their likelihood")
    accept: float = Field(0.8, gt=0, lt=1, description="acceptance that step sizes are adapted to")
    hot: float = Field(10.0, ge=1, description="start warm-up with so many times sigma, cooling down in its first half")
    rescale: int = Field(20, ge=1, description="in warm-up, take the masses from the chains' spread this often")
    block: int = Field(10, ge=1, description="iterations in a step of the search")


class RandomWalkConfig(ComponentConfig):
    """Random-walk Metropolis."""

    chains: int = Field(8, ge=1, description="chains of each target, all in one batch (the paper: 1)")
    warmup: int = Field(500, ge=0, description="iterations before the first that is kept")
    samples: int = Field(500, ge=1, description="codes kept of each chain (the paper: 500, or 1,500)")
    thin: int = Field(1, ge=1, description="keep the last of every so many iterations; a kept code costs a query more")
    draws: int = Field(1024, ge=1, description="prior draws to choose each target's starts from, by their likelihood")
    scale: float = Field(0.5, gt=0, description="how far steps go at first, where the generator's kernel heeds it")
    acceptance: float = Field(0.25, gt=0, lt=1, description="adapt the scale in warm-up until this share is accepted")
    hot: float = Field(1.0, ge=1, description="start warm-up with so many times sigma, cooling down in its first half")
    temperature: float = Field(
        1.0,
        ge=1,
        description="start warm-up with predictions as of a softmax of this temperature, cooling down likewise: it "
        "leads to classes that hardly anything is taken for",
    )
    block: int = Field(50, ge=1, description="iterations in a step of the search")
    parts: int = Field(
        1,
        ge=1,
        description="walk the chains in so many parts, each from its beginning to its end in one step: workers take "
        "them side by side; the acceptance is then that of the last part",
    )

    @model_validator(mode="after")
    def _every_part_has_a_chain(self) -> RandomWalkConfig:
        if self.parts > self.chains:
            raise ValueError(f"{self.parts} parts of {self.chains} chains: each part needs a chain")
        return self


class NutsConfig(ComponentConfig):
    """Pyro's No-U-Turn sampler, with its defaults."""

    chains: int = Field(1, ge=1, description="chains of each target, one after the other (the paper: 1)")
    warmup: int = Field(1000, ge=1, description="draws of a chain that adapt step size and mass (the paper: 1,000)")
    samples: int = Field(1000, ge=1, description="draws kept of each chain (the paper: 1,000)")
    draws: int = Field(1024, ge=1, description="prior draws to choose each target's starts from, by their likelihood")
    accept: float = Field(0.8, gt=0, lt=1, description="acceptance that the step size is adapted to")
    depth: int = Field(10, ge=1, description="a trajectory has at most 2 to this power steps, of 3 queries each")
    block: int = Field(25, ge=1, description="draws in a step of the search")
