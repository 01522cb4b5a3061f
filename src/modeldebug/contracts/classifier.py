"""Where the classifier under test comes from."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

from torch import nn

from ..component import ClassifierConfig
from ..context import Context
from ..types import Splits
from .base import Contract

ClassifierConfigT = TypeVar("ClassifierConfigT", bound=ClassifierConfig)


class ClassifierSource(Contract[ClassifierConfigT]):
    """Makes the module under test, and trains it where the settings ask for that.

    Attributes:
        head: what the names of the last layer's weights begin with. Where the run trains the classifier, a weights file
            for other classes will do then: the last layer starts from random weights. Empty: it must fit as a whole.

    Example::

        class Linear(ClassifierSource[ClassifierConfig]):
            def _make(self):
                return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(self.spec.shape), self.spec.num_classes))

            def _train(self, module, data, context):
                adam = torch.optim.Adam(module.parameters())
                loss = lambda x, y, step: nn.functional.cross_entropy(module(x), y)
                train_network(module, loss, data.train, optimizer=adam, epochs=5, batch_size=64, context=context)
    """

    head: str = ""

    @abstractmethod
    def _make(self) -> nn.Module:
        """A module that maps (n, c, h, w) float32 to (n, classes); torch's global generator is seeded."""

    @abstractmethod
    def _train(self, module: nn.Module, data: Splits, context: Context) -> None:
        """Train `module` in place on `data.train`."""
