"""Distillation: a Gaussian mixture with a Dirichlet process prior over the codes of failures (AAAI section 3.2).

The truncated stick-breaking representation bounds the number of clusters by K (Blei and Jordan 2006); inference is
variational (Bishop 2006, chapter 10), with the updates of scikit-learn's BayesianGaussianMixture as matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from modeldebug import rng_for

from .mixture import Fit, MixtureClusterer
from .split_merge import moved
from .variational import Posterior, Prior
from .whitened import Whitened

STARTS = 4  # the best one is gone on with
SUBSAMPLE = 10_000  # codes that starts are found on; of more codes it takes only half as many starts
START_TOLERANCE = 1e-4
ROUND = 10  # updates between moves


class DpGmm(MixtureClusterer):
    """Clusters are the components of a Dirichlet process mixture of Gaussians with full covariances.

    The best of several starts by k-means, on a part of many codes, is improved by updates, and by merging and splitting
    components where that raises the evidence lower bound; then updates on all codes go on until they have converged.

    >>> from modeldebug import Context
    >>> from modeldebug.testing import known_problem
    >>> from modeldebug_defuse.settings import DpGmmConfig
    >>> clusterer = DpGmm(DpGmmConfig(components=4, min_weight=0.1), known_problem().spec)
    >>> clustering = clusterer.fit(known_problem().failures(per_ball=40), Context.quiet(seed=0))
    >>> clustering.converged, float(clustering.weights.sum()) <= 1.001
    (True, True)
    """

    def fit_mixture(self, codes: Tensor, seed: int) -> Fit:
        config = self.config
        return fit(codes, config.components, config.max_iter, config.tolerance, config.regularisation, seed)


def _unwatched(bound: float) -> None:
    return None


def fit(
    codes: Tensor,
    components: int,
    max_iter: int,
    tolerance: float,
    regularisation: float,
    seed: int,
    watch: Callable[[float], None] = _unwatched,
) -> Fit:
    """Fit a mixture by at most min(K, n) components; the same seed gives the same bits, whatever ran before.

    Args:
        codes: (n, d) float64, n >= 1; any scale, duplicates and codes on a line included.
        components: K.
        max_iter: updates of each start, and of what follows on all codes.
        tolerance: it has converged when the evidence lower bound changes by less, in nats a code.
        regularisation: added to the diagonal of each component's covariance.
        seed: decides the starts.
        watch: called with the bound in nats a code, after each update that sees all codes.

    Raises:
        torch.linalg.LinAlgError: the codes are not finite, or their squares are not.

    >>> codes = torch.tensor([[0.0, 0.0], [0.1, 0.0], [9.0, 1.0], [9.0, 1.1]], dtype=torch.float64).repeat(20, 1)
    >>> (fit(codes, 5, 100, 1e-6, 1e-3, seed=0).posterior.weights > 0.1).sum()
    tensor(2)
    """
    components = min(components, len(codes))
    data = Whitened(codes, Prior.of(codes, components, regularisation))
    rows = torch.randperm(len(codes), generator=rng_for(seed, "rows"))[:SUBSAMPLE]
    every, best = len(rows) == len(codes), None
    few = _Search(data.subset(rows), max_iter, START_TOLERANCE, watch if every else _unwatched)
    for start in range(STARTS if every else STARTS // 2):
        z = codes[rows] if start % 2 == 0 else few.data.z  # distances as they are, or in units of the codes' spread
        labels = _k_means(z, components, rng_for(seed, "start", start))
        found = few.run(few.data.of_labels(labels, components))
        best = found if best is None or found.bound > best.bound else best
    assert best is not None
    state = _Search(data, max_iter, tolerance, watch).run(data.statistics(best.posterior)[0])
    return Fit(data.in_codes(state.posterior), state.converged, best.iterations + state.iterations)


@dataclass(frozen=True, eq=False)
class _State:
    """Where a fit is: the posterior, its bound in nats a code, and the statistics (K, F) of its E step."""

    posterior: Posterior
    bound: float
    statistics: Tensor
    converged: bool
    iterations: int


@dataclass(frozen=True, eq=False)
class _Search:
    """Updates and moves that raise the bound on the given codes."""

    data: Whitened
    max_iter: int
    tolerance: float
    watch: Callable[[float], None]

    def run(self, statistics: Tensor) -> _State:
        """Rounds of updates and moves, as long as moves raise the bound; then updates until it changes no more."""
        state = self._iterate(statistics, min(ROUND, self.max_iter))
        while state.iterations < self.max_iter:
            start = moved(self.data, state.posterior, state.statistics)
            if start is None:
                break
            after = self._iterate(start, min(state.iterations + ROUND, self.max_iter), state.iterations)
            if after.bound <= state.bound + self.tolerance:
                break
            state = after
        if state.converged or state.iterations >= self.max_iter:
            return state
        return self._iterate(state.statistics, self.max_iter, state.iterations)

    def _iterate(self, statistics: Tensor, max_iter: int, iterations: int = 0) -> _State:
        """Update until the bound changes by less than the tolerance, or there have been `max_iter` iterations."""
        bound = -math.inf
        while True:
            order = statistics[:, 0].argsort(descending=True, stable=True)  # the sticks' prior likes the largest first
            posterior = self.data.update(statistics[order])
            statistics, likelihood = self.data.statistics(posterior)
            last, bound = bound, self.data.bound(posterior, likelihood)
            self.watch(bound)
            iterations, converged = iterations + 1, abs(bound - last) < self.tolerance
            if converged or iterations >= max_iter:
                return _State(posterior, bound, statistics, converged, iterations)


def _k_means(z: Tensor, k: int, rng: torch.Generator, iterations: int = 5) -> Tensor:
    """Labels (n,) of a few iterations of k-means from a greedy k-means++ start (Arthur and Vassilvitskii 2007)."""
    centres = z[torch.randint(len(z), (1,), generator=rng)]
    nearest = (z - centres).square().sum(1)
    for _ in range(1, k):
        odds = nearest if float(nearest.sum()) > 0 else torch.ones_like(nearest)
        tries = torch.multinomial(odds, 2 + int(math.log(k)), replacement=True, generator=rng)
        closer = torch.minimum(nearest, torch.cdist(z[tries], z).square())
        best = int(closer.sum(1).argmin())
        centres, nearest = torch.cat([centres, z[tries[best : best + 1]]]), closer[best]
    for _ in range(iterations):
        labels = torch.cdist(z, centres).argmin(1)
        counts = labels.bincount(minlength=k)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, labels, z)
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return torch.cdist(z, centres).argmin(1)
