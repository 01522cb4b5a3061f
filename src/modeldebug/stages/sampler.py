"""Drawing images from regions: from the clusters of all failures, and from the parts of those that were split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..batches import in_batches
from ..contracts.clusterer import Clusterer
from ..contracts.generator import Generator
from ..tensors import check_tensor
from ..types import Clustering


@dataclass(frozen=True, eq=False)
class Division:
    """A clustering of some failures, and which of its clusters are regions to be labelled.

    Attributes:
        rows: (r,) int64, the failures that were clustered.
        clusters: rows of the clustering; each is a region.
        share: what the weights of the clustering are shares of, as a share of all failures.
        parent: the region that was split, or None for the clustering of all failures.
        expected: the expected class of these failures where they were clustered by it; -1 for none, or any.
    """

    clustering: Clustering
    rows: Tensor
    clusters: tuple[int, ...]
    share: float = 1.0
    parent: int | None = None
    expected: int = -1

    @staticmethod
    def of_all(clustering: Clustering) -> Division:
        """The clustering of all failures, each cluster a region.

        >>> Division.of_all(Clustering(torch.tensor([0.6, 0.4]), torch.tensor([0, 1, -1]))).clusters
        (0, 1)
        """
        return Division(clustering, torch.arange(len(clustering.assignment)), tuple(range(len(clustering))))

    def members(self, cluster: int) -> Tensor:
        """The failures (m,) int64 of one of its clusters."""
        return self.rows[self.clustering.assignment == cluster]


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws images from regions, which are numbered through all divisions in their order.

    Attributes:
        told: (n,) int64, the class that each failure was told to a conditional decoder, or None.
    """

    clusterer: Clusterer[Any]
    divisions: tuple[Division, ...]
    model: Generator[Any]
    tau: float
    batch_size: int
    device: torch.device
    told: Tensor | None = None

    def __len__(self) -> int:
        return sum(len(division.clusters) for division in self.divisions)

    def extended(self, divisions: Sequence[Division]) -> Sampler:
        """With further divisions, of regions that it has already."""
        return replace(self, divisions=(*self.divisions, *divisions))

    def place(self, region: int) -> tuple[Division, int]:
        """The division that a region is of, and its cluster there."""
        for division in self.divisions:
            if region < len(division.clusters):
                return division, division.clusters[region]
            region -= len(division.clusters)
        raise IndexError(region)

    def members(self, region: int) -> Tensor:
        """The failures (m,) int64 of a region."""
        division, cluster = self.place(region)
        return division.members(cluster)

    def weight(self, region: int) -> float:
        """About the share of all failures that a region stands for."""
        division, cluster = self.place(region)
        return division.share * float(division.clustering.weights[cluster])

    def name(self, region: int) -> str | None:
        """What a region is, in words, where the clusterer says it."""
        division, cluster = self.place(region)
        return division.clustering.names[cluster] if division.clustering.names else None

    def path(self, region: int) -> tuple[str | int, ...]:
        """Where a region is from. Unlike its number it depends on no other region, so it names what is drawn for it."""
        division, cluster = self.place(region)
        if division.parent is None:
            return (cluster,)
        return (*self.path(division.parent), f"expected {division.expected}", cluster)

    def assignment(self, failures: int) -> Tensor:
        """The region (n,) int64 of each of n failures: the part, where its cluster was split; -1 for none."""
        found, split = torch.full((failures,), -1), {division.parent for division in self.divisions}
        for region in range(len(self)):  # parts come after what they are parts of
            found[self.members(region)] = -1 if region in split else region
        return found

    def draw(self, region: int, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Codes (n, d) and images (n, c, h, w) of one region."""
        division, cluster = self.place(region)
        z, condition = self.clusterer.sample(division.clustering, cluster, n, tau=self.tau, rng=rng)
        size, name = self.model.latent_size, self.clusterer.name
        check_tensor("the region's codes", z, shape=(n, size), dtype=torch.float32, plugin=name)
        if condition is None and self.told is not None:
            condition = self._told_in(region, n, rng)
        return z, in_batches(self.model.decode, self.batch_size, self.device, z, condition)

    def _told_in(self, region: int, n: int, rng: torch.Generator) -> Tensor:
        """Classes (n,) of failures drawn from a region, where the clusterer does not say what to tell the decoder."""
        assert self.told is not None
        members = self.told[self.members(region)]
        members = members if len(members) else self.told
        return members[torch.randint(len(members), (n,), generator=rng)]

    def draw_each(self, regions: Sequence[int], n: int, rng: Callable[[int], torch.Generator]) -> tuple[Tensor, Tensor]:
        """Codes (m * n, d) and images (m * n, c, h, w) of m regions, region by region; `rng` gives the generator of
        each."""
        z = torch.empty(len(regions) * n, self.model.latent_size)
        x = torch.empty(len(z), *self.model.spec.shape)
        for i, region in enumerate(regions):  # straight into place: images are held once
            z[i * n : (i + 1) * n], x[i * n : (i + 1) * n] = self.draw(region, n, rng(region))
        return z, x
