"""Auditors whose errors, and whose opinion of their own answers, are planted."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from modeldebug import Answers, ComponentConfig, Context, Labeler, LabelRequest, Splits
from modeldebug.testing.problems import codes_of, truth


class ErringConfig(ComponentConfig):
    errs_within: float = 0.1
    says_how_sure: bool = True
    sure: float | None = None


class Erring(Labeler[ErringConfig]):
    """Names another class within `errs_within` of a class boundary. How sure it is grows with the distance from one,
    unless it is always `sure` to the same degree."""

    Config = ErringConfig
    is_program = True

    def _label(self, request: LabelRequest) -> Answers:
        distance = to_boundary(request.x)
        right = truth(codes_of(request.x))
        votes = torch.where(distance < self.config.errs_within, (right + 1) % 4, right)
        sure = distance.clamp(max=1) if self.config.sure is None else torch.full_like(distance, self.config.sure)
        return Answers(votes[:, None], sure if self.config.says_how_sure else None)


class Drawn(Erring):
    """Learns nothing but a random number."""

    def _fit(self, data: Splits, context: Context) -> None:
        self._number = torch.rand(1, generator=context.rng)

    def state_dict(self) -> dict[str, Tensor]:
        return {"number": self._number}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._number = state["number"]


def to_boundary(x: Tensor) -> Tensor:
    """How far each image's code is from the nearest boundary between classes."""
    return codes_of(x).abs().amin(1)
