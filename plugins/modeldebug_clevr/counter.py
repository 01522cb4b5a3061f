"""A convolutional network that counts objects."""

from __future__ import annotations

from itertools import pairwise

import torch
from modeldebug_classifiers.training import train_classifier
from torch import Tensor, nn

from modeldebug import ClassifierSource, ConfigError, Context, Splits

from .settings import CounterConfig


class Counter(ClassifierSource[CounterConfig]):
    """Convolutions, features averaged over the whole picture, and two linear layers: the mean grows with the number of
    objects, wherever they are.

    Raises:
        ConfigError: images that cannot be halved so often.
        PluginError: training diverged.

    >>> from modeldebug import DataSpec
    >>> Counter(CounterConfig(), DataSpec((3, 64, 64), ("0", "1", "2")))._make()(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 3])
    """

    def _make(self) -> nn.Module:
        least, side = 2 ** len(self.config.channels), min(self.spec.shape[1:])
        if side < least:
            raise ConfigError(
                "the images are too small for so many convolutions",
                got=f"{side} pixels, and {len(self.config.channels)} that halve them",
                expected=f"{least} pixels or more",
                fix="fewer numbers in classifier.channels",
                plugin=self.name,
            )
        network = _Network(self.spec.shape[0], self.config, self.spec.num_classes)
        # the channels of a pixel side by side in memory, as examples-cnn has them
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def _train(self, module: nn.Module, data: Splits, context: Context) -> None:
        optimizer = torch.optim.Adam(module.parameters(), lr=self.config.learning_rate, fused=True)
        train_classifier(module, data, context, config=self.config, optimizer=optimizer, name=self.name)


class _Network(nn.Module):
    def __init__(self, channels: int, config: CounterConfig, num_classes: int) -> None:
        super().__init__()
        self.flip = config.flip
        layers: list[nn.Module] = []
        for before, after in pairwise((channels, *config.channels)):
            # pooled first, on a quarter of the values the rest takes a third less time
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.MaxPool2d(2)]
            layers += [nn.BatchNorm2d(after), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.answer = nn.Sequential(
            nn.Linear(config.channels[-1], config.hidden), nn.ReLU(), nn.Linear(config.hidden, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, k) of images (n, c, h, w); in training, of each image or of its mirror image."""
        if self.training and self.flip:
            mirrored = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
            x = torch.where(mirrored, x.flip(3), x)
        logits: Tensor = self.answer(self.features(x).mean((2, 3)))
        return logits
