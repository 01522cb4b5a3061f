"""Batched Hamiltonian chains draw from the posterior, and learn their steps and masses in warm-up."""

import pytest
import torch
from modeldebug_bayestrex.hmc import Hmc
from modeldebug_bayestrex.moves import move
from modeldebug_bayestrex.posterior import Codes, Posterior
from modeldebug_bayestrex.settings import HmcConfig
from modeldebug_bayestrex.starts import cooled
from sampling import TORN, WIDE, sampled, simulated, standard_errors, uniformity

from modeldebug import Target, rng_for
from modeldebug.testing import known_problem

KNOWN = known_problem()
BRIEF = {"chains": 16, "warmup": 40, "samples": 30, "leaps": 6, "hot": 1.5, "draws": 512, "block": 20}


def hmc(**settings):
    return Hmc(HmcConfig(**{**BRIEF, **settings}), KNOWN.spec)


def test_moments_are_those_of_the_posterior():
    problem = KNOWN.problem(targets=[TORN], sigma=WIDE)
    samples, _ = sampled(hmc(samples=80), problem)
    away, ess = standard_errors(samples, TORN, WIDE)
    assert ess > 30
    assert away < 4


def test_hmc_passes_a_simulation_based_check():
    problem, truth = simulated(24)
    samples, _ = sampled(hmc(chains=4), problem)
    assert uniformity(samples, truth) > 0.001


def test_steps_are_adapted_to_the_wanted_acceptance():
    problem, found = KNOWN.problem(targets=[TORN], sigma=WIDE), {}
    for accept in (0.5, 0.95):
        search = hmc(accept=accept, leaps=3, warmup=60, samples=20)
        _, state = sampled(search, problem)
        found[accept] = float(search.moves(state)["acceptance"])
    assert 0.25 < found[0.5] < 0.8
    assert found[0.95] > 0.85


def test_masses_are_the_spread_of_the_chains():
    problem = KNOWN.problem(targets=[TORN], sigma=WIDE)
    search = hmc()
    _, state = sampled(search, problem)
    across, along = state["scale"][0].tolist()
    assert 3 * across < along


def test_sigma_falls_in_the_first_half_of_warm_up_and_stays():
    found = [cooled(0.05, i, hot=10.0, warmup=100) for i in (0, 25, 50, 100, 130)]
    assert found == pytest.approx([0.5, 0.05 * 10**0.5, 0.05, 0.05, 0.05])
    assert cooled(0.05, 0, hot=10.0, warmup=0) == 0.05, "what is kept is never hot"


def test_trajectories_that_lose_their_energy_are_counted_and_refused():
    posterior = Posterior(KNOWN.problem(targets=[TORN], sigma=0.001))
    codes = Codes(torch.tensor([[0.0, -1.0]] * 8), torch.zeros(8, dtype=torch.int64))
    moved = move(
        posterior, codes, posterior.look(codes), sigma=torch.full((8,), 0.001), step=torch.full((8,), 3.0),
        scale=torch.ones(8, 2), leaps=4, rng=rng_for(0),
    )  # fmt: skip
    assert bool(moved.diverged.all())
    assert torch.equal(moved.codes.z, codes.z)


def test_a_leap_costs_three_queries_a_code():
    problem = KNOWN.problem(targets=[TORN])
    posterior = Posterior(problem)
    codes = Codes(torch.zeros(5, 2), torch.zeros(5, dtype=torch.int64))
    density, before = posterior.look(codes), problem.meter.queries
    move(
        posterior, codes, density, sigma=torch.full((5,), WIDE), step=torch.full((5,), 0.1), scale=torch.ones(5, 2),
        leaps=4, rng=rng_for(0),
    )  # fmt: skip
    assert problem.meter.queries - before == 3 * 4 * 5


def test_samples_stand_in_the_order_of_drawing_for_each_target_and_chain():
    targets = [TORN, Target("high-confidence", (2,), (1.0,))]
    samples, state = sampled(hmc(chains=3, warmup=4, samples=6), KNOWN.problem(targets=targets, sigma=WIDE))
    assert samples.target.tolist() == [0, 0, 0, 1, 1, 1] * 6
    assert samples.chain.tolist() == [0, 1, 2] * 12
    last = samples.subset(torch.arange(30, 36))
    assert torch.equal(last.z, state["z"])


def test_blocks_of_any_size_give_every_sample_once():
    problem = KNOWN.problem(targets=[TORN], sigma=WIDE)
    for block in (7, 100):
        samples, state = sampled(hmc(chains=2, warmup=5, samples=12, block=block), problem)
        assert len(samples) == 24
        assert state["iteration"] == 17
