"""Margin search without gradients, where the slopes are known."""

import lines
import pytest
import torch
from lines import EDGE, SLOPE, below, found, opaque, problem, resumed, run
from modeldebug_defuse.margin_evolution import MarginEvolution
from modeldebug_defuse.settings import MarginEvolutionConfig

from modeldebug import rng_for
from modeldebug.testing import known_problem
from modeldebug.testing.problems import codes_of

TRUTH = 0.5  # where an image is no longer "below": the second number of its code
NEAR = {"past": 0.1, "sure": 0.85, "weight": 2.0}  # failures just past the boundary


def search(**settings):
    settings = {"pursue": 1.0, **NEAR, "step": 0.5, "steps": 15, "trust": 1000.0, "sigma": 0.05} | settings
    return MarginEvolution(MarginEvolutionConfig(**settings), lines.SPEC)


def slopes(searcher, tried, seed=0):
    n = len(tried.origins)
    return searcher._ask(tried, tried.origins.z, torch.arange(n), rng_for(seed))


def guide():
    """A black box, too."""
    return opaque(direction=(0.0, 1.0), edge=TRUTH, slope=8.0)


def test_a_classifier_that_hides_its_gradients_is_searched():
    tried = problem(below(20), tested=opaque())
    z, origin = found(search(), tried)
    assert origin.tolist() == list(range(20))
    beyond = SLOPE * (z[:, 0] - EDGE)
    assert float(beyond.min()) > 0.1
    assert float(beyond.max()) < 0.6, "not far past the boundary"


def test_no_gradient_is_ever_asked_for(monkeypatch):
    tried = problem(below(5), guide=guide())
    monkeypatch.setattr(tried, "value_and_grad", None)
    monkeypatch.setattr(torch.autograd, "grad", None)
    assert len(found(search(), tried)[1]) > 0


def test_the_estimate_points_up_the_true_slope():
    tried = problem(below(64), tested=opaque(direction=(0.6, -0.8)))
    told = slopes(search(pairs=50), tried)
    true = SLOPE * torch.tensor([[0.6, -0.8]])
    assert float(torch.cosine_similarity(told.gradient, true).min()) > 0.9
    assert torch.allclose(told.gradient.mean(0), true[0], atol=0.1), "as long as it is, too"
    assert bool((told.guidance == 0).all())


def test_more_pairs_are_a_better_estimate():
    tried, true = problem(below(64), tested=opaque()), torch.tensor([[SLOPE, 0.0]])
    few, many = (slopes(search(pairs=pairs), tried).gradient for pairs in (2, 40))
    assert float((many - true).square().mean()) < float((few - true).square().mean()) / 5


def test_the_slope_of_the_guide_is_estimated_as_well():
    codes = torch.cat([below(64)[:, :1], torch.full((64, 1), TRUTH)], 1)  # where the guide is in two minds
    told = slopes(search(pairs=50), problem(codes, tested=opaque(), guide=guide()))
    assert torch.allclose(told.guidance.mean(0), torch.tensor([0.0, -4.0]), atol=0.3)
    assert bool((told.doubt > 0).all())


@pytest.mark.parametrize("pairs", [1, 7])
def test_a_step_costs_a_look_and_two_queries_a_pair_and_the_last_a_look(pairs):
    tried = problem([[-9.0, 0.0], [-9.0, 0.1]], tested=opaque(), guide=guide())
    found(search(pairs=pairs, steps=2, step=0.1), tried)
    assert tried.meter.queries == 2 * (2 * (1 + 2 * pairs) + 1)
    assert tried.meter.guide_queries == 2 * 3, "where it is sure its slope is not asked for"


def test_the_slope_of_a_guide_that_is_not_sure_costs_two_queries_a_pair():
    tried = problem([[-9.0, TRUTH], [-9.0, 0.0]], tested=opaque(), guide=guide())
    found(search(pairs=7, steps=1, step=0.01), tried)
    assert tried.meter.guide_queries == 2 + 1 * 2 * 7 + 2


def test_a_guide_keeps_the_search_from_images_that_have_changed_their_class():
    codes, settings = torch.stack([torch.linspace(-0.5, 0.3, 9), torch.full((9,), 0.2)], 1), {"step": 0.2, "steps": 40}
    slanted = opaque(direction=(1.0, 1.0))
    plain, _ = found(search(**settings), problem(codes, tested=slanted))
    guided, origin = found(search(**settings), problem(codes, tested=slanted, guide=guide()))
    assert bool((plain[:, 1] > TRUTH).any())
    assert bool((guided[:, 1] < TRUTH).all())
    assert len(origin) > 4


def test_trust_region_holds_for_what_is_proposed():
    spread = (0.1, 0.1)
    z, origin = found(search(trust=4.0), problem(below(20), spread, tested=opaque()))
    far = ((z - below(20)[origin]) / 0.1).square().mean(1).sqrt()
    assert 0 < len(z) < 20
    assert float(far.max()) <= 4.0 + 1e-4


def test_a_search_that_is_resumed_from_any_state_is_the_same():
    def again():
        return problem(below(12), tested=opaque(), guide=guide())

    settings = {"pursue": 0.5, "block": 2, "pairs": 3}
    straight, _ = run(search(**settings), again())
    parts = resumed(lambda: search(**settings), again)
    assert len(parts) == len(straight) == 1 + 3
    assert all(torch.equal(one.z, other.z) for one, other in zip(straight, parts, strict=True))
    assert sum(map(len, straight)) > 0


def test_one_seed_is_one_search_and_another_makes_other_estimates():
    first, again, other = (found(search(pairs=3), problem(below(6)), seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert len(first) != len(other) or not torch.equal(first, other)


def test_a_conditional_decoder_is_told_the_class_of_the_image_that_was_started_from():
    told = known_problem(conditional=True)
    _, (failures,) = run(search(step=0.2), told.problem())
    assert len(failures) > 0
    assert torch.equal(failures.condition, failures.expected)
    assert bool((told.ball_of(codes_of(failures.x)) >= 0).all())


def test_nothing_to_search_from_is_no_error():
    assert len(found(search(), problem(torch.empty(0, 2)))[1]) == 0
