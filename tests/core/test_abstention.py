"""The threshold below which an auditor abstains, on answers whose errors are planted."""

import pytest
import torch

from modeldebug.judging import abstention_threshold, labels_of
from modeldebug.rng import rng_for
from modeldebug.votes import Answers


def planted(n, wrong_below, share=0.5):
    """n answers of evenly spread confidence; below `wrong_below` this share of them is wrong, above none."""
    confidence = torch.arange(1, n + 1) / n
    wrong = (confidence < wrong_below) & (torch.rand(n, generator=rng_for(0)) < share)
    return ~wrong, confidence


@pytest.mark.parametrize("rate", [0.001, 0.005, 0.02, 0.1])
def test_threshold_is_the_lowest_that_keeps_to_the_rate(rate):
    right, confidence = planted(5000, 0.6)
    found = abstention_threshold(right, confidence, rate)
    believed = confidence >= found.confidence
    assert found.reached
    assert float((~right)[believed].double().mean()) == pytest.approx(found.error)
    assert (found.error, found.answers) <= (rate, 5000)
    assert found.answers == int(believed.sum())
    for lower in confidence[~believed].tolist():
        assert float((~right)[confidence >= lower].double().mean()) > rate


def test_a_program_that_never_errs_never_abstains():
    found = abstention_threshold(torch.ones(300).bool(), torch.rand(300, generator=rng_for(0)), 0.005)
    assert (found.error, found.answers, found.reached) == (0.0, 300, True)


def test_a_threshold_does_not_pass_over_a_wrong_answer_to_take_a_right_one_that_is_as_sure():
    right, confidence = torch.tensor([True] * 10 + [False] * 5), torch.tensor([0.9] * 5 + [0.4] * 10)
    for order in (torch.arange(15), torch.arange(15).flip(0)):
        found = abstention_threshold(right[order], confidence[order], 0.2)
        assert (round(found.confidence, 3), found.answers) == (0.9, 5)


def test_where_errors_are_the_surest_the_best_threshold_is_given_and_does_not_count():
    confidence = torch.arange(1, 1001) / 1000
    found = abstention_threshold(confidence < 0.9, confidence, 0.01)
    assert not found.reached
    assert found.answers == 1000, "every higher threshold leaves a larger share of errors"
    assert found.error == pytest.approx(0.101)


def test_a_rate_is_not_reached_on_fewer_images_than_could_tell_it():
    right, confidence = torch.ones(150).bool(), torch.linspace(0.5, 1, 150)
    assert abstention_threshold(right, confidence, 0.01).reached
    assert not abstention_threshold(right, confidence, 0.005).reached  # one wrong answer in 150 would be too many


def test_a_handful_of_sure_answers_is_no_way_out():
    """A threshold that keeps the three surest answers errs on none of them, and says nothing."""
    right = torch.rand(2000, generator=rng_for(0)) < 0.8
    confidence = torch.rand(2000, generator=rng_for(1))
    right[confidence.topk(3).indices] = True
    found = abstention_threshold(right, confidence, 0.005)
    assert not found.reached
    assert found.answers >= 200


def test_no_answers_give_no_threshold():
    found = abstention_threshold(torch.empty(0).bool(), torch.empty(0), 0.01)
    assert (found.confidence, found.error, found.answers, found.reached) == (None, None, 0, False)


def test_confidence_decides_only_where_it_is_given():
    votes = torch.tensor([[1, 1], [0, 0], [0, 1], [-1, -1]])
    sure = torch.tensor([0.8, 0.7, 0.99, 0.99])
    assert labels_of(Answers(votes, sure), 2, threshold=0.8).tolist() == [1, -1, -1, -1]
    assert labels_of(Answers(votes), 2, threshold=0.8).tolist() == [1, 0, -1, -1]
    assert labels_of(Answers(votes, sure), 2).tolist() == [1, 0, -1, -1]
