"""Tempered populations draw from the posterior, each target from its own, and say which moves were made."""

import pytest
import torch
from modeldebug_bayestrex.newton import move
from modeldebug_bayestrex.posterior import Codes, Fit, Posterior
from modeldebug_bayestrex.settings import SmcConfig
from modeldebug_bayestrex.smc import Smc, _resampled, _smallest, _weights
from sampling import TORN, WIDE, sampled, simulated, standard_errors, uniformity

from modeldebug import Target, rng_for
from modeldebug.diagnostics import diagnose
from modeldebug.testing import known_problem
from modeldebug.testing.problems import known_guide
from modeldebug.testing.quadrature import known_moments

KNOWN = known_problem()
BRIEF = {"populations": 4, "particles": 64, "pool": 512, "crowd": 64}


def smc(**settings):
    return Smc(SmcConfig(**{**BRIEF, **settings}), KNOWN.spec)


@pytest.mark.parametrize("sigma", [0.1, WIDE])
def test_moments_are_those_of_the_posterior(sigma):
    problem = KNOWN.problem(targets=[TORN], sigma=sigma)
    samples, _ = sampled(smc(populations=8), problem)
    (found,) = diagnose(samples, [TORN], sigma=sigma)
    assert found.reached
    assert standard_errors(samples, TORN, sigma)[0] < 4


@pytest.mark.parametrize("told", [0.5, 1000.0])
def test_moments_tell_a_sampler_that_halves_sigma_or_ignores_the_likelihood(told):
    samples, _ = sampled(smc(populations=8), KNOWN.problem(targets=[TORN], sigma=told * WIDE))
    assert standard_errors(samples, TORN, WIDE)[0] > 8


def test_ranks_tell_a_sampler_that_believes_in_a_quarter_of_sigma():
    problem, truth = simulated(100, told=0.25)
    samples, _ = sampled(smc(populations=2, particles=16, pool=256, crowd=16), problem)
    assert uniformity(samples, truth) < 0.001


def test_smc_passes_a_simulation_based_check():
    problem, truth = simulated(24)
    samples, _ = sampled(smc(populations=2, pool=256), problem)
    assert uniformity(samples, truth) > 0.001


def test_moves_leave_the_posterior_as_it_is():
    """Many moves from a population that has only one code: it spreads to the known moments."""
    problem = KNOWN.problem(targets=[TORN], sigma=WIDE)
    posterior, rng = Posterior(problem), rng_for(0)
    codes = Codes(torch.tensor([[0.0, -1.0]]).expand(400, 2).clone(), torch.zeros(400, dtype=torch.int64))
    fit, sigma, reach = posterior.fit(codes), torch.full((400,), WIDE), torch.full((400,), 0.7)
    for _ in range(40):
        moved = move(posterior, codes, fit, sigma=sigma, reach=reach, rng=rng)
        codes, fit = moved.codes, moved.fit
    mean, deviation = known_moments(TORN, WIDE)
    assert bool(((codes.z.mean(0) - mean).abs() < 0.25 * deviation).all())
    assert bool(((codes.z.std(0) / deviation - 1).abs() < 0.2).all())


def test_moves_that_are_always_made_do_not(monkeypatch):
    problem = KNOWN.problem(targets=[TORN], sigma=WIDE)
    posterior, rng = Posterior(problem), rng_for(0)
    monkeypatch.setattr(torch, "rand", lambda *size, **kw: torch.zeros(*size))  # accepts whatever is proposed
    codes = Codes(torch.tensor([[0.0, -1.0]]).expand(400, 2).clone(), torch.zeros(400, dtype=torch.int64))
    fit, sigma, reach = posterior.fit(codes), torch.full((400,), WIDE), torch.full((400,), 0.7)
    for _ in range(20):
        moved = move(posterior, codes, fit, sigma=sigma, reach=reach, rng=rng)
        codes, fit = moved.codes, moved.fit
    mean, deviation = known_moments(TORN, WIDE)
    wrong = (codes.z.std(0) / deviation - 1).abs().max(), ((codes.z.mean(0) - mean).abs() / deviation).max()
    assert max(map(float, wrong)) > 0.25


def test_slopes_across_and_along_make_moves_short_across_and_long_along():
    fit = Fit(torch.zeros(1), torch.zeros(1, 2), torch.zeros(1, 1), torch.tensor([[[10.0, 0.0]]]))
    known = Posterior(KNOWN.problem(targets=[TORN]))
    known.fit = lambda codes: fit  # type: ignore[method-assign]
    codes = Codes(torch.zeros(1, 2), torch.tensor([0]))
    steps = []
    for seed in range(200):
        moved = move(known, codes, fit, sigma=torch.tensor([0.1]), reach=torch.tensor([1.0]), rng=rng_for(seed))
        steps.append(moved.codes.z[0])
    across, along = torch.stack(steps).std(0)
    assert float(across) == pytest.approx(0.01, rel=0.3)  # sigma over the slope
    assert 0.3 < float(along) < 1.0  # a third of the reach to all of it


def test_every_target_has_its_own_population_in_one_batch():
    targets = [TORN, Target("high-confidence", (2,), (1.0,)), Target("ambiguous", (1, 3), (0.5, 0.5))]
    problem = KNOWN.problem(targets=targets)
    samples, state = sampled(smc(particles=16, populations=3), problem)
    assert samples.target.bincount().tolist() == [48, 48, 48]
    assert samples.chain[samples.target == 1].tolist() == [0] * 16 + [1] * 16 + [2] * 16
    for found in diagnose(samples, targets, sigma=0.05, moves=smc().moves(state)):
        assert found.error < 0.1
        assert 0 < found.acceptance < 1


def test_population_of_a_target_out_of_reach_says_so_and_ends():
    nowhere = Target("graded", (0, 1), (1.0, 1.0))  # two sure classes
    samples, _ = sampled(smc(stages=3), KNOWN.problem(targets=[nowhere, TORN]))
    far, near = diagnose(samples, [nowhere, TORN], sigma=0.05)
    assert not far.reached
    assert "away on average" in far.reason
    assert near.error < 0.1


def test_easy_targets_need_no_second_block_of_prior_draws():
    problem = KNOWN.problem(targets=[Target("high-confidence", (0,), (1.0,))])
    search = smc(pool=100_000)
    search.step(problem, search.start(problem, rng_for(0)))
    assert problem.meter.queries < 5000


@pytest.mark.parametrize("conditional", [False, True])
def test_images_are_of_the_class_that_a_target_expects(conditional):
    known = known_problem(conditional=conditional)
    problem = known.problem(targets=[Target("misclassified", (3,)), Target("misclassified", (2,))], sigma=WIDE)
    search = smc(populations=2)
    state = search.start(problem, rng_for(0))
    while not state["done"]:
        state, found = search.step(problem, state)
    failures = problem.judge(found, step=0, searcher="mine:search")
    assert set(failures.expected.tolist()) == {2, 3}
    if conditional:
        assert found.condition.tolist() == [3] * 64 + [2] * 64
    else:
        assert known.origins.labels[found.origin].tolist() == [3] * 64 + [2] * 64


def test_guide_keeps_images_what_they_are_expected_to_be():
    problem = KNOWN.problem(guide=known_guide(), targets=[Target("misclassified", (3,))], sigma=WIDE)
    samples, _ = sampled(smc(populations=2), problem)
    assert problem.meter.guide_queries > 0
    assert float(known_guide().probs(KNOWN.generator.decode(samples.z))[:, 3].mean()) > 0.7


def test_targets_with_and_without_an_expected_label_go_together():
    problem = KNOWN.problem(targets=[Target("misclassified", (3,)), TORN], sigma=WIDE)
    samples, _ = sampled(smc(populations=2), problem)
    mean, deviation = known_moments(TORN, WIDE)
    torn = samples.subset(samples.target == 1)
    assert bool(((torn.z.mean(0) - mean).abs() < 0.5 * deviation).all()), "its prior is the generator's"


def test_moves_where_slopes_are_too_steep_for_float32_are_made_or_refused():
    posterior = Posterior(KNOWN.problem(targets=[TORN]))
    codes = Codes(torch.zeros(200, 2), torch.zeros(200, dtype=torch.int64))
    steep = 300 * torch.randn(200, 2, 2, generator=rng_for(0))
    steep[0] = torch.nan
    fit = Fit(torch.zeros(200), torch.zeros(200, 2), torch.zeros(200, 2), steep)
    posterior.fit = lambda codes: fit  # type: ignore[method-assign]
    moved = move(posterior, codes, fit, sigma=torch.full((200,), 0.01), reach=torch.full((200,), 0.5), rng=rng_for(1))
    assert moved.lost.tolist() == [True] + [False] * 199
    assert bool(moved.codes.z.isfinite().all())
    assert moved.codes.z[0].tolist() == [0, 0]


def test_prior_draws_are_no_more_than_the_pool():
    problem = KNOWN.problem(targets=[TORN])
    search = smc(pool=512, particles=32)
    search.step(problem, search.start(problem, rng_for(0)))
    assert problem.meter.queries == 512 + 5 * 32


def test_weights_turn_a_sample_at_one_sigma_into_one_at_another():
    misfit = torch.tensor([0.0, 0.005, 0.02])
    assert _weights(misfit, 1e3, 0.1).tolist() == pytest.approx((-misfit / 0.01).softmax(0).tolist(), rel=1e-4)


def test_sigma_falls_as_far_as_enough_particles_count_and_not_below_the_goal():
    misfit = torch.linspace(0, 0.1, 200)
    sigma = _smallest(misfit, 1.0, 0.01, 100)
    weights = _weights(misfit, 1.0, sigma)
    assert float(1 / weights.square().sum()) == pytest.approx(100, rel=1e-3)
    assert _smallest(torch.zeros(200), 1.0, 0.01, 100) == 0.01


def test_resampling_is_as_even_as_it_can_be():
    counts = _resampled(torch.tensor([0.5, 0.25, 0.25]), 8, rng_for(0)).bincount().tolist()
    assert counts == [4, 2, 2]
