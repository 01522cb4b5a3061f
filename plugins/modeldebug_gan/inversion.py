"""The code of an image, where a network has guessed it already: a few steps towards the image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

RATE = 0.1  # of Adam, latent units
PRIOR = 0.01  # weight of |z|^2 beside the squared error of all pixels: that of pixel noise of .1


def refined(decode: Callable[[Tensor], Tensor], x: Tensor, z: Tensor, *, steps: int) -> Tensor:
    """Codes (n, d) whose images are nearer to x (n, c, h, w), with respect to the prior: the best that were met.

    >>> def grey(z):
    ...     return z.sigmoid()[:, :, None, None].expand(-1, 1, 8, 8)
    >>> z = refined(grey, torch.full((1, 1, 8, 8), 0.3), torch.zeros(1, 1), steps=50)
    >>> round(float(z.sigmoid()), 2)
    0.3
    """
    z = z.detach().clone().requires_grad_()
    best, lowest = z.detach().clone(), torch.full((len(z),), torch.inf, device=z.device)
    adam = torch.optim.Adam([z], lr=RATE)
    for step in range(steps + 1):
        with torch.set_grad_enabled(step < steps):
            objective = (decode(z) - x).square().flatten(1).sum(1) + PRIOR * z.square().sum(1)
            total = objective.sum()
        better = objective.detach() < lowest
        best[better], lowest[better] = z.detach()[better], objective.detach()[better]
        if step < steps:
            (z.grad,) = torch.autograd.grad(total, z)
            adam.step()
    return best
