"""Distillation: failures are clustered, clusters sampled and labelled, and some of them kept as regions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..batches import in_batches
from ..classifier import Classifier
from ..context import Context
from ..contracts.clusterer import Clusterer
from ..contracts.generator import Generator
from ..contracts.labeler import Labeler
from ..judging import JUDGEMENTS, count_judgements, judge_region, majority, mean_and_error, vote_share
from ..rng import rng_for, spawn
from ..sections import RegionsSection
from ..store import Saved, prefixed
from ..tensors import check_tensor
from ..types import Clustering, Failures, Region
from .judges import votes


def cluster(clusterer: Clusterer[Any], failures: Failures, context: Context) -> Saved:
    """Cluster the failures; none give no clusters."""
    if not len(failures):
        return Saved({}, {"clusters": 0, "converged": None, "note": "no failures to cluster"})
    fitted = clusterer.fit(failures, context)
    info = {"clusters": len(fitted), "converged": fitted.converged, "note": fitted.note}
    tensors = {"weights": fitted.weights, "assignment": fitted.assignment, **prefixed("parameters", fitted.parameters)}
    return Saved(tensors, info)


def load_clustering(saved: Saved) -> Clustering | None:
    if not saved.info["clusters"]:
        return None
    return Clustering(
        weights=saved.tensors["weights"],
        assignment=saved.tensors["assignment"],
        parameters=saved.part("parameters"),
        converged=saved.info["converged"],
        note=saved.info["note"],
    )


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws images from the regions of a clustering.

    Attributes:
        told: (n,) int64, the class that each clustered failure was told to a conditional decoder, or None.
    """

    clusterer: Clusterer[Any]
    clustering: Clustering
    model: Generator[Any]
    tau: float
    batch_size: int
    device: torch.device
    told: Tensor | None = None

    def draw(self, cluster: int, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Codes (n, d) and images (n, c, h, w) of one region."""
        z, condition = self.clusterer.sample(self.clustering, cluster, n, tau=self.tau, rng=rng)
        size, name = self.model.latent_size, self.clusterer.name
        check_tensor("the region's codes", z, shape=(n, size), dtype=torch.float32, plugin=name)
        if condition is None and self.told is not None:
            condition = self._told_in(cluster, n, rng)
        return z, in_batches(self.model.decode, self.batch_size, self.device, z, condition)

    def _told_in(self, cluster: int, n: int, rng: torch.Generator) -> Tensor:
        """Classes (n,) of failures drawn from a cluster, where the clusterer does not say what to tell the decoder."""
        assert self.told is not None
        members = self.told[self.clustering.assignment == cluster]
        members = members if len(members) else self.told
        return members[torch.randint(len(members), (n,), generator=rng)]

    def draw_each(
        self, clusters: Sequence[int], n: int, rng: Callable[[int], torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """Codes (m * n, d) and images (m * n, c, h, w) of m regions, region by region; `rng` gives the generator of
        each."""
        z = torch.empty(len(clusters) * n, self.model.latent_size)
        x = torch.empty(len(z), *self.model.spec.shape)
        for i, cluster in enumerate(clusters):  # straight into place: images are held once
            z[i * n : (i + 1) * n], x[i * n : (i + 1) * n] = self.draw(cluster, n, rng(cluster))
        return z, x


def label_regions(
    sampler: Sampler | None,
    labeler: Labeler[Any],
    classifier: Classifier,
    failures: Failures,
    judged: Tensor | None,
    context: Context,
    *,
    settings: RegionsSection,
) -> Saved:
    """Draw samples of each cluster, have them labelled, and decide which clusters are regions (AAAI 4.1)."""
    if sampler is None:
        return Saved({}, {"regions": [], "agreement": _agreement(torch.empty(0), torch.empty(0).bool())})
    clustering, n = sampler.clustering, settings.samples
    z, x = sampler.draw_each(range(len(clustering)), n, lambda c: rng_for(spawn(context.rng), c))
    predicted = classifier.probs(x).argmax(1)
    group = torch.arange(len(clustering)).repeat_interleave(n)
    answers = votes(labeler, "regions", x, classifier.spec, group)
    labels = majority(answers, classifier.spec.num_classes, settings.agreement)
    rows = []
    for c in range(len(clustering)):
        here, members = slice(c * n, (c + 1) * n), clustering.assignment == c
        region = judge_region(
            labels[here],
            predicted[here],
            cluster=c,
            weight=float(clustering.weights[c]),
            size=int(members.sum()),
            origins=len(set(failures.origin[members].tolist()) - {-1}),
            num_classes=classifier.spec.num_classes,
            rho=settings.rho,
            min_purity=settings.min_purity,
            min_labelled=settings.min_labelled,
        )
        counts: dict[str, int] | dict[str, None] = dict.fromkeys(JUDGEMENTS)
        if judged is not None:
            counts = found = count_judgements(judged[members])
            region = dataclasses.replace(region, disputed=found["drift"] > found["genuine"] + found["third_class"])
        rows.append(dataclasses.asdict(region) | {"failures": counts})
    kept = torch.tensor([row["status"] == "kept" for row in rows])
    agreement = _agreement(vote_share(answers, classifier.spec.num_classes), kept[group])
    tensors = {"z": z, "x": x, "predicted": predicted, "labels": labels, "votes": answers}
    return Saved(tensors, {"regions": rows, "agreement": agreement})


def _agreement(shares: Tensor, in_region: Tensor) -> dict[str, Any]:
    """How many annotators give an image its most frequent answer: in kept regions, outside, and in all."""
    parts = {"regions": shares[in_region], "outside": shares[~in_region], "all": shares}
    return {name: mean_and_error(values) for name, values in parts.items()}


def load_regions(saved: Saved) -> tuple[Region, ...]:
    names = {f.name for f in dataclasses.fields(Region)}
    return tuple(Region(**{k: v for k, v in row.items() if k in names}) for row in saved.info["regions"])
