"""Each searcher check catches a searcher that breaks its rule, and passes one that keeps them all."""

from dataclasses import replace

import pytest
import torch
from modeldebug_bayestrex.random_walk import RandomWalk
from modeldebug_bayestrex.settings import RandomWalkConfig
from twins import LenientConfig, assert_caught, assert_every_check_has_a_twin, component

from modeldebug import Candidates, Component, ComponentConfig, ConfigError, Searcher, rng_for, spawn
from modeldebug.testing import check_searcher

STEPS = 3


class Reference(Searcher[ComponentConfig]):
    """Gaussian noise around every origin, in three steps; proposes all that fails."""

    def _start(self, problem, rng):
        return {"seed": spawn(rng), "step": 0, "seen": torch.zeros(len(problem.origins)), "done": False}

    def _codes(self, problem, rng):
        origin = torch.arange(len(problem.origins)).repeat_interleave(10)
        return origin, problem.origins.z[origin] + 0.5 * torch.randn(len(origin), 2, generator=rng)

    def _step(self, problem, state):
        origin, z = self._codes(problem, rng_for(state["seed"], state["step"]))
        evaluation = problem.evaluate(z, origin=origin)
        rows = evaluation.failing.nonzero()[:, 0]
        step = state["step"] + 1
        after = {**state, "step": step, "seen": state["seen"] + 1, "done": step == STEPS}
        return after, Candidates(z=z[rows], origin=origin[rows], evaluation=evaluation.id[rows])

    def progress(self, state):
        return state["step"] / STEPS


class Endless(Reference):
    def _step(self, problem, state):
        after, candidates = super()._step(problem, state)
        return {**after, "done": False, "step": 1}, candidates


class Forger(Reference):
    def _step(self, problem, state):
        after, candidates = super()._step(problem, state)
        return after, Candidates(z=candidates.z + 1, origin=candidates.origin, evaluation=candidates.evaluation)


class AsksTheClassifierItself(Reference):
    def _step(self, problem, state):
        problem._pipeline.classifier.probs(problem._pipeline.generator.decode(problem.origins.z))
        return super()._step(problem, state)


class TurnsTheMeterBack(Reference):
    def _step(self, problem, state):
        answer = super()._step(problem, state)
        problem.meter.queries = 0
        return answer


class RemembersOnSelf(Reference):
    steps = 0

    def _codes(self, problem, rng):
        self.steps += 1
        origin, z = super()._codes(problem, rng)
        return origin, z + 0.1 * self.steps


class StateOfNumpyNumbers(Reference):
    def _start(self, problem, rng):
        import numpy as np

        return {**super()._start(problem, rng), "scale": np.float64(1.0)}


class ProposesNaN(Reference):
    def _step(self, problem, state):
        after, candidates = super()._step(problem, state)
        return after, Candidates(z=candidates.z / 0, origin=candidates.origin)


class ProposesDoubles(Reference):
    def _step(self, problem, state):
        after, candidates = super()._step(problem, state)
        return after, Candidates(z=candidates.z.double(), origin=candidates.origin)


class ProposesOneNumber(Reference):
    def _step(self, problem, state):
        after, candidates = super()._step(problem, state)
        return after, Candidates(z=candidates.z[:, :1], origin=candidates.origin)


class ForgetsAtTheLastStep(Reference):
    """Keeps on itself what it found, and proposes it again in the end."""

    kept = torch.empty(0, 2)

    def _step(self, problem, state):
        after, found = super()._step(problem, state)
        self.kept = torch.cat([self.kept, found.z])
        if not after["done"]:
            return after, found
        return after, Candidates(z=self.kept, origin=torch.zeros(len(self.kept), dtype=torch.int64))


class KnowsAhead(Reference):
    def ahead(self, problem, state):
        steps = range(state["step"], STEPS)
        return [{**state, "step": step, "seen": state["seen"] + step - state["step"]} for step in steps]


class ForgetsWhatItHasSeen(KnowsAhead):
    def ahead(self, problem, state):
        return [{**state, "step": step} for step in range(state["step"], STEPS)]


class BuildsOnWhatItHasSeen(ForgetsWhatItHasSeen):
    def _step(self, problem, state):
        after, found = super()._step(problem, state)
        seen = int(state["seen"][0])
        return after, Candidates(z=found.z[seen:], origin=found.origin[seen:], evaluation=found.evaluation[seen:])


class KnowsMoreThanThereIs(KnowsAhead):
    def ahead(self, problem, state):
        return [*super().ahead(problem, state), state]


class AsksAhead(KnowsAhead):
    def ahead(self, problem, state):
        problem.evaluate(problem.origins.z, origin=torch.arange(len(problem.origins)))
        return super().ahead(problem, state)


class DrawsFromGlobals(Reference):
    def _codes(self, problem, rng):
        with torch.random.fork_rng():
            torch.seed()
        origin, z = super()._codes(problem, rng)
        return origin, z + 0.1 * torch.randn(z.shape)


class OwnSeed(Reference):
    def _codes(self, problem, rng):
        return super()._codes(problem, torch.Generator().manual_seed(0))


class WritesIntoItsState(Reference):
    def _step(self, problem, state):
        state["seen"] += 1
        return super()._step(problem, state)


class MovesOrigins(Reference):
    def _step(self, problem, state):
        problem.origins.z.add_(1e-3)
        return super()._step(problem, state)


class FirstFailure(Reference):
    """Takes the first failing draw, and stumbles where there is none."""

    def _step(self, problem, state):
        after, candidates = super()._step(problem, state)
        candidates.z[0]
        return after, candidates


class Blind(Reference):
    """Draws from the prior."""

    def _codes(self, problem, rng):
        origin, z = super()._codes(problem, rng)
        return origin, problem.sample_prior(len(z), rng)

    def _step(self, problem, state):
        after, _ = super()._step(problem, state)
        origin, z = self._codes(problem, rng_for(state["seed"], state["step"]))
        return after, Candidates(z=z, origin=origin)


class Guided(Reference):
    """Proposes the failures that the guide is sure of."""

    def _step(self, problem, state):
        after, candidates = super()._step(problem, state)
        sure = problem.ask_guide(candidates.z, origin=candidates.origin).log_prob > -0.7
        z, origin, evaluation = candidates.z[sure], candidates.origin[sure], candidates.evaluation[sure]
        return after, Candidates(z=z, origin=origin, evaluation=evaluation)


class AsksTheGuideItself(Guided):
    def _step(self, problem, state):
        problem._pipeline.guide.probs(torch.zeros(2, 1, 8, 8))
        return super()._step(problem, state)


class CountsTheGuideAsTheClassifier(Guided):
    def _step(self, problem, state):
        answer = super()._step(problem, state)
        problem.meter.queries += problem.meter.guide_queries
        problem.meter.guide_queries = 0
        return answer


class ShortWalk(RandomWalkConfig):
    chains: int = 4
    warmup: int = 40
    samples: int = 80
    draws: int = 64
    block: int = 40
    hot: float = 2.0


class LeavesOutTheChains(RandomWalk):
    def _step(self, problem, state):
        after, candidates = super()._step(problem, state)
        return after, replace(candidates, chain=None)


class ForgetsATarget(RandomWalk):
    def _step(self, problem, state):
        after, found = super()._step(problem, state)
        rows = found.target == 0
        return after, Candidates(**{k: v if v is None else v[rows] for k, v in vars(found).items()})


class SaysNothingOfItsMoves(RandomWalk):
    def moves(self, state):
        return {}


class CountsAllMovesTogether(RandomWalk):
    def moves(self, state):
        return {"acceptance": super().moves(state)["acceptance"].mean(0, keepdim=True)}


class LeavesOutThePrior(RandomWalk):
    def _step(self, problem, state):
        problem.log_prior = lambda z: torch.zeros(len(z))
        return super()._step(problem, {**state, "log_prior": torch.zeros(len(state["z"]))})


def sampler(factory):
    return Component("twin", "a component for tests", ShortWalk, factory, requires=frozenset({"targets"}))


def guided(factory, **how):
    return Component("twin", "a component for tests", ComponentConfig, factory, **(how or {"requires": GUIDE}))


GUIDE = frozenset({"guide"})
TWINS = {
    "unknown_settings_are_refused": (component(Reference, config=LenientConfig), "was accepted"),
    "search_ends_and_can_be_judged": (component(Endless), "no end after"),
    "every_query_is_metered": (component(AsksTheClassifierItself), "went around the problem"),
    "guide_queries_are_metered_apart": (guided(CountsTheGuideAsTheClassifier), "a meter at 0"),
    "state_can_be_saved": (component(StateOfNumpyNumbers), "before step 0, UnpicklingError"),
    "resumed_search_equals_straight_run": (component(RemembersOnSelf), "other candidates in step 1"),
    "steps_ahead_lead_to_each_other": (component(ForgetsWhatItHasSeen), "another state after step 1, known ahead in 0"),
    "search_repeats": (component(DrawsFromGlobals), "other candidates for the same seed"),
    "seeds_differ": (component(OwnSeed), "the same candidates"),
    "inputs_are_left_alone": (component(WritesIntoItsState), "a changed state"),
    "globals_are_left_alone": (component(DrawsFromGlobals), "torch's random state changed"),
    "nothing_to_find_is_no_error": (component(FirstFailure), "IndexError"),
    "finds_planted_failures": (component(Blind), "planted failures among"),
    "samples_can_be_diagnosed": (sampler(ForgetsATarget), "0] samples of the targets"),
    "samples_follow_the_posterior": (sampler(LeavesOutThePrior), "standard errors"),
}
MORE_TWINS = [
    ("search_ends_and_can_be_judged", component(Forger), "not what it evaluated"),
    ("search_ends_and_can_be_judged", component(ProposesNaN), "NaN or infinite"),
    ("search_ends_and_can_be_judged", component(ProposesDoubles), "float64"),
    ("search_ends_and_can_be_judged", component(ProposesOneNumber), "1)"),
    ("every_query_is_metered", component(TurnsTheMeterBack), "a meter at 0"),
    ("every_query_is_metered", guided(CountsTheGuideAsTheClassifier), "a meter at"),
    ("guide_queries_are_metered_apart", guided(AsksTheGuideItself), "3 uses of the guide that went around"),
    ("resumed_search_equals_straight_run", component(StateOfNumpyNumbers), "Error"),
    ("resumed_search_equals_straight_run", component(ForgetsAtTheLastStep), "other candidates in step 2"),
    ("steps_ahead_lead_to_each_other", component(BuildsOnWhatItHasSeen), "other candidates in step 1"),
    ("steps_ahead_lead_to_each_other", component(KnowsMoreThanThereIs), "4 steps ahead where there are 3"),
    ("steps_ahead_lead_to_each_other", component(AsksAhead), "a meter that is not at 0"),
    ("inputs_are_left_alone", component(MovesOrigins), "changed: origins.z"),
    ("samples_can_be_diagnosed", sampler(LeavesOutTheChains), "without codes, targets, chains or evaluations"),
    ("samples_can_be_diagnosed", sampler(SaysNothingOfItsMoves), "moves of []"),
    ("samples_can_be_diagnosed", sampler(CountsAllMovesTogether), "acceptance of shape (1,)"),
]


def test_reference_searcher_passes_every_check():
    check_searcher(component(Reference))


def test_searcher_that_knows_its_steps_ahead_passes_every_check():
    check_searcher(component(KnowsAhead))


def test_reference_sampler_passes_every_check():
    check_searcher(sampler(RandomWalk))


@pytest.mark.parametrize("how", ["requires", "optional"])
def test_searcher_that_asks_a_guide_gets_one_and_passes_every_check(how):
    check_searcher(guided(Guided, **{how: GUIDE}))


@pytest.mark.parametrize("name", TWINS)
def test_broken_searcher_fails_its_check(name):
    assert_caught(check_searcher, name, *TWINS[name])


@pytest.mark.parametrize(("name", "twin", "words"), MORE_TWINS)
def test_searcher_broken_in_another_way_fails_the_same_check(name, twin, words):
    assert_caught(check_searcher, name, twin, words)


def test_every_searcher_check_has_a_broken_twin():
    assert_every_check_has_a_twin("searcher", TWINS)


def test_known_problem_refuses_a_searcher_that_needs_more_than_it_has():
    needy = Component("needy", "", ComponentConfig, Reference, requires=frozenset({"speech"}))
    with pytest.raises(ConfigError, match="cannot serve needy"):
        check_searcher(needy)


def test_unknown_check_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="no check 'seeds_difer'") as caught:
        check_searcher(component(Reference), only=["seeds_difer"])
    assert "did you mean 'seeds_differ'?" in str(caught.value)
