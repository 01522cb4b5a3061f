"""The ensemble: the oracle's networks, answering as one classifier."""

import copy

import pytest
import torch
from modeldebug_labelers.ensemble import Ensemble
from modeldebug_labelers.members import Members
from modeldebug_labelers.oracle import Oracle
from modeldebug_labelers.plugin import EnsembleConfig, MembersConfig, OracleConfig
from safetensors.torch import load_file, save_file
from torch import nn

from modeldebug import Classifier, Context, Labeler
from modeldebug.classifier import detect_output, load_weights
from modeldebug.rng import isolated_global_rng
from modeldebug.testing import known_problem

SPEC, SPLITS = known_problem().spec, known_problem().splits
SHORT = {"members": 2, "epochs": 4, "width": 8}


def ensemble(**settings):
    return Ensemble(EnsembleConfig(**(SHORT | settings)), SPEC)


def trained(module=None, **settings):
    source = ensemble(**settings)
    with isolated_global_rng(0):
        module = source._make() if module is None else module
        source._train(module, SPLITS.without_test(), Context.quiet(0))
    return module.eval()


def asked(module, **settings):
    return Classifier(module, SPEC, **settings)


@pytest.fixture(scope="module")
def fitted():
    return trained()


class Says(nn.Module):
    """Answers every image with the same probabilities."""

    def __init__(self, *probs):
        super().__init__()
        self.register_buffer("logits", torch.tensor(probs).log())

    def forward(self, x):
        return self.logits.expand(len(x), -1)


def test_members_are_pooled_by_the_geometric_mean_of_their_calibrated_probabilities():
    said = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.1, 0.6, 0.2, 0.1]])
    members = Members(MembersConfig(members=2, width=4), SPEC)
    members.members = nn.ModuleList(Says(*row.tolist()) for row in said)
    members.temperature = torch.tensor([2.0, 0.5])
    softened, sharpened = said[0] ** 0.5, said[1] ** 2
    pooled = (softened / softened.sum() * sharpened / sharpened.sum()).sqrt()
    answer = asked(members).probs(torch.zeros(3, 1, 8, 8))
    torch.testing.assert_close(answer, (pooled / pooled.sum()).expand(3, 4))


def test_it_learns_and_its_answers_are_read_as_logits(fitted):
    assert asked(fitted).accuracy(SPLITS.test) > 0.95
    assert detect_output(asked(fitted), SPLITS.validation.batch(slice(16))[0]) == "logits"


def test_members_come_from_seeds_of_their_own_and_are_calibrated(fitted):
    first, second = (torch.cat([p.flatten() for p in member.parameters()]) for member in fitted.members)
    assert not torch.equal(first, second)
    assert (fitted.temperature != 1).all()


def test_members_are_those_that_the_oracle_would_have_trained(fitted):
    oracle: Labeler = Oracle(OracleConfig(**SHORT), SPEC)
    with isolated_global_rng(0):
        oracle.fit(SPLITS.without_test(), Context.quiet(0))
    theirs, ours = oracle.state_dict(), fitted.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


def test_weights_file_keeps_the_calibration_and_gives_the_same_answers(fitted, tmp_path):
    save_file(fitted.state_dict(), tmp_path / "w.safetensors")
    assert "temperature" in load_file(tmp_path / "w.safetensors")
    other = ensemble()._make()
    x = SPLITS.test.batch(slice(None))[0]
    assert not torch.equal(asked(other).probs(x), asked(fitted).probs(x))
    load_weights(other, tmp_path / "w.safetensors", trust=False, name="ensemble")
    assert torch.equal(asked(other).probs(x), asked(fitted).probs(x))


def test_copy_with_its_own_state_answers_alike(fitted):
    x = SPLITS.test.batch(slice(None))[0]
    other = asked(ensemble()._make()).copy(fitted.state_dict())
    assert torch.equal(other.probs(x), asked(fitted).probs(x))


def test_its_log_probabilities_have_a_gradient_that_finite_differences_confirm(fitted):
    members = copy.deepcopy(fitted).double()
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(1, 1, 8, 8, generator=rng, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(members(x).log_softmax(1)[0, 2], x)
    step = 1e-6 * torch.randn(x.shape, generator=rng, dtype=torch.float64)
    with torch.no_grad():
        ahead, behind = (float(members(x + side * step).log_softmax(1)[0, 2]) for side in (1, -1))
    assert gradient.abs().max() > 0
    assert (ahead - behind) / 2 == pytest.approx(float((gradient * step).sum()), rel=1e-3)


def test_it_is_trained_on_what_it_will_be_asked(fitted):
    negative = {"mean": (1.0,), "std": (-1.0,)}  # turns black into white
    module = trained(**negative)
    assert asked(module, **negative).accuracy(SPLITS.test) > 0.9
    assert asked(module).accuracy(SPLITS.test) < 0.5


def test_training_starts_from_the_weights_that_are_given_and_else_from_the_members_own_seeds(fitted):
    def moved(**settings):
        module = ensemble()._make()
        module.load_state_dict(fitted.state_dict())
        trained(module, epochs=1, learning_rate=1e-9, **settings)
        return max(
            float((p - q).detach().abs().max()) for p, q in zip(module.parameters(), fitted.parameters(), strict=True)
        )

    assert moved(weights="w.safetensors") < 1e-5
    assert moved() > 0.01
