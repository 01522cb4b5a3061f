"""The updates, moves and bound of `dp-gmm`, held against scikit-learn's and against the definitions."""

import math
from dataclasses import fields

import pytest
import torch
from modeldebug_defuse import dp_gmm
from modeldebug_defuse.dp_gmm_sklearn import DpGmmSklearn, posterior_of
from modeldebug_defuse.settings import DpGmmConfig
from modeldebug_defuse.split_merge import moved
from modeldebug_defuse.variational import (
    Posterior,
    Prior,
    divergence,
    evidence_lower_bound,
    expected_log_weights,
    log_probabilities,
)
from modeldebug_defuse.whitened import Whitened
from scipy.special import beta as beta_function
from sklearn.mixture import BayesianGaussianMixture

from modeldebug import DataSpec, rng_for

REGULARISATION = 1e-6


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=rng_for(seed, *shape), dtype=torch.float64)


def groups(n=400, d=4, seed=0):
    """Codes of five elongated, overlapping Gaussians of unequal weight."""
    group = torch.multinomial(torch.tensor([8.0, 4.0, 2.0, 1.0, 0.5]), n, replacement=True, generator=rng_for(seed))
    codes = (normal(n, 1, d, seed=seed) @ (0.4 * normal(5, d, d, seed=seed))[group])[:, 0]
    return 2 * normal(5, d, seed=seed)[group] + codes


def with_one_far(codes, distance):
    return torch.cat([codes, torch.full((1, codes.shape[1]), distance, dtype=torch.float64)])


LINE = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
SCALES = torch.tensor([1e-2, 1.0, 30.0, 500.0], dtype=torch.float64)
HARD = {
    "groups": groups(),
    "tiny clusters": torch.cat(
        [groups(60), *(5 * normal(1, 4, seed=i) + 1e-3 * normal(3, 4, seed=i) for i in range(4))]
    ),
    "line": normal(60, 1) * LINE,
    "plane and duplicates": torch.cat([normal(6, 2).repeat(9, 1), torch.zeros(54, 2, dtype=torch.float64)], 1),
    "duplicates": normal(4, 3).repeat(25, 1),
    "equal": torch.full((20, 3), 1.5, dtype=torch.float64),
    "two": normal(2, 3),
    "fewer than K": normal(4, 3),
    "fewer than d": normal(5, 9),
    "one far": with_one_far(normal(200, 3), 1e4),
    "scales": normal(200, 4) * SCALES,
    "away from the origin": normal(200, 3) + 1000,
    "one dimension": normal(50, 1),
}
EACH = pytest.mark.parametrize("codes", HARD.values(), ids=HARD.keys())


def theirs(codes, components=5, max_iter=100, tolerance=1e-6, seed=0):
    """scikit-learn's mixture and the prior of both."""
    components = min(components, len(codes))
    prior = Prior.of(codes, components, REGULARISATION)
    mixture = BayesianGaussianMixture(
        n_components=components,
        weight_concentration_prior_type="dirichlet_process",
        covariance_prior=prior.covariance.numpy(),
        reg_covar=REGULARISATION,
        max_iter=max_iter,
        tol=tolerance * len(codes),
        random_state=seed,
    )
    return mixture.fit(codes.numpy()), prior


@EACH
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_step_from_the_same_posterior_is_scikit_learns(codes):
    mixture, prior = theirs(codes, max_iter=2)
    data = Whitened(codes, prior)
    before = posterior_of(mixture)
    inverse = torch.linalg.inv(torch.linalg.cholesky(prior.covariance))
    whitened = before.moved(-inverse @ prior.mean, inverse)

    _, log_responsibilities = mixture._e_step(codes.numpy())
    expected = torch.from_numpy(log_responsibilities)
    exact = log_probabilities(codes, before).log_softmax(1)
    seen = expected > -100
    assert torch.allclose(exact[seen], expected[seen], rtol=1e-8, atol=1e-8)
    blocks = list(data.expect(whitened, torch.arange(len(before.a))))
    responsibilities = torch.cat([r for _, r, _ in blocks])
    assert torch.allclose(responsibilities, expected.exp(), rtol=0, atol=1e-8)

    mixture._m_step(codes.numpy(), log_responsibilities)
    after = posterior_of(mixture)
    ours = data.in_codes(data.update(responsibilities.T @ torch.cat([phi for phi, _, _ in blocks])))
    for field in fields(Posterior):
        want, got = getattr(after, field.name), getattr(ours, field.name)
        scale = max(float(want.abs().max()), 1.0)
        assert float((got - want).abs().max()) < 1e-8 * scale, field.name


@EACH
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_bound_is_no_lower_than_scikit_learns(codes):
    mixture, prior = theirs(codes, max_iter=500)
    fitted = dp_gmm.fit(codes, 5, 500, 1e-6, REGULARISATION, seed=0)
    ours, other = (evidence_lower_bound(codes, p, prior) for p in (fitted.posterior, posterior_of(mixture)))
    assert math.isfinite(ours)
    assert ours >= other - 1e-4 * len(codes)
    assert fitted.converged


@pytest.mark.parametrize("regularisation", [0.0, 1e-6, 1e-2])
@EACH
def test_hard_codes_are_fitted_with_any_regularisation(codes, regularisation):
    posterior = dp_gmm.fit(codes, 6, 200, 1e-6, regularisation, seed=1).posterior
    assert all(bool(torch.isfinite(getattr(posterior, field.name)).all()) for field in fields(Posterior))
    torch.linalg.cholesky(0.01 * posterior.covariances)
    assert float(posterior.weights.sum()) == pytest.approx(1)


def test_one_code_is_a_component_at_the_code():
    codes = normal(1, 3)
    for fitted in (
        dp_gmm.fit(codes, 5, 100, 1e-6, REGULARISATION, seed=0),
        DpGmmSklearn(DpGmmConfig(components=5), DataSpec((1, 1, 1), ("a", "b"))).fit_mixture(codes, 0),
    ):
        assert fitted.converged
        assert torch.allclose(fitted.posterior.means, codes)
        assert float(fitted.posterior.covariances.abs().max()) < 1e-5


def test_bound_of_a_fit_is_the_one_function_of_its_posterior():
    codes, bounds = groups(), []
    fitted = dp_gmm.fit(codes, 8, 300, 1e-7, REGULARISATION, 0, bounds.append)
    whole = evidence_lower_bound(codes, fitted.posterior, Prior.of(codes, 8, REGULARISATION))
    assert bounds[-1] == pytest.approx(whole / len(codes), abs=1e-6)


def test_bound_is_scikit_learns_own_but_for_the_constants_that_it_leaves_out():
    codes, constants, own = groups(), [], []
    for seed in (0, 1, 2):
        mixture, prior = theirs(codes, max_iter=2000, tolerance=1e-11, seed=seed)
        constants.append(evidence_lower_bound(codes, posterior_of(mixture), prior) - mixture.lower_bound_)
        own.append(mixture.lower_bound_)
    assert max(own) - min(own) > 1
    assert constants == pytest.approx([constants[0]] * 3, abs=0.01)


def one_component(codes, prior):
    data = Whitened(codes, prior)
    return data.in_codes(data.update(data.of_labels(torch.zeros(len(codes), dtype=torch.int64), 1)))


def test_bound_of_one_component_is_the_log_evidence():
    """With one component nothing is approximated but the stick: log p of the codes, by Student's t code by code."""
    codes = normal(12, 1)
    prior = Prior.of(codes, 1, 0.0)
    m0, w = float(prior.mean[0]), float(prior.covariance[0, 0])
    evidence, beta, nu, m, s = 0.0, 1.0, 1.0, m0, w
    for x in codes[:, 0].tolist():
        scale = s * (beta + 1) / (beta * nu)
        t = (x - m) ** 2 / scale
        evidence += math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(nu * math.pi * scale)
        evidence -= (nu + 1) / 2 * math.log1p(t / nu)
        s += beta / (beta + 1) * (x - m) ** 2
        m, beta, nu = (beta * m + x) / (beta + 1), beta + 1, nu + 1
    stick = math.log(beta_function(1 + len(codes), 1.0) / beta_function(1.0, 1.0))
    assert evidence_lower_bound(codes, one_component(codes, prior), prior) == pytest.approx(evidence + stick, abs=1e-9)


def test_divergence_is_zero_at_the_prior_and_positive_elsewhere():
    codes = groups()
    prior = Prior.of(codes, 1, REGULARISATION)
    one = torch.ones(1, dtype=torch.float64)
    same = Posterior(one, one, one, prior.mean[None], 4 * one, prior.covariance[None] / 4)
    assert divergence(same, prior) == pytest.approx(0, abs=1e-9)
    assert divergence(one_component(codes, prior), prior) > 1


def test_bound_is_the_same_in_other_coordinates_but_for_their_volume():
    codes = groups()
    prior = Prior.of(codes, 5, 0.0)
    posterior = posterior_of(theirs(codes)[0])
    factor = normal(4, 4) + 3 * torch.eye(4, dtype=torch.float64)
    shift = normal(4)
    elsewhere = codes @ factor.T + shift
    other = Prior(
        prior.concentration, factor @ prior.mean + shift, factor @ prior.covariance @ factor.T, prior.covariance
    )
    volume = len(codes) * float(torch.linalg.slogdet(factor)[1])
    expected = evidence_lower_bound(codes, posterior, prior) - volume
    assert evidence_lower_bound(elsewhere, posterior.moved(shift, factor), other) == pytest.approx(expected, rel=1e-10)


def test_largest_components_first_raise_the_bound():
    codes = groups()
    mixture, prior = theirs(codes)
    posterior = posterior_of(mixture)
    assert float(expected_log_weights(posterior).exp().sum()) <= 1
    data = Whitened(codes, prior)
    labels = log_probabilities(codes, posterior).argmax(1)
    statistics = data.of_labels(labels, 5)
    order = statistics[:, 0].argsort(descending=True)
    bounds = [
        evidence_lower_bound(codes, data.in_codes(data.update(s)), prior)
        for s in (statistics[order], statistics[order.flip(0)])
    ]
    assert bounds[0] > bounds[1]


def settled(data, statistics, updates=30):
    for _ in range(updates):
        posterior = data.update(statistics)
        statistics, likelihood = data.statistics(posterior)
    return posterior, statistics, data.bound(posterior, likelihood)


def test_two_components_on_one_group_are_merged_and_one_on_two_groups_is_split():
    codes = torch.cat([normal(150, 2, seed=i) * 0.3 + 4 * i for i in range(4)])
    group = torch.arange(4).repeat_interleave(150)
    halves = torch.where(group == 3, 3 + (torch.arange(600) % 2), group)
    merged = torch.where(halves == 1, 0, halves)  # one component on groups 0 and 1, two on group 3, a free one
    data = Whitened(codes, Prior.of(codes, 5, REGULARISATION))
    posterior, statistics, before = settled(data, data.of_labels(merged, 5), updates=2)
    found = moved(data, posterior, statistics)
    best, statistics, after = settled(data, found)
    assert statistics[:, 0].sort().values.tolist() == pytest.approx([0, 150, 150, 150, 150], abs=0.1)
    assert after > before
    assert moved(data, best, statistics) is None


def test_moves_keep_every_code():
    codes = groups(1000)
    data = Whitened(codes, Prior.of(codes, 30, REGULARISATION))
    labels = torch.randint(30, (1000,), generator=rng_for(0))
    posterior, statistics, _ = settled(data, data.of_labels(labels, 30), updates=5)
    found = moved(data, posterior, statistics)
    assert torch.allclose(found.sum(0), statistics.sum(0))
    assert float(found[:, 0].min()) >= 0


def test_starts_on_a_part_of_many_codes_find_what_all_of_them_hold(monkeypatch):
    codes = groups(3000)
    whole = dp_gmm.fit(codes, 20, 300, 1e-6, REGULARISATION, seed=0)
    monkeypatch.setattr(dp_gmm, "SUBSAMPLE", 500)
    part = dp_gmm.fit(codes, 20, 300, 1e-6, REGULARISATION, seed=0)
    prior = Prior.of(codes, 20, REGULARISATION)
    bounds = [evidence_lower_bound(codes, fitted.posterior, prior) / 3000 for fitted in (whole, part)]
    assert bounds[1] == pytest.approx(bounds[0], abs=0.02)
    assert part.converged
