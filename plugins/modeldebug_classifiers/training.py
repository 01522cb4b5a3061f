"""How every classifier of this plugin is trained."""

from __future__ import annotations

import torch
from torch import nn

from modeldebug import Classifier, Context, Splits, train_network

from .plugin import TrainedConfig


def train_classifier(
    module: nn.Module,
    data: Splits,
    context: Context,
    *,
    config: TrainedConfig,
    optimizer: torch.optim.Optimizer,
    name: str,
) -> None:
    """Train `module` in place on normalised training images, the learning rate falling to zero along a cosine.

    Raises:
        PluginError: training diverged.

    >>> from modeldebug.testing import known_problem
    >>> k, network = known_problem(), nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
    >>> adam = torch.optim.Adam(network.parameters(), lr=0.01)
    >>> config = TrainedConfig(epochs=20)
    >>> train_classifier(network, k.splits, Context.quiet(seed=0), config=config, optimizer=adam, name="mine")
    >>> Classifier(network, k.spec).accuracy(k.splits.test) > 0.9
    True
    """
    asked = Classifier(module, data.spec, mean=config.mean, std=config.std, name=name)
    train_network(
        module,
        lambda x, y, step: nn.functional.cross_entropy(module(asked.normalised(x)), y),
        data.train,
        optimizer=optimizer,
        epochs=config.epochs,
        batch_size=config.batch_size,
        context=context,
        what="classifier",
        cosine=True,
    )
