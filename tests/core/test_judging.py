import math

import pytest
import torch

from modeldebug.judging import (
    ABSTAINED,
    DRIFT,
    GENUINE,
    JUDGEMENTS,
    THIRD_CLASS,
    count_judgements,
    is_disputed,
    judge_failures,
    judge_region,
    majority,
    mean_and_error,
    vote_counts,
    vote_share,
    wilson,
    winning_answer,
)


def votes(*rows):
    return torch.tensor(rows)


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ([1, 1, 0], 1),
        ([0, 1, 2], -1),  # a tie of three
        ([0, 0, 1, 1], -1),  # a tie of two
        ([-1, -1, 2], -1),  # "none of the above" has the majority
        ([-1, 2, 2], 2),
        ([-1, 2], -1),  # a tie with "none of the above"
        ([2, -2, -2], 2),  # who was not asked does not vote
        ([-2, -2, -2], -1),
    ],
)
def test_majority_of_votes(row, label):
    assert majority(votes(row), 3).tolist() == [label]


def test_agreement_must_be_exceeded_not_reached():
    assert majority(votes([1, 1, 0, 2]), 3, agreement=0.5).tolist() == [-1]
    assert majority(votes([1, 1, 1, 2]), 3, agreement=0.5).tolist() == [1]
    assert majority(votes([1, 1, -2, -2]), 3, agreement=0.5).tolist() == [1]  # of those who were asked


def test_votes_of_every_class_are_counted():
    assert majority(torch.arange(10)[:, None], 10).tolist() == list(range(10))


def test_failures_are_judged_by_their_label():
    allowed = torch.eye(3).bool()[torch.tensor([0, 0, 0, 0])]
    judged = judge_failures(allowed, torch.tensor([1, 1, 1, 1]), torch.tensor([0, 2, 1, -1]))
    assert judged.tolist() == [GENUINE, THIRD_CLASS, DRIFT, ABSTAINED]


def test_any_allowed_label_makes_a_failure_genuine():
    allowed = torch.tensor([[True, True, False]])
    for label, judgement in ((0, GENUINE), (1, GENUINE), (2, DRIFT)):
        assert judge_failures(allowed, torch.tensor([2]), torch.tensor([label])).item() == judgement


def test_each_failure_is_counted_once():
    rng = torch.Generator().manual_seed(0)
    n, k = 500, 5
    expected = torch.randint(k, (n,), generator=rng)
    predicted = (expected + torch.randint(1, k, (n,), generator=rng)) % k
    label = torch.randint(-1, k, (n,), generator=rng)
    counts = count_judgements(judge_failures(torch.eye(k).bool()[expected], predicted, label))
    assert tuple(counts) == JUDGEMENTS
    assert sum(counts.values()) == n
    assert all(counts.values())


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0), (81, 263, 0.2553, 0.3662)],
)  # the last one: Newcombe 1998, table I
def test_wilson_interval_has_its_published_values(hits, n, low, high):
    assert wilson(hits, n) == pytest.approx((low, high), abs=1e-4)


def test_wilson_interval_of_nothing_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


def region(labels, predicted, **changes):
    place = {"cluster": 3, "weight": 0.25, "size": 40, "origins": 7}
    settings = {"num_classes": 3, "rho": 0.5, "min_purity": 0.8, "min_labelled": 0.5} | changes
    return judge_region(torch.tensor(labels), torch.tensor(predicted), **place, **settings)


def test_region_of_one_wrong_class_is_kept_with_its_label():
    found = region([2, 2, 2, 2, -1], [0, 0, 0, 1, 0])
    assert (found.status, found.label, found.predicted) == ("kept", 2, 0)
    assert (found.samples, found.abstained, found.disagree, found.purity) == (5, 1, 1.0, 1.0)
    assert (found.purity_low, found.purity_high) == wilson(4, 4)
    assert (found.cluster, found.weight, found.size, found.origins) == (3, 0.25, 40, 7)
    assert found.disputed is None  # labels alone cannot tell


def test_region_that_is_predicted_rightly_is_correct():
    assert region([1, 1, 1, 1], [1, 1, 1, 0]).status == "correct"


def test_region_is_correct_when_just_rho_of_it_disagree():
    assert region([1, 1, 1, 1], [0, 0, 1, 1]).status == "correct"
    assert region([1, 1, 1, 1], [0, 0, 1, 1], rho=0.49).status == "kept"


def test_region_of_low_purity_is_mixed():
    found = region([1, 1, 1, 2], [0, 0, 0, 0])
    assert (found.status, found.purity, found.label) == ("mixed", 0.75, 1)


def test_region_of_low_purity_is_mixed_even_where_the_classifier_is_right():
    assert region([1, 1, 1, 2], [1, 1, 1, 2]).status == "mixed"
    assert region([1, 1, 1, 2], [1, 1, 1, 2], min_purity=0.75).status == "correct"


def test_region_with_a_tie_is_mixed_and_has_no_label():
    found = region([1, 1, 2, 2], [0, 0, 0, 0])
    assert (found.status, found.label, found.purity, found.disagree) == ("mixed", None, 0.5, 1.0)
    assert (found.purity_low, found.purity_high) == wilson(2, 4)
    assert region([1, 1, 2, 2], [0, 0, 0, 0], min_purity=0.5).status == "unlabelled", "pure enough, but of which class?"


def test_region_of_abstentions_is_unlabelled_and_has_no_rates():
    found = region([-1, -1], [0, 0])
    assert (found.status, found.label, found.disagree, found.purity) == ("unlabelled", None, None, None)
    assert found.abstained == 2


def test_region_with_too_few_labels_is_unlabelled_however_pure_they_are():
    found = region([2, 2, -1, -1, -1], [0, 0, 0, 0, 0])
    assert (found.status, found.label, found.purity) == ("unlabelled", 2, 1.0)
    assert region([2, 2, -1, -1, -1], [0, 0, 0, 0, 0], min_labelled=0.4).status == "kept"


def test_region_is_labelled_when_just_the_least_share_of_it_has_labels():
    assert region([2, 2, -1, -1], [0, 0, 0, 0]).status == "kept"


@pytest.mark.parametrize("predicted", [[1, 1, 1, 1, 1], [0, 0, 0, 0, 0]])
def test_too_few_labels_come_before_every_other_reason_to_set_a_region_aside(predicted):
    assert region([1, 2, -1, -1, -1], predicted).status == "unlabelled"
    assert region([1, 1, -1, -1, -1], predicted).status == "unlabelled"


def test_vote_share_is_that_of_the_most_frequent_answer_among_the_votes_given():
    votes = torch.tensor([[3, 3, 3, 3], [0, 1, 2, 3], [-1, -1, 0, -2], [-2, -2, -2, -2]])
    torch.testing.assert_close(vote_share(votes, 4), torch.tensor([1.0, 0.25, 2 / 3, math.nan]), equal_nan=True)


def test_standard_error_is_that_of_the_mean_of_the_known_values():
    found = mean_and_error(torch.tensor([0.0, 1.0, 0.0, 1.0, math.nan]))
    assert found["n"] == 4
    assert found["mean"] == pytest.approx(0.5)
    assert found["standard_error"] == pytest.approx((1 / 3) ** 0.5 / 2)  # deviation over n - 1, over the root of n


@pytest.mark.parametrize(("n", "expected"), [(0, (None, None)), (1, (0.5, None))])
def test_mean_and_error_of_too_few_values_are_not_measured(n, expected):
    found = mean_and_error(torch.full((n,), 0.5))
    assert (found["mean"], found["standard_error"]) == expected


def test_a_tie_is_no_answer_and_none_of_the_above_is_one():
    rows = votes([1, 1, 0], [0, 1, -2], [-1, -1, 2], [-2, -2, -2])
    assert vote_counts(rows, 3).tolist() == [[0, 1, 2, 0], [0, 1, 1, 0], [2, 0, 0, 1], [0, 0, 0, 0]]
    assert winning_answer(vote_counts(rows, 3)).tolist() == [1, -2, -1, -2]


@pytest.mark.parametrize(
    ("genuine", "third_class", "drift", "abstained", "expected"),
    [(0, 0, 1, 0, True), (1, 1, 2, 0, False), (0, 0, 0, 3, False), (0, 0, 0, 0, None)],
)
def test_a_region_is_disputed_by_who_was_asked_about_it_alone(genuine, third_class, drift, abstained, expected):
    counts = {"genuine": genuine, "third_class": third_class, "drift": drift, "abstained": abstained}
    assert is_disputed(counts) is expected
