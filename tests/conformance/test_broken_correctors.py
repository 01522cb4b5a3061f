"""Each corrector check catches a corrector that breaks its rule, and passes one that keeps them all."""

import pytest
import torch
from torch import nn
from twins import LenientConfig, assert_caught, assert_every_check_has_a_twin, component

from modeldebug import ComponentConfig, CorrectedState, Corrector
from modeldebug.testing import check_corrector


class Reference(Corrector[ComponentConfig]):
    """Forty steps of Adam on a batch of the data and one of the failures."""

    steps = 40

    def _correct(self, classifier, data, failures, context):
        model = classifier.copy()
        optimizer = torch.optim.Adam(model.module.parameters(), lr=1e-3)
        for _ in range(self.steps):
            x, y = data.train.batch(torch.randint(len(data.train), (64,), generator=context.rng))
            loss = nn.functional.nll_loss(model.log_probs(x), y)
            if failures is not None:
                rows = torch.randint(len(failures), (64,), generator=context.rng)
                loss = loss + nn.functional.nll_loss(model.log_probs(failures.x[rows]), self.labels(failures)[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return [CorrectedState("finetuned", 1.0, {k: v.clone() for k, v in model.state_dict().items()})]

    def labels(self, failures):
        return failures.labels


class NaNWeights(Reference):
    def _correct(self, *args):
        (state,) = super()._correct(*args)
        state.state["closed"].fill_(torch.nan)
        return [state]


class DoubleWeights(Reference):
    def _correct(self, *args):
        (state,) = super()._correct(*args)
        return [CorrectedState(state.name, 1.0, {k: v.double() for k, v in state.state.items()})]


class TwoOfOneName(Reference):
    def _correct(self, *args):
        return [*super()._correct(*args), *super()._correct(*args)]


class IgnoresFailures(Reference):
    def _correct(self, classifier, data, failures, context):
        return super()._correct(classifier, data, None, context)


class WrongLabels(Reference):
    def labels(self, failures):
        return (failures.labels + 1) % 4


class NeedsFailures(Reference):
    def _correct(self, classifier, data, failures, context):
        len(failures.x)
        return super()._correct(classifier, data, failures, context)


class BreaksTheControl(Reference):
    def _correct(self, classifier, data, failures, context):
        (state,) = super()._correct(classifier, data, failures, context)
        if failures is None:
            state.state["quadrants"].neg_()
        return [state]


class LeavesTrainingMode(Reference):
    def _correct(self, classifier, data, failures, context):
        classifier.module.train()
        return super()._correct(classifier, data, failures, context)


class ChangesTheClassifier(Reference):
    def _correct(self, classifier, data, failures, context):
        with torch.no_grad():
            classifier.module.closed.sub_(0.1)
        return super()._correct(classifier, data, failures, context)


class HandsOutTheClassifiersWeights(Reference):
    def _correct(self, classifier, data, failures, context):
        return [CorrectedState("as it was", 0.0, classifier.state_dict())]


class DrawsUnseeded(Reference):
    def _correct(self, classifier, data, failures, context):
        context.rng.seed()
        return super()._correct(classifier, data, failures, context)


class NeedsABatch(Reference):
    def _correct(self, classifier, data, failures, context):
        if failures is not None:
            failures.x[63]
        return super()._correct(classifier, data, failures, context)


class Overwrites(Reference):
    def _correct(self, classifier, data, failures, context):
        if failures is not None:
            failures.x.mul_(0.99)
        return super()._correct(classifier, data, failures, context)


class SwitchesGradientsOff(Reference):
    def _correct(self, *args):
        states = super()._correct(*args)
        torch.set_grad_enabled(False)
        return states


TWINS = {
    "unknown_settings_are_refused": (component(Reference, config=LenientConfig), "was accepted"),
    "states_are_usable": (component(NaNWeights), "NaN or infinity in closed"),
    "fixes_planted_failures": (component(IgnoresFailures), "at best 0%"),
    "control_works": (component(NeedsFailures), "AttributeError"),
    "classifier_is_left_alone": (component(LeavesTrainingMode), "in training mode"),
    "states_have_memory_of_their_own": (component(HandsOutTheClassifiersWeights), "share memory"),
    "correcting_repeats": (component(DrawsUnseeded), "other weights"),
    "one_failure_is_no_error": (component(NeedsABatch), "IndexError"),
    "inputs_are_left_alone": (component(Overwrites), "changed: failures.x"),
    "globals_are_left_alone": (component(SwitchesGradientsOff), "gradient mode changed"),
}
MORE_TWINS = [
    ("states_are_usable", component(DoubleWeights), "another type or shape of quadrants, closed"),
    ("states_are_usable", component(TwoOfOneName), "names ['finetuned', 'finetuned']"),
    ("fixes_planted_failures", component(WrongLabels), "region samples right"),
    ("control_works", component(BreaksTheControl), "on test images"),
    ("classifier_is_left_alone", component(ChangesTheClassifier), "changed the classifier"),
]


def test_reference_corrector_passes_every_check():
    check_corrector(component(Reference))


@pytest.mark.parametrize("name", TWINS)
def test_broken_corrector_fails_its_check(name):
    assert_caught(check_corrector, name, *TWINS[name])


@pytest.mark.parametrize(("name", "twin", "words"), MORE_TWINS)
def test_corrector_broken_in_another_way_fails_the_same_check(name, twin, words):
    assert_caught(check_corrector, name, twin, words)


def test_every_corrector_check_has_a_broken_twin():
    assert_every_check_has_a_twin("corrector", TWINS)
