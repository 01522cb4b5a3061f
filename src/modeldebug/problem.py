"""decode -> classify -> judge. A searcher sees a `Problem` and nothing else; every query is metered here."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .batches import in_batches
from .classifier import Classifier
from .classifier import gradient as gradient_of
from .contracts.generator import Generator
from .errors import PluginError
from .queries import Evaluation, GuideAnswer, Memory, Meter, Slope
from .target import Misclassified
from .tensors import check_tensor
from .types import Candidates, Failures, Origins


class Problem:
    """What a searcher works on: a generator, a classifier, a target, and training codes to start from.

    Args:
        generator: decodes codes into images.
        classifier: the model under test.
        origins: training images as codes.
        target: what counts as a failure.
        guide: another classifier that a searcher may ask whether an image is still what it should be.
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
        target: Misclassified | None = None,
        guide: Classifier | None = None,
        batch_size: int = 512,
        device: torch.device | None = None,
        searcher: str = "the searcher",
    ) -> None:
        self._generator = generator
        self._classifier = classifier
        self._guide = guide
        self._batch_size = batch_size
        self._device = device or torch.device("cpu")
        self._searcher = searcher
        self._memory = Memory()
        self.origins = origins
        self.target = target or Misclassified()
        self.meter = Meter()
        self.num_classes = classifier.spec.num_classes

    @property
    def latent_size(self) -> int:
        """d, the number of latent dimensions."""
        return self._generator.latent_size

    @property
    def guided(self) -> bool:
        """Whether there is a guide to ask."""
        return self._guide is not None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        return self._classifier.spec.shape

    def sample_prior(self, n: int, rng: torch.Generator) -> Tensor:
        """Codes (n, d) float32 from the generator's prior."""
        return self._generator.sample(n, rng)

    def log_prior(self, z: Tensor) -> Tensor:
        """Log density (n,) of codes under the generator's prior, nats."""
        return self._generator.log_prior(z)

    def evaluate(self, z: Tensor, *, origin: Tensor | None = None, condition: Tensor | None = None) -> Evaluation:
        """Decode codes (n, d) float32 and ask the classifier: n queries.

        Args:
            origin: (n,) int64, the row of `origins` that each code comes from; its label is what is expected.
            condition: (n,) int64, the class told to a conditional decoder; the origin's by default.

        Raises:
            PluginError: codes, origins or conditions of another shape, dtype or range, or nothing says which label is
                expected.
            ClassifierError: the classifier raises, or answers with another shape, or NaN.
        """
        condition = self._told(z, origin, condition)
        probs, failing, images = self._ask(z, None, condition, self._expected(origin, condition))
        return self._memory.keep(z, origin, condition, probs, failing, images)

    def value_and_grad(self, z: Tensor, *, origin: Tensor | None = None, condition: Tensor | None = None) -> Slope:
        """The target's value and its gradient with respect to the codes: 3 n queries. It counts as an evaluation too.

        Raises:
            PluginError: as `evaluate`.
            ClassifierError: as `evaluate`; or no gradient goes back through the classifier.

        >>> from modeldebug.testing import known_problem
        >>> problem = known_problem().problem()
        >>> slope = problem.value_and_grad(torch.zeros(3, 2), origin=torch.tensor([0, 1, 2]))
        >>> slope.value.shape, slope.gradient.shape, problem.meter.queries
        (torch.Size([3]), torch.Size([3, 2]), 9)
        """
        condition = self._told(z, origin, condition)
        expected = self._expected(origin, condition)
        allowed = self.target.allowed(expected, self.num_classes)
        values, gradients, probs, failing, images = [], [], [], [], []
        self._classifier.module.eval()
        with torch.enable_grad():
            for rows, x, code in self._decoded_with_gradient(z, condition):
                log_probs = self._classifier.log_probs(x)
                value = self.target.value(log_probs, allowed[rows].to(self._device))
                gradients.append(gradient_of(value, code, self._classifier).cpu())
                values.append(value.detach().cpu())
                probs.append(log_probs.detach().exp().cpu())
                failing.append(~self._is_allowed(probs[-1], expected[rows]))
                images.append(x.detach().cpu()[failing[-1]])
                self.meter.failing += len(images[-1])
        self.meter.queries += 3 * len(z)
        evaluation = self._memory.keep(z, origin, condition, torch.cat(probs), torch.cat(failing), images)
        return Slope(torch.cat(values), torch.cat(gradients), evaluation)

    def margin(
        self, evaluation: Evaluation, *, origin: Tensor | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """The target's value (n,) float32 of what was evaluated with the same origins and conditions: no query."""
        expected = self._expected(origin, self._condition(len(evaluation.probs), origin, condition))
        log_probs = evaluation.probs.clamp_min(torch.finfo(torch.float32).tiny).log()
        return self.target.value(log_probs, self.target.allowed(expected, self.num_classes))

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
        if self._guide is None:
            raise PluginError(
                "a searcher asks a guide, and there is none",
                fix="choose one: --guide NAME; a searcher sees by problem.guided whether there is",
                plugin=self._searcher,
            )
        condition = self._told(z, origin, condition)
        allowed = self.target.allowed(self._expected(origin, condition), self.num_classes)
        answers, gradients = [], []
        self._guide.module.eval()
        with torch.set_grad_enabled(gradient):
            for rows, x, code in self._decoded_with_gradient(z, condition):
                log_probs = self._guide.log_probs(x)
                log_prob = log_probs.masked_fill(~allowed[rows].to(self._device), -torch.inf).amax(1)
                if gradient:
                    gradients.append(gradient_of(log_prob, code, self._guide).cpu())
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
        if candidates.evaluation is not None and len(candidates):
            z, probs, condition = self._memory.recall(candidates, candidates.evaluation, searcher)
            expected = self._expected(origin, condition)
            bad = ~self._is_allowed(probs, expected)
            images = self._memory.images(candidates.evaluation[bad], self.image_shape)
        else:
            condition = self._condition(len(candidates), origin, candidates.condition)
            expected = self._expected(origin, condition)
            self._check(candidates, searcher)
            probs, bad, parts = self._ask(z, candidates.x, condition, expected)
            images = torch.cat(parts)
        self._memory = Memory()
        rows = torch.full((len(candidates),), -1) if origin is None else self.origins.index[origin]
        nothing = torch.full((len(candidates),), torch.nan)
        return Failures(
            x=images,
            probs=probs[bad],
            allowed=self.target.allowed(expected, self.num_classes)[bad],
            expected=expected[bad],
            origin=rows[bad],
            log_prior=(nothing if z is None else self.log_prior(z))[bad],
            distance=(nothing if z is None else self._distance(z, origin, nothing))[bad],
            step=torch.full((int(bad.sum()),), step),
            z=None if z is None else z[bad],
            condition=None if condition is None else condition[bad],
        )

    def _told(self, z: Tensor, origin: Tensor | None, condition: Tensor | None) -> Tensor | None:
        """The class told to the decoder, once codes, origins and conditions are known to fit."""
        check_tensor("z", z, shape=("n", self.latent_size), dtype=torch.float32, plugin=self._searcher)
        return self._condition(len(z), origin, condition)

    def _decoded_with_gradient(self, z: Tensor, condition: Tensor | None) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Batch by batch: the rows, their images, and the codes that gradients go back to."""
        for start in range(0, max(len(z), 1), self._batch_size):
            rows = slice(start, start + self._batch_size)
            code = z[rows].detach().to(self._device).requires_grad_()
            told = None if condition is None else condition[rows].to(self._device)
            yield rows, self._generator.decode(code, told), code

    def _check(self, candidates: Candidates, searcher: str) -> None:
        """Refuse codes that the generator, or images that the classifier, cannot be given."""
        if candidates.z is not None:
            shape = ("n", self.latent_size)
            check_tensor("a candidate", candidates.z, shape=shape, dtype=torch.float32, plugin=searcher)
        else:
            check_tensor(
                "a candidate image",
                candidates.x,
                shape=("n", *self.image_shape),
                dtype=torch.float32,
                low=0,
                high=1,
                plugin=searcher,
            )

    def _ask(
        self, z: Tensor | None, x: Tensor | None, condition: Tensor | None, expected: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The classifier's answers (n, k) to images or decoded codes, which of them fail (n,), and the images of those.

        One batch at a time is decoded and classified: other images than failures are never held beyond their batch.
        """
        answers, failing, images = [], [], []
        for start in range(0, max(len(expected), 1), self._batch_size):
            rows = slice(start, start + self._batch_size)
            codes, given, told = (None if t is None else t[rows] for t in (z, x, condition))
            if given is None:
                given = in_batches(self._generator.decode, self._batch_size, self._device, codes, told)
            self.meter.queries += len(given)
            answers.append(self._classifier.probs(given))
            failing.append(~self._is_allowed(answers[-1], expected[rows]))
            images.append(given[failing[-1]])
            self.meter.failing += len(images[-1])
        return torch.cat(answers), torch.cat(failing), images

    def _condition(self, n: int, origin: Tensor | None, condition: Tensor | None) -> Tensor | None:
        """The class that the decoder is told: the given one, else the origin's, if origins have one."""
        if origin is not None:
            last = len(self.origins) - 1
            check_tensor("origin", origin, shape=(n,), dtype=torch.int64, low=0, high=last, plugin=self._searcher)
        if condition is not None:
            last = self.num_classes - 1
            check_tensor("condition", condition, shape=(n,), dtype=torch.int64, low=0, high=last, plugin=self._searcher)
        if condition is None and origin is not None and self.origins.condition is not None:
            return self.origins.condition[origin]
        return condition

    def _expected(self, origin: Tensor | None, condition: Tensor | None) -> Tensor:
        """The label that the image of each code should get, (n,) int64: its origin's, else the class it was told."""
        if origin is not None:
            return self.origins.labels[origin]
        if condition is not None:
            return condition
        raise PluginError(
            "nothing says which label is expected of these codes",
            got="codes without an origin or a condition",
            expected="origins, or a conditional generator",
            plugin=self._searcher,
        )

    def _is_allowed(self, probs: Tensor, expected: Tensor) -> Tensor:
        return self.target.allowed(expected, self.num_classes).gather(1, probs.argmax(1, keepdim=True))[:, 0]

    def _distance(self, z: Tensor, origin: Tensor | None, nothing: Tensor) -> Tensor:
        if origin is None or self.origins.z is None:
            return nothing
        distance: Tensor = torch.linalg.vector_norm(z - self.origins.z[origin], dim=1)
        return distance
