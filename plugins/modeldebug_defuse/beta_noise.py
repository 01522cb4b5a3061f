"""Identification: noise from a Beta distribution around the code of every training image (AAAI algorithm 1).

The paper's pseudo-code adds the noise as it is drawn, so that with a = b = 50 every draw is nearly the same shift by
0.5 in each dimension: `center=false scale=1`. Centred noise, the default, perturbs each code in its own directions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from modeldebug import Candidates, Problem, Searcher, State, rng_for, spawn

from .settings import BetaNoiseConfig


class BetaNoise(Searcher[BetaNoiseConfig]):
    """Each step takes a block of training images, draws Q codes around each, and proposes those that fail: at most
    `keep` of an image, the smallest perturbations (AAAI algorithm 1).

    >>> from modeldebug.testing import known_problem
    >>> problem, search = known_problem().problem(), BetaNoise(BetaNoiseConfig(draws=50), known_problem().spec)
    >>> state, found = search.step(problem, search.start(problem, rng_for(0)))
    >>> state["done"], problem.meter.queries == 50 * len(problem.origins), len(found) > 0
    (True, True, True)
    """

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        return {"seed": spawn(rng), "next": 0, "of": len(problem.origins), "done": len(problem.origins) == 0}

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        first, seed = int(state["next"]), int(state["seed"])
        last = min(first + self.config.block, len(problem.origins))
        codes = problem.origins.z
        assert codes is not None  # the component requires "encode"
        origin = torch.arange(first, last).repeat_interleave(self.config.draws)
        noise = self._noise(len(origin), codes.shape[1], rng_for(seed, first))
        evaluation = problem.evaluate(codes[origin] + noise, origin=origin)
        rows = self._smallest(evaluation.failing, noise.norm(dim=1), origin)
        proposed = Candidates(z=(codes[origin] + noise)[rows], origin=origin[rows], evaluation=evaluation.id[rows])
        return {**state, "next": last, "done": last == len(problem.origins)}, proposed

    def ahead(self, problem: Problem, state: State) -> Sequence[State]:
        return [{**state, "next": first} for first in range(int(state["next"]), int(state["of"]), self.config.block)]

    def _noise(self, n: int, d: int, rng: torch.Generator) -> Tensor:
        """(n, d) float32: Beta(a, b) as a ratio of two gamma draws, centred and scaled as the settings say."""
        a, b = (torch._standard_gamma(torch.full((n, d), v), generator=rng) for v in (self.config.a, self.config.b))
        drawn = a / (a + b)
        mean = self.config.a / (self.config.a + self.config.b) if self.config.center else 0.0
        return (drawn - mean) * self.config.scale

    def _smallest(self, failing: Tensor, size: Tensor, origin: Tensor) -> Tensor:
        """Rows of the failing draws, at most `keep` an origin, those of the smallest size."""
        rows = failing.nonzero()[:, 0]
        rows = rows[size[rows].argsort(stable=True)]
        rows = rows[origin[rows].argsort(stable=True)]  # by origin, and within an origin by size
        rank = torch.arange(len(rows)) - torch.searchsorted(origin[rows], origin[rows])
        return rows[rank < self.config.keep].sort().values

    def progress(self, state: State) -> float:
        return int(state["next"]) / max(1, int(state["of"]))
