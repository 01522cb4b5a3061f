"""Says which class an image shows: people, or a program that stands in for them (an oracle)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from ..context import Context
from ..errors import PluginError
from ..tensors import check_tensor
from ..types import Splits
from ..votes import Answers, LabelRequest, Pending
from .base import ConfigT, Contract, blamed
from .untouched import untouched


class Labeler(Contract[ConfigT]):
    """Answers label requests with votes. Serves in two roles, never as one object: it labels regions, and, with
    other settings and seeds, audits single failures.

    Attributes:
        is_program: True where answers cost no person's time, so that the core may ask about many images.
        exact: True where it repeats what the generator knows (`LabelRequest.truth`), and answers nothing else: its
            component requires "truth". It is not measured on images of the data, whose class it is not told.
        folder: where questions and votes may be kept, `labels` in the run's folder; the core sets it, and None stands
            for no run. All labelers of a run share it: requests have ids of their own.
        batch_size: images that networks are asked about at a time; the core sets it, and None stands for what
            `batch_size_for` says.

    Example::

        class Brightness(Labeler[ComponentConfig]):  # of two classes, dark and bright
            is_program = True

            def _label(self, request):
                return Answers((request.x.mean((1, 2, 3)) > 0.5).long()[:, None])  # one annotator
    """

    is_program: bool = False
    exact: bool = False
    folder: Path | None = None
    batch_size: int | None = None

    @final
    def fit(self, data: Splits, context: Context) -> None:
        """Learn what is needed from the training and validation images, never from the model under test.

        Raises:
            PluginError: the images were changed.
        """
        with untouched(self.name, data=data):
            self._fit(data, context)

    @final
    def label(self, request: LabelRequest) -> Answers | Pending:
        """Votes on each image of the request, or Pending while people are still to answer.

        Raises:
            PluginError: labelling raises, or votes, confidence or names have another shape, dtype or range; or the
                images were changed.
        """
        with untouched(self.name, request=request), blamed("running the labeler", self.name):
            answer = self._label(request)
        if isinstance(answer, Answers):
            check_tensor(
                "the votes",
                answer.votes,
                shape=(len(request.x), "annotators"),
                dtype=torch.int64,
                low=-2,
                high=self.spec.num_classes - 1,
                plugin=self.name,
            )
            if answer.confidence is not None:
                check_tensor(
                    "the confidence",
                    answer.confidence,
                    shape=(len(request.x),),
                    dtype=torch.float32,
                    low=0,
                    high=1,
                    plugin=self.name,
                )
            if answer.annotators and len(answer.annotators) != answer.votes.shape[1]:
                raise PluginError(
                    "the annotators' names do not fit their votes",
                    got=f"{len(answer.annotators)} names",
                    expected=f"{answer.votes.shape[1]}, one for each column of votes, or none",
                    plugin=self.name,
                )
        return answer

    def _fit(self, data: Splits, context: Context) -> None:
        """Nothing to learn, unless overridden."""

    @abstractmethod
    def _label(self, request: LabelRequest) -> Answers | Pending: ...

    def given(self) -> Mapping[str, nn.Module]:
        """The networks that it answers with and did not train itself, by name. The core refuses the model under test
        among them, and one that serves in two roles; and their weights decide whether what was fitted still holds."""
        return {}

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that `fit` learned."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state_dict` gave."""

    def to(self, device: torch.device) -> None:
        """Move networks to a device."""
