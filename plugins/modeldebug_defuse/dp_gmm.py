"""Distillation: a Gaussian mixture with a Dirichlet process prior over the codes of failures (AAAI section 3.2).

The truncated stick-breaking representation bounds the number of clusters by K; inference is variational (Bishop 2006,
chapter 10), by scikit-learn's BayesianGaussianMixture, which the paper used too.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture
from torch import Tensor

from modeldebug import Clusterer, Clustering, Context, Failures, spawn

from .settings import DpGmmConfig


@dataclass(frozen=True, eq=False)
class _Mixture:
    """The kept components of one fit: weights (m,), means (m, d), covariances (m, d, d), all float64."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    assignment: np.ndarray  # (n,) int64, -1 where the likeliest component was dropped
    converged: bool
    iterations: int


class DpGmm(Clusterer[DpGmmConfig]):
    """Clusters are kept where their weight is above `min_weight` (AAAI section 3.2); failures of dropped clusters are
    noise.

    >>> from modeldebug.testing import known_problem
    >>> clusterer = DpGmm(DpGmmConfig(components=4, min_weight=0.1), known_problem().spec)
    >>> clustering = clusterer.fit(known_problem().failures(per_ball=40), Context.quiet(seed=0))
    >>> clustering.converged, float(clustering.weights.sum()) <= 1.001
    (True, True)
    """

    def _fit(self, failures: Failures, context: Context) -> Clustering:
        assert failures.z is not None
        codes = failures.z.double().numpy()
        groups = sorted(set(failures.expected.tolist())) if self.config.within == "expected" else [None]
        fits, labels = [], []
        for i, group in enumerate(groups):
            rows = np.arange(len(codes)) if group is None else (failures.expected == group).nonzero()[:, 0].numpy()
            fits.append((rows, self._fit_one(codes[rows], len(codes), spawn(context.rng))))
            labels += [-1 if group is None else group] * len(fits[-1][1].weights)
            context.progress((i + 1) / len(groups), f"{len(labels)} clusters")
        assignment = np.full(len(codes), -1)
        offset = 0
        for rows, mixture in fits:
            assignment[rows] = np.where(mixture.assignment >= 0, mixture.assignment + offset, -1)
            offset += len(mixture.weights)
        parts = [(len(rows) / len(codes), m) for rows, m in fits]
        parameters = {
            "means": np.concatenate([m.means for _, m in parts]),
            "covariances": np.concatenate([m.covariances for _, m in parts]),
        }
        slow = sum(not m.converged for _, m in parts)
        most = max(m.iterations for _, m in parts)
        return Clustering(
            weights=torch.from_numpy(np.concatenate([share * m.weights for share, m in parts])).float(),
            assignment=torch.from_numpy(assignment),
            parameters={k: torch.from_numpy(v) for k, v in parameters.items()}  # in float32 a thin covariance breaks
            | {"expected": torch.tensor(labels)},
            converged=slow == 0,
            note=f"{'converged' if slow == 0 else f'{slow} of {len(parts)} fits had not converged'} after at most "
            f"{most} iterations; {int((assignment < 0).sum())} of {len(codes)} failures are in no cluster",
        )

    def _fit_one(self, codes: np.ndarray, total: int, seed: int) -> _Mixture:
        """Fit one mixture; a cluster is kept where its share of all `total` failures is above `min_weight`."""
        config, d = self.config, codes.shape[1]
        if len(codes) / total <= config.min_weight:  # no cluster of these could be kept
            none = np.empty(0)
            return _Mixture(none, np.empty((0, d)), np.empty((0, d, d)), np.full(len(codes), -1), True, 0)
        if len(codes) < 2:  # a mixture cannot be fitted to one point: it is a cluster by itself
            return _Mixture(
                np.ones(1), codes, np.eye(d)[None] * config.regularisation, np.zeros(len(codes), int), True, 0
            )
        some = codes
        if len(codes) > config.max_codes:
            some = np.random.default_rng(seed).choice(codes, config.max_codes, replace=False)
        mixture = BayesianGaussianMixture(
            n_components=min(config.components, len(some)),
            covariance_type="full",
            weight_concentration_prior_type="dirichlet_process",
            max_iter=config.max_iter,
            tol=config.tolerance,
            reg_covar=config.regularisation,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # reported in the clustering's note instead
            mixture.fit(some)
        keep = mixture.weights_ * len(codes) / total > config.min_weight
        renumbered = np.where(keep, np.cumsum(keep) - 1, -1)
        return _Mixture(
            mixture.weights_[keep],
            mixture.means_[keep],
            mixture.covariances_[keep],
            renumbered[mixture.predict(codes)],
            bool(mixture.converged_),
            int(mixture.n_iter_),
        )

    def _sample(
        self, clustering: Clustering, cluster: int, n: int, tau: float, rng: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        mean, covariance = (clustering.parameters[k][cluster] for k in ("means", "covariances"))
        noise = torch.randn(n, len(mean), generator=rng, dtype=torch.float64)
        z = mean + noise @ torch.linalg.cholesky(tau * covariance).T
        expected = int(clustering.parameters["expected"][cluster])
        return z.float(), None if expected < 0 else torch.full((n,), expected)
