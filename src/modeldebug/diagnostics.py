"""Whether a sampler reached its targets: rank R-hat, effective sample size, and the mean error (Vehtari et al. 2021).

The samples are judged here, by the core, for chains and populations alike. A population's members are exchangeable, so
each population counts as one chain: what makes the effective size small is that populations differ from each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .targets import Target
from .words import STILL, rhat_said

MIXED = 1.05  # rank R-hat below which chains agree
FEWEST = 4  # draws of a chain, for R-hat and the effective size to be defined


@dataclass(frozen=True, eq=False)
class Samples:
    """What a sampler drew, in the order of drawing.

    Attributes:
        z: (n, d) float32.
        probs: (n, k) float32, the classifier's answers.
        target: (n,) int64, the row of the targets.
        chain: (n,) int64, the independent chain or population.
        condition: (n,) int64, the class told to a conditional decoder, or None.

    >>> len(Samples(torch.zeros(3, 2), torch.zeros(3, 4), *torch.zeros(2, 3, dtype=torch.int64)))
    3
    """

    z: Tensor
    probs: Tensor
    target: Tensor
    chain: Tensor
    condition: Tensor | None = None

    def __len__(self) -> int:
        return len(self.z)

    def subset(self, index: Tensor) -> Samples:
        """The given rows: index (m,) int64, or a mask (n,) bool."""
        return Samples(**{name: value[index] for name, value in vars(self).items() if value is not None})

    @staticmethod
    def concatenate(parts: Sequence[Samples]) -> Samples:
        """One after the other."""
        together = {name: [v for p in parts if (v := getattr(p, name)) is not None] for name in vars(parts[0])}
        return Samples(**{name: torch.cat(values) for name, values in together.items() if values})


@dataclass(frozen=True)
class Diagnosis:
    """What became of one target.

    Attributes:
        target: its name, with the numbers of the classes.
        samples, chains: how many.
        confidence, spread: mean and standard deviation of each probability that the target is about.
        aim: what each of them should be.
        error: the largest distance of a mean of u from u*; None without samples.
        rhat: rank-normalised split R-hat, the largest over the numbers of the codes (or what the generator sums them up
            by) and those probabilities; None where it is not defined.
        ess: bulk effective sample size, the smallest over the same.
        acceptance: share of the proposed moves that were accepted; None where the sampler does not say.
        divergences: moves whose energy was lost; None where the sampler does not say.
        reached: R-hat is below 1.05, and the error at most two sigma.
        reason: why it was not reached; empty where it was.
    """

    target: str
    samples: int
    chains: int
    confidence: tuple[float, ...]
    spread: tuple[float, ...]
    aim: tuple[float, ...]
    error: float | None
    rhat: float | None
    ess: float | None
    acceptance: float | None
    divergences: int | None
    reached: bool
    reason: str


def diagnose(
    samples: Samples,
    targets: Sequence[Target],
    *,
    sigma: float,
    moves: Mapping[str, Tensor] | None = None,
    summary: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Diagnosis, ...]:
    """A diagnosis for each target, those included of which there is no sample.

    Args:
        moves: `acceptance` and `divergences`, (t,) each, as `Searcher.moves` gives them.
        summary: gives the numbers (n, m) by which codes (n, d) are compared, as `Generator.summary`; by default they
            are compared themselves.

    >>> rng = torch.Generator().manual_seed(0)
    >>> p = 0.5 + 0.02 * torch.randn(400, 1, generator=rng)
    >>> half = Samples(p - 0.5, torch.cat([p, 1 - p], 1), torch.zeros(400).long(), torch.arange(400) % 4)
    >>> found = diagnose(half, [Target("ambiguous", (0, 1), (0.5, 0.5))], sigma=0.05)
    >>> found[0].reached, found[0].chains, found[0].ess > 200
    (True, 4, True)
    """
    made = [{name: value[t].item() for name, value in (moves or {}).items()} for t in range(len(targets))]
    return tuple(
        _diagnose(samples.subset(samples.target == t), target, sigma, made[t], summary)
        for t, target in enumerate(targets)
    )


def enough(found: Sequence[Diagnosis], *, ess: float | None, rhat: float | None) -> bool:
    """Whether every target has the effective size and the R-hat at which sampling may stop; never without either."""
    if ess is None and rhat is None:
        return False
    return all(
        (ess is None or (d.ess is not None and d.ess >= ess))
        and (rhat is None or (d.rhat is not None and d.rhat <= rhat))
        for d in found
    )


def _diagnose(
    samples: Samples,
    target: Target,
    sigma: float,
    moves: Mapping[str, float],
    summary: Callable[[Tensor], Tensor] | None,
) -> Diagnosis:
    confidence = target.confidences(samples.probs)
    gap = target.gap(samples.probs)
    error = float(gap.mean(0).abs().max()) if len(samples) else None
    compared = samples.z if summary is None else summary(samples.z)
    rhat, ess, chains = _mixing(torch.cat([compared, confidence], 1), samples.chain)
    mixed = rhat is not None and rhat < MIXED
    near = error is not None and error <= 2 * sigma
    reasons = []
    if error is None:
        reasons.append("there is no sample of it")
    elif not near:
        reasons.append(f"predictions are {error:.3f} away on average, more than two sigma ({2 * sigma:g})")
    if error is not None and not mixed:
        reasons.append(
            "too few draws to tell whether chains agree"
            if rhat is None
            else f"chains disagree: R-hat {rhat_said(rhat)}, not below {MIXED}"
        )
    acceptance, divergences = moves.get("acceptance", math.nan), moves.get("divergences")
    return Diagnosis(
        target=target.name,
        samples=len(samples),
        chains=chains,
        confidence=tuple(confidence.mean(0).tolist()) if len(samples) else (),
        spread=tuple(confidence.std(0, correction=0).tolist()) if len(samples) else (),
        aim=target.aims(samples.probs.shape[1]),
        error=error,
        rhat=rhat,
        ess=ess,
        acceptance=None if math.isnan(acceptance) else acceptance,
        divergences=None if divergences is None else int(divergences),
        reached=mixed and near,
        reason="; ".join(reasons),
    )


def _mixing(values: Tensor, chain: Tensor) -> tuple[float | None, float | None, int]:
    """R-hat and effective size of quantities (n, m) in chains of different lengths, cut to the shortest; how many
    chains. A quantity that never changes says nothing of mixing; one chain is compared by its halves."""
    from arviz_stats.base.array import array_stats

    names = chain.unique()  # type: ignore[no-untyped-call]  # torch does not annotate it
    parts = [values[chain == name] for name in names]
    shortest = min(map(len, parts), default=0)
    if shortest < FEWEST:
        return None, None, len(parts)
    stacked = torch.stack([part[:shortest] for part in parts]).double()  # (chains, draws, m)
    draws = stacked[:, :, stacked.amax((0, 1)) > stacked.amin((0, 1))].movedim(2, 0).numpy()
    if not len(draws):
        return None, None, len(parts)
    half = draws.shape[2] // 2
    compared = draws if len(parts) > 1 else np.concatenate([draws[:, :, :half], draws[:, :, half : 2 * half]], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rhat = array_stats.rhat(compared, chain_axis=1, draw_axis=2)  # type: ignore[no-untyped-call]
        ess = array_stats.ess(draws, chain_axis=1, draw_axis=2)  # type: ignore[no-untyped-call]
    worst = None if np.isnan(rhat).all() else min(float(np.nanmax(rhat)), STILL)
    return worst, float(np.nanmin(ess)), len(parts)
