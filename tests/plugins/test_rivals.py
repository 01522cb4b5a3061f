"""The rivals: what a search has to beat."""

import pytest
import torch
from lines import run
from modeldebug_rivals.plugin import modeldebug_searchers
from modeldebug_rivals.prior import Prior
from modeldebug_rivals.reconstruct import Reconstruct
from modeldebug_rivals.settings import HeldOutConfig, PriorConfig, ReconstructConfig
from modeldebug_rivals.test_set import HeldOut

from modeldebug import ConfigError, ImageSet, Origins, Problem, rng_for
from modeldebug.component import Component
from modeldebug.config import Layer, resolve
from modeldebug.registry import Registry
from modeldebug.testing import CHECKS, check_searcher, known_problem, parametrize_with_checks
from modeldebug.testing.problems import codes_of

KNOWN = known_problem()
TOLD = known_problem(conditional=True)
SEARCHERS = {c.name: c for c in modeldebug_searchers()}
PRIOR, RECONSTRUCT, TEST_SET = SEARCHERS["prior"], SEARCHERS["reconstruct"], SEARCHERS["test-set"]
NOT_OF_RECONSTRUCT = {
    "seeds_differ",  # it draws nothing
    "finds_planted_failures",  # it does not search: the known problem's own data are all right
}


@parametrize_with_checks([(PRIOR, {"draws": 3000, "block": 500})])
def test_prior_keeps_the_contract_of_searchers(check):
    check()


@pytest.mark.parametrize("name", [c.name for c in CHECKS["searcher"] if c.name not in NOT_OF_RECONSTRUCT])
def test_reconstruct_keeps_the_contract_of_searchers_but_for_searching(name):
    check_searcher(RECONSTRUCT, {"block": 5}, only=[name])


@pytest.mark.parametrize("name", [c.name for c in CHECKS["searcher"] if c.name != "finds_planted_failures"])
def test_test_set_keeps_the_contract_of_searchers_but_for_searching(name):
    check_searcher(TEST_SET, {"block": 100}, only=[name])


def prior(**settings):
    return Prior(PriorConfig(**settings), TOLD.spec)


@pytest.mark.parametrize("block", [7, 100, 1000])
def test_prior_asks_for_as_many_draws_as_it_is_told_and_no_more(block):
    problem = TOLD.problem()
    proposed, _ = run(prior(draws=300, block=block), problem)
    assert problem.meter.queries == 300
    assert len(proposed) == -(-300 // block)


def test_prior_fails_as_often_as_the_planted_truth_says():
    _, failures = run(prior(draws=20_000), TOLD.problem())
    share = sum(map(len, failures)) / 20_000
    assert share == pytest.approx(TOLD.prior_rate, abs=4 * (TOLD.prior_rate / 20_000) ** 0.5)


def test_failures_of_prior_are_planted_ones_and_come_from_no_training_image():
    _, failures = run(prior(draws=2000), TOLD.problem())
    for part in failures:
        assert bool((TOLD.ball_of(codes_of(part.x)) >= 0).all())
        assert bool((part.origin == -1).all())
        assert torch.equal(part.expected, part.condition)
        assert bool(part.distance.isnan().all())


@pytest.mark.parametrize("block", [3, 64, 1000])
def test_prior_tells_every_class_alike(block, monkeypatch):
    problem, told = TOLD.problem(), []
    evaluate = problem.evaluate

    def watched(z, *, condition):
        told.append(condition)
        return evaluate(z, condition=condition)

    monkeypatch.setattr(problem, "evaluate", watched)
    run(prior(draws=192, block=block), problem)
    assert torch.cat(told).bincount().tolist() == [48] * 4


def test_prior_needs_no_training_images():
    nothing = Origins(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64))
    _, failures = run(prior(draws=2000), TOLD.problem(nothing))
    assert sum(map(len, failures)) > 0


@pytest.mark.parametrize(("generator", "fits"), [("vae", False), ("cvae", True)])
def test_prior_is_refused_before_a_run_where_nothing_says_what_a_draw_should_be(generator, fits):
    layers = [Layer("--searcher", {"searcher": {"use": "prior"}, "generator": {"use": generator}})]
    registry = Registry.load(["defuse", "rivals"])
    if fits:
        resolve(registry, ["defuse", "rivals"], layers)
        return
    with pytest.raises(ConfigError, match="provides 'labelled-draws', which the searcher needs") as caught:
        resolve(registry, ["defuse", "rivals"], layers)
    assert "defuse:cvae" in str(caught.value.expected)


def reconstruct(**settings):
    return Reconstruct(ReconstructConfig(**settings), KNOWN.spec)


def in_and_out_of_balls():
    """Origins of which the first and the last three are inside a ball."""
    inside = KNOWN.codes_in_balls(3, rng_for(0))
    z = torch.cat([inside[:3], KNOWN.origins.z, inside[3:]])
    labels = torch.cat([torch.full((3,), 3), KNOWN.origins.labels, torch.full((3,), 2)])
    return Origins(torch.arange(len(z)) + 100, labels, z)


@pytest.mark.parametrize("block", [1, 4, 100])
def test_reconstruct_finds_the_training_images_whose_reconstructions_fail_and_no_other(block):
    origins = in_and_out_of_balls()
    problem = KNOWN.problem(origins)
    proposed, failures = run(reconstruct(block=block), problem)
    assert problem.meter.queries == len(origins)
    assert sum(map(len, proposed)) == sum(map(len, failures)) == 6
    found = torch.cat([part.origin for part in failures])
    assert found.tolist() == [100, 101, 102, *range(100 + len(origins) - 3, 100 + len(origins))]
    assert all(bool((part.distance == 0).all()) for part in failures)


def test_both_tell_how_far_they_are():
    for searcher, problem in ((prior(draws=100, block=25), TOLD.problem()), (reconstruct(block=6), KNOWN.problem())):
        state, shares = searcher.start(problem, rng_for(0)), []
        while not state["done"]:
            state, _ = searcher.step(problem, state)
            shares.append(searcher.progress(state))
        assert shares == [0.25, 0.5, 0.75, 1.0]


def held_out(**settings):
    return HeldOut(HeldOutConfig(**settings), KNOWN.spec)


def with_test_errors():
    """A problem whose test images are 40 right ones, and among them six that the classifier gets wrong."""
    right, labels = KNOWN.splits.test.batch(slice(0, 40))
    wrong = KNOWN.generator.decode(KNOWN.codes_in_balls(3, rng_for(0)))
    images = torch.cat([right[:20], wrong, right[20:]])
    test = ImageSet(images, torch.cat([labels[:20], torch.tensor([3, 3, 3, 2, 2, 2]), labels[20:]]))
    return Problem(KNOWN.generator, KNOWN.classifier.copy(), KNOWN.origins, test=test), wrong


@pytest.mark.parametrize("block", [1, 7, 46, 100])
def test_inspection_finds_exactly_the_test_errors_at_one_query_an_image(block):
    problem, wrong = with_test_errors()
    proposed, failures = run(held_out(block=block), problem)
    assert problem.meter.queries == len(problem.test) == sum(map(len, proposed)) == 46
    shown = sorted(codes_of(torch.cat([part.x for part in failures])).tolist())
    assert torch.allclose(torch.tensor(shown), torch.tensor(sorted(codes_of(wrong).tolist())))
    assert sorted(torch.cat([part.expected for part in failures]).tolist()) == [2, 2, 2, 3, 3, 3]
    assert all(part.z is None and bool((part.origin == -1).all()) for part in failures)


def test_an_inspection_that_is_stopped_early_has_seen_a_random_part():
    problem, _ = with_test_errors()
    order = {seed: torch.cat([c.x for c in run(held_out(block=10), problem, seed)[0]]) for seed in (0, 1)}
    assert not torch.equal(order[0][:10], order[1][:10])
    for images in order.values():
        assert sorted(images.mean((1, 2, 3)).tolist()) == sorted(problem.test.images.mean((1, 2, 3)).tolist())


def test_a_run_may_inspect_the_test_set_with_any_generator():
    layers = [Layer("--searcher", {"searcher": {"use": "test-set"}, "generator": {"use": "vae"}})]
    resolve(Registry.load(["defuse", "rivals"]), ["defuse", "rivals"], layers)


def test_plugin_offers_all_without_torch():
    assert list(SEARCHERS) == ["prior", "reconstruct", "natural", "genetic", "test-set"]
    assert all(isinstance(c, Component) and isinstance(c.factory, str) for c in modeldebug_searchers())
