"""What the clusterers by mixtures of Gaussians share: one fit for all failures or one a class, and sampling."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from modeldebug import Clusterer, Clustering, Context, Failures, rng_for, spawn

from .settings import DpGmmConfig
from .variational import ROWS, Posterior, log_probabilities


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted mixture, in the coordinates of the codes."""

    posterior: Posterior
    converged: bool
    iterations: int


@dataclass(frozen=True, eq=False)
class _Clusters:
    """The kept components of one group: weights (m,), means (m, d), covariances (m, d, d), all float64, and the
    assignment (n,) of the group's codes, -1 where the likeliest component was dropped.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor
    assignment: Tensor
    converged: bool = True
    iterations: int = 0


class MixtureClusterer(Clusterer[DpGmmConfig]):
    """Clusters are kept where their weight is above `min_weight` (AAAI section 3.2); failures of dropped clusters are
    noise. How a mixture is fitted is left to subclasses.
    """

    @abstractmethod
    def fit_mixture(self, codes: Tensor, seed: int) -> Fit:
        """Fit codes (n, d) float64, n >= 1."""

    def _fit(self, failures: Failures, context: Context) -> Clustering:
        assert failures.z is not None
        codes = failures.z.double()
        everything = torch.arange(len(codes))
        groups = {-1: everything}
        if self.config.within == "expected":
            groups = {c: everything[failures.expected == c] for c in sorted(set(failures.expected.tolist()))}
        parts: list[_Clusters] = []
        labels: list[int] = []
        assignment = torch.full((len(codes),), -1)
        for i, (label, rows) in enumerate(groups.items()):
            part = self._fit_group(codes[rows], len(codes), spawn(context.rng))
            assignment[rows] = torch.where(part.assignment >= 0, part.assignment + len(labels), -1)
            parts.append(part)
            labels += [label] * len(part.weights)
            context.progress((i + 1) / len(groups), f"{len(labels)} clusters")
        slow = sum(not part.converged for part in parts)
        return Clustering(
            weights=torch.cat([part.weights for part in parts]).float(),
            assignment=assignment,
            parameters={
                "means": torch.cat([part.means for part in parts]),
                "covariances": torch.cat([part.covariances for part in parts]),  # float32 breaks a thin one
                "expected": torch.tensor(labels, dtype=torch.int64),
            },
            converged=slow == 0,
            note=f"{'converged' if slow == 0 else f'{slow} of {len(parts)} fits had not converged'} after at most "
            f"{max(part.iterations for part in parts)} iterations; "
            f"{int((assignment < 0).sum())} of {len(codes)} failures are in no cluster",
        )

    def _fit_group(self, codes: Tensor, total: int, seed: int) -> _Clusters:
        """One group's clusters; one is kept where its share of all `total` failures is above `min_weight`."""
        config, share, d = self.config, len(codes) / total, codes.shape[1]
        if share <= config.min_weight:  # no cluster of these could be kept
            none = codes.new_empty(0)
            return _Clusters(none, none.view(0, d), none.view(0, d, d), torch.full((len(codes),), -1))
        some = codes
        if len(codes) > config.max_codes:
            some = codes[torch.randperm(len(codes), generator=rng_for(seed, "max_codes"))[: config.max_codes]]
        fit = self.fit_mixture(some, seed)
        weights = fit.posterior.weights * share
        keep = weights > config.min_weight
        likeliest = torch.cat([log_probabilities(part, fit.posterior).argmax(1) for part in torch.split(codes, ROWS)])
        return _Clusters(
            weights[keep],
            fit.posterior.means[keep],
            fit.posterior.covariances[keep],
            torch.where(keep, keep.cumsum(0) - 1, -1)[likeliest],
            fit.converged,
            fit.iterations,
        )

    def _sample(
        self, clustering: Clustering, cluster: int, n: int, tau: float, rng: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        mean, covariance = (clustering.parameters[k][cluster] for k in ("means", "covariances"))
        noise = torch.randn(n, len(mean), generator=rng, dtype=torch.float64)
        z = mean + noise @ torch.linalg.cholesky(tau * covariance).T
        expected = int(clustering.parameters["expected"][cluster])
        return z.float(), None if expected < 0 else torch.full((n,), expected)
