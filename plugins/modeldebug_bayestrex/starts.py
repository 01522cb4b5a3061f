"""How chains start: among prior draws, where the target is not hopeless, and under a sigma that falls."""

from __future__ import annotations

import torch
from torch import Tensor

from modeldebug import PluginError, Problem

from .posterior import Codes, Posterior

_FAR = 2.0  # times sigma^2: the misfit of a prediction that is two sigma away
_COLD = 1e-6  # a sigma at which the nearest draws are the likeliest


def likely_draws(problem: Problem, posterior: Posterior, *, chains: int, draws: int, rng: torch.Generator) -> Codes:
    """For each target in turn, so many of its prior draws, chosen without replacement by their likelihood: a sample of
    the posterior where the target is easily met. Where fewer draws than chains are within two sigma of it, likelihoods
    say little of the others, and it is the draws that are nearest.

    One query a draw; a draw serves every target where they share a prior.

    Raises:
        PluginError: no prior draw has an image.
    """
    count = len(problem.targets)
    of = torch.arange(1 if posterior.shared else count).repeat_interleave(draws)
    codes = posterior.draw(of, rng)
    valid = posterior.possible(codes).nonzero()[:, 0]
    if not len(valid):
        raise PluginError(
            "no draw from the prior has an image",
            got=f"{len(codes)} draws that the generator does not call valid",
            fix="more draws, or a generator whose prior is that of its images",
        )
    misfit = torch.full((count, draws), torch.inf)
    asked = codes.at(valid)
    found = problem.misfit(asked.z, asked.target, condition=asked.condition, gradient=False)
    if posterior.shared:
        misfit[:, valid] = torch.stack([target.misfit(found.probs) for target in problem.targets])
    else:
        misfit.view(-1)[valid] = found.value
    enough = (misfit <= _FAR * problem.sigma**2).sum(1) >= min(chains, draws)
    sigma = torch.where(enough, problem.sigma, _COLD)
    rows = _by_likelihood(-misfit / sigma[:, None] ** 2, chains, rng)
    rows = rows if posterior.shared else rows + draws * torch.arange(count)[:, None]
    chosen = codes.at(rows.reshape(-1))
    return Codes(chosen.z, torch.arange(count).repeat_interleave(chains), chosen.condition)


def cooled(sigma: float, iteration: int, *, hot: float, warmup: int) -> float:
    """The standard deviation of the likelihood in an iteration: in the first half of warm-up it falls from `hot` times
    sigma to sigma.

    >>> [round(cooled(0.05, i, hot=10.0, warmup=100), 3) for i in (0, 25, 50, 130)]
    [0.5, 0.158, 0.05, 0.05]
    >>> cooled(0.05, 0, hot=10.0, warmup=0)  # what is kept is never hot
    0.05
    """
    left = 1 - min(1.0, 2 * iteration / warmup) if warmup else 0.0
    now: float = sigma * hot**left
    return now


def tempered(probs: Tensor, temperature: float) -> Tensor:
    """Predictions (n, k) as a softmax of that temperature would give them: less sure the higher it is. Where a
    classifier hardly ever gives a class any probability, these still tell more from less.

    >>> tempered(torch.tensor([[0.0001, 0.9999]]), 4.0)
    tensor([[0.0909, 0.9091]])
    """
    logits = probs.clamp_min(torch.finfo(probs.dtype).tiny).log()
    return (logits / temperature).softmax(1)


def _by_likelihood(log_weight: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """Columns (t, size) of log weights (t, n), drawn without replacement row by row; again from the first where there
    are not enough of a weight above 0."""
    gumbel = -torch.empty(log_weight.shape).exponential_(generator=rng).log()
    order = (log_weight + gumbel).argsort(dim=1, descending=True, stable=True)
    possible = log_weight.isfinite().sum(1, keepdim=True).clamp_min(1)
    return order.gather(1, torch.arange(size) % possible)
