"""Rates of entrants with intervals, and whether a difference between two is real: a bootstrap, paired throughout.

A rate is uncertain for two reasons, and each has its part in a resample:

- Another sample of training images would have given other failures. Every training image gets a weight, drawn from a
  Poisson distribution of mean 1 (the Poisson bootstrap: Hanley and MacGibbon 2006; Chamandy et al. 2012), the same for
  every entrant and every seed: failures of one image go together, two entrants are held against each other on the same
  images, and the same failure found again with another seed counts as no new evidence (Owen 2007).
- Other seeds would have given other failures. Seeds are few, three as a rule, so that drawing them with replacement
  would give intervals far too narrow. Instead their deviations are added up with random signs and sizes, the same for
  every entrant, such that the sum has Student's distribution (a multiplier bootstrap).

What is random within a seed and an image is in both parts: the intervals err on the wide side. A failure that comes
from no training image is found anew with each seed, and is in the second part alone; with one seed there is only the
first, and it counts as an image of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..rng import rng_for

RESAMPLES = 2000
LEVEL = 0.95
_CHUNK = 4096  # training images weighted at a time


@dataclass(frozen=True, eq=False)
class Counts:
    """What one cell found, training image by training image.

    Attributes:
        origin: (n,) int64, rows of training images, each once; -1, any number of times, for none.
        values: (n, columns) float64, what is counted of each.
        costs: (columns',) float64, of the whole cell.
    """

    origin: Tensor
    values: Tensor
    costs: Tensor


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums of each entrant, of columns and columns' together.

    Attributes:
        by_seed: (entrants, seeds, all columns) float64.
        reweighted: (resamples, entrants, all columns) float64, over all seeds, with weights of training images.
        seed: of the resampling.
    """

    by_seed: Tensor
    reweighted: Tensor
    seed: int

    @property
    def point(self) -> Tensor:
        """Over all seeds (entrants, all columns)."""
        return self.by_seed.sum(1)


def totals(cells: Mapping[tuple[int, int], Counts], *, seed: int, resamples: int = RESAMPLES) -> Totals:
    """Sums of counts and costs.

    Args:
        cells: by entrant and seed, both numbered from 0; every entrant has every seed.
        seed: of the resampling.
    """
    entrants, seeds = (1 + max(pair[i] for pair in cells) for i in (0, 1))
    own = [[cells[e, s] for s in range(seeds)] for e in range(entrants)]
    by_seed = torch.stack([torch.stack([torch.cat([c.values.sum(0), c.costs]) for c in several]) for several in own])
    pooled = [(torch.cat([c.origin for c in several]), torch.cat([c.values for c in several])) for several in own]
    costs = torch.stack([torch.stack([cell.costs for cell in several]).sum(0) for several in own])
    weighted = _weighted(pooled, resamples, seed, alone=seeds == 1)
    reweighted = torch.cat([torch.stack(weighted, 1), costs.expand(resamples, -1, -1)], 2)
    return Totals(by_seed, reweighted, seed)


def _weighted(pooled: list[tuple[Tensor, Tensor]], resamples: int, seed: int, *, alone: bool) -> list[Tensor]:
    """The sums (resamples, columns) of each entrant's values, with the same weights for the same image.

    Args:
        alone: there is one seed, so that failures without an image get weights, too.
    """
    rng = rng_for(seed, "images")
    rows = torch.cat([origin for origin, _ in pooled]).unique()  # type: ignore[no-untyped-call]  # torch does not annotate it
    sums = [torch.zeros(resamples, values.shape[1], dtype=torch.float64) for _, values in pooled]
    rows = rows[rows >= 0]
    for chunk in (rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)):  # unlike `split`, none of no rows
        weights = _poisson(resamples, len(chunk), rng)
        for e, (origin, values) in enumerate(pooled):
            place = torch.searchsorted(chunk, origin).clamp_max(len(chunk) - 1)
            here = chunk[place] == origin
            of_image = values.new_zeros(len(chunk), values.shape[1]).index_add_(0, place[here], values[here])
            sums[e] += weights @ of_image
    for e, (origin, values) in enumerate(pooled):
        for part in torch.split(values[origin < 0], _CHUNK):
            sums[e] += _poisson(resamples, len(part), rng) @ part if alone else part.sum(0)
    return sums


def _poisson(resamples: int, n: int, rng: torch.Generator) -> Tensor:
    return torch.poisson(torch.ones(resamples, n), generator=rng).double()


def rate(
    sums: Totals, numerator: int, denominator: int, *, per: float = 1.0, unit: Tensor | None = None, share: bool = False
) -> tuple[Tensor, Tensor]:
    """A ratio of two columns times `per`: of each entrant (entrants,), and resampled (resamples, entrants); NaN where
    the denominator is 0.

    Of what was not found once nothing can be resampled; yet it might have been. There a number from an exponential
    distribution takes the place of 0, which gives the bounds of the exact Poisson interval, 0 to 3.7.

    Args:
        unit: (entrants,) what one failure counts in the numerator; 1 if None.
        share: the numerator is a part of the denominator, and what is true of all that were found need not be of all.
    """
    above, below = sums.point[:, numerator], sums.point[:, denominator]
    point = per * above / below
    over, under = sums.reweighted[..., numerator], sums.reweighted[..., denominator]
    rng = rng_for(sums.seed, "rare", numerator, denominator)
    once = torch.empty(len(above), len(over), dtype=torch.float64).exponential_(generator=rng).T
    once = once * (1.0 if unit is None else unit.nan_to_num(1.0))
    over = torch.where(above == 0, once, over)
    if share:
        over = torch.where(above == below, under - once, over)
    parts = sums.by_seed[..., numerator], sums.by_seed[..., denominator]
    deviations = per * (parts[0] - (above / below)[:, None] * parts[1]) * parts[0].shape[1] / below[:, None]
    return point, per * over / under + _spread(deviations, sums.seed, len(over)).nan_to_num(0.0)


def mean_over_seeds(values: Tensor, *, seed: int, resamples: int = RESAMPLES) -> tuple[Tensor, Tensor]:
    """What each cell has one value of (entrants, seeds) float64: its mean, and resampled, NaN where fewer than two are
    known. A NaN is left out."""
    point = values.nanmean(1)
    return point, point + _spread(values - point[:, None], seed, resamples)


def _spread(deviations: Tensor, seed: int, resamples: int) -> Tensor:
    """By how much the mean of deviations of seeds (entrants, seeds) from their mean might be off (resamples, entrants);
    NaN where fewer than two are known.

    Given the deviations, each column has Student's distribution with the scale of their mean's standard error.
    """
    known = (~deviations.isnan()).sum(1)
    rng, half = rng_for(seed, "seeds"), -(-resamples // 2)
    signs = torch.randn(half, deviations.shape[1], generator=rng, dtype=torch.float64)
    freedom = torch.randn(half, deviations.shape[1], generator=rng, dtype=torch.float64).square().cumsum(1)
    squares = freedom[:, (known - 2).clamp_min(0)] / (known - 1)  # chi-square with one degree fewer than are known
    drawn = signs @ deviations.nan_to_num().T / (known * (known - 1)).double().sqrt() / squares.sqrt()
    drawn = torch.where(known >= 2, drawn, torch.nan)
    return torch.cat([drawn, -drawn])[:resamples]


def interval(
    point: Tensor, resampled: Tensor, *, least: float | None = None, most: float | None = None
) -> dict[str, float | None]:
    """A number () and its resamples (resamples,) as mean, low and high; None where there is none.

    Args:
        least, most: beyond which it cannot be.
    """
    if bool(point.isnan()):
        return {"mean": None, "low": None, "high": None}
    mean, (low, high) = float(point), _bounds(resampled)
    if low is None or high is None:
        return {"mean": mean, "low": None, "high": None}
    low, high = min(low, mean), max(high, mean)
    return {
        "mean": mean,
        "low": low if least is None else max(low, least),
        "high": high if most is None else min(high, most),
    }


def difference(points: Tensor, resampled: Tensor, one: int, other: int) -> dict[str, Any]:
    """How much more entrant `one` has than `other`, and whether that is real: whether 0 is outside the interval."""
    found = interval(points[one] - points[other], resampled[:, one] - resampled[:, other])
    low, high = found["low"], found["high"]
    real = None if low is None or high is None else low > 0 or high < 0
    return {**found, "real": real}


def _bounds(values: Tensor) -> tuple[float, float] | tuple[None, None]:
    known = values[values.isfinite()]
    if not len(known):
        return None, None
    tail = (1 - LEVEL) / 2
    low, high = known.quantile(torch.tensor([tail, 1 - tail], dtype=values.dtype)).tolist()
    return low, high
