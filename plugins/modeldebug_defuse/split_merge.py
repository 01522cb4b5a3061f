"""Moves out of poor optima: two components that share their codes become one, one that covers two groups becomes two.

Updates alone stay near their start for hundreds of iterations. What a move gains in the evidence lower bound is known
exactly, without updating the others: log p of each component's codes, of the counts, and the responsibilities' entropy
(Ueda et al. 2000 moved so; Hughes and Sudderth 2013 took the bound's gain as the test).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .variational import Posterior, log_evidence
from .whitened import EMPTY, Whitened

PAIRS = 1024  # pairs of components in one step
AXES = 2  # axes that halves are tried along, one after another
SPLIT_STEPS = 6  # updates of the halves of each component, before they are judged
PART = 5_000  # codes that these updates see
SMALLEST = 1e-100  # whose logarithm stands for that of 0


def moved(data: Whitened, posterior: Posterior, statistics: Tensor) -> Tensor | None:
    """Statistics (K, F) after all merges and splits that raise the bound, or None where there is none.

    Args:
        data: the codes.
        posterior: of K components.
        statistics: (K, F), of its E step.
    """
    result, live = statistics.clone(), (statistics[:, 0] > EMPTY).nonzero()[:, 0]
    touched: set[int] = set()
    for _, j, k in sorted(_merges(data, posterior, statistics, live), reverse=True):
        if not {j, k} & touched:
            touched |= {j, k}
            result[j] += result[k]
            result[k] = 0
    free = (result[:, 0] <= EMPTY).nonzero()[:, 0].tolist()
    splits: list[tuple[float, int, Tensor]] = []
    for axis in range(min(AXES, data.z.shape[1]) if free else 0):
        splits = splits or _splits(data, posterior, statistics, live, axis)
    for _, k, half in sorted(splits, key=lambda split: -split[0]):
        if free and k not in touched:
            touched.add(k)
            result[free.pop()] = result[k] - half
            result[k] = half
    return result if touched else None


def _merges(data: Whitened, posterior: Posterior, statistics: Tensor, live: Tensor) -> list[tuple[float, int, int]]:
    """Gain, and the two components, of every pair that is better one.

    The loss of entropy is left out at first, and taken from the 2 L most promising of the pairs of L components.
    """
    whole = statistics[live]
    counts, alone = whole[:, 0], _evidence(data, whole)
    gains = [torch.empty(0, dtype=torch.float64)]
    pairs = torch.combinations(torch.arange(len(live))) if len(live) > 1 else live.new_empty(0, 2)
    for i, j in (part.T for part in torch.split(pairs, PAIRS)):
        after, rows = counts.repeat(len(i), 1), torch.arange(len(i))
        after[rows, i] += after[rows, j]
        after[rows, j] = 0
        sticks = _stick_evidence(after, data) - _stick_evidence(counts, data)
        gains.append(sticks + _evidence(data, whole[i] + whole[j]) - alone[i] - alone[j])
    gain, order = torch.cat(gains).sort(descending=True, stable=True)
    gain = gain[: 2 * len(live)]
    gain = gain[gain > 0]
    i, j = pairs[order[: len(gain)]].T
    if len(gain):
        for _, responsibilities, _ in data.expect(posterior, live):
            entropy = _entropy(responsibilities)
            together = _entropy(responsibilities[:, i] + responsibilities[:, j])
            gain = gain - (entropy[:, i] + entropy[:, j] - together).sum(0)
    good = gain > 0
    return list(zip(gain[good].tolist(), live[i[good]].tolist(), live[j[good]].tolist(), strict=True))


def _splits(
    data: Whitened, posterior: Posterior, statistics: Tensor, live: Tensor, axis: int
) -> list[tuple[float, int, Tensor]]:
    """Gain, component, and the statistics (F,) of the first of its halves, of every component that is better two.

    The two start as the halves along an axis, the longest for 0; their codes and responsibilities stay those of the
    component. They are found on a part of the codes, and judged by all.
    """
    part = data.subset(torch.arange(0, len(data.z), max(len(data.z) // PART, 1)))
    seen = part.statistics(posterior)[0][live]
    values, axes = torch.linalg.eigh(posterior.covariances[live])
    slope = 3 * axes[:, :, -1 - axis] / values[:, -1 - axis, None].sqrt()
    odds = torch.zeros_like(seen).T  # log-odds of the first half: Phi @ odds
    odds[0], odds[1 : 1 + data.z.shape[1]] = -(slope * posterior.means[live]).sum(1), slope.T
    blocks = [(phi, responsibilities) for phi, responsibilities, _ in part.expect(posterior, live)]
    for _ in range(SPLIT_STEPS):
        first = torch.zeros_like(seen)
        for phi, responsibilities in blocks:
            first.addmm_((responsibilities * torch.sigmoid(phi @ odds)).T, phi)
        halves = data.update(first), data.update(seen - first)
        one, other = (data.coefficients(half, torch.digamma(half.a)) for half in halves)
        odds = one - other
    whole = statistics[live]
    first, entropy = torch.zeros_like(whole), torch.zeros_like(whole[:, 0])
    for phi, responsibilities, _ in data.expect(posterior, live):
        share = torch.sigmoid(phi @ odds)
        first.addmm_((responsibilities * share).T, phi)
        entropy += (responsibilities * (_entropy(share) + _entropy(1 - share))).sum(0)
    second, counts = whole - first, whole[:, 0]
    after = torch.cat([counts.repeat(len(live), 1), second[:, :1]], 1)
    after.diagonal().copy_(first[:, 0])
    gain = entropy + _stick_evidence(after, data) - _stick_evidence(counts, data)
    gain += _evidence(data, first) + _evidence(data, second) - _evidence(data, whole)
    good = (gain > 0) & (torch.minimum(first[:, 0], second[:, 0]) > EMPTY)
    return list(zip(gain[good].tolist(), live[good].tolist(), first[good], strict=True))


def _evidence(data: Whitened, statistics: Tensor) -> Tensor:
    """log p of each component's codes, (K,)."""
    return log_evidence(data.update(statistics), statistics[:, 0], data.prior)


def _stick_evidence(counts: Tensor, data: Whitened) -> Tensor:
    """log p of which component each code is from, for counts (..., K): the integral over the sticks, the largest first
    and empty ones nothing.
    """
    n = counts.sort(-1, descending=True).values
    a, b = 1 + n, data.prior.concentration + n.flip(-1).cumsum(-1).flip(-1) - n
    sticks = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b) + math.log(data.prior.concentration)
    return sticks.sum(-1)


def _entropy(p: Tensor) -> Tensor:
    """-p log p; a share of 0 is nothing."""
    return -p * p.clamp(min=SMALLEST).log()
