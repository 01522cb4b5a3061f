"""What a block of a search has found so far: a few failures of each origin, none like another."""

from __future__ import annotations

import torch
from torch import Tensor


class Distinct:
    """Keeps at most `keep` codes of each row, at a root mean square distance of at least `apart` units.

    Args:
        rows: how many rows (origins) there are.
        unit: (rows, d), the unit of distance in each dimension.

    >>> found = Distinct(2, keep=2, apart=1.0, unit=torch.ones(2, 3))
    >>> found.add(torch.tensor([0]), torch.zeros(1, 3), torch.tensor([4]))
    >>> found.add(torch.tensor([0]), torch.full((1, 3), 0.5), torch.tensor([5]))  # too near the first
    >>> found.all()[2], found.wanting()
    (tensor([4]), tensor([0, 1]))
    """

    def __init__(self, rows: int, *, keep: int, apart: float, unit: Tensor) -> None:
        self._keep, self._apart, self._unit = keep, apart, unit
        self._count = torch.zeros(rows, dtype=torch.int64)
        self._kept = torch.full((rows if keep > 1 else 0, keep, unit.shape[1]), torch.inf)  # each row's, to hold new to
        self._rows = torch.empty(0, dtype=torch.int64)
        self._z = torch.empty(0, unit.shape[1])
        self._evaluation = torch.empty(0, dtype=torch.int64)

    def wanting(self) -> Tensor:
        """The rows that have fewer than they may keep."""
        return (self._count < self._keep).nonzero()[:, 0]

    def add(self, rows: Tensor, z: Tensor, evaluation: Tensor) -> None:
        """Codes (n, d) of n different rows, with the ids of their evaluations; those like a kept one are left out."""
        new = self._count[rows] < self._keep
        if self._keep > 1:  # else there is no kept code that a row that wants one could be like
            gap = (z[:, None] - self._kept[rows]) / self._unit[rows][:, None]
            new &= ~(gap.square().mean(2).sqrt() < self._apart).any(1)
            self._kept[rows[new], self._count[rows[new]]] = z[new]
        self._rows = torch.cat([self._rows, rows[new]])
        self._z = torch.cat([self._z, z[new]])
        self._evaluation = torch.cat([self._evaluation, evaluation[new]])
        self._count[rows[new]] += 1

    def all(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rows (n,), codes (n, d) and evaluation ids (n,) of all that was kept, in the order of the rows."""
        order = self._rows.argsort(stable=True)
        return self._rows[order], self._z[order], self._evaluation[order]
