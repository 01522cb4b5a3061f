"""Plain draws from the generator's prior: the floor of every comparison.

What is expected of a draw is the class that the decoder was told, so the generator has to be conditional, or to know
itself what its images show: of any other nothing says what a draw should be. No training image plays a part in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from modeldebug import Candidates, Problem, Searcher, State, rng_for, spawn

from .settings import PriorConfig


class Prior(Searcher[PriorConfig]):
    """Each step decodes a block of draws, a conditional decoder told the classes in turn, and proposes those that fail.

    >>> from modeldebug.testing import known_problem
    >>> known = known_problem(conditional=True)
    >>> problem, search = known.problem(), Prior(PriorConfig(draws=400), known.spec)
    >>> state, found = search.step(problem, search.start(problem, rng_for(0)))
    >>> state["done"], problem.meter.queries, 0 < len(found) < 100
    (True, 400, True)
    """

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        return {"seed": spawn(rng), "next": 0, "done": False}

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        first = int(state["next"])
        last = min(first + self.config.block, self.config.draws)
        z = problem.sample_prior(last - first, rng_for(int(state["seed"]), first))
        told = torch.arange(first, last) % problem.num_classes
        known = problem.origins.condition is None and problem.truth(z) is not None
        condition = None if known else told
        evaluation = problem.evaluate(z, condition=condition)
        bad = evaluation.failing
        condition = None if condition is None else condition[bad]
        found = Candidates(z=z[bad], condition=condition, evaluation=evaluation.id[bad])
        return {**state, "next": last, "done": last == self.config.draws}, found

    def ahead(self, problem: Problem, state: State) -> Sequence[State]:
        return [{**state, "next": first} for first in range(int(state["next"]), self.config.draws, self.config.block)]

    def progress(self, state: State) -> float:
        return int(state["next"]) / self.config.draws
