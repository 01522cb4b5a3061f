"""What a clusterer must do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from ..context import Context
from ..contracts.clusterer import Clusterer
from ..rng import isolated_global_rng, rng_for
from ..types import Clustering, Failures
from .runner import Subject, globals_watched, require, rule, same

PER_BALL = 150


def _planted(subject: Subject) -> Failures:
    failures: Failures = subject.once("failures", lambda: subject.known.failures(PER_BALL))
    return failures


def _fit(subject: Subject, failures: Failures | None = None, seed: int = 0) -> Clustering:
    clusterer: Clusterer[Any] = subject.make()
    return clusterer.fit(_planted(subject) if failures is None else failures, Context.quiet(seed))


def _fitted(subject: Subject) -> Clustering:
    clustering: Clustering = subject.once("fitted", lambda: _fit(subject))
    return clustering


def _draw(subject: Subject, clustering: Clustering, cluster: int, n: int, tau: float = 0.5, seed: int = 0) -> Tensor:
    z: Tensor = subject.make().sample(clustering, cluster, n, tau=tau, rng=rng_for(seed, "draw"))[0]
    return z


@rule(
    "clusterer",
    says="weights, assignment and samples have the shapes, types and ranges of the contract, parameters are finite, and"
    " each cluster can be sampled from, one code as well as many",
    why="labelling and correction build on them",
    do="return float32 weights (m,) and int64 assignment (n,), -1 for noise; codes (n, d) float32 from _sample",
)
def shapes_and_ranges(subject: Subject) -> None:
    clustering, failures = _fitted(subject), _planted(subject)
    assert failures.z is not None
    require(len(clustering) > 0, "no cluster")
    bad = [k for k, v in clustering.parameters.items() if v.is_floating_point() and not bool(v.isfinite().all())]
    require(not bad, f"NaN or infinity in the parameters {', '.join(bad)}")
    for cluster in range(len(clustering)):
        for n in (1, 5):
            z = _draw(subject, clustering, cluster, n)
            require(z.shape == (n, failures.z.shape[1]), f"codes of shape {tuple(z.shape)}")


@rule(
    "clusterer",
    says="failures of two planted balls, far apart, do not share a cluster, and most of them are in one",
    why="a region of mixed failures has no majority label, and is lost",
    do="check that clusters are fitted to failures.z, and that scales and thresholds suit codes of size 1",
)
def separates_planted_regions(subject: Subject) -> None:
    clustering, failures = _fitted(subject), _planted(subject)
    assert failures.z is not None
    ball = subject.known.ball_of(failures.z)
    inside = clustering.assignment >= 0
    require(inside.float().mean() >= 0.7, f"{float(inside.float().mean()):.0%} of the failures are in a cluster")
    pure = sum(
        int(ball[clustering.assignment == c].bincount().max())
        for c in range(len(clustering))
        if bool((clustering.assignment == c).any())
    )
    share = pure / int(inside.sum())
    require(share >= 0.95, f"{share:.0%} of the clustered failures are with their own kind")


@rule(
    "clusterer",
    says="the weights are shares of the failures: together at most 1",
    why="the report says how much of all failures each region stands for",
    do="divide by the number of all failures, noise included",
)
def weights_are_shares(subject: Subject) -> None:
    total = float(_fitted(subject).weights.sum())
    require(total <= 1 + 1e-4, f"weights that sum to {total:.4f}")


@rule(
    "clusterer",
    says="samples of a cluster land among its members",
    why="regions are labelled and corrected by their samples, not by their members",
    do="check that _sample uses the parameters of the cluster that it is asked for",
)
def samples_land_in_their_cluster(subject: Subject) -> None:
    clustering, failures = _fitted(subject), _planted(subject)
    assert failures.z is not None
    for cluster in range(len(clustering)):
        members = failures.z[clustering.assignment == cluster]
        if len(members) < 10:
            continue
        centre = members.mean(0)
        reach = 1.5 * float((members - centre).norm(dim=1).max())
        near = float(((_draw(subject, clustering, cluster, 100) - centre).norm(dim=1) < reach).float().mean())
        require(near >= 0.8, f"{near:.0%} of the samples of cluster {cluster} are near its members")


@rule(
    "clusterer",
    says="tau scales the covariance of the samples",
    why="tau is how a user trades the variety of a region's samples for purity (AAAI algorithm 3)",
    do="multiply the covariance by tau, or distances to the centre by its square root",
)
def tau_scales_the_covariance(subject: Subject) -> None:
    clustering = _fitted(subject)
    cluster = int(clustering.weights.argmax())
    wide, narrow = (float(_draw(subject, clustering, cluster, 1000, tau).var(0).sum()) for tau in (1.0, 0.25))
    ratio = narrow / wide
    require(0.15 < ratio < 0.4, f"a variance of {ratio:.2f} times that at tau 1, for tau 0.25")


@rule(
    "clusterer",
    says="the same seed gives the same clustering, whatever the global generators are",
    why="the same seed must give the same run",
    do="seed every random start from context.rng: random_state=spawn(context.rng)",
)
def fitting_repeats(subject: Subject) -> None:
    found = []
    for seed in (1, 2):
        with isolated_global_rng(seed):
            found.append(_fit(subject))
    require(same(*found), "another clustering for the same seed")


@rule(
    "clusterer",
    says="samples depend on the given generator alone: the same seed repeats them, another changes them",
    why="three draws of a region must differ (finetuning, selection, test), and each must repeat",
    do="pass `generator=rng` to every draw in _sample",
)
def sampling_is_seeded(subject: Subject) -> None:
    clustering, draws = _fitted(subject), []
    for global_seed, seed in ((1, 0), (2, 0), (1, 1)):
        with isolated_global_rng(global_seed):
            draws.append(_draw(subject, clustering, 0, 5, seed=seed))
    require(same(draws[0], draws[1]), "other samples for the same seed")
    require(not same(draws[0], draws[2]), "the same samples for another seed")


@rule(
    "clusterer",
    says="a new clusterer samples to the same bits from a clustering that was written and read back",
    why="a resumed run, and every worker, has the clustering from a file, and never called fit",
    do="put all that _sample needs into Clustering.parameters; nothing on self",
)
def clustering_survives_saving(subject: Subject) -> None:
    clusterer: Clusterer[Any] = subject.make()
    clustering = clusterer.fit(_planted(subject), Context.quiet(0))
    parameters = load(save({k: v.contiguous() for k, v in clustering.parameters.items()}))
    read = replace(clustering, parameters=parameters)
    own = clusterer.sample(clustering, 0, 5, tau=0.5, rng=rng_for(0, "draw"))[0]
    require(same(own, _draw(subject, read, 0, 5)), "other samples")


@rule(
    "clusterer",
    says="one failure, two, and many equal ones are no errors",
    why="a good classifier has few failures",
    do="ask for no more clusters than failures, and add a little to the diagonal of covariances",
)
def few_or_equal_failures_are_no_error(subject: Subject) -> None:
    failures = _planted(subject)
    for rows in (torch.tensor([0]), torch.tensor([0, 1]), torch.zeros(20, dtype=torch.int64)):
        clustering = _fit(subject, failures.subset(rows))
        for cluster in range(len(clustering)):
            _draw(subject, clustering, cluster, 3)


@rule(
    "clusterer",
    says="the failures that are handed in are left as they were",
    why="later stages show and label them",
    do="clone before writing; numpy arrays made of tensors share their memory",
)
def inputs_are_left_alone(subject: Subject) -> None:
    failures = _planted(subject)
    before = {k: v.clone() for k, v in vars(failures).items() if v is not None}
    clustering = _fit(subject, failures)
    parameters = {k: v.clone() for k, v in clustering.parameters.items()}
    _draw(subject, clustering, 0, 3)
    now = {k: v for k, v in vars(failures).items() if v is not None}
    require(same(before, now), "changed failures")
    require(same(parameters, clustering.parameters), "parameters that sampling changed")


@rule(
    "clusterer",
    says="clustering and sampling change no global state",
    why="they run within other stages, whose numbers would change with them",
    do="pass seeds and generators; use `with torch.no_grad():` rather than set_grad_enabled; set no threads",
)
def globals_are_left_alone(subject: Subject) -> None:
    with globals_watched():
        _draw(subject, _fit(subject), 0, 3)
