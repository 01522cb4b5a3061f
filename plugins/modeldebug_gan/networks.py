"""The networks of the DCGAN: a decoder of transposed convolutions, and an encoder that mirrors it.

At 28 and 32 px the decoder is the one of Bayes-TrEx (table 6, right). For other sizes the depth follows: from 4 px it
doubles to the next power of two, and what is beyond the image is cut off around it. The encoder halves images to 4 px
by strided convolutions, which are as wide as the transposed ones.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from modeldebug import DataSpec

from .settings import DcganConfig

LEAST = 3  # convolutions of an encoder: where the discriminator has one, as 8 px would do with, digits stay blots
STANDARD_DEVIATION = 0.02  # of initial weights (Radford et al. 2016)


class Decoder(nn.Module):
    """Images (n, c, h, w) of codes (n, d).

    >>> import torch
    >>> Decoder(DcganConfig(channels=8), DataSpec((1, 28, 28), ("a", "b")))(torch.zeros(3, 5)).shape
    torch.Size([3, 1, 28, 28])
    """

    def __init__(self, config: DcganConfig, spec: DataSpec) -> None:
        super().__init__()
        c, height, width = spec.shape
        widths = _widths(config, spec)
        layers: list[nn.Module] = [
            nn.Unflatten(1, (config.latent, 1, 1)), nn.ConvTranspose2d(config.latent, widths[0], 4, bias=False)
        ]  # fmt: skip
        for before, after in pairwise(widths):
            doubled = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
            layers += [nn.BatchNorm2d(before), nn.ReLU(), doubled]
        self.layers = nn.Sequential(*layers, _Crop(height, width), nn.BatchNorm2d(widths[-1]), nn.ReLU()).apply(_start)
        # Weights of .02 in a last layer of few channels leave grey what is to be black or white, for so many steps that
        # the discriminator is sure of every image before: this layer starts as torch has it.
        self.last = nn.Sequential(nn.Conv2d(widths[-1], c, 1), nn.Sigmoid())

    def forward(self, z: Tensor) -> Tensor:
        x: Tensor = self.last(self.layers(z))
        return x


class Encoder(nn.Module):
    """`outputs` numbers (n, m) of each image: the logit of its being real (discriminator), or its code (inverter).

    >>> import torch
    >>> Encoder(DcganConfig(channels=8), DataSpec((1, 28, 28), ("a", "b")), outputs=5)(torch.zeros(3, 1, 28, 28)).shape
    torch.Size([3, 5])
    """

    def __init__(self, config: DcganConfig, spec: DataSpec, *, outputs: int) -> None:
        super().__init__()
        c, height, width = spec.shape
        self.pad = _margins(width, _side(spec)) + _margins(height, _side(spec))
        halvings = len(_widths(config, spec)) - 1
        depth = max(LEAST, halvings)
        widths = [c, *(max(1, config.channels >> i) for i in range(depth, 0, -1))]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(widths)):
            first, halves = i == 0, depth - i <= halvings
            layers.append(nn.Conv2d(before, after, 4 if halves else 3, 2 if halves else 1, padding=1, bias=first))
            layers += [nn.LeakyReLU(0.2)] if first else [nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], outputs, 4), nn.Flatten())
        self.apply(_start)

    def forward(self, x: Tensor) -> Tensor:
        seen: Tensor = self.layers(nn.functional.pad(x, self.pad))
        return seen


class _Crop(nn.Module):
    """The middle of images; from 32 to 28 px it is as if the convolution before it had a padding of 3."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        top, left = _margins(self.height, x.shape[2])[0], _margins(self.width, x.shape[3])[0]
        return x[:, :, top : top + self.height, left : left + self.width]


def _side(spec: DataSpec) -> int:
    """The next power of two, at least 8."""
    return 1 << max(3, (max(spec.shape[1:]) - 1).bit_length())


def _widths(config: DcganConfig, spec: DataSpec) -> list[int]:
    """The decoder's channels at 4 px, 8 px and so on."""
    return [max(1, config.channels >> i) for i in range(_side(spec).bit_length() - 2)]


def _margins(length: int, side: int) -> tuple[int, int]:
    """Before and after an image of `length` that stands in the middle of `side`."""
    return (side - length) // 2, side - length - (side - length) // 2


def _start(module: nn.Module) -> None:
    """Weights as in Radford et al. 2016."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, STANDARD_DEVIATION)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, STANDARD_DEVIATION)
