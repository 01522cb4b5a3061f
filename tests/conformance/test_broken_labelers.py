"""Each labeler check catches a labeler that breaks its rule, and passes one that keeps them all."""

import pytest
import torch
from twins import LenientConfig, assert_caught, assert_every_check_has_a_twin, component

from modeldebug import Answers, ComponentConfig, Labeler, Pending
from modeldebug.testing import check_labeler


class Reference(Labeler[ComponentConfig]):
    """Is each half bright, and is it even; what is bright, it learns from the data."""

    is_program = True

    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.threshold = torch.rand(1)

    def _fit(self, data, context):
        self.threshold = (data.train.images.float().mean() + 1e-4 * torch.rand(1, generator=context.rng)).reshape(1)

    def _label(self, request):
        halves = request.x.reshape(len(request.x), 8, 2, 4)
        bright = (halves.mean((1, 3)) > self.threshold).long()
        even = halves.std((1, 3)).amax(1) < 0.05
        return Answers(torch.where(even, bright[:, 0] + 2 * bright[:, 1], -1)[:, None])

    def state_dict(self):
        return {"threshold": self.threshold}

    def load_state_dict(self, state):
        self.threshold = state["threshold"].clone()


class People(Labeler[ComponentConfig]):
    def _label(self, request):
        return Pending(waiting=len(request.x), how="label them")


class OneVoteTooFew(Reference):
    def _label(self, request):
        return Answers(super()._label(request).votes[:-1])


class AlwaysZero(Reference):
    def _label(self, request):
        return Answers(torch.zeros(len(request.x), 1, dtype=torch.int64))


class NeverAbstains(Reference):
    def _label(self, request):
        return Answers(super()._label(request).votes.clamp_min(0))


class SureOfEverything(Reference):
    def _label(self, request):
        answers = super()._label(request)
        return Answers(answers.votes, torch.ones(len(request.x)))


class TooSure(Reference):
    def _label(self, request):
        return Answers(super()._label(request).votes, torch.full((len(request.x),), 1.5))


class Moody(Reference):
    def _label(self, request):
        return Answers(torch.randint(-1, 4, (len(request.x), 1)))


class ProgramThatPends(Reference):
    def _label(self, request):
        return Pending(waiting=1, how="wait")


class FitsAnyhow(Reference):
    fits = 0

    def _fit(self, data, context):
        FitsAnyhow.fits += 1
        self.threshold = torch.full((1,), 0.5 + 1e-4 * FitsAnyhow.fits)


class ForgetsWhatItLearned(Reference):
    def load_state_dict(self, state):
        self.threshold = torch.zeros(1)


class Overwrites(Reference):
    def _label(self, request):
        request.x.round_()
        return super()._label(request)


class SetsADefaultDtype(Reference):
    def _label(self, request):
        torch.set_default_dtype(torch.float64)
        return super()._label(request)


class MovesWhatItHasNotYet(Reference):
    network = None

    def to(self, device):
        self.network = self.network.to(device)


class SwitchesGradientsOffToFit(Reference):
    def _fit(self, data, context):
        super()._fit(data, context)
        torch.set_grad_enabled(False)


TWINS = {
    "unknown_settings_are_refused": (component(Reference, config=LenientConfig), "was accepted"),
    "votes_fit_the_request": (component(OneVoteTooFew), "wrong shape"),
    "labels_known_images": (component(AlwaysZero), "of them rightly"),
    "abstains_on_noise": (component(NeverAbstains), "0% abstentions on noise"),
    "is_surer_of_real_images": (component(SureOfEverything), "mean confidence 1.00 on real images, 1.00 on noise"),
    "labelling_repeats": (component(Moody), "other votes"),
    "fitting_repeats": (component(FitsAnyhow), "another state"),
    "state_round_trip": (component(ForgetsWhatItLearned), "other votes"),
    "can_be_moved_at_any_time": (component(MovesWhatItHasNotYet), "has no attribute 'to'"),
    "inputs_are_left_alone": (component(Overwrites), "changed: request.x"),
    "globals_are_left_alone": (component(SetsADefaultDtype), "default dtype changed"),
}


def test_reference_labeler_passes_every_check():
    check_labeler(component(Reference))


def test_labeler_that_waits_for_people_passes_every_check():
    check_labeler(component(People))


@pytest.mark.parametrize("name", TWINS)
def test_broken_labeler_fails_its_check(name):
    assert_caught(check_labeler, name, *TWINS[name])


def test_labeler_whose_fit_changes_global_state_fails():
    assert_caught(
        check_labeler, "globals_are_left_alone", component(SwitchesGradientsOffToFit), "gradient mode changed"
    )


def test_confidence_above_one_fails():
    assert_caught(check_labeler, "votes_fit_the_request", component(TooSure), "the confidence is out of range")


def test_program_that_pends_fails():
    assert_caught(check_labeler, "labels_known_images", component(ProgramThatPends), "Pending")


def test_every_labeler_check_has_a_broken_twin():
    assert_every_check_has_a_twin("labeler", TWINS)
