"""Labels from votes, and what annotators agree on: against published examples, and annotators that are planted."""

from itertools import combinations, permutations

import pytest
import torch

from modeldebug.agreement import (
    agreement_table,
    joined,
    krippendorff_alpha,
    labels_from,
    most_disputed,
    one_coin,
    with_the_others,
)
from modeldebug.judging import majority
from modeldebug.rng import rng_for
from modeldebug.votes import Answers


def of_observers(*rows):
    """Votes (n, annotators) of rows of answers, one for each observer; a dot is no vote."""
    return torch.tensor([[-2 if c == "." else int(c, 16) for c in row] for row in rows]).T


FOUR = of_observers("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
PUBLISHED = {
    "two observers, two values (Krippendorff 2011, A)": (of_observers("0100000010", "1110010000"), 0.095),
    "two observers, five values (Krippendorff 2011, B)": (of_observers("aabbdcccedda", "babbbcccedd" + "d"), 0.692),
    "four observers, missing values (Krippendorff 2011, C)": (FOUR, 0.743),
    "three coders, many missing values (Wikipedia)": (
        of_observers(".....34121133.3", "1.213343.......", "..21344.21133.4"),
        0.691,
    ),
}


def by_pairs(votes):
    """Alpha from its definition: disagreeing pairs of one image against disagreeing pairs of all votes."""
    units = [[v for v in row if v != -2] for row in votes.tolist()]
    units = [unit for unit in units if len(unit) > 1]
    every = [v for unit in units for v in unit]
    observed = sum(sum(a != b for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units) / len(every)
    pairs = list(permutations(every, 2))
    return 1 - observed / (sum(a != b for a, b in pairs) / len(pairs))


def of_missing_votes_too(votes):
    """A broken twin: no vote is an answer like any other."""
    return by_pairs(torch.where(votes == -2, 9, votes))


@pytest.mark.parametrize("example", PUBLISHED)
def test_alpha_has_its_published_values(example):
    votes, alpha = PUBLISHED[example]
    assert krippendorff_alpha(votes) == pytest.approx(alpha, abs=5e-4)
    assert by_pairs(votes) == pytest.approx(alpha, abs=5e-4)


def test_the_published_example_tells_a_twin_that_counts_missing_votes():
    assert of_missing_votes_too(FOUR) < 0.743 - 0.1


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_all_pairs_of_votes(seed):
    rng = rng_for(seed)
    votes = torch.randint(-2, 4, (30, 5), generator=rng)
    votes[:10] = votes[:10, :1]
    assert krippendorff_alpha(votes) == pytest.approx(by_pairs(votes))


@pytest.mark.parametrize(
    ("rows", "alpha"),
    [
        ([[0, 0], [1, 1], [-1, -1]], 1.0),  # none of the above is an answer
        ([[2, 2], [2, 2]], None),  # nobody could have disagreed
        ([[0, -2], [-2, 1]], None),
        ([[-2, -2]], None),
    ],
)
def test_alpha_is_one_of_those_who_agree_and_undefined_where_nobody_could_disagree(rows, alpha):
    assert krippendorff_alpha(torch.tensor(rows)) == alpha


def test_alpha_of_no_images_is_undefined():
    assert krippendorff_alpha(torch.empty(0, 3, dtype=torch.int64)) is None


ACCURACY = (0.95, 0.9, 0.6, 0.5, 0.45)


def planted(accuracy=ACCURACY, n=3000, k=4, seed=0, asked=1.0):
    """Votes whose annotators are right with a known probability, else give any other answer; and the truth."""
    rng = rng_for(seed)
    truth = torch.randint(-1, k, (n,), generator=rng)
    right = torch.rand(n, len(accuracy), generator=rng) < torch.tensor(accuracy)
    other = (truth[:, None] + 1 + torch.randint(1, k + 1, (n, len(accuracy)), generator=rng)) % (k + 1) - 1
    votes = torch.where(right, truth[:, None], other)
    return torch.where(torch.rand(votes.shape, generator=rng) < asked, votes, -2), truth


def counting_heads(votes, num_classes):
    """A broken twin: every annotator is as good as every other."""
    shares = torch.stack([(votes == answer).double().mean(1) for answer in range(-1, num_classes)], 1)
    return torch.stack([shares.gather(1, own[:, None] + 1)[:, 0].mean() for own in votes.T])


@pytest.mark.parametrize("asked", [1.0, 0.7])
def test_one_coin_finds_the_planted_accuracy_of_each_annotator(asked):
    votes, _ = planted(asked=asked)
    assert one_coin(votes, 4).accuracy.tolist() == pytest.approx(ACCURACY, abs=0.03)


def test_a_twin_that_counts_heads_finds_them_not():
    votes, _ = planted()
    assert counting_heads(votes, 4).tolist() != pytest.approx(ACCURACY, abs=0.1)


def test_one_coin_labels_more_images_rightly_than_the_majority_where_annotators_differ():
    votes, truth = planted()
    by_em, by_heads = (labels_from(votes, 4, aggregate=how) for how in ("one-coin", "majority"))
    of_class = truth >= 0
    right = [float((labels == truth)[of_class].float().mean()) for labels in (by_em, by_heads)]
    assert right[0] > right[1] + 0.03
    assert float((by_em >= 0)[~of_class].float().mean()) < 0.1, "none of the above is an answer"


def test_posteriors_are_the_probabilities_of_being_right():
    votes, truth = planted(accuracy=(0.7, 0.6, 0.5), n=6000)
    posterior = one_coin(votes, 4).posterior
    sure, answer = posterior.max(1)
    torch.testing.assert_close(posterior.sum(1), torch.ones(len(votes), dtype=torch.float64))
    for low, high in ((0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.0)):
        here = (sure > low) & (sure <= high)
        assert float((answer - 1 == truth)[here].double().mean()) == pytest.approx(float(sure[here].mean()), abs=0.05)


def test_annotators_who_are_alike_are_counted_as_the_majority_counts_them():
    rows = {tuple(sorted(row)) for row in torch.cartesian_prod(*[torch.arange(-1, 3)] * 3).tolist()}
    every = torch.tensor(sorted({p for row in rows for p in permutations(row)}))  # all are right equally often
    assert torch.equal(labels_from(every, 3, aggregate="one-coin"), majority(every, 3))


@pytest.mark.parametrize("aggregate", ["majority", "one-coin"])
def test_ties_and_images_without_votes_have_no_label(aggregate):
    votes = torch.tensor([[0, 1], [1, 0], [-1, 2], [2, -1], [-2, -2], [1, 1]])
    assert labels_from(votes, 3, aggregate=aggregate).tolist() == [-1] * 5 + [1]


@pytest.mark.parametrize("aggregate", ["majority", "one-coin"])
def test_labels_need_more_than_the_agreement_asked_for(aggregate):
    votes, _ = planted(accuracy=(0.6, 0.6, 0.6))
    labelled = [
        int((labels_from(votes, 4, aggregate=aggregate, agreement=a) >= 0).sum()) for a in (0.0, 0.6, 0.9, 0.999)
    ]
    assert labelled == sorted(labelled, reverse=True)
    assert labelled[0] > labelled[2]


def test_one_coin_draws_nothing_and_does_not_mind_the_order():
    votes, _ = planted(n=200)
    once, again = one_coin(votes, 4), one_coin(votes, 4)
    assert torch.equal(once.posterior, again.posterior)
    turned = one_coin(votes.flip(0).flip(1), 4)
    torch.testing.assert_close(turned.posterior.flip(0), once.posterior)
    torch.testing.assert_close(turned.accuracy.flip(0), once.accuracy)


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0, 0)])
def test_no_votes_give_no_labels(shape):
    votes = torch.empty(shape, dtype=torch.int64)
    for aggregate in ("majority", "one-coin"):
        assert labels_from(votes, 3, aggregate=aggregate).tolist() == [-1] * shape[0]


def test_agreement_with_the_others_leaves_out_ones_own_vote_and_ties():
    votes = torch.tensor([[0, 0, 0, 1], [1, 1, 1, 1], [2, 2, 0, 0], [-1, -1, -2, 1]])
    # the first one's others say 0, 1 and 0, and on the last image -1 and 1: a tie
    assert with_the_others(votes, 3)[0] == pytest.approx(2 / 3)
    assert with_the_others(votes, 3)[3] == pytest.approx(1 / 4)
    assert with_the_others(torch.tensor([[1], [2]]), 3) == [None], "there are no others"


def test_the_table_is_that_of_the_papers_with_a_row_for_each_annotator():
    votes = torch.tensor([[0, 0, 0, 1], [1, 1, 1, 1], [2, -1, 0, -2], [2, 2, -1, -2]])
    in_region = torch.tensor([True, True, False, False])
    table = agreement_table(Answers(votes, annotators=("ann", "bob", "cho", "dee")), in_region, 3)
    assert table["regions"]["mean"] == pytest.approx((0.75 + 1) / 2)
    assert table["outside"]["mean"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert (table["all"]["n"], table["all"]["alpha"]) == (4, krippendorff_alpha(votes))
    assert table["regions"]["alpha"] == krippendorff_alpha(votes[:2])
    ann, bob, cho, dee = table["annotators"]
    assert (ann["name"], ann["images"], ann["none_of_the_above"]) == ("ann", 4, 0.0)
    assert (bob["none_of_the_above"], cho["none_of_the_above"]) == (0.25, 0.25)
    assert (dee["images"], dee["with_the_others"]) == (2, 0.5)


def test_the_table_of_nothing_is_unmeasured():
    table = agreement_table(Answers(torch.empty(0, 0, dtype=torch.int64)), torch.empty(0).bool(), 3)
    for part in ("regions", "outside", "all"):
        assert table[part] == {"mean": None, "standard_error": None, "n": 0, "alpha": None}
    assert table["annotators"] == []


def test_answers_to_several_requests_are_joined_by_name():
    early = Answers(torch.tensor([[1, 2], [0, -1]]), annotators=("ann", "bob"))
    late = Answers(torch.tensor([[0, 1]]), annotators=("cho", "bob"))
    both = joined([early, late])
    assert both.annotators == ("ann", "bob", "cho")
    assert both.votes.tolist() == [[1, 2, -2], [0, -1, -2], [-2, 1, 0]]


def test_the_most_disputed_images_come_first_and_those_agreed_on_not_at_all():
    votes = torch.tensor([[1, 1, 1], [0, 1, 2], [1, 1, 0], [2, -2, -2], [0, 0, -1], [-2, -2, -2]])
    together = torch.zeros(6).long()
    assert most_disputed(votes, 3, most=9, group=together).tolist() == [1, 2, 4]
    assert most_disputed(votes, 3, most=1, group=together).tolist() == [1]


def test_the_most_disputed_image_of_each_group_comes_before_the_second_of_any():
    votes = torch.tensor([[0, 1, 2], [0, 1, 2], [0, 0, 1], [0, 0, 1]])
    assert most_disputed(votes, 3, most=4, group=torch.tensor([5, 5, 5, 7])).tolist() == [0, 3, 1, 2]


def test_alpha_falls_as_annotators_err_more_often():
    found = [krippendorff_alpha(planted(accuracy=(a, a, a))[0]) for a in (0.95, 0.8, 0.6, 0.2)]
    assert all(better > worse for better, worse in combinations(found, 2))
    assert found[-1] == pytest.approx(0, abs=0.03), "one of five answers at random"
