"""Simulated annotators: what a team of so many, so good and so tired would have said, for tests and for planning.

What an image truly shows is what an oracle says of it, "none of the above" included. Every annotator then errs by draws
of his own, which follow from the request's id and the image alone: asked again, all answer the same.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from modeldebug import Answers, LabelRequest, rng_for

from .oracle import EnsembleLabeler
from .plugin import SimulatedConfig


class Simulated(EnsembleLabeler[SimulatedConfig]):
    """Annotators who are right with a known probability.

    Each sees the images of a request in an order of his own; a request is a sitting, so that fatigue begins anew with
    the next one. A wrong answer is any other one with equal probability, or the class that the oracle holds second.

    >>> from modeldebug import DataSpec
    >>> spec = DataSpec((1, 8, 8), ("a", "b"))
    >>> simulated = Simulated(SimulatedConfig(members=1, annotators=3), spec)  # its oracle is not trained yet
    >>> simulated.label(LabelRequest("r", torch.zeros(2, 1, 8, 8), spec, torch.zeros(2).long())).votes.shape
    torch.Size([2, 3])
    """

    def _label(self, request: LabelRequest) -> Answers:
        truth, runner_up = self._truth(request.x)
        draws = _draws(request, self.config.annotators)  # (n, annotators, 4)
        right = draws[:, :, 0] < self._accuracy(draws[:, :, 1])
        wrong = self._wrong(truth, runner_up, draws[:, :, 2])
        votes = torch.where(right, truth[:, None], wrong)
        votes = torch.where(draws[:, :, 3] < self.config.none, -1, votes)
        return Answers(votes, None, tuple(f"simulated {i + 1}" for i in range(self.config.annotators)))

    def _truth(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What each image shows, (n,) int64, -1 where the oracle is not sure enough; and the class that is next."""
        probs = self._probs(x).mean(1)
        sure, order = probs.sort(dim=1, descending=True, stable=True)
        truth = torch.where(sure[:, 0] >= self.config.confidence, order[:, 0], -1)
        return truth, torch.where(truth < 0, order[:, 0], order[:, 1])

    def _accuracy(self, order: Tensor) -> Tensor:
        """How probably each annotator is right about each image, (n, annotators), by its place in his order."""
        config, chance = self.config, 1 / (self.spec.num_classes + 1)
        among = torch.linspace(1, -1, config.annotators) if config.annotators > 1 else torch.zeros(1)
        seen = order.argsort(dim=0, stable=True).argsort(dim=0, stable=True)  # images before this one
        accuracy: Tensor = config.accuracy + config.spread * among - config.fatigue * seen / 100
        return accuracy.clamp(chance, 1)

    def _wrong(self, truth: Tensor, runner_up: Tensor, draw: Tensor) -> Tensor:
        """A wrong answer of each annotator about each image, (n, annotators)."""
        k = self.spec.num_classes
        if self.config.confusion == "runner-up":
            return runner_up[:, None].expand(draw.shape)
        other = (draw * k).long().clamp_max(k - 1) + 1  # 1 to k further on, in the circle of all k + 1 answers
        return (truth[:, None] + 1 + other) % (k + 1) - 1


def _draws(request: LabelRequest, annotators: int) -> Tensor:
    """Numbers in [0, 1), (n, annotators, 4): for each image and annotator, whatever else is asked about."""
    rows = [_seed(request.id, x) for x in request.x]
    return torch.stack([torch.rand(annotators, 4, generator=rng_for(seed)) for seed in rows])


def _seed(request: str, x: Tensor) -> int:
    digest = hashlib.sha256(f"{request}/".encode() + x.contiguous().numpy().tobytes()).digest()
    return int.from_bytes(digest[:8], "big")
