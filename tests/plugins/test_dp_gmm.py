"""The DP-GMM of Defuse (AAAI section 3.2), and scikit-learn's in its place."""

import pytest
import torch
from modeldebug_defuse.dp_gmm import DpGmm
from modeldebug_defuse.dp_gmm_sklearn import DpGmmSklearn
from modeldebug_defuse.settings import DpGmmConfig

from modeldebug import Context, DataSpec, Failures, rng_for

SPEC = DataSpec((1, 2, 2), ("a", "b", "c"))
MEANS = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, -4.0]])
FACTOR = torch.tensor([[0.5, 0.0, 0.0], [0.3, 0.4, 0.0], [-0.2, 0.1, 0.3]])  # the covariance is FACTOR FACTOR^T


def failures(z, expected=None):
    n = len(z)
    expected = torch.zeros(n, dtype=torch.int64) if expected is None else expected
    return Failures(
        x=torch.zeros(n, 1, 2, 2),
        probs=torch.full((n, 3), 1 / 3),
        allowed=torch.eye(3).bool()[expected],
        expected=expected,
        origin=torch.zeros(n, dtype=torch.int64),
        log_prior=torch.zeros(n),
        distance=torch.zeros(n),
        step=torch.zeros(n, dtype=torch.int64),
        z=z,
    )


def planted(sizes=(500, 300, 200), seed=0):
    """Codes of three Gaussians, and which one each code is from."""
    rng = rng_for(seed)
    group = torch.arange(3).repeat_interleave(torch.tensor(sizes))
    group = group[torch.randperm(len(group), generator=rng)]
    return MEANS[group] + torch.randn(len(group), 3, generator=rng) @ FACTOR.T, group


def clusterer(of=DpGmm, **settings):
    return of(DpGmmConfig(**({"components": 10} | settings)), SPEC)


def fit(found, seed=0, of=DpGmm, **settings):
    return clusterer(of, **settings).fit(found, Context.quiet(seed))


def sample(clustering, cluster, n=1000, *, tau=1.0, seed=0):
    return clusterer().sample(clustering, cluster, n, tau=tau, rng=rng_for(seed))


BOTH = pytest.mark.parametrize("of", [DpGmm, DpGmmSklearn])


@BOTH
def test_planted_gaussians_are_recovered(of):
    z, group = planted()
    clustering = fit(failures(z), of=of)
    assert clustering.converged
    large = (clustering.weights > 0.05).nonzero()[:, 0]
    assert len(large) == 3
    for cluster in large.tolist():
        true = int(group[clustering.assignment == cluster].mode().values)
        members = clustering.assignment == cluster
        assert float((group[members] == true).float().mean()) > 0.99
        assert float(clustering.weights[cluster]) == pytest.approx(float((group == true).float().mean()), abs=0.02)
        assert torch.allclose(clustering.parameters["means"][cluster].float(), MEANS[true], atol=0.15)
        covariance = clustering.parameters["covariances"][cluster].float()
        assert torch.allclose(covariance, FACTOR @ FACTOR.T, atol=0.08)


def test_samples_have_the_mean_and_covariance_of_their_cluster():
    clustering = fit(failures(planted()[0]))
    for cluster in range(len(clustering)):
        z, condition = sample(clustering, cluster, 20_000)
        assert condition is None
        assert torch.allclose(z.mean(0), clustering.parameters["means"][cluster].float(), atol=0.05)
        assert torch.allclose(z.T.cov(), clustering.parameters["covariances"][cluster].float(), atol=0.05)


@pytest.mark.parametrize("tau", [0.01, 0.25, 0.5, 2.0])
def test_tau_scales_the_covariance(tau):
    clustering = fit(failures(planted()[0]))
    cluster = int(clustering.weights.argmax())
    whole, scaled = (sample(clustering, cluster, 20_000, tau=t)[0].T.cov() for t in (1.0, tau))
    assert torch.allclose(scaled, tau * whole, atol=0.02 * tau)


def test_within_expected_never_mixes_expected_labels():
    z, _ = planted()
    expected = torch.randint(3, (len(z),), generator=rng_for(1))  # labels that have nothing to do with the codes
    clustering = fit(failures(z, expected), within="expected")
    for cluster in range(len(clustering)):
        labels = expected[clustering.assignment == cluster].unique().tolist()
        assert labels == [int(clustering.parameters["expected"][cluster])]
        assert sample(clustering, cluster, 3)[1].tolist() == labels * 3
    assert set(clustering.parameters["expected"].tolist()) == {0, 1, 2}


def test_within_expected_weighs_clusters_by_all_failures():
    z, group = planted((600, 300, 100))
    clustering = fit(failures(z, group), within="expected")
    share = [float(clustering.weights[clustering.parameters["expected"] == c].sum()) for c in range(3)]
    assert share == pytest.approx([0.6, 0.3, 0.1], abs=0.02)


@pytest.mark.parametrize("within", ["all", "expected"])
@pytest.mark.parametrize("min_weight", [0.0, 0.01, 0.25])
def test_light_clusters_are_dropped_and_their_failures_are_noise(within, min_weight):
    z, group = planted()
    clustering = fit(failures(z, group), min_weight=min_weight, within=within)
    assert bool((clustering.weights > min_weight).all())
    assert float(clustering.weights.sum()) <= 1 + 1e-5
    noise = clustering.assignment == -1
    if min_weight == 0.25:  # the Gaussian of 200 in 1000 is too light
        assert len(clustering) == 2
        assert float(noise.float().mean()) == pytest.approx(0.2, abs=0.02)
    assert f"{int(noise.sum())} of 1000 failures are in no cluster" in clustering.note


def test_cluster_numbers_have_no_gaps():
    clustering = fit(failures(planted()[0]), min_weight=0.0)
    assert int(clustering.assignment.max()) < len(clustering)
    assert len(clustering.parameters["means"]) == len(clustering.weights)


@pytest.mark.parametrize(
    "z",
    [
        torch.ones(1, 3),
        torch.ones(2, 3),
        torch.ones(50, 3),
        torch.rand(5, 3, generator=rng_for(0)),
        torch.rand(50, 1, generator=rng_for(0)) * torch.tensor([1.0, 2.0, 3.0]),
        1000 * torch.rand(50, 1, generator=rng_for(0)) * torch.tensor([1.0, 2.0, 3.0]),
        torch.cat([torch.rand(50, 2, generator=rng_for(0)), torch.zeros(50, 1)], 1),
    ],
    ids=["one", "two equal", "many equal", "few", "collinear", "collinear and far", "flat"],
)
@pytest.mark.parametrize("within", ["all", "expected"])
@BOTH
def test_degenerate_codes_are_clustered_and_sampled(z, within, of):
    clustering = fit(failures(z), components=5, within=within, of=of)
    assert len(clustering) >= 1
    for cluster in range(len(clustering)):
        drawn, _ = sample(clustering, cluster, 20)
        assert bool(torch.isfinite(drawn).all())


@BOTH
def test_sample_of_one_point_stays_at_the_point(of):
    drawn, _ = sample(fit(failures(torch.ones(1, 3)), of=of), 0, 100)
    assert float((drawn - 1).abs().max()) < 0.01


def test_fit_on_a_drawn_part_still_assigns_every_failure():
    z, _ = planted()
    clustering = fit(failures(z), max_codes=200)
    assert len(clustering.assignment) == 1000
    assert float((clustering.assignment >= 0).float().mean()) > 0.95
    assert int((clustering.weights > 0.05).sum()) == 3


@BOTH
def test_fit_that_did_not_converge_says_so_without_a_warning(of):
    clustering = fit(failures(planted()[0]), max_iter=1, of=of)
    assert not clustering.converged
    assert "1 of 1 fits had not converged" in clustering.note


def test_the_seed_alone_decides_the_bits_whatever_ran_before():
    found = failures(planted()[0])
    before = found.z.clone()
    first = fit(found)
    fit(failures(planted((40, 30, 20), seed=1)[0]), seed=3)
    torch.rand(7)
    second = fit(found)
    assert torch.equal(found.z, before)
    assert torch.equal(first.weights, second.weights)
    for name, value in first.parameters.items():
        assert torch.equal(value, second.parameters[name])


def test_gaussians_are_not_left_divided():
    """Starts put many centres into one Gaussian: only merging them gets out of that in a few updates."""
    z = planted((600, 0, 0))[0]
    clustering = fit(failures(z), min_weight=0.001, components=30)
    assert len(clustering) == 1
