"""What passes between the core and a labeler: a request, and the votes or the wait that answer it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from .types import DataSpec


@dataclass(frozen=True, eq=False)
class LabelRequest:
    """Images to be labelled, and nothing that gives the classifier's prediction away.

    Attributes:
        id: names the request; a labeler that pends finds its answers again by it.
        x: (n, c, h, w) float32 in [0, 1].
        spec: the classes to choose from.
        group: (n,) int64, images of one group (a region) belong together; -1 for none.
        truth: (n,) int64, the class of each image, for certain: where the generator knows it, for labelers that are
            `exact` and for no other. None of images of the data.

    >>> import torch
    >>> spec = DataSpec(shape=(1, 8, 8), classes=("zero", "one"))
    >>> LabelRequest("regions", torch.zeros(2, 1, 8, 8), spec, group=torch.tensor([0, 0])).spec.classes
    ('zero', 'one')
    """

    id: str
    x: Tensor
    spec: DataSpec
    group: Tensor
    truth: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Answers:
    """Votes on each image; the core aggregates them.

    Attributes:
        votes: (n, annotators) int64: a class, -1 for "none of the above", -2 for not asked.
        confidence: (n,) float32 in [0, 1], how sure a program is of the answer that its votes give; None for people,
            and programs that cannot say.
        annotators: the names of the columns, where they have any.

    >>> import torch
    >>> Answers(torch.tensor([[3, 3, -1], [5, -1, -2]])).votes.shape
    torch.Size([2, 3])
    """

    votes: Tensor
    confidence: Tensor | None = None
    annotators: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pending:
    """The labeler has to wait for people.

    Attributes:
        waiting: how many images still wait for votes.
        how: what a person should type next.
        ready: says, at little cost, whether asking again is worth while; None where nobody can tell. It refuses
            answers that cannot be taken in with a DataError: a run that waits says so once, and waits on.

    >>> Pending(waiting=12, how="modeldebug label runs/first").waiting
    12
    """

    waiting: int
    how: str
    ready: Callable[[], bool] | None = None
