"""A class-conditional beta-VAE (Sohn et al. 2015): encoder and decoder are told the class of the image.

The code is left with what the class does not say: the style. So a search that changes the code cannot so easily turn
one class into another, and the same code can be decoded under every class.
"""

from __future__ import annotations

from torch import Tensor

from modeldebug import DataSpec, PluginError

from .vae import BetaVae


class ConditionalVae(BetaVae):
    """The network and the training of `vae`, told the class; other settings mean the same.

    Raises:
        PluginError: training diverged, or the class of an image is not given.

    >>> import torch
    >>> from .settings import VaeConfig
    >>> vae = ConditionalVae(VaeConfig(latent=5), DataSpec((1, 8, 8), ("a", "b")))
    >>> style = torch.zeros(2, 5)
    >>> vae.decode(style, torch.tensor([0, 1])).shape  # the same style as every class
    torch.Size([2, 1, 8, 8])
    """

    @staticmethod
    def told(spec: DataSpec) -> int:
        """How many classes encoder and decoder are told apart: all."""
        return spec.num_classes

    def _encode(self, x: Tensor, condition: Tensor | None) -> Tensor:
        return super()._encode(x, self._given(condition))

    def _spread(self, x: Tensor, condition: Tensor | None) -> Tensor:
        return super()._spread(x, self._given(condition))

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return super()._decode(z, self._given(condition))

    def _given(self, condition: Tensor | None) -> Tensor:
        if condition is None:
            raise PluginError(
                "the generator is told the class of each image, and was told none",
                got="no condition",
                expected="a condition (n,) int64: a class for every code or image",
                fix="in a searcher, give each code an origin or a condition; or choose a generator that is told none",
                plugin=self.name,
            )
        return condition
