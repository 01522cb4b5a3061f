"""Failing scenes of known causes, without a renderer: a classifier that fails on them is made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import torch
from modeldebug_clevr.objects import COLOUR, MATERIAL, SHAPE, Pattern, Question, X, Y, unpacked
from modeldebug_clevr.scenes import Scenes
from torch import Tensor

from modeldebug import DataSpec, Failures, rng_for

CYLINDERS = Question(Pattern.read("cylinders"), 2)
SPEC = DataSpec((3, 2, 2), CYLINDERS.classes)


@cache
def _pool() -> Tensor:
    return Scenes(most=6).sample(3000, rng_for(0, "pool"))


def scenes(n: int, seed: int) -> tuple[Tensor, torch.Generator]:
    """Draws from the prior: of scenes in a pool, which are costly, coloured and shaped anew. And a generator."""
    rng = rng_for(seed, "scenes")
    z = _pool()[torch.randint(len(_pool()), (n,), generator=rng)]
    for column, values in ((COLOUR, 8), (MATERIAL, 2), (SHAPE, 3)):
        unpacked(z)[..., column] = torch.randint(values, (n, 10), generator=rng).float()
    return z, rng


def _anywhere(x: Tensor, y: Tensor) -> Tensor:
    return torch.ones_like(x, dtype=torch.bool)


def failing(
    causes: Sequence[str],
    n: int,
    seed: int,
    *,
    often: float = 0.8,
    where: Callable[[Tensor, Tensor], Tensor] = _anywhere,
) -> Tensor:
    """n scenes that fail: `often`, if they hold an object of any of the patterns at such an x and y; else with a
    probability of 0.05."""
    z, rng = scenes(25 * n, seed)
    here = where(unpacked(z)[..., X], unpacked(z)[..., Y])
    bad = torch.zeros(len(z), dtype=torch.bool)
    for words in causes:
        bad |= (Pattern.read(words).matches(z) & here).any(1)
    fails = torch.rand(len(z), generator=rng) < torch.where(bad, often, 0.05)
    assert int(fails.sum()) >= n
    return z[fails][:n]


def failures(z: Tensor) -> Failures:
    """As the core hands them to a clusterer."""
    n, expected = len(z), CYLINDERS.answers(z)
    return Failures(
        x=torch.zeros(n, 3, 2, 2),
        probs=torch.full((n, 3), 1 / 3),
        allowed=torch.eye(3).bool()[expected],
        expected=expected,
        origin=torch.full((n,), -1),
        log_prior=torch.zeros(n),
        distance=torch.full((n,), torch.nan),
        step=torch.zeros(n, dtype=torch.int64),
        z=z,
    )
