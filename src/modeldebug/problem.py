"""decode -> classify -> judge. A searcher sees a `Problem` and nothing else; every query is metered here."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from .batches import in_batches
from .classifier import Classifier
from .contracts.generator import Generator
from .errors import PluginError
from .tensors import check_tensor, describe
from .types import Candidates, Failures, Origins


@dataclass(frozen=True)
class Misclassified:
    """The target of debugging: a prediction that differs from the expected label.

    >>> Misclassified().allowed(torch.tensor([1]), 3)
    tensor([[False,  True, False]])
    """

    def allowed(self, expected: Tensor, num_classes: int) -> Tensor:
        """Which predictions are right, (n, k) bool, for expected labels (n,) int64."""
        return torch.nn.functional.one_hot(expected, num_classes).bool()

    def value(self, log_probs: Tensor, allowed: Tensor) -> Tensor:
        """The margin (n,): the largest log-probability that is not allowed less the largest that is; failures are
        above 0."""
        wrong = log_probs.masked_fill(allowed, -torch.inf).amax(1)
        return wrong - log_probs.masked_fill(~allowed, -torch.inf).amax(1)


@dataclass
class Meter:
    """Classifier queries: a forward pass of one image is 1, a backward pass is 2 more.

    Attributes:
        queries: how many so far.
    """

    queries: int = 0


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What the classifier says about decoded codes.

    Attributes:
        id: (n,) int64, to be given back in `Candidates.evaluation`.
        probs: (n, k) float32.
        failing: (n,) bool, whether the core would count it as a failure.

    >>> Evaluation(torch.tensor([0]), torch.tensor([[0.1, 0.9]]), torch.tensor([True])).failing
    tensor([True])
    """

    id: Tensor
    probs: Tensor
    failing: Tensor


@dataclass(eq=False)
class _Remembered:
    """Evaluations of the current step, so that judging a candidate costs no second query; images of failures only."""

    z: list[Tensor] = field(default_factory=list)
    x: list[Tensor] = field(default_factory=list)
    place: list[Tensor] = field(default_factory=list)  # of each evaluation's image among `x`; -1 for none
    probs: list[Tensor] = field(default_factory=list)
    condition: list[Tensor] = field(default_factory=list)
    origin: list[Tensor] = field(default_factory=list)
    count: int = 0
    failed: int = 0


class Problem:
    """What a searcher works on: a generator, a classifier, a target, and training codes to start from.

    Args:
        generator: decodes codes into images.
        classifier: the model under test.
        origins: training images as codes.
        target: what counts as a failure.
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
        batch_size: int = 512,
        device: torch.device | None = None,
        searcher: str = "the searcher",
    ) -> None:
        self._generator = generator
        self._classifier = classifier
        self._batch_size = batch_size
        self._device = device or torch.device("cpu")
        self._searcher = searcher
        self._memory = _Remembered()
        self.origins = origins
        self.target = target or Misclassified()
        self.meter = Meter()
        self.num_classes = classifier.spec.num_classes

    @property
    def latent_size(self) -> int:
        """d, the number of latent dimensions."""
        return self._generator.latent_size

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
        check_tensor("z", z, shape=("n", self.latent_size), dtype=torch.float32, plugin=self._searcher)
        condition = self._condition(len(z), origin, condition)
        probs, failing, images = self._ask(z, None, condition, self._expected(origin, condition))
        first, memory = self._memory.count, self._memory
        nowhere = torch.full((len(z),), -1, dtype=torch.int64)
        for store, rows in (
            (memory.z, z.detach().clone()),  # a searcher may go on with its own tensors as it likes
            (memory.place, torch.where(failing, memory.failed + failing.cumsum(0) - 1, -1)),
            (memory.probs, probs),
            (memory.condition, nowhere if condition is None else condition.clone()),
            (memory.origin, nowhere if origin is None else origin.clone()),
        ):
            store.append(rows)
        memory.x += images
        memory.count += len(z)
        memory.failed += int(failing.sum())
        return Evaluation(torch.arange(first, memory.count), probs.clone(), failing)

    def value_and_grad(
        self, z: Tensor, *, origin: Tensor | None = None, condition: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The target's value (n,) and its gradient (n, d) with respect to the codes: 3 n queries.

        Raises:
            PluginError, ClassifierError: as `evaluate`.

        >>> from modeldebug.testing import known_problem
        >>> problem = known_problem().problem()
        >>> value, gradient = problem.value_and_grad(torch.zeros(3, 2), origin=torch.tensor([0, 1, 2]))
        >>> value.shape, gradient.shape, problem.meter.queries
        (torch.Size([3]), torch.Size([3, 2]), 9)
        """
        condition = self._condition(len(z), origin, condition)
        allowed = self.target.allowed(self._expected(origin, condition), self.num_classes)
        values, gradients = [], []
        for start in range(0, len(z), self._batch_size):
            rows = slice(start, start + self._batch_size)
            code = z[rows].detach().to(self._device).requires_grad_()
            told = None if condition is None else condition[rows].to(self._device)
            log_probs = self._classifier.log_probs(self._generator.decode(code, told))
            value = self.target.value(log_probs, allowed[rows].to(self._device))
            (gradient,) = torch.autograd.grad(value.sum(), code)
            values.append(value.detach().cpu())
            gradients.append(gradient.cpu())
        self.meter.queries += 3 * len(z)
        return torch.cat(values), torch.cat(gradients)

    def judge(self, candidates: Candidates, *, step: int, searcher: str) -> Failures:
        """The failures among the candidates of one step. Forgets the evaluations of that step.

        Raises:
            PluginError: candidates break the contract, or are not what was evaluated under their ids.
            ClassifierError: as `evaluate`.
        """
        z, origin = candidates.z, candidates.origin
        if candidates.evaluation is not None:
            z, probs, condition = self._recall(candidates, candidates.evaluation, searcher)
            expected = self._expected(origin, condition)
            bad = ~self._is_allowed(probs, expected)
            images = self._recall_images(candidates.evaluation[bad])
        else:
            condition = self._condition(len(candidates), origin, candidates.condition)
            expected = self._expected(origin, condition)
            self._check(candidates, searcher)
            probs, bad, parts = self._ask(z, candidates.x, condition, expected)
            images = torch.cat(parts)
        self._memory = _Remembered()
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
        return torch.cat(answers), torch.cat(failing), images

    def _recall(self, candidates: Candidates, rows: Tensor, searcher: str) -> tuple[Tensor, Tensor, Tensor | None]:
        """What was evaluated under these ids, once it is sure that it was these codes."""
        memory, origin = self._memory, candidates.origin
        check_tensor("evaluation ids", rows, shape=("n",), dtype=torch.int64, plugin=searcher)
        if not len(rows):
            condition = self._condition(0, torch.empty(0, dtype=torch.int64), None)
            return torch.empty(0, self.latent_size), torch.empty(0, self.num_classes), condition
        if len(rows.unique()) < len(rows):  # type: ignore[no-untyped-call]  # torch does not annotate it
            raise PluginError(
                "a searcher proposed one evaluation more than once",
                got=f"{len(rows)} candidates",
                expected="each id once in a step",
                plugin=searcher,
            )
        if int(rows.min()) < 0 or int(rows.max()) >= memory.count:
            raise PluginError(
                "a searcher gave evaluation ids that this step did not make",
                got=f"{int(rows.min())} to {int(rows.max())}",
                expected=f"0 to {memory.count - 1}",
                fix="take them from the Evaluation of the same step",
                plugin=searcher,
            )
        z, from_origin, told = (torch.cat(m)[rows] for m in (memory.z, memory.origin, memory.condition))
        same = candidates.z is not None and torch.equal(candidates.z, z)
        if not same or not torch.equal(from_origin, torch.full_like(rows, -1) if origin is None else origin):
            raise PluginError(
                "a searcher's candidates are not what it evaluated under these ids",
                got=describe(candidates.z),
                expected="the very codes and origins that were given to evaluate",
                plugin=searcher,
            )
        condition = told if bool((told >= 0).all()) else None
        return z, torch.cat(memory.probs)[rows], condition

    def _recall_images(self, rows: Tensor) -> Tensor:
        """The images (n, c, h, w) of evaluations that failed."""
        images, end = torch.empty(len(rows), *self.image_shape), 0
        if not len(rows):
            return images
        place = torch.cat(self._memory.place)[rows]
        for part in self._memory.x:  # straight into place: images are held once
            start, end = end, end + len(part)
            here = (place >= start) & (place < end)
            images[here] = part[place[here] - start]
        return images

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
