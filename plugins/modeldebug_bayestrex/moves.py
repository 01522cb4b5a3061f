"""Hamiltonian Monte Carlo moves of many codes in one batch (Neal 2011), each with its own step size and sigma."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .posterior import Codes, Density, Posterior

LOST = 1000.0  # nats: a trajectory that loses more energy has diverged (as in Hoffman and Gelman 2014)
JITTER = 0.2  # step sizes are drawn from 1 +- this, so that no trajectory is periodic


@dataclass(frozen=True, eq=False)
class Moved:
    """Codes after a move.

    Attributes:
        codes: where they are now.
        density: the density there.
        acceptance: (n,), the probability with which each proposal was accepted.
        diverged: (n,) bool.
    """

    codes: Codes
    density: Density
    acceptance: Tensor
    diverged: Tensor


def move(
    posterior: Posterior,
    codes: Codes,
    density: Density,
    *,
    sigma: Tensor,
    step: Tensor,
    scale: Tensor,
    leaps: int,
    rng: torch.Generator,
) -> Moved:
    """One trajectory of each code, accepted or not: 3 n queries a leap.

    Args:
        density: at the codes.
        sigma: (n,) of the likelihood.
        step: (n,) step sizes, in units of `scale`.
        scale: (n, d), about the standard deviations of the posterior: the square root of an inverse mass matrix.
        leaps: leapfrog steps.
    """
    momentum = torch.randn(codes.z.shape, generator=rng)
    jitter = 1 + JITTER * (2 * torch.rand(len(codes), 1, generator=rng) - 1)
    length = step[:, None] * jitter * scale
    z, p, there = codes.z, momentum, density
    for _ in range(leaps):
        p = p + 0.5 * length * there.slope(sigma)
        z = z + length * p
        there = posterior.look(codes.moved(z))
        p = p + 0.5 * length * there.slope(sigma)
    before = density.log(sigma) - 0.5 * momentum.square().sum(1)
    gained = (there.log(sigma) - 0.5 * p.square().sum(1) - before).nan_to_num(-torch.inf)
    acceptance = gained.clamp(max=0).exp()
    accepted = torch.rand(len(codes), generator=rng) < acceptance
    return Moved(
        codes.moved(torch.where(accepted[:, None], z, codes.z)),
        there.where(accepted, density),
        acceptance,
        gained < -LOST,
    )
