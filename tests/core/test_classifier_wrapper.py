import pytest
import torch
from torch import nn

from modeldebug import Classifier, ClassifierError, DataSpec, ImageSet
from modeldebug.classifier import detect_output, model_hash

SPEC = DataSpec((1, 2, 2), ("a", "b", "c"))


class Answers(nn.Module):
    """Calls a function on the images."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.register_buffer("of_three", torch.randn(3, generator=torch.Generator().manual_seed(0)))

    def forward(self, x):
        return self.function(x, self.of_three.expand(len(x), 3))


def classifier(function, **changes):
    return Classifier(Answers(function), SPEC, name="mine", batch_size=4, **changes)


X = torch.rand(6, 1, 2, 2, generator=torch.Generator().manual_seed(0))
LOGITS = classifier(lambda x, v: v)


def test_logits_become_probabilities():
    assert torch.allclose(LOGITS.probs(X), LOGITS.module.of_three.softmax(0).expand(6, 3))


@pytest.mark.parametrize(
    ("function", "output"),
    [
        (lambda x, v: v, "logits"),
        (lambda x, v: v.softmax(1), "probabilities"),
        (lambda x, v: v.log_softmax(1), "logits"),
    ],
)
def test_what_a_module_returns_is_detected_and_does_not_matter(function, output):
    found = classifier(function)
    assert detect_output(found, X) == output
    assert torch.allclose(classifier(function, output=output).probs(X), LOGITS.probs(X))


def test_certain_probabilities_have_finite_logarithms():
    certain = classifier(lambda x, v: torch.eye(3)[:1].expand(len(x), 3), output="probabilities")
    assert bool(torch.isfinite(certain.log_probs(X)).all())


def test_normalisation_is_applied_before_the_module():
    seen = []

    def remember(x, v):
        seen.append(x)
        return v

    classifier(remember, mean=(0.5,), std=(0.25,)).log_probs(X)
    assert torch.equal(seen[0], (X - 0.5) / 0.25)


def test_normalisation_needs_a_number_for_each_channel():
    with pytest.raises(ClassifierError, match="one number for each channel"):
        classifier(lambda x, v: v, mean=(0.5, 0.5)).probs(X)


def raises(x, v):
    raise ValueError("no such layer")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (raises, "raised ValueError: no such layer"),
        (lambda x, v: v * torch.nan, "4 of 4 rows"),
        (lambda x, v: torch.where(torch.arange(len(x))[:, None] == 1, torch.inf, v), "1 of 4 rows"),
        (lambda x, v: v[:, :2], "got:      float32 (4, 2)"),
        (lambda x, v: v[:1], "wrong shape"),
        (lambda x, v: (v, v), "got:      tuple"),
    ],
)
def test_module_that_misbehaves_is_named(function, words):
    with pytest.raises(ClassifierError) as caught:
        classifier(function).probs(X)
    assert words in str(caught.value)
    assert "mine" in str(caught.value)


def test_answers_are_taken_in_eval_mode():
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(4, 3)).train()
    found = Classifier(module, SPEC)
    assert torch.equal(found.probs(X), found.probs(X))


def test_double_precision_module_answers_in_float32():
    assert classifier(lambda x, v: v.double()).probs(X).dtype == torch.float32


def test_log_probabilities_are_differentiable():
    linear = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), SPEC)
    x = X.clone().requires_grad_()
    linear.log_probs(x)[:, 0].sum().backward()
    assert float(x.grad.abs().sum()) > 0


def test_accuracy_is_the_share_of_right_predictions():
    best = int(LOGITS.module.of_three.argmax())
    labels = torch.tensor([best] * 4 + [(best + 1) % 3] * 2)
    assert LOGITS.accuracy(ImageSet(X, labels)) == pytest.approx(4 / 6)


def test_copy_is_independent_and_takes_other_weights():
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    first = Classifier(module, SPEC)
    before = model_hash(module)
    other = first.copy({k: v + 1 for k, v in first.state_dict().items()})
    assert model_hash(module) == before != model_hash(other.module)


def test_hash_of_a_module_sees_names_shapes_and_values():
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))  # with a scalar buffer
    before = model_hash(module)
    assert model_hash(module) == before
    with torch.no_grad():
        module[0].weight[0, 0] += 1e-3
    assert model_hash(module) != before
    assert model_hash(nn.ModuleDict({"a": nn.Linear(2, 2)})) != model_hash(nn.ModuleDict({"b": nn.Linear(2, 2)}))
