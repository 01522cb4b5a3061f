"""The networks of an ensemble's members: convolutional, or residual."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modeldebug import DataSpec

from .plugin import MembersConfig

SMALL = 16 * 16  # pixels; on larger images convolutions are a quarter faster with channels last


def member_network(config: MembersConfig, spec: DataSpec) -> nn.Module:
    """A network of the architecture that the settings name: images (n, c, h, w) of any size in, logits (n, k) out.

    >>> member_network(MembersConfig(), DataSpec((1, 8, 8), ("a", "b")))(torch.zeros(3, 1, 8, 8)).shape
    torch.Size([3, 2])
    """
    c, h, w = spec.shape
    halvings = max(1, min(h, w).bit_length() - 3)  # down to 4 to 7 pixels: 1 at 8 px, 2 at 28, 3 at 32, 5 at 128
    stem = min(config.stem, halvings)
    make = _residual if config.architecture == "residual" else _convolutional
    layers: list[nn.Module] = []
    channels = config.width
    for i in range(halvings):
        layers += _strided(c, channels) if i < stem else [*make(c, channels), nn.MaxPool2d(2)]
        c, channels = channels, min(2 * channels, 256)
    if stem:
        layers += make(c, channels)
        c = channels
    network = nn.Sequential(
        *layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(c * (h >> halvings) * (w >> halvings), 128), nn.ReLU(),
        nn.Linear(128, spec.num_classes),
    )  # fmt: skip
    if h * w > SMALL:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not annotate it
    return network


def _strided(c: int, channels: int) -> list[nn.Module]:
    return [nn.Conv2d(c, channels, 4, stride=2, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]


def _convolutional(c: int, channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(c, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
    ]  # fmt: skip


def _residual(c: int, channels: int) -> list[nn.Module]:
    return [nn.Conv2d(c, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.SiLU(), _Residual(channels)]


class _Residual(nn.Module):
    """x + f(x), with f two convolutions of 3 x 3 (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.f = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.silu(x + self.f(x))
