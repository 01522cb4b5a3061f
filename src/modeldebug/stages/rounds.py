"""Labelling in rounds: clusters are sampled and labelled; those that are mixed are split, and so are their parts.

People may be waited for in each round; the stage is then done again from its beginning. So what is drawn for a region
depends on the run's seed and on where the region is from, and on no other region. And what people were asked about is
kept before they are: another device may round a pixel otherwise, and votes are for the images that were seen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..agreement import agreement_table, joined, labels_from
from ..classifier import Classifier
from ..context import Context
from ..contracts.labeler import Labeler
from ..judging import JUDGEMENTS, count_judgements, count_regions, is_disputed, judge_region
from ..rng import rng_for, spawn
from ..sections import RegionsSection
from ..store import Saved
from ..types import Failures, Region
from ..votes import Answers
from .judges import votes
from .regions import save_divisions
from .sampler import Division, Sampler
from .splits import split


@dataclasses.dataclass(frozen=True, eq=False)
class _Round:
    """What one round of labelling gave: a row for each region, and tensors with a row for each sample."""

    regions: tuple[Region, ...]
    z: Tensor
    x: Tensor
    predicted: Tensor
    labels: Tensor
    answers: Answers


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
    """Draw samples of each cluster, have them labelled, and decide which clusters are regions (AAAI 4.1); split those
    that are mixed, and do the same with their parts.

    Raises:
        WaitingForPeople: the labeler pends, in any round.
    """
    if sampler is None:
        none = agreement_table(Answers(torch.empty(0, 0).long()), torch.empty(0).bool(), classifier.spec.num_classes)
        return Saved({}, {"regions": [], "agreement": none, "rounds": [], "divisions": []})
    seed, given = spawn(context.rng), len(sampler.divisions)
    rounds: list[_Round] = []
    while True:
        done = sum(len(r.regions) for r in rounds)
        number, regions = len(rounds) + 1, range(done, len(sampler))
        z, x = _drawn(sampler, regions, number, context, n=settings.samples, seed=seed, keep=not labeler.is_program)
        found = _label(sampler, regions, number, z, x, labeler, classifier, failures, settings)
        context.progress(number / settings.rounds, f"round {number}: {len(found.regions)} clusters labelled")
        divisions: list[Division] = []
        if settings.split != "none" and number < settings.rounds:
            for region in (r.cluster for r in found.regions if r.status == "mixed"):
                divisions += split(sampler, region, failures, context.device, settings=settings, seed=seed)
        rounds.append(_with_split(found, {division.parent for division in divisions}))
        if not divisions:
            return _saved(sampler, given, rounds, failures, judged, settings, classifier.spec.num_classes)
        sampler = sampler.extended(divisions)


def _drawn(
    sampler: Sampler, regions: Sequence[int], number: int, context: Context, *, n: int, seed: int, keep: bool
) -> tuple[Tensor, Tensor]:
    """Codes and images of n samples of each region: those that were kept when the round was reached before, or new
    ones, which are kept where that is asked for."""
    kept: dict[str, Any] = context.checkpoint.load() or {}
    codes, images = f"{number}/z", f"{number}/x"
    if codes not in kept:
        draw = sampler.draw_each(regions, n, lambda region: rng_for(seed, "samples", *sampler.path(region)))
        kept |= {codes: draw[0], images: draw[1]}
        if keep:
            context.checkpoint.save(lambda: kept, now=True)
    return kept[codes], kept[images]


def _label(
    sampler: Sampler,
    regions: Sequence[int],
    number: int,
    z: Tensor,
    x: Tensor,
    labeler: Labeler[Any],
    classifier: Classifier,
    failures: Failures,
    settings: RegionsSection,
) -> _Round:
    """Label samples of some regions, in one request."""
    n, spec = settings.samples, classifier.spec
    predicted = classifier.probs(x).argmax(1)
    group = torch.tensor(regions).repeat_interleave(n)
    request = "regions" if number == 1 else f"regions-{number}"
    answers = votes(labeler, request, x, spec, group, truth=sampler.model.truth(z))
    labels = labels_from(answers.votes, spec.num_classes, aggregate=settings.aggregate, agreement=settings.agreement)
    rows = []
    for i, region in enumerate(regions):
        here, members = slice(i * n, (i + 1) * n), sampler.members(region)
        rows.append(
            judge_region(
                labels[here],
                predicted[here],
                cluster=region,
                weight=sampler.weight(region),
                size=len(members),
                origins=len(set(failures.origin[members].tolist()) - {-1}),
                num_classes=spec.num_classes,
                rho=settings.rho,
                min_purity=settings.min_purity,
                min_labelled=settings.min_labelled,
                parent=sampler.place(region)[0].parent,
                name=sampler.name(region),
            )
        )
    return _Round(tuple(rows), z, x, predicted, labels, answers)


def _with_split(found: _Round, parents: set[int | None]) -> _Round:
    rows = (dataclasses.replace(r, status="split") if r.cluster in parents else r for r in found.regions)
    return dataclasses.replace(found, regions=tuple(rows))


def _saved(
    sampler: Sampler,
    given: int,
    rounds: Sequence[_Round],
    failures: Failures,
    judged: Tensor | None,
    settings: RegionsSection,
    num_classes: int,
) -> Saved:
    """All rounds together; of the sampler's divisions those beyond the `given` ones."""
    rows = []
    for region in (region for r in rounds for region in r.regions):
        counts: dict[str, int] | dict[str, None] = dict.fromkeys(JUDGEMENTS)
        disputed = None
        if judged is not None:
            counts = found = count_judgements(judged[sampler.members(region.cluster)])
            disputed = is_disputed(found)
        rows.append(dataclasses.asdict(region) | {"failures": counts, "disputed": disputed})
    answers = joined([r.answers for r in rounds])
    tensors = {name: torch.cat([getattr(r, name) for r in rounds]) for name in ("z", "x", "predicted", "labels")}
    tensors |= {"votes": answers.votes, "assignment": sampler.assignment(len(failures))}
    divisions = save_divisions(sampler.divisions[given:])
    kept = torch.tensor([row["status"] == "kept" for row in rows]).repeat_interleave(settings.samples)
    return Saved(
        tensors | divisions.tensors,
        {
            "regions": rows,
            "agreement": agreement_table(answers, kept, num_classes),
            "rounds": [count_regions(r.regions) for r in rounds],
            **divisions.info,
        },
    )
