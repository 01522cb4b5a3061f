"""Groups failures into regions of latent space that can be sampled from."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

import torch
from torch import Tensor

from ..context import Context
from ..errors import PluginError
from ..tensors import check_tensor
from ..types import Clustering, Failures
from .base import ConfigT, Contract, blamed
from .untouched import untouched


class Clusterer(Contract[ConfigT]):
    """Fits clusters to the codes of failures, and draws new codes from each (AAAI section 3.2).

    Example::

        class ByLabel(Clusterer[ComponentConfig]):
            def _fit(self, failures, context):
                labels, assignment, sizes = failures.expected.unique(return_inverse=True, return_counts=True)
                means = torch.stack([failures.z[failures.expected == label].mean(0) for label in labels])
                return Clustering(sizes / len(failures), assignment, {"means": means})

            def _sample(self, clustering, cluster, n, tau, rng):
                mean = clustering.parameters["means"][cluster]
                return mean + (0.1 * tau) ** 0.5 * torch.randn(n, len(mean), generator=rng), None
    """

    @final
    def fit(self, failures: Failures, context: Context) -> Clustering:
        """Cluster at least one failure.

        Raises:
            PluginError: weights outside [0, 1], an assignment to clusters that do not exist, or names that do not fit;
                or the failures were changed.
        """
        with untouched(self.name, failures=failures):
            clustering = self._fit(failures, context)
        check_tensor(
            "the cluster weights",
            clustering.weights,
            shape=("m",),
            dtype=torch.float32,
            low=0,
            high=1 + 1e-6,
            plugin=self.name,
        )
        check_tensor(
            "the assignment",
            clustering.assignment,
            shape=(len(failures),),
            dtype=torch.int64,
            low=-1,
            high=len(clustering) - 1,
            plugin=self.name,
        )
        if clustering.names and len(clustering.names) != len(clustering):
            raise PluginError(
                "the clusters' names do not fit them",
                got=f"{len(clustering.names)} names",
                expected=f"{len(clustering)}, one for each cluster, or none",
                plugin=self.name,
            )
        return clustering

    @final
    def sample(
        self, clustering: Clustering, cluster: int, n: int, *, tau: float, rng: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """Codes (n, d) float32 from one cluster, its covariance scaled by `tau` (AAAI algorithm 3), and the
        condition (n,) int64 for a conditional decoder.

        Raises:
            PluginError: there is no such cluster, sampling raises, or the codes have another shape or dtype; or the
                clustering was changed.
        """
        if not 0 <= cluster < len(clustering):
            raise PluginError("there is no such cluster", got=cluster, expected=f"0 to {len(clustering) - 1}")
        given = clustering.parameters
        with untouched(self.name, parameters=given), blamed("running the clusterer", self.name):
            z, condition = self._sample(clustering, cluster, n, tau, rng)
        check_tensor("the region's codes", z, shape=(n, "d"), dtype=torch.float32, plugin=self.name)
        return z, condition

    @abstractmethod
    def _fit(self, failures: Failures, context: Context) -> Clustering: ...

    @abstractmethod
    def _sample(
        self, clustering: Clustering, cluster: int, n: int, tau: float, rng: torch.Generator
    ) -> tuple[Tensor, Tensor | None]: ...
