"""Random affine maps and pixel noise: a training image as it could have been as well."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .plugin import MembersConfig


def augmented(x: Tensor, config: MembersConfig, rng: torch.Generator) -> Tensor:
    """Images (n, c, h, w) in [0, 1], each rotated, zoomed, sheared and shifted by its own draw, with noise.

    >>> augmented(torch.zeros(2, 1, 8, 8), MembersConfig(), torch.Generator()).shape
    torch.Size([2, 1, 8, 8])
    """
    n = len(x)
    angle, grow, shear, right, down = (torch.rand(5, n, generator=rng) * 2 - 1).unbind()
    angle = angle * math.radians(config.rotation)
    grow, shear = 1 + grow * config.zoom, shear * config.shear
    cos, sin = grow * angle.cos(), grow * angle.sin()
    rows = [
        torch.stack([cos, shear * cos - sin, right * 2 * config.shift], 1),
        torch.stack([sin, shear * sin + cos, down * 2 * config.shift], 1),
    ]
    maps = torch.stack(rows, 1).to(x.device)  # (n, 2, 3)
    grid = torch.nn.functional.affine_grid(maps, list(x.shape), align_corners=False)
    moved = torch.nn.functional.grid_sample(x, grid, align_corners=False)
    if config.noise:
        moved = moved + config.noise * torch.randn(x.shape, generator=rng).to(x.device)
    return moved.clamp(0, 1)
