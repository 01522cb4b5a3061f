"""The inspection of the test set: what can be found without a generator, and the baseline of Bayes-TrEx (section 4.10).

The test images are asked about in a random order, so that a search that is stopped early has inspected a fair sample of
them. What is found are images without codes: they are judged and shown like any failures; no region is learnt of them,
and no classifier is finetuned on them.
"""

from __future__ import annotations

import torch

from modeldebug import Candidates, Problem, Searcher, State, rng_for, spawn

from .settings import HeldOutConfig


class HeldOut(Searcher[HeldOutConfig]):
    """Each step proposes a block of test images, and the core asks about each: one query an image.

    >>> from modeldebug.testing import known_problem
    >>> problem, search = known_problem().problem(), HeldOut(HeldOutConfig(), known_problem().spec)
    >>> state, found = search.step(problem, search.start(problem, rng_for(0)))
    >>> errors = problem.judge(found, step=0, searcher="test-set")
    >>> problem.meter.queries == len(found) == len(known_problem().splits.test), len(errors)
    (True, 0)
    """

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        assert problem.test is not None  # the component requires "test-images"
        return {"seed": spawn(rng), "next": 0, "of": len(problem.test), "done": len(problem.test) == 0}

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        assert problem.test is not None
        first, of = int(state["next"]), int(state["of"])
        last = min(first + self.config.block, of)
        order = torch.randperm(of, generator=rng_for(int(state["seed"])))
        images, labels = problem.test.batch(order[first:last])
        return {**state, "next": last, "done": last == of}, Candidates(x=images, condition=labels)

    def progress(self, state: State) -> float:
        return int(state["next"]) / max(1, int(state["of"]))
