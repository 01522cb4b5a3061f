"""The prior of the codes of one class, where the generator is told none: the mixture of its training images' posteriors
(the aggregated posterior of a VAE, of that class)."""

from __future__ import annotations

import torch
from torch import Tensor

NARROWEST = 1e-6  # a standard deviation


class MixturePrior:
    """Equal parts of normal distributions around training images' codes.

    Args:
        centre: (m, d), their codes.
        spread: (m, d), the standard deviations around them.
        rows: (m,) int64, their rows among the origins.

    >>> two = MixturePrior(torch.tensor([[-3.0], [3.0]]), torch.ones(2, 1), torch.tensor([5, 8]))
    >>> value, slope = two.log_density(torch.tensor([[-3.0], [4.0]]))
    >>> slope.round(decimals=2).tolist(), two.nearest(torch.tensor([[-3.0], [4.0]])).tolist()
    ([[0.0], [-1.0]], [5, 8])
    """

    def __init__(self, centre: Tensor, spread: Tensor, rows: Tensor) -> None:
        self._centre, self._spread, self._rows = centre.double(), spread.double().clamp_min(NARROWEST), rows
        self._narrow = self._spread**-2
        self.unit = self._spread.square().mean(0).sqrt().float()  # (d,)

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """Codes (n, d) float32."""
        of = torch.randint(len(self._rows), (n,), generator=rng)
        noise = torch.randn(n, self._centre.shape[1], generator=rng)
        return (self._centre[of] + self._spread[of] * noise).float()

    def log_density(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The log density (n,) at codes (n, d), but for a constant, and its gradient (n, d)."""
        parts, code = self._parts(z), z.double()
        share = parts.softmax(1)  # (n, m), to which image a code belongs
        slope = share @ (self._narrow * self._centre) - code * (share @ self._narrow)
        return parts.logsumexp(1).float(), slope.float()

    def nearest(self, z: Tensor) -> Tensor:
        """The row (n,) among the origins of the image that each code most probably belongs to."""
        return self._rows[self._parts(z).argmax(1)]

    def _parts(self, z: Tensor) -> Tensor:
        """The log density (n, m) of every part. Squares are multiplied out: so no (n, m, d) is held."""
        code, narrow, centre = z.double(), self._narrow, self._centre
        away = code.square() @ narrow.T - 2 * code @ (narrow * centre).T + (narrow * centre.square()).sum(1)
        return -0.5 * away - self._spread.log().sum(1)
