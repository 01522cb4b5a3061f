"""Splitting: the failures of a cluster whose samples showed several classes are clustered anew."""

from __future__ import annotations

import torch
from torch import Tensor

from ..context import Context
from ..contracts.base import blamed
from ..rng import isolated_global_rng, rng_for, spawn
from ..sections import RegionsSection
from ..types import Clustering, Failures
from .sampler import Division, Sampler


def split(
    sampler: Sampler, region: int, failures: Failures, device: torch.device, *, settings: RegionsSection, seed: int
) -> list[Division]:
    """The parts of a region, as clusterings of its failures; none where it cannot be split.

    What has too few failures (`min_part`) is neither clustered nor a part. A clustering that gives all failures back as
    one cluster has split nothing: it would only be labelled once more.
    """
    least = sampler.model.latent_size + 1 if settings.min_part is None else settings.min_part
    members, found = sampler.members(region), []
    for expected, rows in _groups(failures, members, settings).items():
        if len(rows) < least:
            continue
        context = Context(rng_for(seed, "split", *sampler.path(region), expected), device)
        clustering = _fit(sampler, failures.subset(rows), context)
        sizes = torch.bincount(clustering.assignment + 1, minlength=len(clustering) + 1)[1:]
        parts = (sizes >= least).nonzero()[:, 0].tolist()
        share = sampler.weight(region) * len(rows) / len(members)
        if parts and not (len(parts) == 1 and sizes[parts[0]] == len(members)):
            found.append(Division(clustering, rows, tuple(parts), share=share, parent=region, expected=expected))
    return found


def _groups(failures: Failures, members: Tensor, settings: RegionsSection) -> dict[int, Tensor]:
    """What of a region's failures is clustered together, by expected class; all of them, by -1, are split inside."""
    if settings.split == "inside":
        return {-1: members}
    expected = failures.expected[members]  # -1 for failures with several right answers: a group like any other
    return {label: members[expected == label] for label in sorted(set(expected.tolist()))}


def _fit(sampler: Sampler, failures: Failures, context: Context) -> Clustering:
    """Cluster failures by what was handed in alone, whatever ran before."""
    with isolated_global_rng(spawn(context.rng)), blamed("running the clusterer", sampler.clusterer.name):
        return sampler.clusterer.fit(failures, context)
