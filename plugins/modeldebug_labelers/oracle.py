"""An oracle that is honest about being one: an ensemble that knows nothing of the model under test.

Each member is trained from its own seed on augmented training images, or was given, and is one annotator: it votes for
its class, or for "none of the above" where its calibrated confidence is too low. The core counts the votes. How sure
the whole is of its answer, the mean probability of the class that most members vote for, goes with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from modeldebug import Answers, Context, DataSpec, Labeler, LabelRequest, Splits, batch_size_for, in_batches

from .given import GivenMember
from .members import Members, calibrate_members, train_members
from .plugin import OracleConfig

ConfigT = TypeVar("ConfigT", bound=OracleConfig)


class EnsembleLabeler(Labeler[ConfigT]):
    """What labelers have in common that answer by an ensemble: its members learn, or are given, and are calibrated on
    the validation images by temperature (Guo et al. 2017).

    Raises:
        PluginError: training diverged.
        ClassifierError, ConfigError: a model that is given cannot be imported, or does not fit the data.
    """

    is_program = True

    def __init__(self, config: ConfigT, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self._given = {text: GivenMember(text, spec) for text in config.models}
        self._members = Members(config, spec, tuple(self._given.values()))
        self._device = torch.device("cpu")

    def given(self) -> Mapping[str, nn.Module]:
        return {text: member.module for text, member in self._given.items()}

    def _fit(self, data: Splits, context: Context) -> None:
        if not self._given:
            train_members(self._members, self.config, data, context, what="oracle")
            return
        some = data.validation.batch(slice(None, 16))[0]
        for member in self._given.values():
            member.detect(some, context.device)
        calibrate_members(self._members, data, context)

    def _probs(self, x: Tensor) -> Tensor:
        """What each member makes of images (n, c, h, w): probabilities (n, members, k)."""
        members, size = self._members.eval(), self.batch_size or batch_size_for(self.spec.shape)
        return in_batches(lambda rows: members.logits(rows).softmax(2), size, self._device, x)

    def state_dict(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self._members.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._members.load_state_dict(dict(state))

    def to(self, device: torch.device) -> None:
        self._members.to(device)
        self._device = device


class Oracle(EnsembleLabeler[OracleConfig]):
    """The members of an ensemble as annotators.

    >>> oracle = Oracle(OracleConfig(members=2), DataSpec((1, 8, 8), ("a", "b")))  # not trained yet
    >>> oracle.label(LabelRequest("r", torch.zeros(3, 1, 8, 8), oracle.spec, torch.zeros(3).long())).votes.shape
    torch.Size([3, 2])
    """

    def _label(self, request: LabelRequest) -> Answers:
        probs = self._probs(request.x)
        sure, votes = probs.max(2)  # (n, m)
        confidence = probs.mean(1).gather(1, votes.mode(1).values[:, None])[:, 0]
        names = self.config.models or tuple(f"member {i + 1}" for i in range(self.config.members))
        return Answers(torch.where(sure >= self.config.confidence, votes, -1), confidence, names)
