"""Random-walk Metropolis, for generators without gradients or with discrete parts (Bayes-TrEx, section 4.2).

The generator supplies the steps and says which codes have an image at all: a step to any other is refused, without a
query. Many chains of several targets walk in one batch; or in several, for as many workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from modeldebug import Candidates, Problem, Searcher, State, rng_for, spawn

from .posterior import Codes, Posterior, tensors_in
from .settings import RandomWalkConfig
from .starts import cooled, likely_draws, tempered

SHORTEST, LONGEST = 1e-4, 1e2  # what the scale of steps is kept within; kernels that do not heed it would move it on


class RandomWalk(Searcher[RandomWalkConfig]):
    """Chains of codes whose log density is log prior - misfit / sigma^2. A step of the search is a block of
    iterations; in warm-up the scale of the steps is adapted to the wanted acceptance, for each target by itself.

    A code is a sample again for every step from it that is refused. Where the chains are walked in parts, a step is the
    whole walk of one part, and no part needs anything of another.

    >>> from modeldebug import Target
    >>> from modeldebug.testing import known_problem
    >>> problem = known_problem().problem(targets=[Target("ambiguous", (0, 1), (0.5, 0.5))])
    >>> walk = RandomWalk(RandomWalkConfig(chains=4, warmup=50, samples=50, block=100), known_problem().spec)
    >>> state, found = walk.step(problem, walk.start(problem, rng_for(0)))
    >>> len(found), state["done"], walk.moves(state)["acceptance"] > 0
    (200, True, tensor([True]))
    """

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        if self.config.parts > 1:
            return {"seed": spawn(rng), "part": 0, "done": False}
        config, posterior, count = self.config, Posterior(problem), len(problem.targets)
        codes = likely_draws(problem, posterior, chains=config.chains, draws=config.draws, rng=rng)
        density = posterior.look(codes, gradient=False)
        return {
            "seed": spawn(rng),
            "iteration": 0,
            **codes.state(),
            "log_prior": density.log_prior,
            "misfit": density.misfit,
            "probs": density.probs,
            "scale": torch.full((count,), config.scale),
            "accepted": torch.zeros(count),
            "done": False,
        }

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        if self.config.parts > 1:
            return self._part(problem, state)
        config, posterior = self.config, Posterior(problem)
        first, seed = int(state["iteration"]), int(state["seed"])
        last = min(first + config.block, self._iterations)
        codes, tensors = Codes.of(state), tensors_in(state)
        log_prior, misfit, probs = (tensors[name] for name in ("log_prior", "misfit", "probs"))
        scale, accepted = tensors["scale"], tensors["accepted"]
        rng, kept = rng_for(seed, first), []
        for i in range(first, last):
            sigma = cooled(problem.sigma, i, hot=config.hot, warmup=config.warmup)
            temperature = cooled(1.0, i, hot=config.temperature, warmup=config.warmup)
            z, log_ratio = problem.propose(codes.z, rng, scale[codes.target])
            rows = posterior.possible(codes.moved(z)).nonzero()[:, 0]
            gain = torch.full((len(z),), -torch.inf)
            there_prior, there_misfit, there_probs = log_prior.clone(), misfit.clone(), probs.clone()
            if len(rows):
                density = posterior.look(codes.moved(z).at(rows), gradient=False)
                there_prior[rows], there_misfit[rows] = density.log_prior, density.misfit
                there_probs[rows] = density.probs
                away = there_misfit - misfit
                if temperature > 1:
                    away = self._tempered(problem, codes, there_probs, there_misfit, temperature)
                    away = away - self._tempered(problem, codes, probs, misfit, temperature)
                gain[rows] = (there_prior - log_prior - away / sigma**2 + log_ratio)[rows]
            moved = torch.rand(len(z), generator=rng).log() < gain
            codes = codes.moved(torch.where(moved[:, None], z, codes.z))
            log_prior, misfit = torch.where(moved, there_prior, log_prior), torch.where(moved, there_misfit, misfit)
            probs = torch.where(moved[:, None], there_probs, probs)
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
            "probs": probs,
            "scale": scale,
            "accepted": accepted,
            "done": last == self._iterations,
        }
        return after, self._propose(posterior, codes, kept)

    def _tempered(self, problem: Problem, codes: Codes, probs: Tensor, misfit: Tensor, temperature: float) -> Tensor:
        """Misfits (n,) of predictions (n, k) as they would be at a temperature; what a guide adds stays."""
        at, found = tempered(probs, temperature), misfit.clone()
        for t, target in enumerate(problem.targets):
            rows = codes.target == t
            found[rows] += target.misfit(at[rows]) - target.misfit(probs[rows])
        return found

    def _part(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        """One part of the chains, by a walk of its own."""
        part, parts = int(state["part"]), self.config.parts
        mine = torch.arange(self.config.chains).tensor_split(parts)[part]
        walk = RandomWalk(
            self.config.model_copy(update={"chains": len(mine), "parts": 1, "block": self._iterations}), self.spec
        )
        ended, found = walk._step(problem, walk._start(problem, rng_for(int(state["seed"]), "part", part)))
        assert found.chain is not None  # of a walk
        after: State = {**state, **walk.moves(ended), "part": part + 1, "done": part + 1 == parts}
        return after, replace(found, chain=mine[found.chain])

    def ahead(self, problem: Problem, state: State) -> Sequence[State]:
        return (
            [{**state, "part": part} for part in range(int(state["part"]), self.config.parts)]
            if "part" in state
            else ()
        )

    def _propose(self, posterior: Posterior, codes: Codes, kept: list[Codes]) -> Candidates:
        """The codes that were kept, in the order of drawing; each chain is told the same as ever."""
        rows = torch.arange(len(codes)).repeat(len(kept))
        z = torch.cat([codes.z[:0], *(at.z for at in kept)])
        return posterior.propose(codes.at(rows).moved(z), chain=rows % self.config.chains)

    @property
    def _iterations(self) -> int:
        return self.config.warmup + self.config.samples * self.config.thin

    def moves(self, state: State) -> dict[str, Tensor]:
        if "part" in state:  # of the last part: no part knows of the others
            return {name: value for name, value in tensors_in(state).items() if name == "acceptance"}
        accepted, tried = tensors_in(state)["accepted"], int(state["iteration"]) - self.config.warmup
        return {"acceptance": accepted / tried if tried > 0 else torch.full_like(accepted, torch.nan)}

    def progress(self, state: State) -> float:
        if "part" in state:
            return int(state["part"]) / self.config.parts
        return int(state["iteration"]) / self._iterations
