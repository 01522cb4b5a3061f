"""Random-walk Metropolis draws from the posterior, of discrete codes with an uneven kernel as of continuous ones."""

from dataclasses import replace

import pytest
import torch
from modeldebug_bayestrex import random_walk
from modeldebug_bayestrex.posterior import Posterior
from modeldebug_bayestrex.random_walk import RandomWalk
from modeldebug_bayestrex.settings import RandomWalkConfig
from modeldebug_bayestrex.starts import cooled, likely_draws
from sampling import TORN, WIDE, sampled, simulated, uniformity
from scipy.stats import chisquare

from modeldebug import PluginError, Target, rng_for
from modeldebug.testing import known_problem
from modeldebug.testing.problems_discrete import known_scenes

SCENES, KNOWN = known_scenes(), known_problem()
TARGETS = [TORN, Target("high-confidence", (1,), (1.0,))]
CHAINS = 1000


def walk(**settings):
    return RandomWalk(RandomWalkConfig(**settings), KNOWN.spec)


@pytest.fixture
def scenes():
    return SCENES.problem(TARGETS, WIDE)


def fit(problem, iterations=150, **settings):
    """p-values of the enumerated posterior of each target, by the last codes of many chains that start as prior draws;
    states of which fewer than five are expected are counted together."""
    samples, _ = sampled(walk(chains=CHAINS, draws=CHAINS, warmup=iterations, samples=1, **settings), problem)
    found = []
    for t, target in enumerate(TARGETS):
        expected = CHAINS * SCENES.posterior(target, WIDE)
        counts = SCENES.row_of(samples.z[samples.target == t]).bincount(minlength=len(expected)).double()
        few = expected < 5
        pooled = [torch.cat([values[~few], values[few].sum()[None]]) for values in (counts, expected)]
        found.append(float(chisquare(*pooled).pvalue))
    return found


def test_frequencies_of_scenes_are_those_of_the_enumerated_posterior(scenes):
    assert min(fit(scenes)) > 0.001


def test_prior_is_far_from_the_posterior_so_that_the_walk_must_have_gone_there(scenes):
    assert max(fit(scenes, iterations=1)) < 1e-9


def test_walk_that_leaves_out_the_log_ratio_is_caught(scenes):
    propose = scenes.propose
    scenes.propose = lambda z, rng, scale: (propose(z, rng, scale)[0], torch.zeros(len(z)))
    assert max(fit(scenes)) < 1e-9


def test_walk_that_leaves_out_the_prior_is_caught(scenes):
    scenes.log_prior = lambda z: torch.zeros(len(z))
    assert max(fit(scenes)) < 1e-9


def test_walk_that_asks_about_codes_without_an_image_is_caught(scenes):
    scenes.valid = lambda z: torch.ones(len(z), dtype=torch.bool)
    with pytest.raises(PluginError, match="no image of a scene that the wall hides"):
        fit(scenes)


def test_step_to_a_code_without_an_image_costs_no_query(scenes):
    scenes.propose = lambda z, rng, scale: (torch.tensor([[3.0, 3.0, 0.0]]).repeat(len(z), 1), torch.zeros(len(z)))
    search = walk(chains=3, draws=50, warmup=4, samples=6, block=5)
    samples, state = sampled(search, scenes)
    assert scenes.meter.queries == 50 + 2 * 3 + 2 * 3 * 6, "starts are drawn and asked about, samples are evaluated"
    assert search.moves(state)["acceptance"].tolist() == [0, 0]
    for t in (0, 1):
        z = samples.z[samples.target == t].view(6, 3, 3)
        assert torch.equal(z, z[:1].expand_as(z)), "a code is a sample again when the step from it is refused"


def test_samples_come_in_the_order_of_drawing_and_name_target_and_chain(scenes):
    samples, _ = sampled(walk(chains=2, draws=50, warmup=0, samples=3, block=2), scenes)
    assert samples.target.tolist() == [0, 0, 1, 1] * 3
    assert samples.chain.tolist() == [0, 1, 0, 1] * 3


def test_thinning_keeps_the_last_of_every_so_many_iterations():
    kept = []
    for thin, samples in ((1, 12), (3, 4)):
        problem = SCENES.problem([TORN], WIDE)
        found, _ = sampled(walk(chains=2, draws=50, warmup=5, samples=samples, thin=thin, block=100), problem)
        kept.append(found.z.view(samples, 2, 3))
    assert torch.equal(kept[0][2::3], kept[1])


def test_scale_is_adapted_until_the_wanted_share_of_steps_is_accepted():
    problem = KNOWN.problem(targets=TARGETS, sigma=0.05)
    for wanted in (0.2, 0.5):
        search = walk(chains=16, draws=256, warmup=200, samples=100, block=100, acceptance=wanted)
        state = sampled(search, problem)[1]
        assert search.moves(state)["acceptance"].tolist() == pytest.approx([wanted] * 2, abs=0.08)


@pytest.mark.parametrize(("what", "cold"), [("hot", WIDE), ("temperature", 1.0)])
def test_sigma_and_predictions_cool_down_in_the_first_half_of_warm_up(scenes, monkeypatch, what, cold):
    used = []

    def watched(start, iteration, **settings):
        heat = cooled(start, iteration, **settings)
        if start == cold:
            used.append(heat / cold)
        return heat

    monkeypatch.setattr(random_walk, "cooled", watched)
    sampled(walk(warmup=40, samples=5, **{what: 16.0}), scenes)
    assert [used[i] for i in (0, 10, 20, 39, 40)] == pytest.approx([16, 4, 1, 1, 1])
    assert len(used) == 45


def test_tempered_predictions_lead_to_a_target_that_is_all_but_flat_elsewhere():
    """A classifier that is eight times as sure: away from its boundaries, no prediction says where the target is."""
    shares = {}
    for temperature in (1.0, 30.0):
        problem = KNOWN.problem(targets=[Target("high-confidence", (2,), (1.0,))])
        ask, far = problem.misfit, torch.tensor([[1.2, 0.3]])

        def surer(z, target, ask=ask, problem=problem, **asked):
            found = ask(z, target, **asked)
            probs = (8 * found.probs.log()).softmax(1)
            return replace(found, probs=probs, value=problem.targets[0].misfit(probs))

        problem.misfit = surer
        problem.sample_prior = lambda n, rng, far=far: far.repeat(n, 1)
        problem.propose = lambda z, rng, scale: (z + 0.1 * torch.randn(z.shape, generator=rng), torch.zeros(len(z)))
        samples, _ = sampled(walk(chains=64, draws=64, warmup=100, samples=1, temperature=temperature), problem)
        shares[temperature] = float((samples.probs.argmax(1) == 2).float().mean())
    assert shares[30.0] > 0.6
    assert shares[1.0] < 0.4


def test_tempered_predictions_leave_the_frequencies_as_they_are(scenes):
    assert min(fit(scenes, temperature=8.0)) > 0.001


def test_walk_passes_a_simulation_based_check():
    problem, truth = simulated(100)
    samples, _ = sampled(walk(chains=4, draws=64, warmup=60, samples=15, thin=4, block=120), problem)
    assert uniformity(samples, truth) > 0.001


def test_simulation_based_check_catches_a_walk_that_leaves_out_the_prior():
    problem, truth = simulated(100)
    problem.log_prior = lambda z: torch.zeros(len(z))
    samples, _ = sampled(walk(chains=4, draws=64, warmup=60, samples=15, thin=4, block=120), problem)
    assert uniformity(samples, truth) < 1e-6


def test_image_is_to_be_of_the_class_that_a_target_expects():
    target = Target("misclassified", (3,))
    for conditional in (False, True):
        problem = known_problem(conditional=conditional).problem(targets=[target])
        search = walk(chains=8, draws=256, warmup=100, samples=5, block=1000)
        _, found = search.step(problem, search.start(problem, rng_for(0)))
        failures = problem.judge(found, step=0, searcher="mine:search")
        assert set(failures.expected.tolist()) == {3}
        assert (KNOWN.ball_of(KNOWN.generator.encode(failures.x)) == 0).float().mean() > 0.9
        assert len(failures) > 0.9 * len(found)


def starts(problem, **how):
    return likely_draws(problem, Posterior(problem), rng=rng_for(0), **how)


def test_chains_start_from_different_draws_where_the_target_is_nearest():
    for conditional in (False, True):
        problem = known_problem(conditional=conditional).problem(targets=TARGETS)
        codes = starts(problem, chains=8, draws=512)
        assert problem.meter.queries == (1024 if conditional else 512), "one draw serves all, where the prior is shared"
        assert codes.target.tolist() == [0] * 8 + [1] * 8
        assert len(codes.z.unique(dim=0)) >= 15
        asked = {"condition": codes.condition, "gradient": False}
        assert problem.misfit(codes.z, codes.target, **asked).value.max() < 0.05


def test_chains_start_from_the_nearest_draws_where_too_few_are_within_two_sigma():
    problem = KNOWN.problem(targets=[TORN], sigma=0.2)
    z = KNOWN.generator.sample(4000, rng_for(1))
    misfit = problem.misfit(z, torch.zeros(4000, dtype=torch.int64), gradient=False).value
    far = (misfit > 2 * 0.2**2).nonzero()[:400, 0]
    problem.sample_prior = lambda n, rng: z[far]
    assert torch.equal(starts(problem, chains=8, draws=400).z, z[far[misfit[far].argsort(stable=True)[:8]]])
    for near, nearest in ((7, True), (20, False)):
        within = torch.cat([far[: 400 - near], misfit.argsort()[:near]])
        problem.sample_prior = lambda n, rng, within=within: z[within]
        best = z[within[misfit[within].argsort(stable=True)[:8]]]
        assert torch.equal(starts(problem, chains=8, draws=400).z, best) is nearest


def test_starts_are_codes_with_an_image_though_the_prior_draws_others(scenes):
    middle = torch.tensor([[3.0, 3.0, 0.0]])
    scenes.sample_prior = lambda n, rng: torch.cat([SCENES.states[:3], middle.expand(n - 3, 3)])
    codes = starts(scenes, chains=5, draws=50)
    assert bool(scenes.valid(codes.z).all())
    assert len(codes.z[:5].unique(dim=0)) == 3, "each is used before one is used again"


def test_prior_without_an_image_is_refused(scenes):
    scenes.sample_prior = lambda n, rng: torch.tensor([[3.0, 3.0, 0.0]]).repeat(n, 1)
    with pytest.raises(PluginError, match="no draw from the prior has an image"):
        starts(scenes, chains=5, draws=50)


def in_parts(problem, **settings):
    """The samples of a walk in three parts, and its steps from the states that it knew ahead."""
    parted = walk(chains=7, draws=32, warmup=20, samples=10, parts=3, **settings)
    state = parted.start(problem, rng_for(4))
    ahead = parted.ahead(problem, state)
    steps = [parted.step(problem, known) for known in ahead]
    for (after, _), known in zip(steps, [*ahead[1:], {**state, "part": 3, "done": True}], strict=True):
        assert after == {**known, "acceptance": after["acceptance"]}
        assert bool((parted.moves(after)["acceptance"] > 0).all())
    return [candidates for _, candidates in steps]


def test_walk_in_parts_knows_its_steps_ahead_and_has_every_chain_once(scenes):
    found = in_parts(scenes)
    each = [sorted(set(candidates.chain.tolist())) for candidates in found]
    assert each == [[0, 1, 2], [3, 4], [5, 6]]
    assert sum(len(candidates) for candidates in found) == 7 * 10 * len(TARGETS)
    assert not torch.equal(found[1].z, found[2].z)  # parts of as many chains, from starts of their own


def test_frequencies_of_a_walk_in_parts_are_those_of_the_posterior(scenes):
    assert min(fit(scenes, parts=2)) > 0.001


def test_more_parts_than_chains_are_refused():
    with pytest.raises(ValueError, match="each part needs a chain"):
        RandomWalkConfig(chains=2, parts=3)
