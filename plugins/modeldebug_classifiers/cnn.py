"""A small convolutional network for small images, of any number of channels and classes."""

from __future__ import annotations

import torch
from torch import nn

from modeldebug import ClassifierSource, Context, Splits

from .plugin import CnnConfig
from .training import train_classifier


class Cnn(ClassifierSource[CnnConfig]):
    """Two 3 x 3 convolutions, the second of stride 2, and one hidden layer: the default model under test.

    Raises:
        PluginError: training diverged.

    >>> from modeldebug import DataSpec
    >>> Cnn(CnnConfig(), DataSpec((1, 8, 8), ("a", "b")))._make()(torch.zeros(3, 1, 8, 8)).shape
    torch.Size([3, 2])
    """

    def _make(self) -> nn.Module:
        c, h, w = self.spec.shape
        first, second = self.config.channels
        return nn.Sequential(
            nn.Conv2d(c, first, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(self.config.dropout),
            nn.Linear(second * ((h + 1) // 2) * ((w + 1) // 2), self.config.hidden),
            nn.ReLU(),
            nn.Linear(self.config.hidden, self.spec.num_classes),
        )

    def _train(self, module: nn.Module, data: Splits, context: Context) -> None:
        optimizer = torch.optim.Adam(module.parameters(), lr=self.config.learning_rate, fused=True)
        train_classifier(module, data, context, config=self.config, optimizer=optimizer, name=self.name)
