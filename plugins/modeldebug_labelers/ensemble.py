"""An ensemble as a classifier: several networks that answer with one calibrated distribution."""

from __future__ import annotations

from torch import nn

from modeldebug import Classifier, ClassifierSource, Context, Splits

from .members import Members, train_members
from .plugin import EnsembleConfig


class Ensemble(ClassifierSource[EnsembleConfig]):
    """The oracle's networks, training and calibration; asked, the members give one answer, their opinions pooled.

    Made to guide a search: it is surer where all members agree, and smooth enough to be followed by its gradient.

    Raises:
        PluginError: training diverged.

    >>> import torch
    >>> from modeldebug import DataSpec
    >>> spec = DataSpec((1, 8, 8), ("a", "b"))
    >>> Ensemble(EnsembleConfig(members=2), spec)._make()(torch.zeros(3, 1, 8, 8)).shape  # not trained yet
    torch.Size([3, 2])
    """

    def _make(self) -> nn.Module:
        return Members(self.config, self.spec)

    def _train(self, module: nn.Module, data: Splits, context: Context) -> None:
        assert isinstance(module, Members)  # as _make made it
        config = self.config
        normalised = Classifier(module, data.spec, mean=config.mean, std=config.std, name=self.name).normalised
        fresh = config.weights is None
        train_members(module, config, data, context, what="ensemble", normalised=normalised, fresh=fresh)
