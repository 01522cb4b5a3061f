"""What a searcher asks for, what it is told and what that costs, and what the core remembers of a step's answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .errors import PluginError
from .targets import Target
from .tensors import check_tensor, describe
from .types import Candidates, Origins


@dataclass
class Meter:
    """Queries, of classifier and guide apart: a forward pass of one image is 1, a backward pass is 2 more.

    Attributes:
        queries: to the classifier so far.
        guide_queries: to the guide so far.
        failing: answers of the classifier so far that were wrong, proposed or not; judging an evaluation counts it no
            second time.
    """

    queries: int = 0
    guide_queries: int = 0
    failing: int = 0

    def plus(self, other: Meter) -> Meter:
        """Both together.

        >>> Meter(3, 1).plus(Meter(2, 0, 1))
        Meter(queries=5, guide_queries=1, failing=1)
        """
        return Meter(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def less(self, other: Meter) -> Meter:
        """What was spent since another reading.

        >>> Meter(5, 1).less(Meter(2, 0))
        Meter(queries=3, guide_queries=1, failing=0)
        """
        return Meter(**{name: value - getattr(other, name) for name, value in vars(self).items()})


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


@dataclass(frozen=True, eq=False)
class Slope:
    """The target's value at decoded codes, its gradient, and what was asked on the way.

    Attributes:
        value: (n,) float32, the margin: above 0 for failures.
        gradient: (n, d) float32, with respect to the codes.
        evaluation: what the classifier says there; proposing these codes with its ids costs no further query.

    >>> Slope(torch.zeros(1), torch.zeros(1, 2), Evaluation(*torch.zeros(3, 1))).gradient.shape
    torch.Size([1, 2])
    """

    value: Tensor
    gradient: Tensor
    evaluation: Evaluation


@dataclass(frozen=True, eq=False)
class GuideAnswer:
    """What the guide says of decoded codes.

    Attributes:
        log_prob: (n,) float32, its log-probability that the image is what is expected: the largest of the allowed
            labels.
        gradient: (n, d) float32 with respect to the codes, or None where it was not asked for.

    >>> GuideAnswer(torch.tensor([-0.1])).gradient is None
    True
    """

    log_prob: Tensor
    gradient: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Misfit:
    """How far predictions are from targets.

    Attributes:
        value: (n,) float32, half the squared distance.
        gradient: (n, d) float32 with respect to the codes, or None where it was not asked for.
        probs: (n, k) float32, the predictions.

    >>> Misfit(torch.zeros(1), None, torch.tensor([[0.1, 0.9]])).value
    tensor([0.])
    """

    value: Tensor
    gradient: Tensor | None
    probs: Tensor


@dataclass(frozen=True, eq=False)
class Residuals:
    """How far predictions are from targets, number by number; half the sum of their squares is the misfit.

    Attributes:
        value: (n, m) float32, the largest m of any target; 0 where a target has fewer.
        slope: (n, m, d) float32, their gradients with respect to the codes.
        probs: (n, k) float32, the predictions.

    >>> Residuals(torch.tensor([[0.6, 0.8]]), torch.zeros(1, 2, 5), torch.tensor([[0.1, 0.9]])).slope.shape
    torch.Size([1, 2, 5])
    """

    value: Tensor
    slope: Tensor
    probs: Tensor


@dataclass(frozen=True, eq=False)
class Asked:
    """What codes are asked about for: rows of origins and targets, and classes told to the decoder, (n,) int64 each.

    >>> Asked(target=torch.tensor([0])).origin is None
    True
    """

    origin: Tensor | None = None
    condition: Tensor | None = None
    target: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Expected:
    """Which predictions are right for what is asked about.

    >>> origins = Origins(torch.tensor([40, 41]), torch.tensor([0, 2]))
    >>> Expected(origins, (), 3, "mine:search").right(Asked(origin=torch.tensor([1])))
    (tensor([2]), tensor([[False, False,  True]]))
    """

    origins: Origins
    targets: tuple[Target, ...]
    num_classes: int
    searcher: str

    def filled(self, n: int, asked: Asked) -> Asked:
        """The same, checked, with the class that the decoder is told: the given one, else the origin's.

        Raises:
            PluginError: another shape, dtype or range.
        """
        highest = {
            "origin": len(self.origins) - 1, "condition": self.num_classes - 1, "target": len(self.targets) - 1
        }  # fmt: skip
        for name, last in highest.items():
            value = getattr(asked, name)
            if value is not None:
                check_tensor(name, value, shape=(n,), dtype=torch.int64, low=0, high=last, plugin=self.searcher)
        if asked.condition is None and asked.origin is not None and self.origins.condition is not None:
            return replace(asked, condition=self.origins.condition[asked.origin])
        return asked

    def right(self, asked: Asked) -> tuple[Tensor, Tensor]:
        """Of each code or image, the label that it should get, (n,) int64, and which predictions are right, (n, k)
        bool: as its target says; else its origin's label, else its condition.

        Raises:
            PluginError: nothing says which label is expected.
        """
        if asked.target is not None:
            expected = torch.tensor([t.expected for t in self.targets])[asked.target]
            return expected, torch.stack([t.allowed(self.num_classes) for t in self.targets])[asked.target]
        label = asked.condition if asked.origin is None else self.origins.labels[asked.origin]
        if label is None:
            raise PluginError(
                "nothing says which label is expected of these codes",
                got="codes without an origin or a condition",
                expected="origins, or a conditional generator",
                plugin=self.searcher,
            )
        return label, torch.nn.functional.one_hot(label, self.num_classes).bool()


def is_allowed(probs: Tensor, allowed: Tensor) -> Tensor:
    """Whether the class of each prediction (n, k) is among those that are right, (n,) bool.

    >>> is_allowed(torch.tensor([[0.1, 0.9]]), torch.tensor([[True, False]]))
    tensor([False])
    """
    return allowed.gather(1, probs.argmax(1, keepdim=True))[:, 0]


@dataclass(eq=False)
class Memory:
    """The evaluations of the current step, so that judging a candidate costs no second query; images of failures only.

    >>> memory, one = Memory(), torch.tensor([True])
    >>> told = memory.keep(torch.zeros(1, 2), Asked(), torch.tensor([[0.1, 0.9]]), one, [torch.zeros(1, 1, 8, 8)])
    >>> memory.images(told.id, (1, 8, 8)).shape
    torch.Size([1, 1, 8, 8])
    """

    z: list[Tensor] = field(default_factory=list)
    x: list[Tensor] = field(default_factory=list)
    place: list[Tensor] = field(default_factory=list)  # of each evaluation's image among `x`; -1 for none
    probs: list[Tensor] = field(default_factory=list)
    condition: list[Tensor] = field(default_factory=list)
    origin: list[Tensor] = field(default_factory=list)
    target: list[Tensor] = field(default_factory=list)
    count: int = 0
    failed: int = 0

    def keep(
        self,
        z: Tensor,
        asked: Asked,
        probs: Tensor,
        failing: Tensor,
        images: list[Tensor],
    ) -> Evaluation:
        """Keep what was evaluated, with the images (in parts) of those that fail, and number it."""
        first = self.count
        nowhere = torch.full((len(z),), -1, dtype=torch.int64)
        for store, rows in (
            (self.z, z.detach().clone()),  # a searcher may go on with its own tensors as it likes
            (self.place, torch.where(failing, self.failed + failing.cumsum(0) - 1, -1)),
            (self.probs, probs),
            (self.condition, nowhere if asked.condition is None else asked.condition.clone()),
            (self.origin, nowhere if asked.origin is None else asked.origin.clone()),
            (self.target, nowhere if asked.target is None else asked.target.clone()),
        ):
            store.append(rows)
        self.x += images
        self.count += len(z)
        self.failed += int(failing.sum())
        return Evaluation(torch.arange(first, self.count), probs.clone(), failing)

    def recall(self, candidates: Candidates, rows: Tensor, searcher: str) -> tuple[Tensor, Tensor, Tensor | None]:
        """Codes, answers and conditions that were kept under at least one id, once it is sure that they are what is
        proposed.

        Raises:
            PluginError: ids that are not of this step, or come twice, or codes, origins or targets other than the kept
                ones.
        """
        check_tensor("evaluation ids", rows, shape=("n",), dtype=torch.int64, plugin=searcher)
        if len(rows.unique()) < len(rows):  # type: ignore[no-untyped-call]  # torch does not annotate it
            raise PluginError(
                "a searcher proposed one evaluation more than once",
                got=f"{len(rows)} candidates",
                expected="each id once in a step",
                plugin=searcher,
            )
        if int(rows.min()) < 0 or int(rows.max()) >= self.count:
            raise PluginError(
                "a searcher gave evaluation ids that this step did not make",
                got=f"{int(rows.min())} to {int(rows.max())}",
                expected=f"0 to {self.count - 1}",
                fix="take them from the Evaluation of the same step",
                plugin=searcher,
            )
        z, from_origin, for_target, told = (
            torch.cat(m)[rows] for m in (self.z, self.origin, self.target, self.condition)
        )
        same = candidates.z is not None and torch.equal(candidates.z, z)
        for kept, given in ((from_origin, candidates.origin), (for_target, candidates.target)):
            same = same and torch.equal(kept, torch.full_like(rows, -1) if given is None else given)
        if not same:
            raise PluginError(
                "a searcher's candidates are not what it evaluated under these ids",
                got=describe(candidates.z),
                expected="the very codes, origins and targets that were given to evaluate",
                plugin=searcher,
            )
        condition = told if bool((told >= 0).all()) else None
        return z, torch.cat(self.probs)[rows], condition

    def images(self, rows: Tensor, shape: tuple[int, int, int]) -> Tensor:
        """The images (n, c, h, w) of evaluations that failed."""
        images, end = torch.empty(len(rows), *shape), 0
        if not len(rows):
            return images
        place = torch.cat(self.place)[rows]
        for part in self.x:  # straight into place: images are held once
            start, end = end, end + len(part)
            here = (place >= start) & (place < end)
            images[here] = part[place[here] - start]
        return images


def check_candidates(
    candidates: Candidates, *, latent_size: int, image_shape: tuple[int, int, int], searcher: str
) -> None:
    """Refuse codes that the generator, or images that the classifier, cannot be given.

    Raises:
        PluginError: another shape, dtype or range.
    """
    if candidates.z is not None:
        shape: tuple[int | str, ...] = ("n", latent_size)
        check_tensor("a candidate", candidates.z, shape=shape, dtype=torch.float32, plugin=searcher)
        return
    shape = ("n", *image_shape)
    check_tensor("a candidate image", candidates.x, shape=shape, dtype=torch.float32, low=0, high=1, plugin=searcher)
