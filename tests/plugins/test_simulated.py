"""Simulated annotators err as they were told to, about images whose truth the oracle is made to know."""

import pytest
import torch
from modeldebug_labelers.plugin import SimulatedConfig
from modeldebug_labelers.simulated import Simulated
from torch import nn

from modeldebug import DataSpec, LabelRequest, rng_for
from modeldebug.agreement import one_coin

K = 4
SPEC = DataSpec((1, 2, 2), tuple("abcd"))


class Sees(nn.Module):
    """Reads the class off the image's mean: it is sure, the next class being the second; grey is of no class."""

    def forward(self, x):
        level = x.mean((1, 2, 3)) * 10
        label = level.long().clamp_max(K - 1)
        logits = torch.zeros(len(x), K).scatter(1, label[:, None], 9.0).scatter(1, ((label + 1) % K)[:, None], 2.0)
        return torch.where((level > K)[:, None], logits / 20, logits)


def annotators(**settings):
    found = Simulated(SimulatedConfig(members=1, width=4, **settings), SPEC)
    found._members.members = nn.ModuleList([Sees()])
    return found


def images(n=2000, seed=0):
    """Images, and what they show: a class, or nothing for one in five."""
    truth = torch.arange(n) % (K + 1)
    x = (truth + 0.5)[:, None, None, None] / 10 + torch.zeros(n, *SPEC.shape)
    x = (x + 1e-4 * torch.rand(x.shape, generator=rng_for(seed))).clamp(0, 1)  # no two are alike
    return x, torch.where(truth < K, truth, -1)


def votes_of(labeler, x, name="r"):
    return labeler.label(LabelRequest(name, x, SPEC, torch.full((len(x),), -1))).votes


def test_each_annotator_is_right_as_often_as_was_asked_for():
    x, truth = images()
    votes = votes_of(annotators(annotators=3, accuracy=0.8, spread=0.1), x)
    assert (votes == truth[:, None]).double().mean(0).tolist() == pytest.approx([0.9, 0.8, 0.7], abs=0.03)
    assert one_coin(votes, K).accuracy.tolist() == pytest.approx([0.9, 0.8, 0.7], abs=0.03)


@pytest.mark.parametrize("alone", [{"annotators": 1, "spread": 0.2}, {"annotators": 1, "spread": 0.0}])
def test_one_alone_is_as_good_as_the_mean(alone):
    x, truth = images()
    votes = votes_of(annotators(accuracy=0.7, **alone), x)
    assert float((votes[:, 0] == truth).double().mean()) == pytest.approx(0.7, abs=0.03)


def test_annotators_who_never_err_all_say_what_the_oracle_sees():
    x, truth = images(50)
    votes = votes_of(annotators(accuracy=1.0, spread=0.0), x)
    assert torch.equal(votes, truth[:, None].expand(-1, 5))


def test_wrong_answers_are_spread_over_all_others():
    x, truth = images()
    votes = votes_of(annotators(annotators=1, accuracy=0.0, spread=0.0), x)[:, 0]
    wrong = votes[truth == 2]
    wrong = wrong[wrong != 2]
    assert set(wrong.tolist()) == {-1, 0, 1, 3}
    assert max(torch.unique(wrong, return_counts=True)[1].tolist()) < 0.35 * len(wrong)


def test_wrong_answers_are_the_class_that_the_oracle_holds_second():
    x, truth = images()
    votes = votes_of(annotators(annotators=1, accuracy=0.5, spread=0.0, confusion="runner-up"), x)[:, 0]
    for label in range(K):
        given = votes[truth == label]
        assert set(given.tolist()) == {label, (label + 1) % K}
    assert -1 in votes[truth < 0].tolist()
    assert (votes[truth < 0] >= 0).any(), "of an image of no class, a class"


def test_none_of_the_above_is_said_as_often_as_was_asked_for():
    x, truth = images()
    votes = votes_of(annotators(accuracy=1.0, spread=0.0, none=0.25), x)
    said = (votes[truth >= 0] < 0).double().mean(0)
    assert said.tolist() == pytest.approx([0.25] * 5, abs=0.04)


def test_fatigue_costs_accuracy_by_the_number_of_images_and_a_new_request_is_a_rest():
    x, truth = images(1000)
    tired = annotators(accuracy=0.9, spread=0.0, fatigue=0.05)
    right = (votes_of(tired, x) == truth[:, None]).double().mean()
    assert float(right) == pytest.approx(0.9 - 0.05 * 999 / 2 / 100, abs=0.02)
    parts = [votes_of(tired, part, f"r-{i}") for i, part in enumerate(x.split(100))]
    rested = (torch.cat(parts) == truth[:, None]).double().mean()
    assert float(rested) == pytest.approx(0.9 - 0.05 * 99 / 2 / 100, abs=0.02)


def test_no_fatigue_makes_anyone_worse_than_chance():
    x, truth = images(1000)
    votes = votes_of(annotators(accuracy=0.5, spread=0.0, fatigue=1.0), x)
    assert float((votes == truth[:, None]).double().mean()) == pytest.approx(1 / (K + 1), abs=0.05)


def test_votes_follow_from_the_request_and_the_image_and_not_from_their_order():
    x, _ = images(60)
    team = annotators(accuracy=0.6)
    votes = votes_of(team, x)
    assert torch.equal(votes_of(team, x.flip(0)), votes.flip(0))
    assert torch.equal(votes_of(team, x[:7]), votes[:7])
    assert not torch.equal(votes_of(team, x, "another"), votes)


def test_annotators_have_names():
    assert annotators(annotators=2).label(LabelRequest("r", images(1)[0], SPEC, torch.tensor([-1]))).annotators == (
        "simulated 1",
        "simulated 2",
    )
