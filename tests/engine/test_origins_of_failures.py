"""What a search counts of its failures: those made from training images, from the prior, and plain images."""

from __future__ import annotations

import pytest
import torch

from modeldebug import Candidates, ComponentConfig, Context, Problem, Searcher, rng_for
from modeldebug.contracts.searcher import State
from modeldebug.sections import SearchSection
from modeldebug.stages.search import search
from modeldebug.testing.problems import SPEC, known_problem

KNOWN = known_problem()
INSIDE = KNOWN.codes_in_balls(3, rng_for(0))[:3]  # of the first ball: the classifier is wrong
LABEL = torch.full((3,), KNOWN.balls[0].label)
ORIGIN = torch.full((3,), int((KNOWN.origins.labels == KNOWN.balls[0].label).nonzero()[0]))
KINDS = {
    "origin": Candidates(z=INSIDE, origin=ORIGIN),
    "prior": Candidates(z=INSIDE, condition=LABEL),
    "plain": Candidates(x=KNOWN.generator.decode(INSIDE), condition=LABEL),
    "plain with an origin": Candidates(x=KNOWN.generator.decode(INSIDE), origin=ORIGIN),
}


class Proposes(Searcher[ComponentConfig]):
    """Three failures a step, of the given kinds."""

    kinds: tuple[str, ...] = ()

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        return {"next": 0, "done": False}

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        step = state["next"]
        assert isinstance(step, int)
        return {"next": step + 1, "done": step + 1 == len(self.kinds)}, KINDS[self.kinds[step]]

    def progress(self, state: State) -> float:
        return 0.5


@pytest.mark.parametrize(
    ("kinds", "without_origin", "without_code"),
    [
        (("origin",), 0, 0),
        (("prior", "prior"), 6, 0),
        (("origin", "prior"), 3, 0),
        (("plain",), 3, 3),
        (("plain with an origin",), 0, 0),
        (("plain with an origin", "plain"), 3, 3),
    ],
)
def test_failures_without_an_origin_are_counted_and_those_of_them_that_are_plain_images(
    kinds: tuple[str, ...], without_origin: int, without_code: int
) -> None:
    searcher = Proposes(ComponentConfig(), SPEC)
    searcher.kinds = kinds
    info = search(searcher, KNOWN.problem(), Context.quiet(0), settings=SearchSection(), seed=0).info
    assert info["failures"] == info["failing"] == 3 * len(kinds)
    assert (info["without_origin"], info["without_code"]) == (without_origin, without_code)
