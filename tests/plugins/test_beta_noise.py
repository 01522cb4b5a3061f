"""The Beta-noise search of Defuse (AAAI algorithm 1)."""

import pytest
import torch
from modeldebug_defuse.beta_noise import BetaNoise
from modeldebug_defuse.settings import BetaNoiseConfig

from modeldebug import Origins, rng_for
from modeldebug.testing import known_problem

KNOWN = known_problem()


def search(**settings):
    return BetaNoise(BetaNoiseConfig(**settings), KNOWN.spec)


def noise(n=20_000, d=10, **settings):
    return search(**settings)._noise(n, d, rng_for(0))


def run(searcher, problem):
    """All candidates of a whole search, and the number of steps."""
    state, proposed = searcher.start(problem, rng_for(0)), []
    while not state["done"]:
        state, candidates = searcher.step(problem, state)
        proposed.append(candidates)
    return proposed


@pytest.mark.parametrize(("a", "b"), [(50.0, 50.0), (75.0, 75.0), (2.0, 6.0)])
def test_noise_has_the_moments_of_the_beta_distribution(a, b):
    drawn = noise(a=a, b=b, center=False, scale=1.0)
    mean, variance = a / (a + b), a * b / ((a + b) ** 2 * (a + b + 1))
    assert float(drawn.mean()) == pytest.approx(mean, abs=5 * (variance / drawn.numel()) ** 0.5)
    assert float(drawn.var()) == pytest.approx(variance, rel=0.05)
    assert float(drawn.min()) > 0
    assert float(drawn.max()) < 1


def test_dimensions_are_independent():
    assert float((noise().T.corrcoef() - torch.eye(10)).abs().max()) < 0.05


def test_literal_noise_of_the_paper_is_nearly_one_shift():
    drawn = noise(200, center=False, scale=1.0)
    unit = drawn / drawn.norm(dim=1, keepdim=True)
    assert float((unit @ unit.T).min()) > 0.93
    assert float((unit @ unit.T).mean()) > 0.98
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(drawn.norm(dim=1).mean()) == pytest.approx(1.6, abs=0.02)  # at z = 10


@pytest.mark.parametrize(("a", "b"), [(50.0, 50.0), (2.0, 6.0)])
def test_centred_noise_has_mean_zero_in_every_direction(a, b):
    drawn = noise(a=a, b=b, scale=1.0)
    assert float(drawn.mean(0).abs().max()) < 0.01
    unit = drawn[:200] / drawn[:200].norm(dim=1, keepdim=True)
    assert abs(float((unit @ unit.T).triu(1).sum() / (200 * 199 / 2))) < 0.02


def test_scale_multiplies_the_noise():
    assert torch.allclose(noise(100, scale=3.0), 3 * noise(100, scale=1.0))


def test_every_origin_gets_its_draws_and_each_costs_one_query():
    problem = KNOWN.problem()
    run(search(draws=30, block=7), problem)
    assert problem.meter.queries == 30 * len(problem.origins)


def test_candidates_are_the_smallest_failing_perturbations_of_their_image():
    everything = run(search(draws=60, scale=4.0, keep=60), KNOWN.problem())
    kept = run(search(draws=60, scale=4.0, keep=5), KNOWN.problem())
    every, few = everything[0], kept[0]
    sizes = (every.z - KNOWN.origins.z[every.origin]).norm(dim=1)
    assert int(every.origin.bincount().max()) > 5
    for origin in range(len(KNOWN.origins)):
        smallest = sizes[every.origin == origin].sort().values[:5]
        got = (few.z - KNOWN.origins.z[few.origin])[few.origin == origin].norm(dim=1).sort().values
        assert torch.equal(got, smallest)


def test_only_failing_draws_are_proposed():
    problem = KNOWN.problem()
    (candidates,) = run(search(draws=60, scale=4.0), problem)
    assert len(problem.judge(candidates, step=0, searcher="beta-noise")) == len(candidates) > 0


@pytest.mark.parametrize("block", [1, 5, 24, 100])
def test_steps_cover_every_origin_once(block):
    proposed = run(search(draws=60, scale=4.0, block=block), KNOWN.problem())
    assert len(proposed) == -(-24 // block)
    for step, candidates in enumerate(proposed):
        assert bool(((candidates.origin // block) == step).all())


def test_progress_is_the_share_of_the_origins():
    searcher, problem = search(draws=2, block=6), KNOWN.problem()
    state, shares = searcher.start(problem, rng_for(0)), []
    while not state["done"]:
        state, _ = searcher.step(problem, state)
        shares.append(searcher.progress(state))
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_no_origins_are_a_search_without_steps():
    nothing = Origins(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), torch.empty(0, 2))
    assert run(search(), KNOWN.problem(nothing)) == []
