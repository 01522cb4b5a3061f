"""The convolutional network of the PyTorch examples, which Defuse debugs on MNIST (AAAI section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modeldebug import ClassifierSource, Context, Splits

from .plugin import ExamplesCnnConfig
from .training import train_classifier


class ExamplesCnn(ClassifierSource[ExamplesCnnConfig]):
    """Trained as in AAAI appendix B.2: Adadelta, learning rate 1, batches of 64. Its weights have the names of the
    PyTorch examples' script, so that a file made there can be given as `classifier.weights`.

    Raises:
        PluginError: training diverged.

    >>> from modeldebug import DataSpec
    >>> ExamplesCnn(ExamplesCnnConfig(), DataSpec((1, 28, 28), ("a", "b")))._make()(torch.zeros(3, 1, 28, 28)).shape
    torch.Size([3, 2])
    """

    def _make(self) -> nn.Module:
        network = _Network(self.spec.shape, self.spec.num_classes)
        # the channels of a pixel side by side in memory: a third less time a batch on two cores
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def _train(self, module: nn.Module, data: Splits, context: Context) -> None:
        optimizer = torch.optim.Adadelta(module.parameters(), lr=self.config.learning_rate)
        train_classifier(module, data, context, config=self.config, optimizer=optimizer, name=self.name)


class _Network(nn.Module):
    def __init__(self, shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        c, h, w = shape
        self.conv1 = nn.Conv2d(c, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout1 = nn.Dropout(0.25)
        self.fc1 = nn.Linear(64 * ((h - 4) // 2) * ((w - 4) // 2), 128)
        self.dropout2 = nn.Dropout(0.5)
        self.fc2 = nn.Linear(128, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, k) of images (n, c, h, w)."""
        x = self.conv2(nn.functional.relu(self.conv1(x)))
        x = nn.functional.relu(nn.functional.max_pool2d(x, 2))  # as the other way round, on a quarter of the values
        x = self.dropout1(x).flatten(1)
        x = self.dropout2(nn.functional.relu(self.fc1(x)))
        logits: Tensor = self.fc2(x)
        return logits
