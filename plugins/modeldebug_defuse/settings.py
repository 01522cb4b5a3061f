"""All numbers of Defuse on one page: each setting with its meaning and default. Nothing here imports torch.

The defaults suit the digits of the preset `defuse`; the paper's own values for its data sets stand in the docs.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modeldebug import ComponentConfig

LAMBDAS = (1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 2.0, 5.0, 10.0, 20.0, 100.0, 1000.0)
"""The paper's sweep (AAAI appendix B.2)."""


class VaeConfig(ComponentConfig):
    """A beta-VAE whose depth follows the image size."""

    latent: int = Field(10, ge=1, description="d, latent dimensions (the paper: 10; German signs 15)")
    beta: float = Field(0.5, ge=0, description="weight of the KL divergence (the paper's text says 4, and 0.4)")
    channels: int = Field(32, ge=1, description="of every convolution (the paper: 32; SVHN and German signs 64)")
    hidden: int = Field(256, ge=1, description="units of the fully connected layers")
    epochs: int = Field(150, ge=1, description="passes over the training images (the paper: 800, SVHN 400)")
    batch_size: int = Field(64, ge=2, description="images in a batch (the paper: 2048)")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam; it falls to zero along a cosine")
    annealing: int = Field(500, ge=0, description="optimisation steps over which beta grows from 0 (the paper: 500)")


class BetaNoiseConfig(ComponentConfig):
    """Noise around the code of every training image."""

    draws: int = Field(100, ge=1, description="Q, draws around each training code (the paper: 500; 100)")
    a: float = Field(50.0, gt=0, description="first parameter of the Beta distribution (the paper: 50; 75)")
    b: float = Field(50.0, gt=0, description="second parameter of the Beta distribution (the paper: 50; 75)")
    center: bool = Field(True, description="subtract the mean a / (a + b); false is the paper's literal noise")
    scale: float = Field(8.0, gt=0, description="the noise is multiplied by it; 1 is the paper's")
    keep: int = Field(
        10, ge=1, description="failures kept of each image, the smallest perturbations (the paper: 100; 10)"
    )
    block: int = Field(
        256,
        ge=1,
        description="training images in one step of the search; of its block x draws images, those that fail are held "
        "in memory until the step ends, 4 bytes a value (200 kB for a colour image of 128 pixels)",
    )


class MarginConfig(ComponentConfig):
    """Ascent of the classifier's margin through the decoder. Distances in latent space are root mean squares over its
    dimensions, in units of the standard deviations of each image's posterior (of all codes, where there are none)."""

    pursue: float = Field(
        0.25, gt=0, le=1, description="climb from this share of the training images, those nearest the boundary"
    )
    step: float = Field(1.5, gt=0, description="longest step of a code (Euclidean, latent units)")
    steps: int = Field(6, ge=1, description="steps from a start; stops at the first failure")
    past: float = Field(1.5, ge=0, description="how far past the boundary a failure must lie: its margin, nats")
    trust: float = Field(20.0, gt=0, description="trust region: no code goes farther from its training image's")
    sure: float = Field(0.95, gt=0, lt=1, description="the guide gives the expected class at least this probability")
    weight: float = Field(4.0, ge=0, description="of the guide's slope beside the margin's, where it is not sure")
    keep: int = Field(1, ge=1, description="failures kept of each training image")
    apart: float = Field(2.0, ge=0, description="distance between failures of one training image, at least")
    restarts: int = Field(0, ge=0, description="further attempts for a training image with fewer failures than `keep`")
    jitter: float = Field(3.0, gt=0, description="a restart begins so far from the training image's code, about")
    block: int = Field(512, ge=1, description="training images in one step of the search")


class MarginEvolutionConfig(MarginConfig):
    """The same ascent with slopes estimated from probabilities alone."""

    pairs: int = Field(10, ge=1, description="pairs of opposite draws for each estimate: 2 queries each")
    sigma: float = Field(0.1, gt=0, description="standard deviation of these draws (latent units)")


class DpGmmConfig(ComponentConfig):
    """Truncated stick-breaking mixture of Gaussians, by `dp-gmm` or `dp-gmm-sklearn`."""

    components: int = Field(100, ge=1, description="K, upper bound on the number of clusters (the paper: 100)")
    min_weight: float = Field(
        0.01, ge=0, lt=1, description="clusters with a smaller weight are dropped (the paper: 0.01)"
    )
    max_codes: int = Field(50_000, ge=1, description="fit on at most so many failures, drawn without replacement")
    within: Literal["all", "expected"] = Field(
        "all", description="cluster all failures together (the paper), or those of each expected label by themselves"
    )
    max_iter: int = Field(
        500, ge=1, description="iterations of variational inference from a start (scikit-learn's default is 100)"
    )
    tolerance: float = Field(
        1e-6, gt=0, description="converged when the evidence lower bound changes by less in an iteration, nats a code"
    )
    regularisation: float = Field(1e-6, ge=0, description="added to the diagonal of each covariance")


class LambdaConfig(ComponentConfig):
    """Finetuning on training data and failures at once."""

    lambdas: tuple[float, ...] = Field(
        LAMBDAS, min_length=1, description="weights of the failures' loss, one state each"
    )
    epochs: int = Field(3, ge=1, description="passes over the training images (the paper: 3; 5)")
    batch_size: int = Field(256, ge=2, description="images in a batch (the paper: 256; SVHN 2048)")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam (the paper: 1e-3); it falls to zero along a cosine")
