"""A search that asks a guide, and guides for the known problem: one that is never wrong, one that learns."""

from __future__ import annotations

import torch
from torch import nn

from modeldebug import Candidates, Component, ComponentConfig, Problem, Searcher, rng_for
from modeldebug.contracts.searcher import State
from modeldebug.rng import spawn
from modeldebug.testing.problems import PlantedClassifier

STEPS = 4


class Careful(Searcher[ComponentConfig]):
    """Random steps around each origin; of what fails it proposes only what the guide takes for what it was."""

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        return {"seed": spawn(rng), "step": 0, "done": False}

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        codes, seed, step = problem.origins.z, state["seed"], state["step"]
        assert codes is not None
        assert isinstance(seed, int)
        assert isinstance(step, int)
        z, origin = codes + torch.randn(codes.shape, generator=rng_for(seed, step)), torch.arange(len(codes))
        told = problem.evaluate(z, origin=origin)
        rows = told.failing.nonzero()[:, 0]
        if problem.guided:
            rows = rows[problem.ask_guide(z[rows], origin=origin[rows]).log_prob.exp() > 0.5]
        found = Candidates(z=z[rows], origin=origin[rows], evaluation=told.id[rows])
        return {**state, "step": step + 1, "done": step + 1 == STEPS}, found

    def progress(self, state: State) -> float:
        step = state["step"]
        assert isinstance(step, int)
        return step / STEPS


abilities = frozenset({"encode"})
careful = Component("careful", "", ComponentConfig, Careful, requires=abilities, optional=frozenset({"guide"}))
needy = Component("needy", "", ComponentConfig, Careful, requires=abilities | {"guide"})


def exact() -> nn.Module:
    """Right everywhere."""
    return PlantedClassifier(balls=())


def network() -> nn.Module:
    """Something to train."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 4))


def of_three() -> nn.Module:
    """For other data."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
