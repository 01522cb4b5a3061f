"""Margin search: from training codes up the slope of the classifier's margin, through the decoder, past its boundary.

The margin is the largest log-probability of a wrong class less that of the expected one; failures are above 0. A step
is as long as a linear margin needs to cross the boundary, and no longer than `step` (as in DeepFool, Moosavi-Dezfooli
et al. 2016, here in latent space). A guide, where there is one, must stay sure of the expected class: so the search
ends where the classifier is wrong, and not where the image has become another class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from modeldebug import Candidates, Evaluation, Problem, Searcher, State, rng_for, spawn

from .distinct import Distinct
from .settings import MarginConfig

RANKED = 16  # blocks ranked in one step of the search: ranking costs an origin 1 query, climbing about 20
OVERSHOOT = 0.1  # nats: how far past the wanted margin a step aims, since margins are not linear


@dataclass(frozen=True, eq=False)
class Slopes:
    """What is known of codes (n, d) on their way up.

    Attributes:
        evaluation: the classifier's answers.
        margin: (n,) nats.
        doubt: (n,) nats that the guide's log-probability of the expected class lacks to be sure; none without a guide.
        gradient: (n, d) of the margin.
        guidance: (n, d), the gradient of the guide's log-probability; 0 where it is sure, and without a guide.
    """

    evaluation: Evaluation
    margin: Tensor
    doubt: Tensor
    gradient: Tensor
    guidance: Tensor


class Margin(Searcher[MarginConfig]):
    """Ranks the training images by the margin of their reconstruction, then climbs from those nearest the boundary,
    block by block: all origins of a block at once, each until it fails, so that fewer and fewer are asked about.

    Of each origin at most `keep` failures are proposed, at least `apart` from each other.

    >>> from modeldebug.testing import known_problem
    >>> problem, search = known_problem().problem(), Margin(MarginConfig(pursue=1.0, step=0.2), known_problem().spec)
    >>> state, found = search.step(problem, search.start(problem, rng_for(0)))
    >>> len(found) > 0, state["done"], len(found) == len(problem.judge(found, step=0, searcher="margin"))
    (True, True, True)
    """

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        n = len(problem.origins)
        ranked = n if self.config.pursue == 1 else 0
        return {
            "seed": spawn(rng), "ranked": ranked, "margin": torch.zeros(n), "climbed": 0, "of": n, "done": n == 0
        }  # fmt: skip

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        margin, ranked, climbed, n = state["margin"], int(state["ranked"]), int(state["climbed"]), int(state["of"])
        assert isinstance(margin, Tensor)
        codes = problem.origins.z
        assert codes is not None  # the component requires "encode"
        if ranked < n:
            rows = torch.arange(ranked, min(ranked + RANKED * self.config.block, n))
            measured = problem.margin(problem.evaluate(codes[rows], origin=rows), origin=rows)
            after = {**state, "margin": margin.index_copy(0, rows, measured), "ranked": ranked + len(rows)}
            return after, Candidates(z=codes[:0], origin=rows[:0])
        last = self._pursued(n)
        nearest = margin.argsort(descending=True, stable=True)[climbed : min(climbed + self.config.block, last)]
        found = self._climb(problem, nearest.sort().values, codes, rng_for(int(state["seed"]), climbed))
        climbed += len(nearest)
        return {**state, "climbed": climbed, "done": climbed == last}, found

    def ahead(self, problem: Problem, state: State) -> Sequence[State]:
        """Every step but the ranking ones, once all are ranked: a block climbs by itself."""
        n = int(state["of"])
        if int(state["ranked"]) < n:
            return ()
        return [
            {**state, "climbed": first} for first in range(int(state["climbed"]), self._pursued(n), self.config.block)
        ]

    def _climb(self, problem: Problem, origin: Tensor, codes: Tensor, rng: torch.Generator) -> Candidates:
        """Failures from the given origins (b,): first from their codes, then from draws around these."""
        config, start, unit = self.config, codes[origin], _spread(problem, origin)
        found = Distinct(len(origin), keep=config.keep, apart=config.apart, unit=unit)
        for attempt in range(1 + config.restarts):
            rows = found.wanting()
            z = start[rows]
            if attempt:
                z = z + config.jitter * unit[rows] * torch.randn(z.shape, generator=rng)
                z = _trusted(z, start[rows], unit[rows], config.trust)
            for step in range(1 + config.steps):
                if not len(rows):
                    break
                last = step == config.steps
                slopes = self._look(problem, z, origin[rows]) if last else self._ask(problem, z, origin[rows], rng)
                hit = slopes.evaluation.failing & (slopes.margin > config.past) & (slopes.doubt <= 0)
                found.add(rows[hit], z[hit], slopes.evaluation.id[hit])
                rows, left = rows[~hit], (z + self._move(slopes))[~hit]
                z = _trusted(left, start[rows], unit[rows], config.trust)
        rows, z, evaluation = found.all()
        return Candidates(z=z, origin=origin[rows], evaluation=evaluation)

    def _ask(self, problem: Problem, z: Tensor, origin: Tensor, rng: torch.Generator) -> Slopes:
        """All of this at codes (n, d): 3 queries each, and 1 to the guide, with 3 more where it is not sure."""
        slope = problem.value_and_grad(z, origin=origin)
        doubt, guidance = self._doubt(problem, z, origin), torch.zeros_like(z)
        unsure = doubt > 0
        if bool(unsure.any()):
            answer = problem.ask_guide(z[unsure], origin=origin[unsure], gradient=True)
            assert answer.gradient is not None
            guidance[unsure] = answer.gradient
        return Slopes(slope.evaluation, slope.value, doubt, slope.gradient, guidance)

    def _look(self, problem: Problem, z: Tensor, origin: Tensor) -> Slopes:
        """The same without gradients, which are 0: 1 query each."""
        evaluation, nowhere = problem.evaluate(z, origin=origin), torch.zeros_like(z)
        margin = problem.margin(evaluation, origin=origin)
        return Slopes(evaluation, margin, self._doubt(problem, z, origin), nowhere, nowhere)

    def _doubt(self, problem: Problem, z: Tensor, origin: Tensor) -> Tensor:
        if not problem.guided:
            return torch.zeros(len(z))
        return math.log(self.config.sure) - problem.ask_guide(z, origin=origin).log_prob

    def _move(self, slopes: Slopes) -> Tensor:
        """The next step (n, d): up the margin until it is past the boundary; where the guide is not sure, also towards
        what it takes for the expected class, past the boundary only as far as that costs no margin."""
        config, gradient = self.config, slopes.gradient
        missing = config.past + OVERSHOOT - slopes.margin
        lead, up = config.weight * slopes.guidance, gradient / _norm(gradient)
        along = lead - (lead * up).sum(1, keepdim=True).clamp(max=0) * up
        direction = torch.where(missing[:, None] > 0, gradient + lead, along)
        direction = direction / _norm(direction)
        wanted = torch.where(missing > 0, missing, slopes.doubt + OVERSHOOT)
        slope = torch.where(missing[:, None] > 0, gradient, slopes.guidance)
        gain = (slope * direction).sum(1)  # of what is wanted, were it linear, for a step of length 1
        length = torch.where(gain > 0, wanted / gain.clamp_min(1e-12), config.step / 2).clamp(max=config.step)
        move: Tensor = length[:, None] * direction
        return move

    def _pursued(self, n: int) -> int:
        return math.ceil(self.config.pursue * n)

    def progress(self, state: State) -> float:
        if state["done"]:
            return 1.0
        n = int(state["of"])
        return (int(state["ranked"]) + 20 * int(state["climbed"])) / (n + 20 * self._pursued(n))


def _norm(rows: Tensor) -> Tensor:
    """The length (n, 1) of each row, above 0."""
    length: Tensor = rows.norm(dim=1, keepdim=True)
    return length.clamp_min(1e-12)


def _spread(problem: Problem, origin: Tensor) -> Tensor:
    """The unit of distances (b, d): the standard deviations of the origins' posteriors; where the generator has none,
    those of all codes; and 1, as the prior's, in dimensions where there is no spread at all."""
    codes, spread = problem.origins.z, problem.origins.spread
    assert codes is not None
    unit = codes.std(0, correction=0).expand_as(codes) if spread is None else spread
    return torch.where(unit > 1e-6, unit, 1.0)[origin]


def _trusted(z: Tensor, start: Tensor, unit: Tensor, most: float) -> Tensor:
    """Codes (n, d) pulled back to a root mean square distance of at most `most` units from their start."""
    offset = z - start
    far = (offset / unit).square().mean(1, keepdim=True).sqrt()
    return start + offset * (most / far.clamp_min(1e-12)).clamp(max=1)
