"""Each clusterer check catches a clusterer that breaks its rule, and passes one that keeps them all."""

import pytest
import torch
from twins import LenientConfig, assert_caught, assert_every_check_has_a_twin, component

from modeldebug import Clusterer, Clustering, ComponentConfig
from modeldebug.testing import check_clusterer


class Reference(Clusterer[ComponentConfig]):
    """One Gaussian on each side of the latent plane."""

    def _fit(self, failures, context):
        side = (failures.z[:, 0] > 0).long()
        side = side.unique(return_inverse=True)[1]  # the sides that there are, from 0
        groups = [failures.z[side == c] for c in range(int(side.max()) + 1)]
        return Clustering(
            weights=torch.tensor([len(g) / len(side) for g in groups]),
            assignment=side,
            parameters={
                "means": torch.stack([g.mean(0) for g in groups]),
                "widths": torch.stack([g.std(0, correction=0) for g in groups]),
            },
        )

    def _sample(self, clustering, cluster, n, tau, rng):
        mean, width = clustering.parameters["means"][cluster], clustering.parameters["widths"][cluster]
        return mean + tau**0.5 * width * torch.randn(n, 2, generator=rng), None


class OneForAll(Reference):
    def _fit(self, failures, context):
        fitted = super()._fit(failures, context)
        return Clustering(torch.ones(1), torch.zeros_like(fitted.assignment), fitted.parameters)


class NothingBelongs(Reference):
    def _fit(self, failures, context):
        fitted = super()._fit(failures, context)
        return Clustering(fitted.weights, torch.full_like(fitted.assignment, -1), fitted.parameters)


class EachWeighsAll(Reference):
    def _fit(self, failures, context):
        fitted = super()._fit(failures, context)
        return Clustering(torch.ones_like(fitted.weights), fitted.assignment, fitted.parameters)


class SamplesFromThePrior(Reference):
    def _sample(self, clustering, cluster, n, tau, rng):
        return torch.randn(n, 2, generator=rng), None


class IgnoresTau(Reference):
    def _sample(self, clustering, cluster, n, tau, rng):
        return super()._sample(clustering, cluster, n, 1.0, rng)


class NaNInItsParameters(Reference):
    def _fit(self, failures, context):
        fitted = super()._fit(failures, context)
        fitted.parameters["unused"] = torch.full((2,), torch.nan)
        return fitted


class WholeNumbersForWeights(Reference):
    def _fit(self, failures, context):
        fitted = super()._fit(failures, context)
        return Clustering(fitted.weights.long(), fitted.assignment, fitted.parameters)


class SamplesOneNumber(Reference):
    def _sample(self, clustering, cluster, n, tau, rng):
        return super()._sample(clustering, cluster, n, tau, rng)[0][:, :1], None


class SamplesNoSingleCode(Reference):
    def _sample(self, clustering, cluster, n, tau, rng):
        return super()._sample(clustering, cluster, n, tau, rng)[0].squeeze(), None


class FitsFromGlobals(Reference):
    def _fit(self, failures, context):
        fitted = super()._fit(failures, context)
        fitted.parameters["means"].add_(0.01 * torch.randn(2))
        return fitted


class SamplesFromGlobals(Reference):
    def _sample(self, clustering, cluster, n, tau, rng):
        return super()._sample(clustering, cluster, n, tau, torch.default_generator)


class SamplesAlwaysTheSame(Reference):
    def _sample(self, clustering, cluster, n, tau, rng):
        return super()._sample(clustering, cluster, n, tau, torch.Generator().manual_seed(0))


class KeepsItsFitOnSelf(Reference):
    means = torch.zeros(2, 2)

    def _fit(self, failures, context):
        fitted = super()._fit(failures, context)
        self.means = fitted.parameters.pop("means")
        return fitted

    def _sample(self, clustering, cluster, n, tau, rng):
        width = clustering.parameters["widths"][cluster]
        return self.means[cluster] + tau**0.5 * width * torch.randn(n, 2, generator=rng), None


class NeedsVariance(Reference):
    def _fit(self, failures, context):
        centred = failures.z - failures.z.mean(0)
        torch.linalg.cholesky(centred.T @ centred)
        return super()._fit(failures, context)


class Standardises(Reference):
    def _fit(self, failures, context):
        failures.z.sub_(1e-3)
        return super()._fit(failures, context)


class SampleWritesParameters(Reference):
    def _sample(self, clustering, cluster, n, tau, rng):
        clustering.parameters["widths"].mul_(tau)
        return super()._sample(clustering, cluster, n, 1.0, rng)


class SeedsNumpy(Reference):
    def _fit(self, failures, context):
        import numpy as np

        np.random.seed(0)
        return super()._fit(failures, context)


TWINS = {
    "unknown_settings_are_refused": (component(Reference, config=LenientConfig), "was accepted"),
    "shapes_and_ranges": (component(NaNInItsParameters), "NaN or infinity in the parameters unused"),
    "separates_planted_regions": (component(OneForAll), "with their own kind"),
    "weights_are_shares": (component(EachWeighsAll), "sum to 2"),
    "samples_land_in_their_cluster": (component(SamplesFromThePrior), "near its members"),
    "tau_scales_the_covariance": (component(IgnoresTau), "for tau 0.25"),
    "fitting_repeats": (component(FitsFromGlobals), "another clustering"),
    "sampling_is_seeded": (component(SamplesFromGlobals), "other samples for the same seed"),
    "clustering_survives_saving": (component(KeepsItsFitOnSelf), "other samples"),
    "few_or_equal_failures_are_no_error": (component(NeedsVariance), "Error"),
    "inputs_are_left_alone": (component(Standardises), "changed: failures.z"),
    "globals_are_left_alone": (component(SeedsNumpy), "numpy's random state changed"),
}
MORE_TWINS = [
    ("shapes_and_ranges", component(WholeNumbersForWeights), "expected: float32"),
    ("shapes_and_ranges", component(SamplesOneNumber), "codes of shape (1, 1)"),
    ("shapes_and_ranges", component(SamplesNoSingleCode), "float32 (2,)"),
    ("separates_planted_regions", component(NothingBelongs), "0% of the failures"),
    ("sampling_is_seeded", component(SamplesAlwaysTheSame), "the same samples for another seed"),
    ("inputs_are_left_alone", component(SampleWritesParameters), "changed: "),
]


def test_reference_clusterer_passes_every_check():
    check_clusterer(component(Reference))


@pytest.mark.parametrize("name", TWINS)
def test_broken_clusterer_fails_its_check(name):
    assert_caught(check_clusterer, name, *TWINS[name])


@pytest.mark.parametrize(("name", "twin", "words"), MORE_TWINS)
def test_clusterer_broken_in_another_way_fails_the_same_check(name, twin, words):
    assert_caught(check_clusterer, name, twin, words)


def test_every_clusterer_check_has_a_broken_twin():
    assert_every_check_has_a_twin("clusterer", TWINS)
