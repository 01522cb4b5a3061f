"""Each generator check catches a generator that breaks its rule, and passes one that keeps them all."""

import pytest
import torch
from twins import LenientConfig, assert_caught, assert_every_check_has_a_twin, component

from modeldebug.testing import PlantedGenerator, check_generator
from modeldebug.testing.problems import PlantedConditionalGenerator, truth
from modeldebug.testing.problems_discrete import SceneGenerator


class Reference(PlantedGenerator):
    """The planted generator, with something to learn: a gain that starts wrong and is right after `fit`."""

    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.gain = torch.rand(1)

    def _fit(self, data, context):
        self.gain = torch.ones(1) + 1e-3 * torch.rand(1, generator=context.rng)

    def _decode(self, z, condition):
        return super()._decode(z * self.gain, condition)

    def state_dict(self):
        return {"gain": self.gain}

    def load_state_dict(self, state):
        self.gain = state["gain"].clone()


class TooBright(Reference):
    def _decode(self, z, condition):
        return 2 * super()._decode(z, condition)


class Grey(Reference):
    def _decode(self, z, condition):
        return 0 * super()._decode(z, condition) + 0.9


class Knowing(Reference):
    def _truth(self, z):
        return truth(z)


class KnowsAFifthClass(Knowing):
    def _truth(self, z):
        return truth(z) + 4


class Detached(Reference):
    def _decode(self, z, condition):
        return super()._decode(z.detach(), condition)


class Noisy(Reference):
    def _decode(self, z, condition):
        return super()._decode(z + 0.1 * torch.randn(z.shape), condition)


class NormalisedOverTheBatch(Reference):
    def _decode(self, z, condition):
        return super()._decode(z - z.mean(0), condition)


class SumsUpTheBatch(Reference):
    def _summary(self, z):
        return z - z.mean(0)


class SumsUpInOneNumber(Reference):
    def _summary(self, z):
        return z.sum()


class SamplesFromGlobals(Reference):
    def _sample(self, n, rng):
        return torch.randn(n, 2)


class SamplesAlwaysTheSame(Reference):
    def _sample(self, n, rng):
        return torch.randn(n, 2, generator=torch.Generator().manual_seed(0))


class FitsAnyhow(Reference):
    fits = 0

    def _fit(self, data, context):
        FitsAnyhow.fits += 1
        self.gain = torch.full((1,), 1 + 1e-3 * FitsAnyhow.fits)


class ForgetsWhatItLearned(Reference):
    def load_state_dict(self, state):
        return None


class Overwrites(Reference):
    def _decode(self, z, condition):
        return super()._decode(z.mul_(1.01), condition)


class OverwritesTrainingImages(Reference):
    def _fit(self, data, context):
        super()._fit(data, context)
        data.storage.mul_(0.999)


class SeedsGlobals(Reference):
    def _decode(self, z, condition):
        torch.manual_seed(0)
        return super()._decode(z, condition)


class SwitchesGradientsOff(Reference):
    def _encode(self, x, condition):
        torch.set_grad_enabled(False)
        return super()._encode(x, condition)


class SetsThreadsToFit(Reference):
    def _fit(self, data, context):
        super()._fit(data, context)
        torch.set_num_threads(torch.get_num_threads() + 1)


class MovesWhatItHasNotYet(Reference):
    def _fit(self, data, context):
        super()._fit(data, context)
        self.learned = {"gain": self.gain}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.learned = {"gain": self.gain}

    def to(self, device):
        self.gain = self.learned["gain"].to(device)


class LosesItselfWhenMoved(Reference):
    def to(self, device):
        self.gain = torch.zeros(1)


class WithSpread(Reference):
    spread_of = staticmethod(torch.ones_like)

    def _spread(self, x, condition):
        return self.spread_of(self._encode(x, condition))


class SpreadOfOneNumber(WithSpread):
    spread_of = staticmethod(lambda z: torch.ones(len(z), 1))


class SpreadInLogarithms(WithSpread):
    spread_of = staticmethod(lambda z: torch.ones_like(z).mul(0.3).log())


class Obedient(PlantedConditionalGenerator):
    """Told the class, as the kit's own conditional generator, with something to learn."""

    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.gain = torch.rand(1)

    _fit, state_dict, load_state_dict = Reference._fit, Reference.state_dict, Reference.load_state_dict


class PullsInwards(Reference):
    """Steps with a kernel of its own: half of the way to the origin, and noise."""

    pull = 0.5

    def _propose(self, z, rng, scale):
        after = self.pull * z + torch.randn(z.shape, generator=rng)
        there, back = (after - self.pull * z).square().sum(1), (z - self.pull * after).square().sum(1)
        return after, 0.5 * (there - back)


class LeavesOutTheWayBack(PullsInwards):
    def _propose(self, z, rng, scale):
        after, log_ratio = super()._propose(z, rng, scale)
        return after, torch.zeros_like(log_ratio)


class TurnsTheRatioAround(PullsInwards):
    def _propose(self, z, rng, scale):
        after, log_ratio = super()._propose(z, rng, scale)
        return after, -log_ratio


class DrawsWiderThanItsPrior(Reference):
    def _sample(self, n, rng):
        return 1.3 * super()._sample(n, rng)


class StepsFromGlobals(Reference):
    def _propose(self, z, rng, scale):
        return z + torch.randn(z.shape), torch.zeros(len(z))


class OneRatioForAll(Reference):
    def _propose(self, z, rng, scale):
        return z + torch.randn(z.shape, generator=rng), torch.zeros(())


class Fenced(Reference):
    """Has images on one side only, and draws no others."""

    def _sample(self, n, rng):
        z = super()._sample(n, rng)
        return torch.stack([z[:, 0].abs(), z[:, 1]], 1)

    def _valid(self, z):
        return z[:, 0] >= 0

    def _decode(self, z, condition):
        if bool((z[:, 0] < 0).any()):
            raise ValueError("there is no image beyond the fence")
        return super()._decode(z, condition)


class FencedWithoutWarning(Fenced):
    def _valid(self, z):
        return torch.ones(len(z), dtype=torch.bool)


class DrawsBeyondItsFence(Fenced):
    def _sample(self, n, rng):
        return Reference._sample(self, n, rng)


BOTH = ("encode", "gradients")
TWINS = {
    "unknown_settings_are_refused": (component(Reference, *BOTH, config=LenientConfig), "was accepted"),
    "shapes_and_ranges": (component(TooBright, *BOTH), "out of range"),
    "reconstructs_training_images": (component(Grey, *BOTH), "mean squared error"),
    "spread_is_that_of_the_codes": (component(SpreadInLogarithms, *BOTH), "values below 0"),
    "told_class_is_shown": (component(Reference, *BOTH, "conditional"), "by chance it is 25%"),
    "truth_is_known_where_it_is_declared": (component(Reference, *BOTH, "truth"), "classes are not told"),
    "decodes_with_gradients": (component(Detached, *BOTH), "do not depend on the codes"),
    "decoding_repeats": (component(Noisy, *BOTH), "images that differ"),
    "rows_do_not_mix": (component(NormalisedOverTheBatch, *BOTH), "other codes stand beside"),
    "sampling_is_seeded": (component(SamplesFromGlobals, *BOTH), "other draws for the same seed"),
    "valid_codes_decode": (component(FencedWithoutWarning), "no image beyond the fence"),
    "steps_keep_the_prior": (component(LeavesOutTheWayBack), "standard errors"),
    "fitting_repeats": (component(FitsAnyhow, *BOTH), "other weights"),
    "state_round_trip": (component(ForgetsWhatItLearned, *BOTH), "other images"),
    "can_be_moved_at_any_time": (component(MovesWhatItHasNotYet, *BOTH), "no attribute 'learned'"),
    "inputs_are_left_alone": (component(Overwrites, *BOTH), "changed codes"),
    "globals_are_left_alone": (component(SeedsGlobals, *BOTH), "torch's random state changed"),
}
MORE_TWINS = [
    ("rows_do_not_mix", component(SumsUpTheBatch, *BOTH), "other summaries"),
    ("shapes_and_ranges", component(SumsUpInOneNumber, *BOTH), "the summary"),
    ("spread_is_that_of_the_codes", component(SpreadOfOneNumber, *BOTH), "(1, 1)"),
    ("truth_is_known_where_it_is_declared", component(Knowing, *BOTH), "'truth' is not declared"),
    ("truth_is_known_where_it_is_declared", component(KnowsAFifthClass, *BOTH, "truth"), "out of range"),
    ("sampling_is_seeded", component(SamplesAlwaysTheSame), "the same draws for another seed"),
    ("sampling_is_seeded", component(StepsFromGlobals), "other steps for the same seed"),
    ("valid_codes_decode", component(DrawsBeyondItsFence), "prior draws are not valid"),
    ("valid_codes_decode", component(OneRatioForAll), "expected: float32 (1)"),
    ("steps_keep_the_prior", component(TurnsTheRatioAround), "standard errors"),
    ("steps_keep_the_prior", component(DrawsWiderThanItsPrior), "standard errors"),
    ("can_be_moved_at_any_time", component(LosesItselfWhenMoved), "other images after it was moved"),
    ("inputs_are_left_alone", component(OverwritesTrainingImages), "changed: data.storage"),
    ("globals_are_left_alone", component(SwitchesGradientsOff, "encode"), "gradient mode changed"),
    ("globals_are_left_alone", component(SetsThreadsToFit), "number of threads changed"),
]


def test_reference_generator_passes_every_check():
    check_generator(component(Reference, *BOTH))


def test_reference_that_is_told_the_class_passes_every_check():
    check_generator(component(Obedient, *BOTH, "conditional"))


def test_reference_that_knows_the_truth_passes_every_check():
    check_generator(component(Knowing, *BOTH, "truth"))


def test_reference_with_a_spread_passes_every_check():
    check_generator(component(WithSpread, *BOTH))


@pytest.mark.parametrize("generator", [PullsInwards, Fenced, SceneGenerator])
def test_reference_with_steps_or_limits_of_its_own_passes_every_check(generator):
    check_generator(component(generator))


def test_generator_factory_is_checked_like_a_component():
    check_generator(lambda spec: Reference(LenientConfig(), spec))


def test_abilities_that_are_not_declared_are_not_asked_for():
    check_generator(component(Detached), only=["decodes_with_gradients", "reconstructs_training_images"])


@pytest.mark.parametrize("name", TWINS)
def test_broken_generator_fails_its_check(name):
    assert_caught(check_generator, name, *TWINS[name])


@pytest.mark.parametrize(("name", "twin", "words"), MORE_TWINS)
def test_generator_broken_in_another_way_fails_the_same_check(name, twin, words):
    assert_caught(check_generator, name, twin, words)


def test_every_generator_check_has_a_broken_twin():
    assert_every_check_has_a_twin("generator", TWINS)
