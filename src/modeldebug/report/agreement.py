"""What annotators agree on: the papers' table, a row for each annotator, and the images that they dispute most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..agreement import most_disputed
from ..judging import NO_VOTE
from .findings import Findings
from .images import TILE
from .regions import Sample, sample_of
from .wording import DASH, count, percent

SHOWN = 12  # disputed images
WHERE = {"regions": "in regions", "outside": "outside", "all": "combined"}
HOW = {
    "majority": "the answer with most votes",
    "one-coin": "the most probable answer, where each annotator counts by an accuracy estimated from all votes of a "
    "round of labelling, in each round anew",
}


@dataclass(frozen=True)
class Part:
    """Agreement on the samples of some clusters."""

    where: str
    mean: str
    error: str
    images: str
    alpha: str


@dataclass(frozen=True)
class Annotator:
    """One annotator, held against the others."""

    name: str
    images: str
    with_the_others: str
    none_of_the_above: str


@dataclass(frozen=True)
class Disputed:
    """An image that annotators disagree on; `votes` are the answers and who gave them, the most frequent first."""

    sample: Sample
    votes: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Agreement:
    """The section on agreement."""

    who: str
    how: str
    parts: tuple[Part, ...]
    annotators: tuple[Annotator, ...]
    disputed: tuple[Disputed, ...]


def agreement(findings: Findings) -> Agreement | None:
    """What annotators of the clusters' samples agree on; None where there are not two of them."""
    table = findings.info("regions")["agreement"]
    names = [row["name"] for row in table["annotators"]]
    if len(names) < 2:
        return None
    who = f"{len(names)} people voted."
    if findings.is_program("labeler"):
        who = (
            f"The {count(len(names), 'annotator')} are programs ({findings.component('labeler')}): where they learnt "
            "from the same images, they also err on the same ones."
        )
    return Agreement(
        who=who,
        how=HOW[findings.config["regions"]["aggregate"]],
        parts=tuple(
            Part(
                where,
                percent(part["mean"]),
                DASH if part["standard_error"] is None else f"\u00b1 {100 * part['standard_error']:.1f}",
                f"{part['n']:,}",
                DASH if part["alpha"] is None else f"{part['alpha']:.2f}",
            )
            for name, where in WHERE.items()
            for part in (table[name],)
        ),
        annotators=tuple(
            Annotator(
                row["name"], f"{row['images']:,}", percent(row["with_the_others"]), percent(row["none_of_the_above"])
            )
            for row in table["annotators"]
        ),
        disputed=_disputed(findings, names),
    )


def _disputed(findings: Findings, names: Sequence[str]) -> tuple[Disputed, ...]:
    saved = findings.stages["regions"].tensors
    votes, x, labels, predicted = (saved[name] for name in ("votes", "x", "labels", "predicted"))
    group = torch.arange(len(votes)) // (len(votes) // len(findings.stages["regions"].info["regions"]))
    return tuple(
        Disputed(
            sample_of(findings, x[row], labels[row], predicted[row], TILE), _votes(votes[row], names, findings.classes)
        )
        for row in most_disputed(votes, len(findings.classes), SHOWN, group).tolist()
    )


def _votes(votes: Tensor, names: Sequence[str], classes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Each answer that an image got, with who gave it."""
    by_answer: dict[int, list[str]] = {}
    for name, vote in zip(names, votes.tolist(), strict=True):
        if vote != NO_VOTE:
            by_answer.setdefault(vote, []).append(name)
    ranked = sorted(by_answer.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(("none of the above" if a < 0 else classes[a], ", ".join(who)) for a, who in ranked)
