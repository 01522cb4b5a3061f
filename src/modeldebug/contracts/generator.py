"""A generative model of legitimate inputs."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from ..context import Context
from ..tensors import check_tensor
from ..types import ImageSet
from .base import ConfigT, Contract, blamed
from .untouched import untouched


@dataclass(frozen=True)
class Health:
    """How training went, where reconstructions alone do not show it.

    Attributes:
        summary: a few words for people, behind "trained".
        warning: what went wrong and what to do, or None.
        figures: whatever the summary rests on, as JSON can hold it; kept with the stage.

    >>> Health("diversity 0.97").warning is None
    True
    """

    summary: str
    warning: str | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)


class Generator(Contract[ConfigT]):
    """Decodes latent codes into images, and draws codes from a prior.

    A component that can do more declares it in `Component.provides`: "encode" (implement `_encode`), "gradients"
    (`_decode` is differentiable), "conditional" (the decoder is told the class), "truth" (it knows the class of any
    code's image: implement `_truth`).

    >>> from modeldebug.testing import known_problem
    >>> generator = known_problem().generator
    >>> x = generator.decode(torch.zeros(3, generator.latent_size))
    >>> x.shape, generator.encode(x).shape, generator.log_prior(torch.zeros(1, 2))
    (torch.Size([3, 1, 8, 8]), torch.Size([3, 2]), tensor([-1.8379]))
    """

    @property
    @abstractmethod
    def latent_size(self) -> int:
        """d, the number of latent dimensions."""

    @final
    def fit(self, data: ImageSet, context: Context) -> None:
        """Train on labelled images.

        Raises:
            PluginError: the images were changed.
        """
        with untouched(self.name, data=data):
            self._fit(data, context)

    @final
    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Images (n, c, h, w) float32 in [0, 1] of codes (n, d) float32; differentiable where declared.

        Raises:
            PluginError: the codes have another shape or dtype, decoding raises, or the images break the contract.
        """
        check_tensor("z", z, shape=("n", self.latent_size), dtype=torch.float32, plugin=self.name)
        with blamed("running the generator", self.name):
            x = self._decode(z, condition)
        return check_tensor(
            "the decoded image",
            x,
            shape=(len(z), *self.spec.shape),
            dtype=torch.float32,
            low=0,
            high=1,
            plugin=self.name,
        )

    @final
    def encode(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Codes (n, d) float32 of images (n, c, h, w) float32 in [0, 1]: the mean of the posterior.

        Raises:
            PluginError: encoding raises, or the codes have another shape or dtype.
        """
        with blamed("running the generator", self.name):
            z = self._encode(x, condition)
        return check_tensor("the code", z, shape=(len(x), self.latent_size), dtype=torch.float32, plugin=self.name)

    @final
    def spread(self, x: Tensor, condition: Tensor | None = None) -> Tensor | None:
        """Standard deviations (n, d) float32 of the posterior around `encode`'s mean; None where it has none.

        Raises:
            PluginError: encoding raises, or the deviations have another shape or dtype.
        """
        with blamed("running the generator", self.name):
            spread = self._spread(x, condition)
        if spread is None:
            return None
        shape = (len(x), self.latent_size)
        return check_tensor("the spread", spread, shape=shape, dtype=torch.float32, low=0, plugin=self.name)

    @final
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Codes (n, d) float32 from the prior.

        Raises:
            PluginError: the codes have another shape or dtype.
        """
        return check_tensor(
            "the prior draw", self._sample(n, rng), shape=(n, self.latent_size), dtype=torch.float32, plugin=self.name
        )

    @final
    def log_prior(self, z: Tensor) -> Tensor:
        """Log density (n,) float32 of codes (n, d) under the prior, nats.

        Raises:
            PluginError: the densities have another shape or dtype, or are not finite.
        """
        return check_tensor("the log prior", self._log_prior(z), shape=(len(z),), dtype=torch.float32, plugin=self.name)

    @final
    def propose(self, z: Tensor, rng: torch.Generator, scale: Tensor) -> tuple[Tensor, Tensor]:
        """A random step from each of the codes (n, d), for searchers that walk without gradients: the codes (n, d)
        float32 that it leads to, and log q(z | z') - log q(z' | z), (n,) float32, by how much the way back is likelier.

        Args:
            scale: (n,) float32, how far each step goes; a kernel with steps of its own need not heed it.

        Raises:
            PluginError: codes or scales have another shape or dtype, stepping raises, or the step breaks the contract.
        """
        check_tensor("z", z, shape=("n", self.latent_size), dtype=torch.float32, plugin=self.name)
        check_tensor("the scale", scale, shape=(len(z),), dtype=torch.float32, low=0, plugin=self.name)
        with blamed("running the generator", self.name):
            after, log_ratio = self._propose(z, rng, scale)
        check_tensor("the log ratio", log_ratio, shape=(len(z),), dtype=torch.float32, plugin=self.name)
        shape = (len(z), self.latent_size)
        return check_tensor("the step", after, shape=shape, dtype=torch.float32, plugin=self.name), log_ratio

    @final
    def valid(self, z: Tensor) -> Tensor:
        """Which codes (n, d) stand for an image at all, (n,) bool: others have no place in the prior, and are not to be
        decoded.

        Raises:
            PluginError: the codes have another shape or dtype, testing them raises, or the answers have.
        """
        check_tensor("z", z, shape=("n", self.latent_size), dtype=torch.float32, plugin=self.name)
        with blamed("running the generator", self.name):
            valid = self._valid(z)
        return check_tensor("the validity", valid, shape=(len(z),), dtype=torch.bool, plugin=self.name)

    @final
    def truth(self, z: Tensor) -> Tensor | None:
        """The class of the image of each code (n, d), for certain, (n,) int64; None where the generator does not know
        it. What is expected of a code is then this class, wherever the code is from: a failure is one, and needs no
        judge.

        Raises:
            PluginError: the codes have another shape or dtype, telling raises, or the classes break the contract.
        """
        check_tensor("z", z, shape=("n", self.latent_size), dtype=torch.float32, plugin=self.name)
        with blamed("running the generator", self.name):
            truth = self._truth(z)
        if truth is None:
            return None
        last = self.spec.num_classes - 1
        return check_tensor(
            "the true class", truth, shape=(len(z),), dtype=torch.int64, low=0, high=last, plugin=self.name
        )

    @final
    def summary(self, z: Tensor) -> Tensor:
        """Numbers (n, m) float32 of codes (n, d) by which a sampler's chains are compared: R-hat and effective size are
        of these. The codes themselves, but for a generator that says otherwise.

        Raises:
            PluginError: the codes have another shape or dtype, summing up raises, or the numbers are not finite or have
                another shape or dtype.
        """
        check_tensor("z", z, shape=("n", self.latent_size), dtype=torch.float32, plugin=self.name)
        with blamed("running the generator", self.name):
            summary = self._summary(z)
        return check_tensor("the summary", summary, shape=(len(z), "m"), dtype=torch.float32, plugin=self.name)

    def health(self) -> Health | None:
        """How the last `fit` went; None, unless overridden."""
        return None

    @abstractmethod
    def _fit(self, data: ImageSet, context: Context) -> None: ...

    @abstractmethod
    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor: ...

    def _encode(self, x: Tensor, condition: Tensor | None) -> Tensor:
        raise AssertionError("declared 'encode' without _encode; the core checks this before a run")

    def _spread(self, x: Tensor, condition: Tensor | None) -> Tensor | None:
        """None, unless overridden."""
        return None

    def _sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Standard normal, unless overridden."""
        return torch.randn(n, self.latent_size, generator=rng)

    def _log_prior(self, z: Tensor) -> Tensor:
        """Standard normal, unless overridden."""
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    def _propose(self, z: Tensor, rng: torch.Generator, scale: Tensor) -> tuple[Tensor, Tensor]:
        """A normal step, as likely as the way back, unless overridden: by a generator whose codes have discrete parts,
        such as a renderer of scenes (Bayes-TrEx, 4.2). A kernel proposes whatever it likes; `valid` says what is
        refused, and no noise of the image may hide in it, since a code has one image."""
        return z + scale[:, None] * torch.randn(z.shape, generator=rng), torch.zeros(len(z))

    def _valid(self, z: Tensor) -> Tensor:
        """All, unless overridden: by a generator that cannot make an image of every code, such as a scene whose objects
        overlap."""
        return torch.ones(len(z), dtype=torch.bool)

    def _truth(self, z: Tensor) -> Tensor | None:
        """None, unless overridden: by one that has put into its images what is asked about, as a renderer."""
        return None

    def _summary(self, z: Tensor) -> Tensor:
        """The codes themselves, unless overridden: by a generator with several codes for one image, such as a scene
        whose objects may stand in any order. Chains that show the same images would else never agree."""
        return z

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """Everything that `fit` learned."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` gave; afterwards the generator decodes to the same bits."""

    @abstractmethod
    def to(self, device: torch.device) -> None:
        """Move networks to a device."""
