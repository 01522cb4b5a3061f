"""What counts as a failure: one function of an answer, for whatever is searched for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


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
