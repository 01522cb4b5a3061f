"""Batched Hamiltonian Monte Carlo: many chains of every target in one batch (Neal 2011; Bayes-TrEx, section 4.2).

Step sizes are adapted by dual averaging and masses by the chains' own spread, both in warm-up, while sigma falls to the
one that is asked for (Hoffman and Gelman 2014). A chain creeps along a thin posterior: `smc` is the one to take first.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from modeldebug import Candidates, Problem, Searcher, State, rng_for, spawn

from .moves import move
from .posterior import Codes, Density, Posterior, tensors_in
from .settings import HmcConfig
from .starts import cooled, likely_draws

SHRINKAGE, EARLY, FORGETTING = 0.05, 10.0, 0.75  # gamma, t0 and kappa of dual averaging (Hoffman and Gelman 2014)
FIRST_STEP = 0.1  # in standard deviations


class Hmc(Searcher[HmcConfig]):
    """Chains of all targets at once. A step of the search is a block of iterations, so a search that is killed loses no
    more than that; what warm-up has learnt stands in the state.

    >>> from modeldebug import Target
    >>> from modeldebug.testing import known_problem
    >>> problem = known_problem().problem(targets=[Target("ambiguous", (0, 1), (0.5, 0.5))])
    >>> search = Hmc(HmcConfig(chains=4, warmup=20, samples=10, block=30), known_problem().spec)
    >>> state, samples = search.step(problem, search.start(problem, rng_for(0)))
    >>> len(samples), state["done"]
    (40, True)
    """

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        config, posterior, count = self.config, Posterior(problem), len(problem.targets)
        codes = likely_draws(problem, posterior, chains=config.chains, draws=config.draws, rng=rng)
        step = torch.full((count,), FIRST_STEP)
        return {
            "seed": spawn(rng),
            "iteration": 0,
            **codes.state(),
            **vars(posterior.look(codes)),
            "scale": posterior.scale(codes),
            "log_step": step.log(),
            "mean_log_step": step.log(),
            "error": torch.zeros(count),
            "accepted": torch.zeros(count),
            "divergences": torch.zeros(count, dtype=torch.int64),
            "done": False,
        }

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        config, posterior, tensors = self.config, Posterior(problem), dict(tensors_in(state))
        first = int(state["iteration"])
        last = min(first + config.block, config.warmup + config.samples)
        codes, density = Codes.of(state), Density(**{name: tensors[name] for name in Density.__dataclass_fields__})
        rng, kept = rng_for(int(state["seed"]), first), []
        for i in range(first, last):
            warming = i < config.warmup
            sigma = cooled(problem.sigma, i, hot=config.hot, warmup=config.warmup)
            step = (tensors["log_step"] if warming else tensors["mean_log_step"]).exp()
            moved = move(
                posterior,
                codes,
                density,
                sigma=torch.full((len(codes),), sigma),
                step=step[codes.target],
                scale=tensors["scale"],
                leaps=config.leaps,
                rng=rng,
            )
            codes, density = moved.codes, moved.density
            share = moved.acceptance.view(len(step), -1).mean(1)
            if warming:
                tensors |= _averaged(tensors, share - config.accept, i + 1)
                if (i + 1) % config.rescale == 0 and i + 1 <= 0.8 * config.warmup:
                    tensors["scale"] = posterior.scale(codes)
            else:
                tensors["accepted"] = tensors["accepted"] + share
                tensors["divergences"] = tensors["divergences"] + moved.diverged.view(len(step), -1).sum(1)
                kept.append(codes.z)
        done = last == config.warmup + config.samples
        rows = torch.arange(len(codes)).repeat(len(kept))
        found = codes.at(rows).moved(torch.cat([codes.z[:0], *kept]))
        after: State = {**state, **tensors, **codes.state(), **vars(density), "iteration": last, "done": done}
        return after, posterior.propose(found, chain=rows % config.chains)

    def moves(self, state: State) -> dict[str, Tensor]:
        """The mean probability with which moves were accepted after warm-up, and how many diverged."""
        tensors, made = tensors_in(state), int(state["iteration"]) - self.config.warmup
        accepted = tensors["accepted"]
        share = accepted / made if made > 0 else torch.full_like(accepted, torch.nan)
        return {"acceptance": share, "divergences": tensors["divergences"]}

    def progress(self, state: State) -> float:
        return int(state["iteration"]) / (self.config.warmup + self.config.samples)


def _averaged(tensors: dict[str, Tensor], excess: Tensor, t: int) -> dict[str, Tensor]:
    """Step sizes after one more iteration of dual averaging: `excess` (targets,) is the acceptance above the wanted."""
    error = (1 - 1 / (t + EARLY)) * tensors["error"] - excess / (t + EARLY)
    log_step = math.log(10 * FIRST_STEP) - t**0.5 / SHRINKAGE * error
    weight = t**-FORGETTING
    mean = weight * log_step + (1 - weight) * tensors["mean_log_step"]
    return {"error": error, "log_step": log_step, "mean_log_step": mean}
