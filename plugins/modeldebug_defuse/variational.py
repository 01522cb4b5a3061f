"""The variational posterior of a Dirichlet process mixture of Gaussians, its updates, and its evidence lower bound.

The model is that of scikit-learn's BayesianGaussianMixture: K sticks v_k ~ Beta(1, alpha) (Blei and Jordan 2006), and
for each component a Gaussian with a Normal-Wishart prior (Bishop 2006, section 10.2). A posterior is of the same
family: independent Beta and Normal-Wishart distributions, and the responsibilities that are best for them.
All numbers are float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

DUST = 1e-12  # a dimension's least regularisation, in units of its variance: beside it, a setting may be nothing
ROWS = 4096  # codes in one step: memory does not grow with their number


@dataclass(frozen=True, eq=False)
class Prior:
    """Shared by all components, as scikit-learn has it: the degrees of freedom are d, the mean's precision is 1.

    Attributes:
        concentration: alpha; the smaller, the fewer components.
        mean: (d,).
        covariance: (d, d), the inverse of the Wishart distribution's scale matrix; positive definite.
        regularisation: (d, d), added to each component's covariance.
    """

    concentration: float
    mean: Tensor
    covariance: Tensor
    regularisation: Tensor

    @staticmethod
    def of(codes: Tensor, components: int, regularisation: float) -> Prior:
        """scikit-learn's defaults for codes (n, d): 1 / K, their mean and their covariance.

        The regularisation is added to the covariance too: codes on a line, or all the same, have a singular one.
        """
        mean = codes.mean(0)
        centred = codes - mean
        covariance = centred.T @ centred / max(len(codes) - 1, 1)
        added = (DUST * covariance.diagonal()).clamp(min=max(regularisation, 1e-100)).diag()
        return Prior(1 / components, mean, covariance + added, added)


@dataclass(frozen=True, eq=False)
class Posterior:
    """The parameters of K components, named as scikit-learn names them.

    Attributes:
        a: (K,), first parameter of each stick's Beta distribution (`weight_concentration_[0]`).
        b: (K,), second parameter.
        mean_precision: (K,).
        means: (K, d).
        dof: (K,), degrees of freedom of the precision's Wishart distribution.
        covariances: (K, d, d), the inverse of the expected precision.
    """

    a: Tensor
    b: Tensor
    mean_precision: Tensor
    means: Tensor
    dof: Tensor
    covariances: Tensor

    @cached_property
    def factors(self) -> Tensor:
        """(K, d, d): the covariances' Cholesky factors."""
        factors: Tensor = torch.linalg.cholesky(self.covariances)
        return factors

    @property
    def weights(self) -> Tensor:
        """(K,): the expected share of each component, scaled to sum to 1."""
        v = self.a / (self.a + self.b)
        left = torch.cumprod(1 - v, 0).roll(1)
        left[0] = 1
        weights: Tensor = v * left / (v * left).sum()
        return weights

    def moved(self, mean: Tensor, factor: Tensor) -> Posterior:
        """The same posterior in other coordinates: of mean + factor @ z, where this one is of z."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["means"] = mean + self.means @ factor.T
        values["covariances"] = factor @ self.covariances @ factor.T
        return Posterior(**values)


def expected_log_weights(posterior: Posterior) -> Tensor:
    """E log pi_k of the stick-breaking weights, (K,)."""
    both = torch.digamma(posterior.a + posterior.b)
    left = torch.cumsum(torch.digamma(posterior.b) - both, 0).roll(1)
    left[0] = 0
    return torch.digamma(posterior.a) - both + left


def expected_log_peaks(posterior: Posterior) -> Tensor:
    """E log N(x | mu_k, Lambda_k) at the x where it is largest, the mean, (K,)."""
    d = posterior.means.shape[1]
    return 0.5 * (_expected_log_det(posterior) - d * math.log(2 * math.pi) - d / posterior.mean_precision)


def log_probabilities(codes: Tensor, posterior: Posterior) -> Tensor:
    """log rho (n, K) of codes (n, d): E log pi_k + E log N(x | mu_k, Lambda_k), component by component.

    In any coordinates, and without loss of digits; a fit uses the faster `Whitened`.
    """
    result = (expected_log_weights(posterior) + expected_log_peaks(posterior)).repeat(len(codes), 1)
    for k, (mean, factor) in enumerate(zip(posterior.means, posterior.factors, strict=True)):
        scaled = torch.linalg.solve_triangular(factor, (codes - mean).T, upper=False)
        result[:, k] -= 0.5 * scaled.square().sum(0)
    return result


def divergence(posterior: Posterior, prior: Prior) -> float:
    """KL(q || p) of the sticks, means and precisions, in nats: what it costs that the posterior is not the prior."""
    a, b, alpha = posterior.a, posterior.b, prior.concentration
    sticks = (
        torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b) - math.log(alpha)
        + (a - 1) * torch.digamma(a)
        + (b - alpha) * torch.digamma(b)
        + (1 + alpha - a - b) * torch.digamma(a + b)
    )  # fmt: skip
    d, factors, dof, precision = len(prior.mean), posterior.factors, posterior.dof, posterior.mean_precision
    root = torch.linalg.cholesky(prior.covariance)
    shift = torch.linalg.solve_triangular(factors, (posterior.means - prior.mean)[:, :, None], upper=False)
    spread = torch.linalg.solve_triangular(factors, root.expand_as(factors), upper=False)
    means = 0.5 * (d * (1 / precision - 1 + precision.log()) + shift.square().sum((1, 2)))
    precisions = (
        _log_wishart_norm(dof, _log_det(factors) + d * dof.log(), d)
        - _log_wishart_norm(torch.full_like(dof, d), _log_det(root), d)
        + 0.5 * (dof - d) * _expected_log_det(posterior)
        - 0.5 * dof * d
        + 0.5 * spread.square().sum((1, 2))
    )
    return float((sticks + means + precisions).sum())


def evidence_lower_bound(codes: Tensor, posterior: Posterior, prior: Prior) -> float:
    """The variational bound on log p(codes), in nats, with every constant, for any mixture however it was fitted.

    With the responsibilities that are best for the parameters it is the sum over the codes of log sum_k rho_k, less
    the divergence of the parameters from their prior (Bishop 2006, section 10.2.2, rearranged).

    Args:
        codes: (n, d).
        posterior: of K components.
        prior: the one that it was fitted with.

    Raises:
        torch.linalg.LinAlgError: a covariance is not positive definite.

    >>> codes = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    >>> prior = Prior.of(codes, 1, 0.0)
    >>> one = torch.ones(1, dtype=torch.float64)
    >>> nothing_learnt = Posterior(one, one, one, prior.mean[None], one, prior.covariance[None])
    >>> round(divergence(nothing_learnt, prior), 9), round(evidence_lower_bound(codes, nothing_learnt, prior), 4)
    (0.0, -5.9151)
    """
    likelihood = 0.0
    for part in torch.split(codes, ROWS):
        likelihood += float(log_probabilities(part, posterior).logsumexp(1).sum())
    return likelihood - divergence(posterior, prior)


def log_evidence(posterior: Posterior, counts: Tensor, prior: Prior) -> Tensor:
    """(K,): log p of the codes of each component alone, all of whose `counts` (K,) went into the posterior; the
    integral over its mean and precision.
    """
    d, factors, dof = len(prior.mean), posterior.factors, posterior.dof
    root = torch.linalg.cholesky(prior.covariance)
    return (
        _log_wishart_norm(torch.full_like(dof, d), _log_det(root), d)
        - _log_wishart_norm(dof, _log_det(factors) + d * dof.log(), d)
        - 0.5 * d * (posterior.mean_precision.log() + counts * math.log(2 * math.pi))
    )


def _log_det(factors: Tensor) -> Tensor:
    """log |C| of matrices C from their Cholesky factors."""
    return 2 * factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _expected_log_det(posterior: Posterior) -> Tensor:
    """E log |Lambda_k|, (K,) (Bishop 2006, equation B.81)."""
    d, dof = posterior.means.shape[1], posterior.dof
    halves = 0.5 * (dof[:, None] - torch.arange(d, dtype=torch.float64))
    return torch.digamma(halves).sum(1) + d * math.log(2) - _log_det(posterior.factors) - d * dof.log()


def _log_wishart_norm(dof: Tensor, log_det: Tensor, d: int) -> Tensor:
    """log B(W, nu) (Bishop 2006, equation B.79), where W is the inverse of a matrix of that log-determinant."""
    return 0.5 * dof * (log_det - d * math.log(2)) - torch.mvlgamma(0.5 * dof, d)
