"""Moves by a Newton step with noise, each with a covariance of its own: stochastic Newton (Martin et al. 2012), with
the Gauss-Newton approximation of the likelihood's curvature.

Where sigma is small the posterior is a thin sheet. The residuals' slopes J say in which directions it is thin: with the
precision J^T J / sigma^2 + 1 / reach^2, a move is as short as sigma across the sheet, and as long as `reach` along it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .posterior import Codes, Fit, Posterior

SHORTEST = 1 / 3  # reaches are drawn from this share to all of the given one: sheets are more curved in some places


@dataclass(frozen=True, eq=False)
class Moved:
    """Codes after a move.

    Attributes:
        codes: where they are now.
        fit: what is known there.
        acceptance: (n,), the probability with which each proposal was accepted.
        lost: (n,) bool, whether a proposal or its density could not be computed: it was refused.
    """

    codes: Codes
    fit: Fit
    acceptance: Tensor
    lost: Tensor


def move(posterior: Posterior, codes: Codes, fit: Fit, *, sigma: Tensor, reach: Tensor, rng: torch.Generator) -> Moved:
    """Propose a move of each code, and make it or not: (1 + 2 m) n queries, for m residuals.

    Args:
        fit: at the codes.
        sigma: (n,) of the likelihood.
        reach: (n,) how far moves go along the sheet, in units of the prior's standard deviations.
    """
    n = len(codes)
    drawn = reach * SHORTEST ** torch.rand(n, generator=rng)
    unit = posterior.unit(codes) * drawn[:, None]
    here = _Proposal(codes.z, fit, sigma, unit)
    proposed = here.draw(torch.randn(codes.z.shape, generator=rng))
    finite = proposed.isfinite().all(1)
    there = codes.moved(torch.where(finite[:, None], proposed, codes.z))
    fit_there = posterior.fit(there)
    back = _Proposal(there.z, fit_there, sigma, unit)
    gain = fit_there.log(sigma) - fit.log(sigma) + back.log_density(codes.z) - here.log_density(there.z)
    lost = ~(gain.isfinite() & finite)
    acceptance = torch.where(lost, -torch.inf, gain).clamp(max=0).exp()
    accepted = torch.rand(n, generator=rng) < acceptance
    z = torch.where(accepted[:, None], there.z, codes.z)
    return Moved(codes.moved(z), fit_there.where(accepted, fit), acceptance, lost)


class _Proposal:
    """A normal distribution around each code, moved by a Newton step. In float64: where slopes are steep, a precision
    is 1e8 times as large in one direction as in another. Where it cannot be factored, densities are NaN."""

    def __init__(self, z: Tensor, fit: Fit, sigma: Tensor, unit: Tensor) -> None:
        narrow = fit.slope.double() / sigma[:, None, None]
        precision = torch.diag_embed(unit.double() ** -2) + narrow.mT @ narrow
        factor, failed = torch.linalg.cholesky_ex(precision)
        self._factor = torch.where((failed == 0)[:, None, None], factor, torch.nan)
        step = torch.cholesky_solve(fit.log_slope(sigma).double()[:, :, None], self._factor)[:, :, 0]
        self._mean = z.double() + step

    def draw(self, noise: Tensor) -> Tensor:
        """(n, d) float32 for standard normal noise (n, d)."""
        away = torch.linalg.solve_triangular(self._factor.mT, noise.double()[:, :, None], upper=True)[:, :, 0]
        z: Tensor = self._mean + away
        return z.float()

    def log_density(self, z: Tensor) -> Tensor:
        """(n,) float32, but for a constant."""
        away = (self._factor.mT @ (z.double() - self._mean)[:, :, None])[:, :, 0]
        density: Tensor = self._factor.diagonal(dim1=1, dim2=2).log().sum(1) - 0.5 * away.square().sum(1)
        return density.float()
