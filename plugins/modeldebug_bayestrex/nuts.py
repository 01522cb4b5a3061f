"""The reference sampler: Pyro's No-U-Turn sampler (Hoffman and Gelman 2014), with the settings of Bayes-TrEx.

One chain of one target after another, one code at a time. The kernel is made anew in each step of the search, from what
the state says, so that a search that was killed goes on with the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from pyro.infer import NUTS
from torch import Tensor

from modeldebug import Candidates, Problem, Searcher, State, isolated_global_rng, rng_for, spawn

from .posterior import Codes, Posterior, tensors_in
from .settings import NutsConfig
from .starts import likely_draws

FAR = 1e6  # a code with such a number is lost: nothing is asked about it, and Pyro counts the move as diverged
SITE = "z"


class Nuts(Searcher[NutsConfig]):
    """The first step of a chain is its warm-up, which adapts step size and diagonal mass; later ones draw.

    >>> from modeldebug import Target
    >>> from modeldebug.testing import known_problem
    >>> problem = known_problem().problem(targets=[Target("ambiguous", (0, 1), (0.5, 0.5))])
    >>> nuts = Nuts(NutsConfig(warmup=30, samples=10, draws=64), known_problem().spec)
    >>> state, found = nuts.step(problem, nuts.start(problem, rng_for(0)))
    >>> state["step_size"] > 0, len(found)
    (True, 0)
    >>> state, found = nuts.step(problem, state)
    >>> len(found), state["done"], nuts.moves(state)["divergences"].shape
    (10, True, torch.Size([1]))
    """

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        config, count = self.config, len(problem.targets)
        codes = likely_draws(problem, Posterior(problem), chains=config.chains, draws=config.draws, rng=rng)
        return {
            "seed": spawn(rng), "row": 0, "drawn": -1, **codes.state(),
            "step_size": 1.0, "inverse_mass": torch.ones(problem.latent_size),
            "acceptance": torch.zeros(count), "tried": torch.zeros(count),
            "divergences": torch.zeros(count, dtype=torch.int64), "done": False,
        }  # fmt: skip

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        config, posterior = self.config, Posterior(problem)
        codes, tensors = Codes.of(state), tensors_in(state)
        row, drawn, step_size = int(state["row"]), int(state["drawn"]), float(state["step_size"])
        own = codes.at(torch.tensor([row]))
        potential = Potential(posterior, own, problem.sigma)
        warming = drawn < 0
        many = config.warmup if warming else min(config.block, config.samples - drawn)
        with isolated_global_rng(spawn(rng_for(int(state["seed"]), row, drawn + 1))):
            run = self._walk(potential, own.z, None if warming else (step_size, tensors["inverse_mass"]), many)
        z = codes.z.index_copy(0, torch.tensor([row]), run.z[-1:])
        after: State = {**state, "z": z}
        if warming:
            after |= {"drawn": 0, "step_size": run.step_size, "inverse_mass": run.inverse_mass}
            return after, self._propose(posterior, own, run.z[:0], row)
        ended = drawn + many == config.samples
        target = torch.nn.functional.one_hot(own.target[0], len(problem.targets))
        after |= {
            "row": row + ended,
            "drawn": -1 if ended else drawn + many,
            "acceptance": tensors["acceptance"] + many * run.acceptance * target,
            "tried": tensors["tried"] + many * target,
            "divergences": tensors["divergences"] + run.divergences * target,
            "done": ended and row + 1 == len(codes),
        }
        return after, self._propose(posterior, own, run.z, row)

    def _walk(self, potential: Potential, z: Tensor, adapted: tuple[float, Tensor] | None, many: int) -> Walk:
        """So many draws from the code (1, d): a warm-up, unless step size and inverse mass are given."""
        kernel: Any = NUTS(  # type: ignore[no-untyped-call]  # Pyro does not annotate it
            potential_fn=potential,
            step_size=1.0 if adapted is None else adapted[0],
            adapt_step_size=adapted is None,
            adapt_mass_matrix=adapted is None,
            target_accept_prob=self.config.accept,
            max_tree_depth=self.config.depth,
        )
        kernel.initial_params = {SITE: z}
        kernel.setup(many if adapted is None else 0)
        if adapted is not None:
            kernel.mass_matrix_adapter.inverse_mass_matrix = {(SITE,): adapted[1]}
        params, drawn = {SITE: z}, []
        for _ in range(many):
            params = kernel.sample(params)
            drawn.append(params[SITE].detach().clone())
        return Walk(
            z=torch.cat(drawn),
            step_size=float(kernel.step_size),
            inverse_mass=kernel.inverse_mass_matrix[(SITE,)].clone(),
            acceptance=float(kernel.logging()["acc. prob"]),
            divergences=0 if adapted is None else len(kernel.diagnostics()["divergences"]),
        )

    def _propose(self, posterior: Posterior, own: Codes, z: Tensor, row: int) -> Candidates:
        same = own.at(torch.zeros(len(z), dtype=torch.int64))
        return posterior.propose(same.moved(z), chain=torch.full((len(z),), row % self.config.chains))

    def moves(self, state: State) -> dict[str, Tensor]:
        """Pyro's acceptance statistic, the mean over trees, and how many trees diverged; both after warm-up."""
        tensors = tensors_in(state)
        return {"acceptance": tensors["acceptance"] / tensors["tried"], "divergences": tensors["divergences"]}

    def progress(self, state: State) -> float:
        each, drawn = self.config.warmup + self.config.samples, int(state["drawn"])
        within = 0 if drawn < 0 else self.config.warmup + drawn
        return (int(state["row"]) * each + within) / (len(tensors_in(state)["z"]) * each)


@dataclass(frozen=True, eq=False)
class Walk:
    """What a kernel did.

    Attributes:
        z: (m, d), its draws.
        step_size, inverse_mass: with which it would go on.
        acceptance: the mean of its acceptance statistic.
        divergences: how many of its trees diverged.
    """

    z: Tensor
    step_size: float
    inverse_mass: Tensor
    acceptance: float
    divergences: int


class Potential:
    """Minus the log density of one code, for Pyro: 3 queries each time that it is asked, through the problem."""

    def __init__(self, posterior: Posterior, codes: Codes, sigma: float) -> None:
        self._posterior, self._codes, self._sigma = posterior, codes, sigma

    def __call__(self, params: dict[str, Tensor]) -> Tensor:
        value: Tensor = _Bridge.apply(params[SITE], self)  # type: ignore[no-untyped-call]  # torch does not annotate it
        return value

    def at(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The potential at a code (1, d), and its gradient (1, d)."""
        if not bool((z.abs() < FAR).all()):
            return torch.tensor(math.inf), torch.zeros_like(z)
        density = self._posterior.look(self._codes.moved(z))
        return -density.log(self._sigma)[0], -density.slope(self._sigma)


class _Bridge(torch.autograd.Function):
    """The gradient is known as soon as the potential is: it is kept until torch asks for it."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, z: Tensor, potential: Potential) -> Tensor:
        value, slope = potential.at(z.detach())
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grads[0] * slope, None
