"""Posteriors of the known problem, summed over a grid of its two-dimensional codes: what samplers are held against."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from ..targets import Target
from .problems import known_problem

REACH = 4.0  # prior standard deviations
CELLS = 320  # along each side; a cell is a fortieth of a prior standard deviation


def on_grid(target: Target, sigma: float, module: nn.Module | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Codes (m, 2), the posterior probability (m,) float64 of the cell around each, and the predictions (m, k) there.

    Args:
        module: another classifier than that of the known problem.
    """
    known = known_problem()
    line = (torch.arange(CELLS) + 0.5) * (2 * REACH / CELLS) - REACH
    z = torch.cartesian_prod(line, line)
    ask = known.classifier.module if module is None else module
    with torch.no_grad():
        probs = torch.cat([ask(known.generator.decode(part)).softmax(1) for part in torch.split(z, 50_000)])
    log_density = known.generator.log_prior(z).double() - target.misfit(probs).double() / sigma**2
    return z, log_density.softmax(0), probs


@cache
def known_moments(target: Target, sigma: float) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (2,) of the codes of the known problem that meet a target.

    >>> mean, deviation = known_moments(Target("ambiguous", (0, 1), (0.5, 0.5)), 0.2)
    >>> mean[0].abs() < 0.01, 0.03 < deviation[0] < 0.06, deviation[1] > 0.4  # along the boundary of two classes
    (tensor(True), tensor(True), tensor(True))
    """
    z, weight, _ = on_grid(target, sigma)
    mean = weight @ z.double()
    return mean, (weight @ (z.double() - mean).square()).sqrt()
