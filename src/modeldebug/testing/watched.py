"""A problem that sees what a searcher asks, and what it asks around the problem."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..classifier import Classifier
from ..component import ComponentConfig
from ..problem import Problem
from ..queries import Evaluation, GuideAnswer, Misfit, Residuals, Slope
from ..targets import Target
from ..types import Candidates, Failures
from .problems import SPEC, KnownProblem, PlantedGenerator


class WatchedProblem(Problem):
    """Counts the queries that go through it, and the uses of the networks that do not.

    Attributes:
        counted: queries, as the meter ought to count them.
        around: uses of generator or classifier outside of the problem's own methods.
        counted_guide: guide queries, as the meter ought to count them.
        around_guide: uses of the guide that do not go through the problem.
    """

    def __init__(self, known: KnownProblem, guide: Classifier | None = None, targets: tuple[Target, ...] = ()) -> None:
        classifier = known.classifier.copy()
        generator = _WatchedGenerator(known.generator, self._used)
        test = known.splits.test
        super().__init__(generator, classifier, known.origins, guide=guide, targets=targets, test=test, batch_size=64)
        classifier.module.register_forward_pre_hook(self._used_module)
        if guide is not None:
            guide.module.register_forward_pre_hook(self._used_guide)
        self.counted = self.around = self.counted_guide = self.around_guide = 0
        self._inside = False

    def _used(self) -> None:
        self.around += not self._inside

    def _used_module(self, module: nn.Module, arguments: object) -> None:
        self._used()

    def _used_guide(self, module: nn.Module, arguments: object) -> None:
        self.around_guide += not self._inside

    def evaluate(self, z: Tensor, **asked: Any) -> Evaluation:
        self.counted += len(z)
        self._inside = True
        answer = super().evaluate(z, **asked)
        self._inside = False
        return answer

    def misfit(self, z: Tensor, target: Tensor, **asked: Any) -> Misfit:
        cost = (3 if asked.get("gradient", True) else 1) * len(z)
        self.counted += cost
        self.counted_guide += cost if self.guided and any(t.expected >= 0 for t in self.targets) else 0
        self._inside = True
        answer = super().misfit(z, target, **asked)
        self._inside = False
        return answer

    def residuals(self, z: Tensor, target: Tensor, **asked: Any) -> Residuals:
        self._inside = True
        answer = super().residuals(z, target, **asked)
        self._inside = False
        says = self.guided and any(t.expected >= 0 for t in self.targets)  # the guide's is a residual of its own
        self.counted += (1 + 2 * (answer.value.shape[1] - says)) * len(z)
        self.counted_guide += 3 * len(z) if says else 0
        return answer

    def value_and_grad(self, z: Tensor, *, origin: Tensor | None = None, condition: Tensor | None = None) -> Slope:
        self.counted += 3 * len(z)
        self._inside = True
        answer = super().value_and_grad(z, origin=origin, condition=condition)
        self._inside = False
        return answer

    def ask_guide(
        self, z: Tensor, *, origin: Tensor | None = None, condition: Tensor | None = None, gradient: bool = False
    ) -> GuideAnswer:
        self.counted_guide += (3 if gradient else 1) * len(z)
        self._inside = True
        answer = super().ask_guide(z, origin=origin, condition=condition, gradient=gradient)
        self._inside = False
        return answer

    def judge(self, candidates: Candidates, *, step: int, searcher: str) -> Failures:
        self.counted += len(candidates) if candidates.evaluation is None else 0
        self._inside = True
        answer = super().judge(candidates, step=step, searcher=searcher)
        self._inside = False
        return answer


class _WatchedGenerator(PlantedGenerator):
    def __init__(self, watched: PlantedGenerator, used: Any) -> None:
        super().__init__(ComponentConfig(), SPEC)
        self._watched, self._used = watched, used

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        self._used()
        return self._watched.decode(z, condition)
