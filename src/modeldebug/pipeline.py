"""Codes in, answers out, batch by batch: a generator, the classifier behind it, and perhaps a guide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .batches import batch_of, in_batches
from .classifier import Classifier
from .contracts.generator import Generator


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Decode, and ask. It neither meters nor remembers: that is for the problem that it belongs to.

    >>> from modeldebug.testing import known_problem
    >>> known = known_problem()
    >>> pipeline = Pipeline(known.generator, known.classifier, None, 64, torch.device("cpu"))
    >>> [(x.shape, code.shape) for _, x, code in pipeline.decoded(torch.zeros(3, 2), None, gradient=True)]
    [(torch.Size([3, 1, 8, 8]), torch.Size([3, 2]))]
    """

    generator: Generator[Any]
    classifier: Classifier
    guide: Classifier | None
    batch_size: int
    device: torch.device

    @contextmanager
    def asking(self, *, gradient: bool) -> Iterator[None]:
        """What is `decoded` is asked about inside, with or without gradients.

        Raises:
            BatchTooLargeError: memory ran out.
        """
        with batch_of(self.batch_size), torch.set_grad_enabled(gradient):
            yield

    def decoded(self, z: Tensor, condition: Tensor | None, *, gradient: bool) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """The rows, their images, and the codes that gradients go back to. Networks are in eval mode by then."""
        for network in (self.classifier, self.guide):
            if network is not None:
                network.module.eval()
        for rows in self._batches(len(z)):
            code = z[rows].detach().to(self.device, copy=True).requires_grad_(gradient)
            told = None if condition is None else condition[rows].to(self.device)
            yield rows, self.generator.decode(code, told), code

    def answered(
        self, n: int, z: Tensor | None, x: Tensor | None, condition: Tensor | None
    ) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """The rows, their images, decoded or as they are given, and the classifier's probabilities: no gradients."""
        for rows in self._batches(n):
            codes, given, told = (None if t is None else t[rows] for t in (z, x, condition))
            if given is None:
                given = in_batches(self.generator.decode, self.batch_size, self.device, codes, told)
            yield rows, given, self.classifier.probs(given)

    def doubt(self, x: Tensor, expected: Tensor) -> Tensor:
        """What the guide lacks (n,) to be sure of the expected labels (n,); 0 where none is expected."""
        assert self.guide is not None  # those who call this have one
        label = expected.to(x.device)
        sure = self.guide.log_probs(x).exp().gather(1, label.clamp_min(0)[:, None])[:, 0]
        return torch.where(label >= 0, 1 - sure, 0.0)

    def _batches(self, n: int) -> Iterator[slice]:
        return (slice(start, start + self.batch_size) for start in range(0, max(n, 1), self.batch_size))
