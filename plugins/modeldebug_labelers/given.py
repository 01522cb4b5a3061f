"""A classifier of somebody's own as a member of an ensemble."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from modeldebug import Classifier, DataSpec, classifier_from, detect_output


class GivenMember(nn.Module):
    """A classifier behind "module:attribute" or "module:attribute@WEIGHTS": images in [0, 1] in, log-probabilities out.

    >>> spec = DataSpec((1, 8, 8), ("a", "b", "c", "d"))
    >>> member = GivenMember("modeldebug.testing.problems:PlantedClassifier", spec)
    >>> member(torch.zeros(2, 1, 8, 8)).exp().sum(1).tolist()
    [1.0, 1.0]
    """

    probabilities: Tensor  # whether the module answers with these, and not with logits

    def __init__(self, text: str, spec: DataSpec) -> None:
        super().__init__()
        name, _, weights = text.partition("@")
        self._classifier: Classifier = classifier_from(name, spec, weights=weights or None)
        self.module = self._classifier.module
        self.register_buffer("probabilities", torch.tensor(self._classifier.output == "probabilities"))

    def detect(self, x: Tensor, device: torch.device) -> None:
        """Find out from some images (n, c, h, w) what the module answers with."""
        found = detect_output(replace(self._classifier, device=device, batch_size=len(x)), x)
        self.probabilities.fill_(found == "probabilities")

    def forward(self, x: Tensor) -> Tensor:
        """Log-probabilities (n, k)."""
        asked = replace(self._classifier, output="probabilities" if bool(self.probabilities) else "logits")
        return asked.log_probs(x)
