"""The updates of a mixture's posterior as matrix products.

The log-probabilities of all codes are Phi Theta, and the statistics of all components are R^T Phi: a row of Phi (n, F)
has the second-order features of a code, 1, z and the upper triangle of z z^T (F = 1 + d + d (d + 1) / 2), and R (n, K)
has the responsibilities. Expanded squares lose digits far from the origin, so the codes are whitened by their prior
first: then the scatter of every component is at least the identity, and its precision at most n + d, whatever the
codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import torch
from torch import Tensor

from .variational import Posterior, Prior, divergence, expected_log_peaks, expected_log_weights

ROWS = 1024  # codes in one step: its matrices stay in the processor's cache, and memory does not grow with the codes
LEAST = -200.0  # log-responsibilities below count as this: products of the smallest numbers are very slow
EMPTY = 1e-2  # a component with fewer codes is left out of the products: it keeps its prior


class Whitened:
    """Codes in the coordinates in which their prior has mean 0 and covariance 1.

    Statistics of components are tensors (K, F): counts, sums and second moments, weighted by responsibilities.

    Args:
        codes: (n, d) float64.
        prior: of the codes as they are.

    Raises:
        torch.linalg.LinAlgError: the prior's covariance is not positive definite.

    >>> codes = torch.tensor([[0.0], [2.0], [4.0]], dtype=torch.float64)
    >>> data = Whitened(codes, Prior.of(codes, 2, 0.0))
    >>> posterior = data.in_codes(data.update(data.of_labels(torch.tensor([0, 0, 1]), 2)))
    >>> posterior.dof.tolist(), posterior.means[:, 0].tolist()
    ([3.0, 2.0], [1.3333333333333333, 3.0])
    """

    def __init__(self, codes: Tensor, prior: Prior) -> None:
        d = codes.shape[1]
        eye = torch.eye(d, dtype=torch.float64)
        self._mean, self._factor = prior.mean, torch.linalg.cholesky(prior.covariance)
        inverse = torch.linalg.solve_triangular(self._factor, eye, upper=False)
        self._upper = torch.triu_indices(d, d)
        self._width = 1 + d + self._upper.shape[1]
        regularisation = inverse @ prior.regularisation @ inverse.T
        self.prior = Prior(prior.concentration, torch.zeros_like(prior.mean), eye, regularisation)
        self.z = torch.linalg.solve_triangular(self._factor, (codes - prior.mean).T, upper=False).T.contiguous()

    def subset(self, rows: Tensor) -> Whitened:
        """Some of the codes, in the coordinates of all."""
        part = copy(self)
        part.z = self.z[rows]
        return part

    def in_codes(self, posterior: Posterior) -> Posterior:
        """A posterior in the coordinates of the codes, from one in whitened coordinates."""
        return posterior.moved(self._mean, self._factor)

    def of_labels(self, labels: Tensor, components: int) -> Tensor:
        """Statistics (K, F) where each code belongs to one component (n,)."""
        total = torch.zeros(components, self._width, dtype=torch.float64)
        for z, some in zip(torch.split(self.z, ROWS), torch.split(labels, ROWS), strict=True):
            total.index_add_(0, some, self._features(z))
        return total

    def expect(self, posterior: Posterior, live: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """E step for the components `live` (L,), a block of codes at a time: features (r, F), responsibilities (r, L)
        and log sum_k rho_k (r,).
        """
        theta = self.coefficients(posterior, expected_log_weights(posterior))[:, live]
        for z in torch.split(self.z, ROWS):
            phi = self._features(z)
            rho = phi @ theta
            top = rho.amax(1, keepdim=True)
            rho.sub_(top).clamp_(min=LEAST).exp_()
            norm = rho.sum(1, keepdim=True)
            yield phi, rho.div_(norm), (top + norm.log())[:, 0]

    def statistics(self, posterior: Posterior) -> tuple[Tensor, float]:
        """E step: the statistics (K, F), and the sum over the codes of log sum_k rho_k; empty components stay empty."""
        live = (posterior.a > 1 + EMPTY).nonzero()[:, 0]
        total, likelihood = torch.zeros(len(live), self._width, dtype=torch.float64), 0.0
        for phi, responsibilities, log_norm in self.expect(posterior, live):
            total.addmm_(responsibilities.T, phi)
            likelihood += float(log_norm.sum())
        return total.new_zeros(len(posterior.a), self._width).index_copy_(0, live, total), likelihood

    def bound(self, posterior: Posterior, likelihood: float) -> float:
        """The evidence lower bound in nats a code, in the coordinates of the codes; `likelihood` is the E step's."""
        log_volume = float(self._factor.diagonal().log().sum())
        return (likelihood - divergence(posterior, self.prior)) / len(self.z) - log_volume

    def update(self, statistics: Tensor) -> Posterior:
        """M step: the posterior of statistics (K, F), as scikit-learn has it."""
        n, d = statistics[:, 0], self.z.shape[1]
        precision, dof = 1 + n, d + n
        means = statistics[:, 1 : 1 + d] / precision[:, None]
        scatter = self._square(statistics[:, 1 + d :]) + n[:, None, None] * self.prior.regularisation
        scatter += self.prior.covariance - precision[:, None, None] * means[:, :, None] * means[:, None, :]
        later = n.flip(0).cumsum(0).flip(0) - n
        return Posterior(1 + n, self.prior.concentration + later, precision, means, dof, scatter / dof[:, None, None])

    def coefficients(self, posterior: Posterior, log_weights: Tensor) -> Tensor:
        """Theta (F, K): Phi Theta are log-weights (K,) plus expected log-densities."""
        i, j = self._upper
        precisions = torch.cholesky_inverse(posterior.factors)
        linear = (precisions @ posterior.means[:, :, None])[:, :, 0]
        constant = log_weights + expected_log_peaks(posterior) - 0.5 * (linear * posterior.means).sum(1)
        return torch.cat([constant[:, None], linear, precisions[:, i, j] * torch.where(i == j, -0.5, -1.0)], 1).T

    def _features(self, z: Tensor) -> Tensor:
        """Phi (r, F) of whitened codes (r, d)."""
        i, j = self._upper
        columns = z.T.contiguous()
        return torch.cat([torch.ones_like(columns[:1]), columns, columns[i] * columns[j]]).T

    def _square(self, upper: Tensor) -> Tensor:
        """Symmetric matrices (K, d, d) from their upper triangles (K, d (d + 1) / 2)."""
        i, j = self._upper
        d = self.z.shape[1]
        matrices = upper.new_empty(len(upper), d, d)
        matrices[:, i, j] = matrices[:, j, i] = upper
        return matrices
