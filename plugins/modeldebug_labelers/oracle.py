"""An oracle that is honest about being one: an ensemble that knows nothing of the model under test.

Each member is trained from its own seed on augmented training images, and is one annotator: it votes for its class,
or for "none of the above" where its calibrated confidence is too low. The core counts the votes. How sure the whole is
of its answer, the mean probability of the class that most members vote for, goes with them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from modeldebug import Answers, Context, DataSpec, Labeler, LabelRequest, Splits, batch_size_for, in_batches

from .members import Members, train_members
from .plugin import OracleConfig


class Oracle(Labeler[OracleConfig]):
    """`members` networks, calibrated on the validation images by temperature (Guo et al. 2017).

    Raises:
        PluginError: training diverged.

    >>> oracle = Oracle(OracleConfig(members=2), DataSpec((1, 8, 8), ("a", "b")))  # not trained yet
    >>> oracle.label(LabelRequest("r", torch.zeros(3, 1, 8, 8), oracle.spec, torch.zeros(3).long())).votes.shape
    torch.Size([3, 2])
    """

    is_program = True

    def __init__(self, config: OracleConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self._members = Members(config, spec)
        self._device = torch.device("cpu")

    def _fit(self, data: Splits, context: Context) -> None:
        train_members(self._members, self.config, data, context, what="oracle")

    def _label(self, request: LabelRequest) -> Answers:
        members, size = self._members.eval(), batch_size_for(self.spec.shape)
        probs = in_batches(lambda x: members.logits(x).softmax(2), size, self._device, request.x)
        sure, votes = probs.max(2)  # (n, m)
        confidence = probs.mean(1).gather(1, votes.mode(1).values[:, None])[:, 0]
        return Answers(torch.where(sure >= self.config.confidence, votes, -1), confidence)

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self._members.state_dict())

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._members.load_state_dict(dict(state))

    def to(self, device: torch.device) -> None:
        self._members.to(device)
        self._device = device
