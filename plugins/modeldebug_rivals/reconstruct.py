"""No search at all: the failures among the reconstructions of training images, which nothing has perturbed.

A searcher that finds no more than this is not searching. With `search.start = "right"` only training images are left
whose reconstructions are right, so there is nothing to find.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from modeldebug import Candidates, Problem, Searcher, State

from .settings import ReconstructConfig


class Reconstruct(Searcher[ReconstructConfig]):
    """Each step decodes the codes of a block of training images, and proposes those that fail.

    >>> from modeldebug import rng_for
    >>> from modeldebug.testing import known_problem
    >>> problem, search = known_problem().problem(), Reconstruct(ReconstructConfig(), known_problem().spec)
    >>> state, found = search.step(problem, search.start(problem, rng_for(0)))
    >>> problem.meter.queries == len(problem.origins), len(found)  # the known problem gets its own data right
    (True, 0)
    """

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        return {"next": 0, "of": len(problem.origins), "done": len(problem.origins) == 0}

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        first = int(state["next"])
        last = min(first + self.config.block, len(problem.origins))
        codes = problem.origins.z
        assert codes is not None  # the component requires "encode"
        origin = torch.arange(first, last)
        evaluation = problem.evaluate(codes[first:last], origin=origin)
        bad = evaluation.failing
        found = Candidates(z=codes[first:last][bad], origin=origin[bad], evaluation=evaluation.id[bad])
        return {**state, "next": last, "done": last == len(problem.origins)}, found

    def ahead(self, problem: Problem, state: State) -> Sequence[State]:
        return [{**state, "next": first} for first in range(int(state["next"]), int(state["of"]), self.config.block)]

    def progress(self, state: State) -> float:
        return int(state["next"]) / max(1, int(state["of"]))
