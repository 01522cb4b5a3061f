"""The known problem's answers are right: held against numbers that are found in another way."""

import pytest
import torch

from modeldebug.testing import known_problem
from modeldebug.testing.problems import codes_of, truth


@pytest.fixture(scope="module")
def prior_draws():
    return torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0))


def test_codes_are_read_off_their_images(prior_draws):
    z = prior_draws[:1000]
    assert torch.allclose(codes_of(known_problem().generator.decode(z)), z, atol=1e-4)


def test_classifier_is_wrong_inside_the_balls_and_nowhere_else(prior_draws):
    known = known_problem()
    predicted = known.classifier.probs(known.generator.decode(prior_draws)).argmax(1)
    ball = known.ball_of(prior_draws)
    inside = ball >= 0
    assert torch.equal(predicted != truth(prior_draws), inside)
    assert torch.equal(predicted[inside], torch.tensor([b.predicted for b in known.balls])[ball[inside]])
    assert torch.equal(truth(prior_draws)[inside], torch.tensor([b.label for b in known.balls])[ball[inside]])


def test_prior_rate_is_what_prior_draws_show(prior_draws):
    known = known_problem()
    share = float((known.ball_of(prior_draws) >= 0).float().mean())
    assert known.prior_rate == pytest.approx(share, abs=4 * (0.06 * 0.94 / 100_000) ** 0.5)


def test_data_do_not_show_the_failures():
    known = known_problem()
    for part in (known.splits.train, known.splits.validation, known.splits.test):
        assert known.classifier.accuracy(part) == 1.0
        assert bool((known.ball_of(codes_of(part.images)) == -1).all())


def test_planted_failures_are_judged_as_failures_of_their_ball():
    known = known_problem()
    failures = known.failures(50)
    assert len(failures) == 100
    assert known.ball_of(failures.z).tolist() == [0] * 50 + [1] * 50
    assert failures.expected.tolist() == [3] * 50 + [2] * 50
    assert failures.predicted.tolist() == [0] * 50 + [1] * 50


def test_origins_stand_near_both_balls_and_outside_of_them():
    known = known_problem()
    assert known.origins.labels.bincount().tolist() == [0, 0, 12, 12]
    assert bool((known.ball_of(known.origins.z) == -1).all())
    assert torch.equal(known.splits.train.labels[known.origins.index], known.origins.labels)


def test_told_the_class_the_known_problem_is_the_same_but_for_its_codes(prior_draws):
    known, told = known_problem(), known_problem(conditional=True)
    assert torch.allclose(known.splits.train.images, told.splits.train.images, atol=1e-6)
    assert torch.equal(known.origins.index, told.origins.index)
    assert torch.equal(told.origins.condition, told.origins.labels)
    assert torch.allclose(told.origins.z, known.origins.z.abs(), atol=1e-4)
    assert torch.equal(known.failures(20).x, told.failures(20).x)


@pytest.mark.parametrize("label", range(4))
def test_an_image_shows_the_class_that_the_generator_was_told(prior_draws, label):
    z = prior_draws[:1000]
    images = known_problem(conditional=True).generator.decode(z, torch.full((1000,), label))
    assert bool((truth(codes_of(images)) == label).all())
    assert torch.allclose(codes_of(images).abs(), z.abs(), atol=1e-4)


def test_prior_rate_holds_for_draws_that_are_told_every_class_alike(prior_draws):
    told = known_problem(conditional=True)
    shown = codes_of(told.generator.decode(prior_draws, torch.arange(len(prior_draws)) % 4))
    share = float((told.ball_of(shown) >= 0).float().mean())
    assert told.prior_rate == pytest.approx(share, abs=4 * (0.06 * 0.94 / 100_000) ** 0.5)
