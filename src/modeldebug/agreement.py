"""Pure functions from votes to labels and to what annotators agree on: majority, one-coin EM, Krippendorff's alpha.

Votes are (n, annotators) int64: a class, -1 for "none of the above" (an answer like any other), -2 for no vote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from .judging import NO_VOTE, NONE_OF_THE_ABOVE, majority, mean_and_error, vote_counts, vote_share, winning_answer
from .votes import Answers

Aggregate = Literal["majority", "one-coin"]
ROUNDS = 500  # of the EM at most; with five annotators it takes some ten
SETTLED = 1e-9  # no posterior moves by more
EQUAL = 1e-6  # posteriors that differ by less are tied


def labels_from(
    votes: Tensor, num_classes: int, *, aggregate: Aggregate = "majority", agreement: float = 0.0
) -> Tensor:
    """The label of each image, (n,) int64, -1 where it has none: a tie, "none of the above", or too little agreement.

    Args:
        aggregate: whose word counts: the answer with most votes, or the one that is most probable by `one_coin`.
        agreement: the label's share of the votes, or its probability, must lie above it.

    >>> votes = torch.tensor([[0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 1, 0], [1, 1, 1], [0, -2, 1]])
    >>> labels_from(votes, 2), labels_from(votes, 2, aggregate="one-coin")  # the third is wrong more often
    (tensor([ 0,  1,  0,  1,  1, -1]), tensor([0, 1, 0, 1, 1, 0]))
    """
    if aggregate == "majority":
        return majority(votes, num_classes, agreement)
    posterior = one_coin(votes, num_classes).posterior
    best, answer = posterior.max(1)
    tied = (posterior > best[:, None] - EQUAL).sum(1) > 1
    return torch.where(tied | (best <= agreement), -1, answer - 1)


@dataclass(frozen=True, eq=False)
class OneCoin:
    """What `one_coin` makes of votes.

    Attributes:
        posterior: (n, 1 + k) float64, the probability of each answer: "none of the above", then the classes. Uniform
            for images without a vote.
        accuracy: (annotators,) float64, the probability that each one's vote is the right answer.
    """

    posterior: Tensor
    accuracy: Tensor


def one_coin(votes: Tensor, num_classes: int) -> OneCoin:
    """Labels and annotators' accuracies, each from the other, by expectation maximisation.

    Each annotator throws one coin: the right answer with the same probability for every image, else any other one
    (Dawid & Skene 1979 with one parameter an annotator; as in ZenCrowd, Demartini et al. 2012, section 4). All answers
    are equally probable beforehand, so an image's label rests on its own votes alone. A right and a wrong vote are
    added for each annotator, so that nobody counts as infallible. It starts from the shares of the votes and draws
    nothing.

    >>> found = one_coin(torch.tensor([[0, 0, 1], [1, 1, 1], [2, 2, 0], [1, 1, 1], [2, 2, 2]]), 3)
    >>> bool(found.accuracy[0] > found.accuracy[2]), found.posterior.argmax(1) - 1
    (True, tensor([0, 1, 2, 1, 2]))
    """
    n, answers = len(votes), num_classes + 1
    given = votes != NO_VOTE
    one_hot = torch.nn.functional.one_hot(torch.where(given, votes + 1, 0), answers).double() * given[:, :, None]
    counts = one_hot.sum(1)
    posterior = torch.where(given.any(1)[:, None], counts, 1.0)
    posterior = posterior / posterior.sum(1, keepdim=True)
    accuracy = torch.zeros(votes.shape[1], dtype=torch.float64)
    for _ in range(ROUNDS if n else 0):
        right = torch.einsum("nak,nk->a", one_hot, posterior)
        accuracy = (right + 1) / (given.sum(0) + 2)
        weight = accuracy.log() - ((1 - accuracy) / (answers - 1)).log()  # what a vote adds to the log-probability
        before, posterior = posterior, torch.einsum("nak,a->nk", one_hot, weight).softmax(1)
        if float((posterior - before).abs().max()) < SETTLED:
            break
    return OneCoin(posterior, accuracy)


def krippendorff_alpha(votes: Tensor) -> float | None:
    """Krippendorff's alpha for nominal answers (Krippendorff 2011): 1 for full agreement, 0 for as much as by chance.

    Votes may be missing; images with fewer than two say nothing. None where nobody could have disagreed: fewer than two
    votes on every image, or one and the same answer everywhere.

    >>> krippendorff_alpha(torch.tensor([[0, 0], [1, 1], [1, 0], [2, -2]]))
    0.4444444444444444
    """
    counts = vote_counts(votes, max(int(votes.max()) + 1, 0) if votes.numel() else 0).double()
    counts = counts[counts.sum(1) > 1]
    of_image, of_answer = counts.sum(1), counts.sum(0)
    n = float(of_answer.sum())
    expected = (n * n - float(of_answer.square().sum())) / (n - 1) if n else 0.0
    if not expected:
        return None
    observed = ((of_image.square() - counts.square().sum(1)) / (of_image - 1)).sum()
    return 1 - float(observed) / expected


def with_the_others(votes: Tensor, num_classes: int) -> list[float | None]:
    """Of each annotator's votes the share that is what most of the others say; None where there is nothing to compare.
    Images on which the others are tied, or are none, do not count.

    >>> with_the_others(torch.tensor([[0, 0, 1], [1, 1, 1], [2, 2, -2]]), 3)
    [1.0, 1.0, 0.5]
    """
    counts, found = vote_counts(votes, num_classes), []
    for own in votes.T:
        given = own != NO_VOTE
        others = counts[given]
        others[torch.arange(len(others)), own[given] + 1] -= 1
        answer = winning_answer(others)
        same = (own[given] == answer)[answer != NO_VOTE]
        found.append(float(same.double().mean()) if len(same) else None)
    return found


def agreement_table(answers: Answers, in_region: Tensor, num_classes: int) -> dict[str, Any]:
    """What annotators agree on, as in the papers: of each image the share of its votes that its most frequent answer
    got, in kept regions, outside and in all, with Krippendorff's alpha; and a row for each annotator.

    Args:
        in_region: (n,) bool, whether each image is of a kept region.
    """
    votes = answers.votes
    parts = {"regions": in_region, "outside": ~in_region, "all": torch.ones_like(in_region)}
    table: dict[str, Any] = {
        name: mean_and_error(vote_share(votes[rows], num_classes)) | {"alpha": krippendorff_alpha(votes[rows])}
        for name, rows in parts.items()
    }
    images = (votes != NO_VOTE).sum(0).tolist()
    none = (votes == NONE_OF_THE_ABOVE).sum(0).tolist()
    table["annotators"] = [
        {"name": name, "images": n, "with_the_others": same, "none_of_the_above": said / n if n else None}
        for name, n, same, said in zip(
            names_of(answers), images, with_the_others(votes, num_classes), none, strict=True
        )
    ]
    return table


def names_of(answers: Answers) -> tuple[str, ...]:
    """The names of the columns of votes; their numbers where they have none.

    >>> names_of(Answers(torch.tensor([[1, 1]])))
    ('annotator 1', 'annotator 2')
    """
    return answers.annotators or tuple(f"annotator {i + 1}" for i in range(answers.votes.shape[1]))


def joined(parts: Sequence[Answers]) -> Answers:
    """The answers to several requests as those to one: a column for each annotator of any, by name, and no vote where
    one was not asked. Confidence is not joined.

    >>> early = Answers(torch.tensor([[1, 2]]), annotators=("ann", "bob"))
    >>> both = joined([early, Answers(torch.tensor([[0]]), annotators=("bob",))])
    >>> both.votes.tolist(), both.annotators
    ([[1, 2], [-2, 0]], ('ann', 'bob'))
    """
    names = tuple(dict.fromkeys(name for part in parts for name in names_of(part)))
    votes = torch.full((sum(len(part.votes) for part in parts), len(names)), NO_VOTE)
    start = 0
    for part in parts:
        columns = torch.tensor([names.index(name) for name in names_of(part)], dtype=torch.int64)
        votes[start : start + len(part.votes), columns] = part.votes
        start += len(part.votes)
    return Answers(votes, None, names)


def most_disputed(votes: Tensor, num_classes: int, most: int, group: Tensor) -> Tensor:
    """The rows of the images that annotators agree on least, (m,) int64: the most disputed of each group (n,) int64
    first, by the share of the most frequent answer, then the second of each, since images of one group are much alike.
    Images with fewer than two votes, and those on which all agree, are not among them.

    >>> votes = torch.tensor([[1, 1, 1], [0, 1, 2], [1, 1, 0], [2, -2, -2]])
    >>> most_disputed(votes, 3, most=5, group=torch.tensor([0, 0, 0, 1]))
    tensor([1, 2])
    """
    share = vote_share(votes, num_classes)
    disputed = (share < 1).nonzero()[:, 0]
    ranked = disputed[share[disputed].argsort(stable=True)]
    by_group = group[ranked].argsort(stable=True)
    counts = group[ranked].bincount()
    before = torch.empty_like(ranked)  # of its own group, how many are disputed more
    before[by_group] = torch.arange(len(ranked)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return ranked[before.argsort(stable=True)][:most]
