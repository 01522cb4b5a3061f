"""Finetuning with lambda, of Defuse (AAAI section 3.3)."""

import pytest
import torch
from modeldebug_defuse.lambda_finetuning import LambdaFinetuning
from modeldebug_defuse.settings import LAMBDAS, LambdaConfig
from torch import nn

from modeldebug import Classifier, Context, ImageSet, LabelledImages, rng_for
from modeldebug.testing import known_problem

KNOWN = known_problem()


def region(part, per_ball=64):
    z = KNOWN.codes_in_balls(per_ball, rng_for(0, part))
    labels = torch.tensor([ball.label for ball in KNOWN.balls]).repeat_interleave(per_ball)
    return LabelledImages(KNOWN.generator.decode(z), labels)


def finetune(failures, classifier=None, **settings):
    corrector = LambdaFinetuning(LambdaConfig(**({"batch_size": 64} | settings)), KNOWN.spec)
    return corrector.correct(classifier or KNOWN.classifier.copy(), KNOWN.splits, failures, Context.quiet(0))


def region_accuracy(state):
    held_out = region("held out")
    return KNOWN.classifier.copy(state.state).accuracy(ImageSet(held_out.x, held_out.labels))


class Recording(nn.Module):
    """Remembers the batches that it is trained on, in order, in a list that copies share."""

    seen: list = []  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 4)

    def forward(self, x):
        if self.training:
            Recording.seen.append(x.clone())
        return self.linear(x.flatten(1))


def test_every_lambda_sees_the_same_batches():
    torch.manual_seed(0)
    batches = []
    for strength in (1e-3, 1.0, 100.0):
        Recording.seen = []
        finetune(region("finetune"), Classifier(Recording().eval(), KNOWN.spec), lambdas=(strength,), epochs=2)
        batches.append(torch.cat(Recording.seen))
    assert torch.equal(batches[0], batches[1])
    assert torch.equal(batches[0], batches[2])

    Recording.seen = []
    finetune(region("finetune"), Classifier(Recording().eval(), KNOWN.spec), lambdas=(1e-3, 1.0, 100.0), epochs=2)
    thirds = torch.cat(Recording.seen).chunk(3)
    assert all(torch.equal(third, batches[0]) for third in thirds)


def test_there_is_a_state_for_each_lambda_in_their_order():
    states = finetune(region("finetune"), lambdas=(1.0, 0.1), epochs=1)
    assert [(s.name, s.strength) for s in states] == [("lambda=1", 1.0), ("lambda=0.1", 0.1)]


def test_default_sweep_is_the_papers():
    assert len(LAMBDAS) == 17
    assert (min(LAMBDAS), max(LAMBDAS)) == (1e-10, 1000)
    assert LambdaConfig().lambdas == LAMBDAS


def test_large_lambda_fixes_planted_failures_and_a_vanishing_one_does_not():
    tiny, large = finetune(region("finetune"), lambdas=(1e-14, 10.0), epochs=6)
    assert region_accuracy(tiny) < 0.1
    assert region_accuracy(large) > 0.95
    assert KNOWN.classifier.copy(large.state).accuracy(KNOWN.splits.test) > 0.98


def test_control_is_one_state_of_strength_zero_and_fixes_nothing():
    (control,) = finetune(None, epochs=3)
    assert control.strength == 0
    assert region_accuracy(control) == 0


def test_epoch_with_the_highest_validation_accuracy_is_taken(monkeypatch):
    """Labels that contradict the data drag the classifier down, so the last epoch is not the best."""
    accuracies, accuracy = [], Classifier.accuracy

    def remember(self, images):
        accuracies.append(accuracy(self, images))
        return accuracies[-1]

    monkeypatch.setattr(Classifier, "accuracy", remember)
    x, y = KNOWN.splits.train.batch(slice(None))
    (state,) = finetune(LabelledImages(x, (y + 1) % 4), lambdas=(2.0,), epochs=5, learning_rate=0.1)
    assert len(accuracies) == 5
    assert accuracies[-1] < max(accuracies)
    assert accuracy(KNOWN.classifier.copy(state.state), KNOWN.splits.validation) == max(accuracies)


@pytest.mark.parametrize("n", [1, 3])
def test_fewer_failures_than_a_batch_are_enough(n):
    some = region("finetune")
    (state,) = finetune(LabelledImages(some.x[:n], some.labels[:n]), lambdas=(1.0,), epochs=1)
    assert state.state.keys() == KNOWN.classifier.state_dict().keys()
