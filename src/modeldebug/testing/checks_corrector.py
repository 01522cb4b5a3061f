"""What a corrector must do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..classifier import Classifier
from ..context import Context
from ..contracts.corrector import Corrector
from ..rng import isolated_global_rng, rng_for
from ..types import CorrectedState, ImageSet, LabelledImages
from .runner import Subject, globals_watched, require, rule, same

PER_BALL = 64
MOST_LOST = 0.02  # of test accuracy


@dataclass(frozen=True, eq=False)
class _Outcome:
    classifier: Classifier
    states: Sequence[CorrectedState]


def _regions(subject: Subject, part: str, per_ball: int = PER_BALL) -> LabelledImages:
    known = subject.known
    z = known.codes_in_balls(per_ball, rng_for(0, part))
    labels = torch.tensor([ball.label for ball in known.balls]).repeat_interleave(per_ball)
    return LabelledImages(known.generator.decode(z), labels)


def _correct(subject: Subject, failures: LabelledImages | None, seed: int = 0) -> _Outcome:
    classifier = subject.known.classifier.copy()
    corrector: Corrector[Any] = subject.make()
    with isolated_global_rng(seed):
        states = corrector.correct(classifier, subject.known.splits, failures, Context.quiet(seed))
    return _Outcome(classifier, states)


def _corrected(subject: Subject) -> _Outcome:
    outcome: _Outcome = subject.once("corrected", lambda: _correct(subject, _regions(subject, "finetune")))
    return outcome


def _accuracies(subject: Subject, outcome: _Outcome) -> list[tuple[float, float]]:
    """Accuracy on untouched region samples, and on the test images, of each state."""
    held_out = _regions(subject, "held out")
    images = ImageSet(held_out.x, held_out.labels)
    copies = [subject.known.classifier.copy(s.state) for s in outcome.states]
    return [(c.accuracy(images), c.accuracy(subject.known.splits.test)) for c in copies]


def _shown(rows: list[tuple[float, float]]) -> str:
    best = max(rows)
    return f"at best {best[0]:.0%} of untouched region samples right, with {best[1]:.1%} on test images"


@rule(
    "corrector",
    says="states have names of their own, finite strengths, and finite weights of the classifier's types and shapes",
    why="the core scores every state, and plots the scores over the strengths",
    do="name states after their strength, and skip a state whose training diverged",
)
def states_are_usable(subject: Subject) -> None:
    states = _corrected(subject).states
    names = [s.name for s in states]
    require(len(set(names)) == len(names), f"names {names}")
    for state in states:
        require(math.isfinite(state.strength), f"strength {state.strength}")
        bad = [k for k, v in state.state.items() if v.is_floating_point() and not bool(torch.isfinite(v).all())]
        require(not bad, f"NaN or infinity in {', '.join(bad)} of {state.name}")
        own = subject.known.classifier.state_dict()
        other = [k for k, v in state.state.items() if (v.dtype, v.shape) != (own[k].dtype, own[k].shape)]
        require(not other, f"another type or shape of {', '.join(other)} in {state.name}")


@rule(
    "corrector",
    says="some state gets 90 % of untouched failures right, and loses at most 2 points of test accuracy",
    why="this is what correction is for",
    do="check that failures enter the loss with their labels; give the check settings with enough steps: about 20 of"
    " Adam at 0.001 correct the known problem",
)
def fixes_planted_failures(subject: Subject) -> None:
    before = subject.known.classifier.accuracy(subject.known.splits.test)
    rows = _accuracies(subject, _corrected(subject))
    require(any(region >= 0.9 and test >= before - MOST_LOST for region, test in rows), _shown(rows))


@rule(
    "corrector",
    says="without failures (None) it does the same finetuning on the data alone, and test accuracy holds",
    why="the control shows what the failures added; correction is judged against it",
    do="leave the failures' term out of the loss when `failures` is None, and change nothing else",
)
def control_works(subject: Subject) -> None:
    before = subject.known.classifier.accuracy(subject.known.splits.test)
    rows = _accuracies(subject, _correct(subject, None))
    require(any(test >= before - MOST_LOST for _, test in rows), _shown(rows))


@rule(
    "corrector",
    says="the classifier is left as it was: weights, modes, gradients and flags",
    why="it is the model under test, and what every state is compared with",
    do="work on classifier.copy()",
)
def classifier_is_left_alone(subject: Subject) -> None:
    module = _corrected(subject).classifier.module
    fresh = subject.known.classifier.module
    require(same(dict(module.state_dict()), dict(fresh.state_dict())), "changed weights")
    require(not any(m.training for m in module.modules()), "a classifier in training mode")
    parameters = list(module.parameters())
    require(all(p.requires_grad for p in parameters), "parameters that no longer take gradients")
    require(all(p.grad is None for p in parameters), "gradients left behind")


@rule(
    "corrector",
    says="the weights of a state share no memory with the classifier or with another state",
    why="a state that changes later is not what was scored",
    do="clone: {k: v.clone() for k, v in model.state_dict().items()}",
)
def states_have_memory_of_their_own(subject: Subject) -> None:
    outcome = _corrected(subject)
    owners = [*outcome.classifier.state_dict().values(), *(v for s in outcome.states for v in s.state.values())]
    places = [_place(v) for v in owners if v.numel()]
    require(len(set(places)) == len(places), "weights that share memory")


def _place(tensor: Tensor) -> int:
    return tensor.data_ptr()


@rule(
    "corrector",
    says="the same seed gives the same states to the last bit",
    why="the same seed must give the same run",
    do="draw batches from context.rng; the core seeds torch's global generators for dropout",
)
def correcting_repeats(subject: Subject) -> None:
    again = _correct(subject, _regions(subject, "finetune"))
    require(same(_corrected(subject).states, again.states), "other weights for the same seed")


@rule(
    "corrector",
    says="one failure is no error",
    why="a single small region may be all that is kept",
    do="draw failures with replacement, or use a smaller batch",
)
def one_failure_is_no_error(subject: Subject) -> None:
    some = _regions(subject, "finetune", 1)
    _correct(subject, LabelledImages(some.x[:1], some.labels[:1]))


@rule(
    "corrector",
    says="the images and labels that are handed in are left as they were",
    why="controls are finetuned on the same images afterwards",
    do="clone before writing",
)
def inputs_are_left_alone(subject: Subject) -> None:
    failures, train = _regions(subject, "finetune"), subject.known.splits.train
    before = [t.clone() for t in (failures.x, failures.labels, train.images, train.labels)]
    _correct(subject, failures)
    require(same(before, [failures.x, failures.labels, train.images, train.labels]), "changed images or labels")


@rule(
    "corrector",
    says="correcting leaves the gradient mode, the default dtype, the threads and the generators as they were",
    why="scoring comes next, and would go by other rules",
    do="use `with torch.no_grad():` rather than set_grad_enabled; set no threads; seed nothing globally",
)
def globals_are_left_alone(subject: Subject) -> None:
    with globals_watched():
        _correct(subject, _regions(subject, "finetune"))
