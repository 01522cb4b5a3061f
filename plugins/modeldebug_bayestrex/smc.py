"""Sequential Monte Carlo: populations of codes under a falling sigma, with Newton moves (Del Moral et al. 2006).

A population begins as draws from the prior, weighted by the likelihood at a sigma so large that many of them count.
Then sigma falls as far as enough particles still count, those that fit are multiplied, and all are moved. At sigma 0.05
the posterior is a thin sheet, along which a chain creeps; a population need not travel, since it begins everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from modeldebug import Candidates, Problem, Searcher, State, rng_for, spawn

from .newton import move
from .posterior import Codes, Fit, Posterior, tensors_in
from .settings import SmcConfig

BLOCK = 4096  # prior draws at a time, at most
NEAR = 2.0  # times sigma: where the prior draws count for a crowd there, no more are drawn
HOTTEST = 1e3  # the sigma at which nothing is asked of a prediction
REACH, FARTHEST = 0.5, 1.0  # of moves, at first and at most, in standard deviations of the prior
ADAPTATION = 0.5  # how far the logarithm of the reach follows the acceptance


class Smc(Searcher[SmcConfig]):
    """Pursues all targets at once, each with a population of its own; a population is a chain.

    A step of the search is one fall of sigma with its moves, so a search that is killed loses no more than that.

    >>> from modeldebug import Target
    >>> from modeldebug.testing import known_problem
    >>> problem = known_problem().problem(targets=[Target("ambiguous", (0, 1), (0.5, 0.5))])
    >>> search = Smc(SmcConfig(populations=2, particles=16), known_problem().spec)
    >>> state = search.start(problem, rng_for(0))
    >>> while not state["done"]:
    ...     state, samples = search.step(problem, state)
    >>> len(samples), bool(problem.answers(samples)[:, :2].sum(1).mean() > 0.8)
    (16, True)
    """

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        count = len(problem.targets)
        return {
            "seed": spawn(rng),
            "population": 0,
            "stage": 0,
            "accepted": torch.zeros(count),
            "tried": torch.zeros(count),
            "divergences": torch.zeros(count, dtype=torch.int64),
            "done": False,
        }

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        posterior = Posterior(problem)
        number, stage = int(state["population"]), int(state["stage"])
        rng = rng_for(int(state["seed"]), number, stage)
        tally = {name: tensors_in(state)[name] for name in ("accepted", "tried", "divergences")}
        if stage == 0:
            population = self._begun(problem, posterior, rng)
        else:
            last = stage >= self.config.stages
            population = self._fallen(problem, posterior, _Population.of(state), rng, tally, last=last)
        if stage == 0 or bool((population.sigma > problem.sigma).any()):
            none = torch.empty(0, dtype=torch.int64)
            nobody = posterior.propose(population.codes.at(none), none)
            return {**state, **tally, **population.state(), "stage": stage + 1}, nobody
        done = number + 1 == self.config.populations
        kept: State = {"seed": state["seed"], **tally, "population": number + 1, "stage": 0, "done": done}
        return kept, posterior.propose(population.codes, torch.full((len(population.codes),), number))

    def _begun(self, problem: Problem, posterior: Posterior, rng: torch.Generator) -> _Population:
        """A population of each target from prior draws, at the smallest sigma at which these count for a crowd."""
        n, crowd, parts, sigmas = self.config.particles, self.config.crowd, [], []
        for t, (codes, misfit) in enumerate(self._drawn(problem, posterior, rng)):
            sigma = _smallest(misfit, HOTTEST, problem.sigma, min(crowd, len(misfit) / 2))
            chosen = codes.at(_resampled(_weights(misfit, HOTTEST, sigma), n, rng))
            parts.append(Codes(chosen.z, torch.full((n,), t), chosen.condition))
            sigmas.append(sigma)
        codes = Codes.joined(parts)
        reach = torch.full((len(parts),), REACH)
        return _Population(codes, posterior.fit(codes), torch.tensor(sigmas, dtype=torch.float64), reach)

    def _drawn(self, problem: Problem, posterior: Posterior, rng: torch.Generator) -> list[tuple[Codes, Tensor]]:
        """Of each target prior draws and their misfits: so many that they count for a crowd close to its sigma, or as
        many as there may be. Their number doubles until then."""
        targets, crowd, near = problem.targets, self.config.crowd, NEAR * problem.sigma
        block, kinds = min(BLOCK, self.config.pool), 1 if posterior.shared else len(targets)
        each = max(self.config.particles, block // kinds)
        of = torch.arange(kinds).repeat_interleave(each)
        parts: list[Codes] = []
        misfits: list[Tensor] = []  # (targets, each): of a draw that serves all targets, or of each target's own draws
        while True:
            for _ in range(max(1, len(parts))):
                codes = posterior.draw(of, rng)
                density = posterior.look(codes, gradient=False)
                parts.append(codes)
                own = density.misfit.view(-1, each)
                everyone = [target.misfit(density.probs) for target in targets] if posterior.shared else list(own)
                misfits.append(torch.stack(everyone))
            together = torch.cat(misfits, 1)
            enough = all(_size(misfit, HOTTEST, near) >= crowd for misfit in together)
            if enough or 2 * len(parts) * len(of) > self.config.pool:
                break
        drawn = Codes.joined(parts)
        if posterior.shared:
            return [(drawn, misfit) for misfit in together]
        rows = torch.arange(len(drawn)).view(len(parts), len(targets), each).transpose(0, 1).reshape(len(targets), -1)
        return [(drawn.at(own), misfit) for own, misfit in zip(rows, together, strict=True)]

    def _fallen(
        self,
        problem: Problem,
        posterior: Posterior,
        population: _Population,
        rng: torch.Generator,
        tally: dict[str, Tensor],
        *,
        last: bool,
    ) -> _Population:
        """The population at a lower sigma: the particles that fit are multiplied, and all are moved. A target that is
        at its sigma already waits for the others, and is moved once more with them at the end."""
        n, goal, before = self.config.particles, problem.sigma, population.sigma
        sigma, misfit, rows = before.clone(), population.fit.misfit, []
        for t in range(len(sigma)):
            own, high = misfit[t * n : (t + 1) * n], float(before[t])
            sigma[t] = goal if last else _smallest(own, high, goal, self.config.keep * n)
            if sigma[t] < high:
                rows.append(t * n + _resampled(_weights(own, high, float(sigma[t])), n, rng))
            else:
                rows.append(torch.arange(t * n, (t + 1) * n))
        codes, fit = population.codes.at(torch.cat(rows)), population.fit.at(torch.cat(rows))
        reach = population.reach * (sigma / before).sqrt().float()
        end = bool((sigma <= goal).all())
        moving = torch.full_like(sigma, fill_value=True, dtype=torch.bool) if end else sigma > goal
        active = moving[codes.target].nonzero()[:, 0]
        for _ in range(self.config.moves):
            own_target = codes.target[active]
            moved = move(
                posterior,
                codes.at(active),
                fit.at(active),
                sigma=sigma.float()[own_target],
                reach=reach[own_target],
                rng=rng,
            )
            codes, fit = codes.put(active, moved.codes), fit.put(active, moved.fit)
            share = torch.zeros(len(sigma)).index_add(0, own_target, moved.acceptance) / n
            factor = (ADAPTATION * (share - self.config.accept)).exp()
            reach = torch.where(moving, reach * factor, reach).clamp(max=FARTHEST)
            tally["accepted"] = tally["accepted"] + share
            tally["tried"] = tally["tried"] + moving
            tally["divergences"] = tally["divergences"].index_add(0, own_target, moved.lost.long())
        return _Population(codes, fit, sigma, reach)

    def moves(self, state: State) -> dict[str, Tensor]:
        """The mean probability with which moves were accepted, and how many were lost."""
        tally = tensors_in(state)
        return {"acceptance": tally["accepted"] / tally["tried"], "divergences": tally["divergences"]}

    def progress(self, state: State) -> float:
        within = 1 - 0.8 ** int(state["stage"])  # how often sigma will fall is not known
        return (int(state["population"]) + within) / self.config.populations if not state["done"] else 1.0


@dataclass(frozen=True, eq=False)
class _Population:
    """The particles of all targets, target after target; the sigma (t,) float64 and the reach (t,) of each."""

    codes: Codes
    fit: Fit
    sigma: Tensor
    reach: Tensor

    def state(self) -> dict[str, Tensor]:
        return {**self.codes.state(), **vars(self.fit), "sigma": self.sigma, "reach": self.reach}

    @staticmethod
    def of(state: State) -> _Population:
        tensors = tensors_in(state)
        fit = Fit(**{name: tensors[name] for name in Fit.__dataclass_fields__})
        return _Population(Codes.of(state), fit, tensors["sigma"], tensors["reach"])


def _weights(misfit: Tensor, before: float, after: float) -> Tensor:
    """The normalised weights (n,) of particles at sigma `before` for sigma `after`."""
    return (-misfit.double() * (after**-2 - before**-2)).softmax(0)


def _size(misfit: Tensor, before: float, after: float) -> float:
    """For how many particles they count with these weights: the effective size."""
    return float(1 / _weights(misfit, before, after).square().sum())


def _smallest(misfit: Tensor, before: float, goal: float, wanted: float) -> float:
    """The smallest sigma from `goal` to `before` at which particles count for at least so many."""
    if _size(misfit, before, goal) >= wanted:
        return goal
    low, high = goal, before
    for _ in range(40):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if _size(misfit, before, middle) < wanted else (low, middle)
    return high


def _resampled(weights: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """Rows (n,) drawn by their weights, systematically: as evenly as possible (Kitagawa 1996)."""
    points = (torch.arange(n) + torch.rand((), generator=rng)) / n
    return torch.searchsorted(weights.cumsum(0), points.double()).clamp(max=len(weights) - 1)
