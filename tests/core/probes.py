"""Codes to ask the known problem about, and the judgement of what is proposed."""

import torch

from modeldebug import Candidates, rng_for
from modeldebug.testing import known_problem

KNOWN = known_problem()


def codes(n, seed=0):
    return torch.randn(n, 2, generator=rng_for(seed))


def in_ball(n):
    """Codes inside the first ball, with an origin of its class."""
    first = int((KNOWN.origins.labels == KNOWN.balls[0].label).nonzero()[0])
    return KNOWN.codes_in_balls(n, rng_for(0))[:n], torch.full((n,), first)


def judge(problem, **candidates):
    return problem.judge(Candidates(**candidates), step=0, searcher="mine:search")
