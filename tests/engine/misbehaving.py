"""Components that break in the middle of a run, each in one way; and good ones that find nothing, or wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from modeldebug_defuse.beta_noise import BetaNoise
from modeldebug_defuse.dp_gmm import DpGmm
from modeldebug_defuse.lambda_finetuning import LambdaFinetuning
from modeldebug_defuse.settings import BetaNoiseConfig, DpGmmConfig, LambdaConfig

from modeldebug import Answers, Candidates, Clustering, Component, Labeler, LabelRequest, Pending
from modeldebug.component import ComponentConfig
from modeldebug.testing.problems import ABILITIES, PlantedGenerator

from .planted import Rule, RuleConfig


class _Noise(BetaNoise):
    Config = BetaNoiseConfig


class FindsNothing(_Noise):
    def _step(self, problem: Any, state: Any) -> Any:
        problem.evaluate(problem.origins.z, origin=torch.arange(len(problem.origins)))
        return {**state, "done": True}, Candidates(z=torch.empty(0, 2), origin=torch.empty(0, dtype=torch.int64))


class HoldsBack(_Noise):
    """Comes upon failures, and proposes none."""

    def _step(self, problem: Any, state: Any) -> Any:
        problem.evaluate(-problem.origins.z, origin=torch.arange(len(problem.origins)))
        return {**state, "done": True}, Candidates(z=torch.empty(0, 2), origin=torch.empty(0, dtype=torch.int64))


class SearchesInThreeDimensions(_Noise):
    def _step(self, problem: Any, state: Any) -> Any:
        return {**state, "done": True}, Candidates(z=torch.zeros(4, 3), origin=torch.zeros(4, dtype=torch.int64))


class EvaluatesInThreeDimensions(_Noise):
    def _step(self, problem: Any, state: Any) -> Any:
        problem.evaluate(torch.zeros(4, 3), origin=torch.zeros(4, dtype=torch.int64))


class NamesNoOrigin(_Noise):
    def _step(self, problem: Any, state: Any) -> Any:
        return {**state, "done": True}, Candidates(z=torch.zeros(4, 2), origin=torch.full((4,), 10**6))


class ForgesEvaluations(_Noise):
    def _step(self, problem: Any, state: Any) -> Any:
        after, found = super()._step(problem, state)
        return after, Candidates(z=found.z + 1, origin=found.origin, evaluation=found.evaluation)


class RaisesInStepTwo(_Noise):
    def _step(self, problem: Any, state: Any) -> Any:
        if state["next"]:
            raise ZeroDivisionError("no origins left")
        return super()._step(problem, state)


class _Decodes(PlantedGenerator):
    """Decodes codes like those of the data, and breaks next to a class boundary, where only the search gets."""

    def __init__(self, config: Any, spec: Any, *, bad: float | None) -> None:
        super().__init__(config, spec)
        self._bad = bad

    def _decode(self, z: Any, condition: Any) -> Any:
        x, odd = super()._decode(z, condition), (z.abs() < 0.1).any(1)
        if bool(odd.any()) and self._bad is None:
            raise ArithmeticError("too dark")
        return torch.where(odd[:, None, None, None], torch.tensor(self._bad or 0.0), x)


def _decodes(name: str, bad: float | None) -> Component:
    return Component(
        name, "", ComponentConfig, lambda config, spec: _Decodes(config, spec, bad=bad), provides=ABILITIES
    )


decodes_nan = _decodes("nan", float("nan"))
decodes_beyond_one = _decodes("beyond", 1.5)
raises_when_it_decodes = _decodes("raises", None)


class _Mixture(DpGmm):
    Config = DpGmmConfig


class AssignsOutOfRange(_Mixture):
    def _fit(self, failures: Any, context: Any) -> Any:
        fitted = super()._fit(failures, context)
        return Clustering(fitted.weights, fitted.assignment + len(fitted.weights), fitted.parameters)


class SamplesInThreeDimensions(_Mixture):
    def _sample(self, clustering: Any, cluster: int, n: int, tau: float, rng: Any) -> Any:
        return torch.zeros(n, 3), None


class RaisesWhenItSamples(_Mixture):
    def _sample(self, clustering: Any, cluster: int, n: int, tau: float, rng: Any) -> Any:
        raise ZeroDivisionError("no covariance")


class ChangesTheClassifier(LambdaFinetuning):
    Config = LambdaConfig

    def _correct(self, classifier: Any, data: Any, failures: Any, context: Any) -> Any:
        with torch.no_grad():
            next(classifier.module.parameters()).zero_()
        return super()._correct(classifier, data, failures, context)


class ForgetsAWeight(LambdaFinetuning):
    Config = LambdaConfig

    def _correct(self, classifier: Any, data: Any, failures: Any, context: Any) -> Any:
        (state,) = super()._correct(classifier, data, None, context)
        state.state.popitem()
        return [state]


class VotesOutOfRange(Rule):
    def _label(self, request: LabelRequest) -> Answers:
        return Answers(super()._label(request).votes + (request.id == "regions") * 4)


class RaisesAboutRegions(Rule):
    def _label(self, request: LabelRequest) -> Answers:
        if request.id == "regions":
            raise ZeroDivisionError("no votes")
        return super()._label(request)


class RaisesAboutFailures(Rule):
    def _label(self, request: LabelRequest) -> Answers:
        if request.id.startswith("audit"):
            raise ZeroDivisionError("no votes")
        return super()._label(request)


class Abstains(Labeler[ComponentConfig]):
    is_program = True

    def _label(self, request: LabelRequest) -> Answers:
        return Answers(torch.full((len(request.x), 3), -1))


class PeopleConfig(RuleConfig):
    answers: str


class People(Rule):
    """Answers once a file is there."""

    Config = PeopleConfig
    is_program = False

    def _label(self, request: LabelRequest) -> Answers | Pending:
        if not Path(self.config.answers).exists():
            return Pending(len(request.x), f"write {self.config.answers}")
        return super()._label(request)


class CannotBeMade(LambdaFinetuning):
    def __init__(self, config: Any, spec: Any) -> None:
        raise ZeroDivisionError("no memory of it")
