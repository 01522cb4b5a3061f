"""decode -> classify -> judge. A searcher sees a `Problem` and nothing else; every query is metered here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .classifier import Classifier
from .classifier import gradient as gradient_of
from .contracts.generator import Generator
from .errors import PluginError
from .pipeline import Pipeline
from .queries import (
    Asked,
    Evaluation,
    Expected,
    GuideAnswer,
    Memory,
    Meter,
    Misfit,
    Residuals,
    Slope,
    check_candidates,
    is_allowed,
)
from .targets import Target, margin, residuals
from .tensors import check_tensor
from .types import Candidates, Failures, ImageSet, Origins


class Problem:
    """What a searcher works on: a generator, a classifier, training codes to start from, and predictions to trigger.

    Args:
        generator: decodes codes into images.
        classifier: the model under test.
        origins: training images as codes.
        targets: predictions to trigger, for searchers that pursue some; of other searches, every prediction but the
            expected one is a failure.
        sigma: how closely targets are to be met: the standard deviation of their likelihoods.
        guide: another classifier that a searcher may ask whether an image is still what it should be.
        test: labelled test images, for a searcher that inspects these; None for any other.
        batch_size: images decoded and classified at a time.
        device: where the networks are.
        searcher: who asks, for messages.

    >>> from modeldebug.testing import known_problem
    >>> problem = known_problem().problem()
    >>> ball = torch.tensor([[1.2, 1.2]])  # the centre of a planted failure region
    >>> problem.evaluate(ball, origin=torch.tensor([4])).failing, problem.meter.queries
    (tensor([True]), 1)
    """

    def __init__(
        self,
        generator: Generator,  # type: ignore[type-arg]  # any settings
        classifier: Classifier,
        origins: Origins,
        *,
        targets: Sequence[Target] = (),
        sigma: float = 0.05,
        guide: Classifier | None = None,
        test: ImageSet | None = None,
        batch_size: int = 512,
        device: torch.device | None = None,
        searcher: str = "the searcher",
    ) -> None:
        self._pipeline = Pipeline(generator, classifier, guide, batch_size, device or torch.device("cpu"))
        self._searcher = searcher
        self._memory = Memory()
        self.origins = origins
        self.targets = tuple(targets)
        self.sigma = sigma
        self.test = test
        self.meter = Meter()
        self.num_classes = classifier.spec.num_classes
        self._expected = Expected(origins, self.targets, self.num_classes, searcher)

    @property
    def latent_size(self) -> int:
        """d, the number of latent dimensions."""
        return self._pipeline.generator.latent_size

    @property
    def guided(self) -> bool:
        """Whether there is a guide to ask."""
        return self._pipeline.guide is not None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        return self._pipeline.classifier.spec.shape

    def sample_prior(self, n: int, rng: torch.Generator) -> Tensor:
        """Codes (n, d) float32 from the generator's prior."""
        return self._pipeline.generator.sample(n, rng)

    def log_prior(self, z: Tensor) -> Tensor:
        """Log density (n,) of codes under the generator's prior, nats."""
        return self._pipeline.generator.log_prior(z)

    def propose(self, z: Tensor, rng: torch.Generator, scale: Tensor) -> tuple[Tensor, Tensor]:
        """A random step of the generator's own kernel, and its log ratio: as `Generator.propose`. No query."""
        return self._pipeline.generator.propose(z, rng, scale)

    def valid(self, z: Tensor) -> Tensor:
        """Which codes (n, d) stand for an image, (n,) bool; others are not to be asked about. No query."""
        return self._pipeline.generator.valid(z)

    def summary(self, z: Tensor) -> Tensor:
        """The numbers (n, m) of codes by which chains are compared: as `Generator.summary`. No query."""
        return self._pipeline.generator.summary(z)

    def truth(self, z: Tensor) -> Tensor | None:
        """The class of each code's image, (n,) int64, where the generator knows it; else None. No query."""
        return self._pipeline.generator.truth(z)

    def evaluate(
        self, z: Tensor, *, origin: Tensor | None = None, condition: Tensor | None = None, target: Tensor | None = None
    ) -> Evaluation:
        """Decode codes (n, d) float32 and ask the classifier: n queries.

        Args:
            origin: (n,) int64, the row of `origins` that each code comes from; its label is what is expected.
            condition: (n,) int64, the class told to a conditional decoder; the origin's by default.
            target: (n,) int64, the row of `targets` that each code is for, which says what a failure is.

        Raises:
            PluginError: codes, origins, conditions or targets of another shape, dtype or range, or nothing says which
                label is expected.
            ClassifierError: the classifier raises, or answers with another shape, or NaN.
        """
        asked = self._told(z, Asked(origin, condition, target))
        probs, failing, images = self._ask(z, None, asked.condition, self._right(z, asked)[1])
        return self._memory.keep(z, asked, probs, failing, images)

    def misfit(
        self,
        z: Tensor,
        target: Tensor,
        *,
        origin: Tensor | None = None,
        condition: Tensor | None = None,
        gradient: bool = True,
    ) -> Misfit:
        """How far predictions are from targets: -misfit / sigma^2 is the log-likelihood. 3 n queries, n without the
        gradient. Nothing is remembered, so codes to propose are to be evaluated once more.

        A guide, where there is one, has a say on targets that expect a label: it should be as sure of that label, as
        the classifier should be of another.

        Args:
            z: (n, d) float32 codes.
            target: (n,) int64, the row of `targets` for each.
            origin, condition: as in `evaluate`.

        Raises:
            PluginError: as `evaluate`.
            ClassifierError: as `evaluate`; or no gradient goes back through the classifier.

        >>> from modeldebug.testing import known_problem
        >>> from modeldebug.targets import Target
        >>> problem = known_problem().problem(targets=[Target("ambiguous", (0, 1), (0.5, 0.5))])
        >>> misfit = problem.misfit(torch.zeros(3, 2), torch.tensor([0, 0, 0]))
        >>> misfit.value.shape, misfit.gradient.shape, problem.meter.queries
        (torch.Size([3]), torch.Size([3, 2]), 9)
        """
        values, gradients, answers = [], [], []
        with self._pipeline.asking(gradient=gradient):
            for probs, gaps, doubt, code in self._pursued(z, Asked(origin, condition, target), gradient=gradient):
                value = 0.5 * (gaps.square().sum(1) + (0 if doubt is None else doubt.square()))
                if gradient:
                    gradients.append(gradient_of(value, code, self._pipeline.classifier).cpu())
                    self._spend(2 * len(code), 0 if doubt is None else 2 * len(code))
                values.append(value.detach().cpu())
                answers.append(probs.detach().cpu())
        return Misfit(torch.cat(values), torch.cat(gradients) if gradient else None, torch.cat(answers))

    def residuals(
        self, z: Tensor, target: Tensor, *, origin: Tensor | None = None, condition: Tensor | None = None
    ) -> Residuals:
        """The same number by number, each with its gradient: (1 + 2 m) n queries, for m of them. So a sampler sees in
        which directions the likelihood is narrow.

        >>> from modeldebug.testing import known_problem
        >>> from modeldebug.targets import Target
        >>> problem = known_problem().problem(targets=[Target("ambiguous", (0, 1), (0.5, 0.5))])
        >>> found = problem.residuals(torch.zeros(3, 2), torch.tensor([0, 0, 0]))
        >>> found.value.shape, found.slope.shape, problem.meter.queries
        (torch.Size([3, 2]), torch.Size([3, 2, 2]), 15)
        """
        values, slopes, answers = [], [], []
        with self._pipeline.asking(gradient=True):
            for probs, gaps, doubt, code in self._pursued(z, Asked(origin, condition, target), gradient=True):
                classifier, guide = self._pipeline.classifier, self._pipeline.guide
                each, own = list(gaps.unbind(1)), []
                own += [gradient_of(gap, code, classifier, keep=True) for gap in each]
                self._spend(2 * len(each) * len(code), 0)
                if doubt is not None and guide is not None:
                    own.append(gradient_of(doubt, code, guide))
                    self._spend(0, 2 * len(code))
                    each.append(doubt)
                slopes.append(torch.stack(own, 1).cpu())
                values.append(torch.stack(each, 1).detach().cpu())
                answers.append(probs.detach().cpu())
        return Residuals(torch.cat(values), torch.cat(slopes), torch.cat(answers))

    def value_and_grad(self, z: Tensor, *, origin: Tensor | None = None, condition: Tensor | None = None) -> Slope:
        """The margin and its gradient with respect to the codes: 3 n queries. It counts as an evaluation too.

        Raises:
            PluginError: as `evaluate`.
            ClassifierError: as `evaluate`; or no gradient goes back through the classifier.

        >>> from modeldebug.testing import known_problem
        >>> problem = known_problem().problem()
        >>> slope = problem.value_and_grad(torch.zeros(3, 2), origin=torch.tensor([0, 1, 2]))
        >>> slope.value.shape, slope.gradient.shape, problem.meter.queries
        (torch.Size([3]), torch.Size([3, 2]), 9)
        """
        asked = self._told(z, Asked(origin, condition))
        allowed = self._right(z, asked)[1]
        values, gradients, probs, failing, images = [], [], [], [], []
        classifier = self._pipeline.classifier
        with self._pipeline.asking(gradient=True):
            for rows, x, code in self._pipeline.decoded(z, asked.condition, gradient=True):
                log_probs = classifier.log_probs(x)
                value = margin(log_probs, allowed[rows].to(x.device))
                gradients.append(gradient_of(value, code, classifier).cpu())
                values.append(value.detach().cpu())
                probs.append(log_probs.detach().exp().cpu())
                failing.append(~is_allowed(probs[-1], allowed[rows]))
                images.append(x.detach().cpu()[failing[-1]])
                self.meter.failing += len(images[-1])
        self.meter.queries += 3 * len(z)
        evaluation = self._memory.keep(z, asked, torch.cat(probs), torch.cat(failing), images)
        return Slope(torch.cat(values), torch.cat(gradients), evaluation)

    def margin(
        self, evaluation: Evaluation, *, origin: Tensor | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """The margin (n,) float32 of what was evaluated with the same origins and conditions: no query."""
        asked = self._expected.filled(len(evaluation.probs), Asked(origin, condition))
        log_probs = evaluation.probs.clamp_min(torch.finfo(torch.float32).tiny).log()
        return margin(log_probs, self._expected.right(asked)[1])

    def ask_guide(
        self, z: Tensor, *, origin: Tensor | None = None, condition: Tensor | None = None, gradient: bool = False
    ) -> GuideAnswer:
        """How sure the guide is that decoded codes (n, d) are what is expected: n guide queries, 3 n with the gradient.

        Raises:
            PluginError: as `evaluate`, or there is no guide.
            ClassifierError: as `evaluate`, of the guide; or no gradient goes back through it.

        >>> from modeldebug.testing import known_problem
        >>> problem = known_problem().problem(guide=known_problem().classifier)
        >>> problem.ask_guide(torch.zeros(3, 2), origin=torch.tensor([0, 1, 2])).log_prob.shape
        torch.Size([3])
        >>> problem.meter.queries, problem.meter.guide_queries
        (0, 3)
        """
        guide = self._pipeline.guide
        if guide is None:
            raise PluginError(
                "a searcher asks a guide, and there is none",
                fix="choose one: --guide NAME; a searcher sees by problem.guided whether there is",
                plugin=self._searcher,
            )
        asked = self._told(z, Asked(origin, condition))
        allowed = self._right(z, asked)[1]
        answers, gradients = [], []
        with self._pipeline.asking(gradient=gradient):
            for rows, x, code in self._pipeline.decoded(z, asked.condition, gradient=gradient):
                log_probs = guide.log_probs(x)
                log_prob = log_probs.masked_fill(~allowed[rows].to(x.device), -torch.inf).amax(1)
                if gradient:
                    gradients.append(gradient_of(log_prob, code, guide).cpu())
                answers.append(log_prob.detach().cpu())
        self.meter.guide_queries += (3 if gradient else 1) * len(z)
        return GuideAnswer(torch.cat(answers), torch.cat(gradients) if gradient else None)

    def judge(self, candidates: Candidates, *, step: int, searcher: str) -> Failures:
        """The failures among the candidates of one step. Forgets the evaluations of that step.

        Raises:
            PluginError: candidates break the contract, or are not what was evaluated under their ids.
            ClassifierError: as `evaluate`.
        """
        z, origin = candidates.z, candidates.origin
        asked = Asked(origin, candidates.condition, candidates.target)
        if candidates.evaluation is not None and len(candidates):
            z, probs, condition = self._memory.recall(candidates, candidates.evaluation, searcher)
            expected, allowed = self._right(z, replace(asked, condition=condition))
            bad = ~is_allowed(probs, allowed)
            images = self._memory.images(candidates.evaluation[bad], self.image_shape)
        else:
            asked = self._expected.filled(len(candidates), asked)
            condition = asked.condition
            check_candidates(candidates, latent_size=self.latent_size, image_shape=self.image_shape, searcher=searcher)
            expected, allowed = self._right(z, asked)
            probs, bad, parts = self._ask(z, candidates.x, condition, allowed)
            images = torch.cat(parts)
        self._memory = Memory()
        rows = torch.full((len(candidates),), -1) if origin is None else self.origins.index[origin]
        nothing = torch.full((len(candidates),), torch.nan)
        return Failures(
            x=images,
            probs=probs[bad],
            allowed=allowed[bad],
            expected=expected[bad],
            origin=rows[bad],
            log_prior=(nothing if z is None else self.log_prior(z))[bad],
            distance=(nothing if z is None else self._distance(z, origin, nothing))[bad],
            step=torch.full((int(bad.sum()),), step),
            z=None if z is None else z[bad],
            condition=None if condition is None else condition[bad],
        )

    def answers(self, candidates: Candidates) -> Tensor:
        """The classifier's probabilities (n, k) of candidates that were evaluated in this step: no query.

        Raises:
            PluginError: they were not, or are not what was evaluated under their ids.
        """
        if not len(candidates):
            return torch.empty(0, self.num_classes)
        if candidates.evaluation is None:
            raise PluginError(
                "a sampler's candidates do not say which evaluations they are",
                got="Candidates without evaluation ids",
                expected="the ids that problem.evaluate gave for the very codes, in the same step",
                plugin=self._searcher,
            )
        return self._memory.recall(candidates, candidates.evaluation, self._searcher)[1]

    def _right(self, z: Tensor | None, asked: Asked) -> tuple[Tensor, Tensor]:
        """The label that each code or image should get, (n,) int64, and which predictions are right, (n, k) bool: what
        the generator knows, or else what is asked about says."""
        truth = None if z is None else self.truth(z)
        if truth is None:
            return self._expected.right(asked)
        return truth, torch.nn.functional.one_hot(truth, self.num_classes).bool()

    def _told(self, z: Tensor, asked: Asked) -> Asked:
        """What is asked, with the class that the decoder is told, once codes and all else are known to fit."""
        check_tensor("z", z, shape=("n", self.latent_size), dtype=torch.float32, plugin=self._searcher)
        return self._expected.filled(len(z), asked)

    def _pursued(
        self, z: Tensor, asked: Asked, *, gradient: bool
    ) -> Iterator[tuple[Tensor, Tensor, Tensor | None, Tensor]]:
        """Batch by batch: predictions (b, k), residuals (b, m) of each from its target, what the guide lacks to be sure
        (b,) where it has a say, and the codes that gradients go back to."""
        asked = self._told(z, asked)
        assert asked.target is not None  # those who call this are given it
        expected, allowed = self._right(z, asked)
        has_a_say = self.guided and any(target.expected >= 0 for target in self.targets)
        for rows, x, code in self._pipeline.decoded(z, asked.condition, gradient=gradient):
            probs = self._pipeline.classifier.log_probs(x).exp()
            gaps = residuals(self.targets, asked.target[rows], probs)
            doubt = self._pipeline.doubt(x, expected[rows]) if has_a_say else None
            self.meter.failing += int((~is_allowed(probs.detach().cpu(), allowed[rows])).sum())
            self._spend(len(code), len(code) if has_a_say else 0)
            yield probs, gaps, doubt, code

    def _spend(self, queries: int, guide_queries: int) -> None:
        self.meter.queries += queries
        self.meter.guide_queries += guide_queries

    def _ask(
        self, z: Tensor | None, x: Tensor | None, condition: Tensor | None, allowed: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The classifier's answers (n, k) to images or decoded codes, which of them fail (n,), and the images of those.

        One batch at a time is decoded and classified: other images than failures are never held beyond their batch.
        """
        if not len(allowed):  # networks are run in full batches, also for nothing
            nothing = torch.empty(0, self.num_classes)
            return nothing, nothing.any(1), [torch.empty(0, *self.image_shape)]
        answers, failing, images = [], [], []
        for rows, given, probs in self._pipeline.answered(len(allowed), z, x, condition):
            self.meter.queries += len(given)
            answers.append(probs)
            failing.append(~is_allowed(probs, allowed[rows]))
            images.append(given[failing[-1]])
            self.meter.failing += len(images[-1])
        return torch.cat(answers), torch.cat(failing), images

    def _distance(self, z: Tensor, origin: Tensor | None, nothing: Tensor) -> Tensor:
        if origin is None or self.origins.z is None:
            return nothing
        distance: Tensor = torch.linalg.vector_norm(z - self.origins.z[origin], dim=1)
        return distance
