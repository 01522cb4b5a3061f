"""Pyro's NUTS draws from the posterior, asks through the problem alone, and says how its trees fared."""

import inspect

import pytest
import torch
from modeldebug_bayestrex.nuts import Nuts, Potential
from modeldebug_bayestrex.posterior import Codes, Posterior
from modeldebug_bayestrex.settings import NutsConfig
from pyro.infer import NUTS
from sampling import TORN, WIDE, sampled, simulated, standard_errors, uniformity

from modeldebug import Target, rng_for
from modeldebug.testing import known_problem

KNOWN = known_problem()
BRIEF = {"warmup": 40, "samples": 8, "draws": 64, "depth": 3, "block": 8}


def nuts(**settings):
    return Nuts(NutsConfig(**{**BRIEF, **settings}), KNOWN.spec)


@pytest.fixture
def problem():
    return KNOWN.problem(targets=[TORN], sigma=WIDE)


@pytest.fixture
def potential(problem):
    return Potential(Posterior(problem), Codes(torch.zeros(1, 2), torch.tensor([0])), WIDE)


def test_moments_are_those_of_the_posterior(problem):
    samples, _ = sampled(nuts(warmup=60, samples=100, depth=10, block=50), problem)
    away, ess = standard_errors(samples, TORN, WIDE)
    assert ess > 15
    assert away < 4, "a chain that stands still lies more than 5 away"


def test_warm_up_learns_that_the_posterior_is_narrow_across_the_boundary_and_long_along_it(problem):
    search = nuts(warmup=80)
    state, found = search.step(problem, search.start(problem, rng_for(0)))
    assert len(found) == 0
    across, along = state["inverse_mass"].tolist()
    assert 10 * across < along
    assert state["step_size"] != 1


def test_nuts_passes_a_simulation_based_check():
    problem, truth = simulated(8)
    samples, _ = sampled(nuts(warmup=30, samples=15, depth=3, block=15), problem)
    assert uniformity(samples, truth) > 0.001


def test_potential_is_minus_the_log_density_and_has_its_gradient(problem, potential):
    for code in ([0.1, -0.7], [-0.3, -1.5], [0.9, 0.8]):
        z = torch.tensor([code], requires_grad=True)
        value = potential({"z": z})
        (slope,) = torch.autograd.grad(value, z)
        misfit = problem.misfit(z.detach(), torch.tensor([0]), gradient=False).value
        assert torch.allclose(value, misfit[0] / WIDE**2 - problem.log_prior(z)[0])
        steps = torch.tensor([[1e-2, 0], [0, 1e-2]])
        ahead, behind = ([potential({"z": z.detach() + s}) for s in (steps, -steps)[i]] for i in (0, 1))
        numeric = [float(a - b) / 2e-2 for a, b in zip(ahead, behind, strict=True)]
        assert slope[0].tolist() == pytest.approx(numeric, rel=0.02, abs=0.05)


def test_each_leap_costs_three_queries(problem, potential):
    potential({"z": torch.zeros(1, 2)})
    assert problem.meter.queries == 3


def test_nothing_is_asked_about_a_code_that_is_lost(problem, potential):
    for lost in (1e7, float("inf"), float("nan")):
        z = torch.tensor([[lost, 0.0]], requires_grad=True)
        value = potential({"z": z})
        assert float(value.detach()) == float("inf")
        assert torch.autograd.grad(value, z)[0].tolist() == [[0, 0]]
    assert problem.meter.queries == 0


def test_trees_that_diverge_are_counted_and_their_chain_stays_where_it_is(problem):
    search = nuts()
    state, _ = search.step(problem, search.start(problem, rng_for(0)))
    state, found = search.step(problem, {**state, "step_size": 1000.0})
    assert search.moves(state)["divergences"].tolist() == [8]
    assert float(search.moves(state)["acceptance"]) < 0.01
    assert len(found.z.unique(dim=0)) == 1


def test_moves_are_counted_after_warm_up_and_for_each_target(problem):
    search = nuts()
    state = search.start(problem, rng_for(0))
    for _ in range(2):
        assert bool(search.moves(state)["acceptance"].isnan().all())
        state, _ = search.step(problem, state)
    assert 0.2 < float(search.moves(state)["acceptance"]) <= 1


def test_chains_of_all_targets_run_one_after_the_other():
    targets = [TORN, Target("high-confidence", (2,), (1.0,))]
    problem = KNOWN.problem(targets=targets, sigma=WIDE)
    samples, _ = sampled(nuts(chains=2, warmup=10, samples=2), problem)
    assert samples.target.tolist() == [0] * 4 + [1] * 4
    assert samples.chain.tolist() == [0, 0, 1, 1] * 2


def test_image_is_to_be_of_the_class_that_a_target_expects():
    problem = known_problem(conditional=True).problem(targets=[Target("misclassified", (3,))], sigma=WIDE)
    search = nuts(warmup=20)
    state, _ = search.step(problem, search.start(problem, rng_for(0)))
    _, found = search.step(problem, state)
    assert found.condition.tolist() == [3] * 8
    failures = problem.judge(found, step=0, searcher="mine:search")
    assert len(failures) > 4
    assert set(failures.expected.tolist()) == {3}


def test_defaults_are_those_of_the_paper_and_of_pyro():
    config, pyro = NutsConfig(), inspect.signature(NUTS).parameters
    assert (config.chains, config.warmup, config.samples) == (1, 1000, 1000)
    assert config.accept == pyro["target_accept_prob"].default
    assert config.depth == pyro["max_tree_depth"].default
    assert pyro["full_mass"].default is False, "the mass is diagonal"


def test_nuts_prints_nothing(problem, capfd):
    sampled(nuts(warmup=5, samples=2), problem)
    assert capfd.readouterr() == ("", "")
