"""What rivals were compared with in their papers: a random forest as a classifier, and pixels in place of codes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor, nn

from modeldebug import Component, ComponentConfig, Context, Generator, ImageSet


class Forest(nn.Module):
    """A random forest that answers with probabilities. It has no gradients, and no weights that torch could save."""

    def __init__(self, data: ImageSet, *, trees: int, classes: int, seed: int) -> None:
        super().__init__()
        images, labels = data.batch(slice(None))
        self.classes = classes
        self.forest = RandomForestClassifier(trees, random_state=seed).fit(images.flatten(1).numpy(), labels.numpy())

    def forward(self, x: Tensor) -> Tensor:
        known = self.forest.predict_proba(x.detach().cpu().flatten(1).numpy())
        probs = np.zeros((len(x), self.classes), dtype=np.float32)
        probs[:, self.forest.classes_] = known
        return torch.from_numpy(probs).to(x.device)


class Pixels(Generator[ComponentConfig]):
    """A code is the image itself, so that a search in latent space becomes one in pixels. It learns nothing."""

    @property
    def latent_size(self) -> int:
        c, h, w = self.spec.shape
        return c * h * w

    def _fit(self, data: ImageSet, context: Context) -> None:
        return None

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return z.clamp(0, 1).view(-1, *self.spec.shape)

    def _encode(self, x: Tensor, condition: Tensor | None) -> Tensor:
        return x.flatten(1)

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        return None

    def to(self, device: torch.device) -> None:
        return None


pixels = Component("pixels", "images as their own codes", ComponentConfig, Pixels, provides=frozenset({"encode"}))
