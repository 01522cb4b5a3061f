"""Proposes latent codes whose images the classifier may get wrong."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from ..errors import PluginError
from ..types import Candidates
from .base import ConfigT, Contract
from .untouched import untouched

if TYPE_CHECKING:
    from ..problem import Problem

State = dict[str, Tensor | int | float | str | bool]
"""What a searcher knows between two steps, such as `{"seed": 7, "step": 0, "done": False}`."""


class Searcher(Contract[ConfigT]):
    """A search as a sequence of steps. All that a search knows stands in its state, so it stops and resumes after
    any step; `state["done"]` ends it.

    Inside a step, `problem.evaluate(z, ...)` asks the classifier (metered); `problem.origins` are the training
    codes to start from. Draw randomness from `rng_for(state["seed"], step)`, never from globals.

    Example::

        class Nearby(Searcher[ComponentConfig]):
            def _start(self, problem, rng):
                return {"seed": spawn(rng), "step": 0, "done": False}

            def _step(self, problem, state):
                codes, step = problem.origins.z, state["step"]
                z = codes + 0.5 * torch.randn(codes.shape, generator=rng_for(state["seed"], step))
                return {**state, "step": step + 1, "done": step == 9}, Candidates(z=z, origin=torch.arange(len(z)))
    """

    @final
    def start(self, problem: Problem, rng: torch.Generator) -> State:
        """The state before the first step.

        Raises:
            PluginError: the state cannot be saved, or has no bool `done`.
        """
        return self._checked(self._start(problem, rng))

    @final
    def step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        """One step: the next state, and candidates for the core to judge. `state` is left unchanged.

        Raises:
            PluginError: no Candidates are proposed, the state cannot be saved, or has no bool `done`; or the problem's
                origins were changed.
        """
        with untouched(self.name, contents=False, origins=problem.origins, test=problem.test):
            after, candidates = self._step(problem, dict(state))
        if not isinstance(candidates, Candidates):
            raise PluginError("a search step proposed no Candidates", got=type(candidates).__name__, plugin=self.name)
        return self._checked(after), candidates

    def _checked(self, state: State) -> State:
        allowed = (Tensor, int, float, str, bool)
        wrong = {k: type(v).__name__ for k, v in state.items() if not isinstance(v, allowed)}
        if wrong or not isinstance(state.get("done"), bool):
            raise PluginError(
                "a search state cannot be saved",
                got=wrong or f"done={state.get('done')!r}",
                expected="tensors and primitives only, with 'done' a bool",
                plugin=self.name,
            )
        return state

    @abstractmethod
    def _start(self, problem: Problem, rng: torch.Generator) -> State: ...

    @abstractmethod
    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]: ...

    def ahead(self, problem: Problem, state: State) -> Sequence[State]:
        """The states of steps that are known before they are made, this one's first: of a search whose next steps need
        nothing of what the steps before them found, so that several workers can do them at once. Each step from one
        of these must lead to the next one. Empty where steps build on each other."""
        return ()

    def moves(self, state: State) -> dict[str, Tensor]:
        """Of a sampler, what its moves came to so far for each target: `acceptance` (t,) float32, the share that was
        accepted, NaN where none was tried; `divergences` (t,) int64. Nothing of other searchers."""
        return {}

    def progress(self, state: State) -> float:
        """Share of the search that is done, in [0, 1]."""
        return 1.0 if state["done"] else 0.0
