"""The oracle: an ensemble that abstains."""

import pytest
import torch
from modeldebug_labelers.augment import augmented
from modeldebug_labelers.members import calibrate
from modeldebug_labelers.oracle import Oracle
from modeldebug_labelers.plugin import OracleConfig
from torch import nn

from modeldebug import Context, DataSpec, LabelRequest, rng_for
from modeldebug.judging import majority
from modeldebug.rng import isolated_global_rng
from modeldebug.testing import known_problem

SPEC = known_problem().spec
SHORT = {"members": 3, "epochs": 5, "width": 8}


class Says(nn.Module):
    """Answers every image with the same probabilities."""

    def __init__(self, *probs):
        super().__init__()
        self.register_buffer("logits", torch.tensor(probs).log())

    def forward(self, x):
        return self.logits.expand(len(x), -1)


def oracle_of(*members, confidence=0.7):
    oracle = Oracle(OracleConfig(members=len(members), confidence=confidence, width=4), SPEC)
    oracle._members.members = nn.ModuleList(members)
    return oracle


def answers(oracle, x=None):
    x = torch.rand(2, 1, 8, 8) if x is None else x
    return oracle.label(LabelRequest("test", x, SPEC, torch.full((len(x),), -1)))


def ask(oracle, x=None):
    return answers(oracle, x).votes


SURE_OF_0, SURE_OF_1 = Says(0.97, 0.01, 0.01, 0.01), Says(0.01, 0.97, 0.01, 0.01)
UNSURE = Says(0.4, 0.3, 0.2, 0.1)


def test_each_member_has_a_vote_and_says_none_of_the_above_where_it_is_unsure():
    assert ask(oracle_of(SURE_OF_0, SURE_OF_1, UNSURE)).tolist() == [[0, 1, -1]] * 2


def test_confidence_that_is_asked_for_decides():
    assert ask(oracle_of(UNSURE, confidence=0.39)).tolist() == [[0], [0]]
    assert ask(oracle_of(UNSURE, confidence=0.41)).tolist() == [[-1], [-1]]


@pytest.mark.parametrize(
    ("members", "label"),
    [
        ((SURE_OF_0, SURE_OF_0, SURE_OF_1), 0),
        ((SURE_OF_0, SURE_OF_1), -1),
        ((SURE_OF_0, SURE_OF_0, SURE_OF_1, SURE_OF_1), -1),
        ((SURE_OF_0, UNSURE, UNSURE), -1),
        ((SURE_OF_0, SURE_OF_0, UNSURE), 0),
    ],
)
def test_oracle_abstains_where_its_members_disagree_or_are_unsure(members, label):
    assert majority(ask(oracle_of(*members)), 4, 0.5).tolist() == [label] * 2


@pytest.mark.parametrize(
    ("members", "sure"),
    [
        ((SURE_OF_0,), 0.97),
        ((SURE_OF_0, SURE_OF_0, SURE_OF_1), (0.97 + 0.97 + 0.01) / 3),
        ((UNSURE, UNSURE, SURE_OF_1), (0.4 + 0.4 + 0.01) / 3),  # of the class that is voted for, not of the likeliest
        ((UNSURE, UNSURE, UNSURE), 0.4),
    ],
)
def test_oracle_is_as_sure_as_its_members_are_on_the_mean_of_the_class_that_most_vote_for(members, sure):
    for confidence in (0.0, 0.7):  # whether members vote or abstain changes nothing in how sure they are
        found = answers(oracle_of(*members, confidence=confidence)).confidence
        assert found.tolist() == pytest.approx([sure] * 2)


def test_oracle_that_is_surer_is_more_often_right(fitted):
    x, y = known_problem().splits.test.batch(slice(None))
    noisy = (x + 0.35 * torch.randn(x.shape, generator=rng_for(0))).clamp(0, 1)
    found = answers(fitted, noisy)
    right = majority(found.votes.clamp_min(0), 4) == y
    surer = found.confidence > found.confidence.median()
    assert float(right[surer].float().mean()) > float(right[~surer].float().mean())


def test_temperature_softens_a_vote():
    oracle = oracle_of(Says(0.8, 0.1, 0.05, 0.05))
    assert ask(oracle).tolist() == [[0], [0]]
    oracle._members.temperature = torch.tensor([3.0])
    assert ask(oracle).tolist() == [[-1], [-1]]


@pytest.fixture(scope="module")
def fitted():
    with isolated_global_rng(0):
        oracle = Oracle(OracleConfig(**SHORT), SPEC)
        oracle.fit(known_problem().splits, Context.quiet(0))
    return oracle


def test_members_are_trained_from_seeds_of_their_own(fitted):
    weights = [torch.cat([p.flatten() for p in member.parameters()]) for member in fitted._members.members]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])


def test_state_round_trip_gives_the_same_votes(fitted):
    x = known_problem().splits.test.images
    other = Oracle(OracleConfig(**SHORT), SPEC)
    assert not torch.equal(ask(other, x), ask(fitted, x))
    other.load_state_dict(fitted.state_dict())
    assert torch.equal(ask(other, x), ask(fitted, x))


def test_calibration_finds_the_temperature_that_logits_were_sharpened_by():
    rng = rng_for(0)
    logits = torch.randn(5000, 4, generator=rng)
    labels = torch.multinomial(logits.softmax(1), 1, generator=rng)[:, 0]
    for temperature in (0.5, 1.0, 4.0):
        assert float(calibrate(logits * temperature, labels)) == pytest.approx(temperature, rel=0.15)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (1, 32, 16), (3, 5, 4)], ids=str)
@pytest.mark.parametrize("architecture", ["convolutional", "residual"])
@pytest.mark.parametrize("stem", [0, 1, 9])
def test_images_of_any_size_are_labelled(shape, architecture, stem):
    spec = DataSpec(shape, ("a", "b", "c"))
    oracle = Oracle(OracleConfig(members=1, width=4, architecture=architecture, stem=stem), spec)
    votes = oracle.label(LabelRequest("test", torch.rand(2, *shape), spec, torch.full((2,), -1))).votes
    assert votes.shape == (2, 1)


def sides(network, x):
    """The side of the image that each convolution is given."""
    found = []
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    handles = [m.register_forward_pre_hook(lambda _, given: found.append(given[0].shape[-1])) for m in convolutions]
    network.eval()(x)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize(
    ("stem", "expected"), [(0, [28, 28, 14, 14]), (1, [28, 14, 14, 7, 7]), (2, [28, 14, 7, 7])], ids=str
)
def test_stem_leaves_only_its_own_convolutions_to_the_large_image(stem, expected):
    spec = DataSpec((1, 28, 28), ("a", "b"))
    oracle = Oracle(OracleConfig(members=1, width=4, stem=stem), spec)
    assert sides(oracle._members.members[0], torch.zeros(1, 1, 28, 28)) == expected


NOTHING = {"rotation": 0.0, "shift": 0.0, "zoom": 0.0, "shear": 0.0, "noise": 0.0}


def test_augmentation_of_nothing_is_the_image_itself():
    x = torch.rand(4, 1, 8, 8, generator=rng_for(0))
    assert torch.allclose(augmented(x, OracleConfig(**NOTHING), rng_for(1)), x, atol=1e-5)


@pytest.mark.parametrize("name", NOTHING)
def test_each_augmentation_changes_each_image_by_its_own_draw_and_keeps_the_range(name):
    x = torch.rand(1, 1, 8, 8, generator=rng_for(0)).expand(4, 1, 8, 8)
    moved = augmented(x, OracleConfig(**(NOTHING | {name: 0.5 if name != "rotation" else 20.0})), rng_for(1))
    assert float(moved.min()) >= 0
    assert float(moved.max()) <= 1
    assert len({m.sum().item() for m in (*moved, x[0])}) == 5
    again = augmented(x, OracleConfig(**(NOTHING | {name: 0.5 if name != "rotation" else 20.0})), rng_for(1))
    assert torch.equal(moved, again)
