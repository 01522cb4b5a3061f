"""Which regions of failure entrants reach, and which only one of them does: what all found is clustered together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import RunConfig
from ..context import Context
from ..prepare import blamed_on, make
from ..rng import derive_seed, isolated_global_rng, rng_for
from ..types import DataSpec, Failures

ENOUGH = 2  # failures of an entrant in a region that it reached


@dataclass(frozen=True)
class Place:
    """A region of the landscape: a cluster of everybody's genuine failures of one seed.

    Attributes:
        expected, predicted: the most frequent labels of its failures; expected is -1 where it is unknown.
        found: how many failures of each entrant are in it, by name.
    """

    expected: int
    predicted: int
    found: Mapping[str, int]

    @property
    def reached(self) -> frozenset[str]:
        """Who reached it."""
        return frozenset(name for name, count in self.found.items() if count >= ENOUGH)


@dataclass(frozen=True, eq=False)
class Landscape:
    """What one seed's entrants found, clustered together.

    Attributes:
        places: the clusters that anybody reached.
        assignment: of each entrant's sample, (n,) int64, rows of `places`, or -1.
    """

    places: tuple[Place, ...]
    assignment: Mapping[str, Tensor]


def landscape(samples: Mapping[str, Failures], config: RunConfig, spec: DataSpec, *, seed: int) -> Landscape:
    """Cluster the entrants' genuine failures together, as the runs themselves would cluster theirs.

    Args:
        samples: by entrant; those without codes have no place in it.
        config: whose clusterer it is.
        seed: of the clustering.
    """
    with_codes = {name: some for name, some in samples.items() if some.z is not None and len(some)}
    nowhere = {name: torch.full((len(some),), -1) for name, some in samples.items()}
    if not with_codes:
        return Landscape((), nowhere)
    pooled = Failures.concatenate(list(with_codes.values()))
    clusterer = make(config, "clusterer", spec)
    context = Context(rng_for(seed, "landscape"))
    with isolated_global_rng(derive_seed(seed, "landscape")), blamed_on(config.choices["clusterer"], "running"):
        cluster = clusterer.fit(pooled, context).assignment
    sizes = [len(some) for some in with_codes.values()]
    parts = dict(zip(with_codes, torch.split(cluster, sizes), strict=True))
    places: list[Place] = []
    numbers = torch.full((int(cluster.max()) + 2,), -1)  # the last one for failures of no cluster
    for c in cluster[cluster >= 0].unique().tolist():
        members = cluster == c
        found = {name: int((part == c).sum()) for name, part in parts.items()}
        place = Place(_most(pooled.expected[members]), _most(pooled.predicted[members]), found)
        if place.reached:
            numbers[c] = len(places)
            places.append(place)
    return Landscape(tuple(places), nowhere | {name: numbers[part] for name, part in parts.items()})


def _most(labels: Tensor) -> int:
    return int(labels.mode().values)
