"""Random-walk Metropolis, for generators without gradients or with discrete parts (Bayes-TrEx, section 4.2).

The generator supplies the steps and says which codes have an image at all: a step to any other is refused, without a
query. Many chains of several targets walk in one batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from modeldebug import Candidates, Problem, Searcher, State, rng_for, spawn

from .posterior import Codes, Posterior, tensors_in
from .settings import RandomWalkConfig
from .starts import cooled, likely_draws

SHORTEST, LONGEST = 1e-4, 1e2  # what the scale of steps is kept within; kernels that do not heed it would move it on


class RandomWalk(Searcher[RandomWalkConfig]):
    """Chains of codes whose log density is log prior - misfit / sigma^2. A step of the search is a block of
    iterations; in warm-up the scale of the steps is adapted to the wanted acceptance, for each target by itself.

    A code is a sample again for every step from it that is refused.

    >>> from modeldebug import Target
    >>> from modeldebug.testing import known_problem
    >>> problem = known_problem().problem(targets=[Target("ambiguous", (0, 1), (0.5, 0.5))])
    >>> walk = RandomWalk(RandomWalkConfig(chains=4, warmup=50, samples=50, block=100), known_problem().spec)
    >>> state, found = walk.step(problem, walk.start(problem, rng_for(0)))
    >>> len(found), state["done"], walk.moves(state)["acceptance"] > 0
    (200, True, tensor([True]))
    """

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        config, posterior, count = self.config, Posterior(problem), len(problem.targets)
        codes = likely_draws(problem, posterior, chains=config.chains, draws=config.draws, rng=rng)
        density = posterior.look(codes, gradient=False)
        return {
            "seed": spawn(rng),
            "iteration": 0,
            **codes.state(),
            "log_prior": density.log_prior,
            "misfit": density.misfit,
            "scale": torch.full((count,), config.scale),
            "accepted": torch.zeros(count),
            "done": False,
        }

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        config, posterior = self.config, Posterior(problem)
        first, seed = int(state["iteration"]), int(state["seed"])
        last = min(first + config.block, self._iterations)
        codes, tensors = Codes.of(state), tensors_in(state)
        log_prior, misfit, scale, accepted = (tensors[name] for name in ("log_prior", "misfit", "scale", "accepted"))
        rng, kept = rng_for(seed, first), []
        for i in range(first, last):
            sigma = cooled(problem.sigma, i, hot=config.hot, warmup=config.warmup)
            z, log_ratio = problem.propose(codes.z, rng, scale[codes.target])
            rows = problem.valid(z).nonzero()[:, 0]
            gain = torch.full((len(z),), -torch.inf)
            there_prior, there_misfit = log_prior.clone(), misfit.clone()
            if len(rows):
                density = posterior.look(codes.moved(z).at(rows), gradient=False)
                there_prior[rows], there_misfit[rows] = density.log_prior, density.misfit
                gain[rows] = (there_prior - log_prior - (there_misfit - misfit) / sigma**2 + log_ratio)[rows]
            moved = torch.rand(len(z), generator=rng).log() < gain
            codes = codes.moved(torch.where(moved[:, None], z, codes.z))
            log_prior, misfit = torch.where(moved, there_prior, log_prior), torch.where(moved, there_misfit, misfit)
            if i < config.warmup:
                excess = gain.clamp(max=0).exp().view(len(scale), -1).mean(1) - config.acceptance
                scale = (scale * (excess / (i + 1) ** 0.5).exp()).clamp(SHORTEST, LONGEST)
            else:
                accepted = accepted + moved.view(len(scale), -1).float().mean(1)
                if (i + 1 - config.warmup) % config.thin == 0:
                    kept.append(codes)
        after = {
            **state,
            **codes.state(),
            "iteration": last,
            "log_prior": log_prior,
            "misfit": misfit,
            "scale": scale,
            "accepted": accepted,
            "done": last == self._iterations,
        }
        return after, self._propose(posterior, codes, kept)

    def _propose(self, posterior: Posterior, codes: Codes, kept: list[Codes]) -> Candidates:
        """The codes that were kept, in the order of drawing; each chain is told the same as ever."""
        rows = torch.arange(len(codes)).repeat(len(kept))
        z = torch.cat([codes.z[:0], *(at.z for at in kept)])
        return posterior.propose(codes.at(rows).moved(z), chain=rows % self.config.chains)

    @property
    def _iterations(self) -> int:
        return self.config.warmup + self.config.samples * self.config.thin

    def moves(self, state: State) -> dict[str, Tensor]:
        accepted, tried = tensors_in(state)["accepted"], int(state["iteration"]) - self.config.warmup
        return {"acceptance": accepted / tried if tried > 0 else torch.full_like(accepted, torch.nan)}

    def progress(self, state: State) -> float:
        return int(state["iteration"]) / self._iterations
