"""At most so many of the failures that a search finds: a uniform draw, in one pass."""

from __future__ import annotations

import torch
from torch import Tensor

from ..types import Failures


class Kept:
    """The failures with the smallest random numbers, in the order in which they came.

    Where it is full, those that come with a larger number are not even looked at; so it takes no more memory, and
    hardly more time, however many a search finds.

    Args:
        most: how many are kept.
        failures: that are kept already.
        drawn: (n,) float32, their random numbers.

    >>> from modeldebug.testing import known_problem
    >>> failures = known_problem().failures(per_ball=2)
    >>> kept = Kept(3, failures.subset(torch.arange(0)), torch.empty(0))
    >>> for i, number in enumerate([0.5, 0.1, 0.9, 0.2]):
    ...     kept.add(failures.subset(torch.tensor([i])), torch.tensor([number]))
    >>> kept.all()[1]
    tensor([0.5000, 0.1000, 0.2000])
    """

    def __init__(self, most: int, failures: Failures, drawn: Tensor) -> None:
        self._most = most
        self._nothing = failures
        self._parts = [(failures, drawn)] if len(failures) else []
        self._bound = float(drawn.max()) if len(drawn) >= most else float("inf")

    def __len__(self) -> int:
        return sum(len(drawn) for _, drawn in self._parts)

    def add(self, new: Failures, drawn: Tensor) -> None:
        """Keep those of the new ones, with numbers (n,) float32, that are among the smallest so far."""
        rows = drawn < self._bound
        if bool(rows.any()):
            self._parts.append((new.subset(rows), drawn[rows]))
        if len(self) > self._most + self._most // 4:
            self._settle()

    def all(self) -> tuple[Failures, Tensor]:
        """All of them, and their numbers."""
        if len(self) > self._most:
            self._settle()
        if not self._parts:
            return self._nothing, torch.empty(0)
        failures, drawn = zip(*self._parts, strict=True)
        return Failures.concatenate(failures), torch.cat(drawn)

    def _settle(self) -> None:
        """Drop what is too much, part by part, so that no image is there twice."""
        numbers = torch.cat([drawn for _, drawn in self._parts])
        smallest = numbers.argsort(stable=True)[: self._most]
        stays = torch.zeros(len(numbers), dtype=torch.bool).index_fill(0, smallest, True)
        masks = torch.split(stays, [len(drawn) for _, drawn in self._parts])
        for i, mask in enumerate(masks):
            failures, drawn = self._parts[i]
            self._parts[i] = failures.subset(mask), drawn[mask]
        self._parts = [part for part in self._parts if len(part[1])]
        self._bound = float(numbers[smallest[-1]])
