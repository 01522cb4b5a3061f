"""From each training code a walk, whose steps are taken when the classifier becomes less sure of the expected label."""

from __future__ import annotations

import torch

from modeldebug import Candidates, Problem, Searcher, State, rng_for, spawn

from .plugin import WalkConfig


class GaussianWalk(Searcher[WalkConfig]):
    """Proposes every failure that a walk meets; the walk then starts again from its training image."""

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        return {"seed": spawn(rng), "next": 0, "of": len(problem.origins), "done": len(problem.origins) == 0}

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        first, rng = int(state["next"]), rng_for(int(state["seed"]), int(state["next"]))
        last = min(first + self.config.block, len(problem.origins))
        origin = torch.arange(first, last)  # (n,) int64
        expected, codes = problem.origins.labels[origin], problem.origins.z
        assert codes is not None  # the component requires "encode"
        home = here = codes[origin]  # (n, d) float32
        lowest = torch.ones(len(origin))  # the confidence in the expected label where each walk stands
        found = []
        for _ in range(self.config.steps):
            z = here + self.config.size * torch.randn(here.shape, generator=rng)
            answer = problem.evaluate(z, origin=origin)
            confidence = answer.probs.gather(1, expected[:, None])[:, 0]
            better, failing = confidence <= lowest, answer.failing
            here = torch.where(better[:, None], z, here)
            here = torch.where(failing[:, None], home, here)
            lowest = torch.where(better, confidence, lowest).masked_fill(failing, 1.0)
            found.append((z[failing], origin[failing], answer.id[failing]))
        z, origin, ids = (torch.cat(parts) for parts in zip(*found, strict=True))
        return {**state, "next": last, "done": last == len(problem.origins)}, Candidates(
            z=z, origin=origin, evaluation=ids
        )

    def progress(self, state: State) -> float:
        return int(state["next"]) / max(1, int(state["of"]))
