"""The frozen values that flow between stages, in the order in which they flow.

`Splits -> Origins -> Candidates -> Failures -> Clustering -> Region -> CorrectedState`. Each is validated once,
when it is made. Sizes: n items, c x h x w an image, k classes, d latent dimensions, m clusters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

import torch
from torch import Tensor

from .errors import DataError, PluginError
from .tensors import check_tensor, describe


@dataclass(frozen=True)
class DataSpec:
    """What an input is: the shape of one image, and the names of the classes.

    >>> DataSpec(shape=(1, 8, 8), classes=("zero", "one")).num_classes
    2
    """

    shape: tuple[int, int, int]  # (c, h, w)
    classes: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        """k."""
        return len(self.classes)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images, kept as they are stored and converted batch by batch: `ImageSet(images, labels)`.

    Attributes:
        storage: (m, c, h, w) uint8, or float32 in [0, 1]; may be memory-mapped.
        labels: (n,) int64 from 0.
        rows: (n,) int64, the rows of the storage that belong to the set; all of them if None.

    Raises:
        DataError: another dtype or number of dimensions, labels that do not fit, or rows that are not there.

    >>> images = ImageSet(torch.zeros(3, 1, 4, 4), torch.tensor([0, 1, 0]))
    >>> images.subset(images.labels == 0).rows
    tensor([0, 2])
    """

    storage: Tensor
    labels: Tensor
    rows: Tensor | None = None

    def __post_init__(self) -> None:
        if self.storage.dtype not in (torch.uint8, torch.float32) or self.storage.dim() != 4:
            expected = "uint8 or float32 (n, c, h, w)"
            raise DataError("images have the wrong type or shape", got=describe(self.storage), expected=expected)
        n = len(self.storage)
        if self.rows is not None:
            check_tensor("rows", self.rows, shape=("n",), dtype=torch.int64, low=0, high=n - 1, error=DataError)
            n = len(self.rows)
        check_tensor("labels", self.labels, shape=(n,), dtype=torch.int64, low=0, error=DataError)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def dtype(self) -> torch.dtype:
        """Of the images as they are stored: uint8 or float32."""
        return self.storage.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """(c, h, w) of one image."""
        return tuple(self.storage.shape[1:])

    @property
    def images(self) -> Tensor:
        """All images (n, c, h, w), as they are stored; of a view a copy in memory, so for small sets only."""
        return self.storage if self.rows is None else self.storage[self.rows]

    def stored(self, index: Tensor | slice) -> Tensor:
        """Images (b, c, h, w) of the given rows, as they are stored."""
        return self.storage[index if self.rows is None else self.rows[index]]

    def chunks(self, size: int = 512) -> Iterator[Tensor]:
        """All images as they are stored, in order, at most `size` at a time."""
        return (self.stored(slice(start, start + size)) for start in range(0, len(self), size))

    def batch(self, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Images (b, c, h, w) float32 in [0, 1] and labels (b,) int64 of the given rows."""
        images = self.stored(index)
        return (images.float() / 255 if images.dtype == torch.uint8 else images), self.labels[index]

    def subset(self, index: Tensor) -> ImageSet:
        """The given rows, index (m,) int64 or a mask (n,) bool, as a view of the same storage, memory-mapped or not."""
        chosen = torch.arange(len(self))[index]
        return ImageSet(self.storage, self.labels[chosen], chosen if self.rows is None else self.rows[chosen])


@dataclass(frozen=True, eq=False)
class Splits:
    """A data set, split once; nothing is ever fitted on `test`.

    >>> from modeldebug.testing import known_problem
    >>> len(known_problem().splits.train), len(known_problem().splits.without_test().test)
    (812, 0)
    """

    spec: DataSpec
    train: ImageSet
    validation: ImageSet
    test: ImageSet

    def without_test(self) -> Splits:
        """What a component that learns is given: the same, with no test images."""
        return replace(self, test=self.test.subset(torch.arange(0)))


@dataclass(frozen=True, eq=False)
class Origins:
    """Training images that a search starts from, as codes.

    Attributes:
        index: (n,) int64, the row in `Splits.train`.
        labels: (n,) int64, the true class.
        z: (n, d) float32, the code, or None where the generator cannot encode.
        condition: (n,) int64, the class told to a conditional decoder, or None.
        spread: (n, d) float32, the posterior's standard deviations around the code, or None where it has none.

    >>> len(Origins(index=torch.tensor([4, 7]), labels=torch.tensor([0, 1]), z=torch.zeros(2, 10)))
    2
    """

    index: Tensor
    labels: Tensor
    z: Tensor | None = None
    condition: Tensor | None = None
    spread: Tensor | None = None

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a searcher proposes. The core decodes and judges; a searcher's own word never counts.

    Attributes:
        z: (n, d) float32, or None where `x` is given.
        x: (n, c, h, w) float32 in [0, 1]: plain images, for searchers without a generator.
        condition: (n,) int64 or None.
        origin: (n,) int64, rows of `Origins`, or None for draws from the prior.
        evaluation: (n,) int64, ids from `Problem.evaluate`: judging these costs no further query.
        target: (n,) int64, rows of `Problem.targets`, or None for searchers that pursue none.
        chain: (n,) int64, which independent chain or population each is from, for samplers; in the order of drawing.

    Raises:
        PluginError: both or neither of `z` and `x`, or fields with different numbers of rows.

    >>> len(Candidates(z=torch.zeros(3, 10), origin=torch.tensor([0, 0, 1])))
    3
    """

    z: Tensor | None = None
    x: Tensor | None = None
    condition: Tensor | None = None
    origin: Tensor | None = None
    evaluation: Tensor | None = None
    target: Tensor | None = None
    chain: Tensor | None = None

    def __post_init__(self) -> None:
        given = [len(v) for v in vars(self).values() if v is not None]
        if (self.z is None) == (self.x is None) or len(set(given)) != 1:
            raise PluginError(
                "a searcher's candidates do not fit together",
                got=", ".join(f"{k}: {describe(v)}" for k, v in vars(self).items() if v is not None) or "nothing",
                expected="either z or x, and every other field with as many rows",
            )

    def __len__(self) -> int:
        given = self.z if self.z is not None else self.x
        assert given is not None
        return len(given)


@dataclass(frozen=True, eq=False)
class Failures:
    """Candidates whose prediction is not allowed, as the core judged them.

    Attributes:
        x: (n, c, h, w) float32 in [0, 1].
        probs: (n, k) float32, the classifier's answer.
        allowed: (n, k) bool, which predictions would have been right.
        expected: (n,) int64, the expected label; -1 where several would have been right.
        origin: (n,) int64, row in the training images; -1 for draws from the prior.
        log_prior: (n,) float32, nats; NaN without a code.
        distance: (n,) float32, l2 distance of the code to its origin's; NaN without an origin.
        step: (n,) int64, the step of the search.
        z: (n, d) float32 or None.
        condition: (n,) int64 or None.

    >>> from modeldebug.testing import known_problem
    >>> failures = known_problem().failures(per_ball=2)
    >>> failures.expected, failures.predicted
    (tensor([3, 3, 2, 2]), tensor([0, 0, 1, 1]))
    """

    x: Tensor
    probs: Tensor
    allowed: Tensor
    expected: Tensor
    origin: Tensor
    log_prior: Tensor
    distance: Tensor
    step: Tensor
    z: Tensor | None = None
    condition: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def predicted(self) -> Tensor:
        """The classifier's class, (n,) int64."""
        return self.probs.argmax(1)

    def subset(self, index: Tensor) -> Failures:
        """The given rows: index (m,) int64, or a mask (n,) bool."""
        return replace(self, **{k: v[index] for k, v in vars(self).items() if v is not None})

    @staticmethod
    def concatenate(parts: Sequence[Failures]) -> Failures:
        """Join parts of one search; every part has a code, or none has."""
        named = {f.name: [getattr(p, f.name) for p in parts] for f in fields(Failures)}
        return Failures(**{k: torch.cat(v) for k, v in named.items() if v[0] is not None})


@dataclass(frozen=True, eq=False)
class Clustering:
    """Clusters of failures in latent space, and what the clusterer needs to sample from them.

    Attributes:
        weights: (m,) float32, share of the failures that each cluster stands for.
        assignment: (n,) int64, cluster of each failure; -1 is noise.
        parameters: the clusterer's own tensors.
        converged: whether the fit converged.
        note: one line about the fit, shown in the report.
        names: what each cluster is, in words, where the clusterer can say it; else none at all.

    >>> len(Clustering(weights=torch.tensor([0.6, 0.3]), assignment=torch.tensor([0, 1, 0, -1])))
    2
    """

    weights: Tensor
    assignment: Tensor
    parameters: dict[str, Tensor] = field(default_factory=dict)
    converged: bool = True
    note: str = ""
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.weights)


RegionStatus = Literal["kept", "correct", "mixed", "split", "unlabelled"]


@dataclass(frozen=True)
class Region:
    """A cluster of failures after labelling, or a part of one. Rates are None where nothing could be counted.

    Attributes:
        cluster: its number: the clusters come first, then the parts of those that were split, round by round.
        weight: the cluster's weight in the mixture: about the share of the failures that it stands for.
        size: how many failures belong to it.
        origins: how many different training images these failures come from.
        status: `kept` as a region; `mixed` (purity below the threshold); `split` (as mixed, and its parts follow);
            `correct` (at most rho of the labelled samples are misclassified); `unlabelled` (too few samples with a
            label, or a tie where any purity will do).
        label: the majority label of its samples; None for a tie.
        predicted: what the classifier most often says about its samples.
        samples: how many samples were shown to the labeler.
        abstained: how many of them got no label.
        disagree: share of the labelled samples whose prediction differs from their own label.
        purity: share of the labelled samples that have the most frequent label, with a 95 % Wilson interval.
        disputed: whether the auditor calls more of its failures drift than genuine or third class; None without an
            auditor. It is shown and changes nothing: an auditor that chose regions could not judge them.
        parent: the number of the cluster that it is a part of; None for a cluster of the first round.
        name: what its failures have in common, in words, where the clusterer can say it.

    Example::

        for region in modeldebug.open_run("runs/first").regions:
            print(region.size, region.label, region.predicted, region.purity)
    """

    cluster: int
    weight: float
    size: int
    origins: int
    status: RegionStatus
    label: int | None
    predicted: int
    samples: int
    abstained: int
    disagree: float | None
    purity: float | None
    purity_low: float | None
    purity_high: float | None
    disputed: bool | None = None
    parent: int | None = None
    name: str | None = None


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images of failures with the label that the classifier should give: what a corrector finetunes on.

    Attributes:
        x: (n, c, h, w) float32 in [0, 1].
        labels: (n,) int64.

    >>> len(LabelledImages(torch.zeros(2, 1, 8, 8), torch.tensor([3, 5])))
    2
    """

    x: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class CorrectedState:
    """One corrected classifier: its weights, and how strongly it was pressed to fix the failures.

    Attributes:
        name: for tables and messages.
        strength: the corrector's own scale; Defuse's is lambda (AAAI section 3.3).
        state: the weights, with the names of the classifier's `state_dict`.

    >>> CorrectedState("lambda=0.1", 0.1, {"weight": torch.zeros(2, 3)}).strength
    0.1
    """

    name: str
    strength: float
    state: dict[str, Tensor]
