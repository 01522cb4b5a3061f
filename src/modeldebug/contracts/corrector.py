"""Finetunes the classifier on labelled regions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import torch

from ..context import Context
from ..errors import PluginError
from ..types import CorrectedState, LabelledImages, Splits
from .base import ConfigT, Contract
from .untouched import untouched

if TYPE_CHECKING:
    from ..classifier import Classifier


class Corrector(Contract[ConfigT]):
    """Proposes corrected weights, one state for each strength of correction; the core scores every state on draws
    that no corrector saw, and chooses (AAAI section 3.3).

    Example::

        class OnFailuresAlone(Corrector[ComponentConfig]):
            def _correct(self, classifier, data, failures, context):
                model = classifier.copy()
                adam = torch.optim.Adam(model.module.parameters())
                loss = lambda x, y, step: nn.functional.nll_loss(model.log_probs(x), y)
                images = data.train if failures is None else ImageSet(failures.x, failures.labels)
                train_network(model.module, loss, images, optimizer=adam, epochs=20, batch_size=64, context=context)
                return [CorrectedState("finetuned", 1.0, model.state_dict())]
    """

    @final
    def correct(
        self, classifier: Classifier, data: Splits, failures: LabelledImages | None, context: Context
    ) -> Sequence[CorrectedState]:
        """Corrected weights; `classifier` is left as it was. With `failures` None it is the control: the same
        finetuning on the training data alone.

        Raises:
            PluginError: no state was proposed, one does not fit, or the given classifier or images were changed.
        """
        before = {k: v.clone() for k, v in classifier.state_dict().items()}
        with untouched(self.name, data=data, failures=failures):
            states = list(self._correct(classifier, data, failures, context))
        if not states:
            raise PluginError("a corrector proposed no state", expected="at least one CorrectedState", plugin=self.name)
        after = classifier.state_dict()
        changed = [k for k, v in before.items() if not torch.equal(v, after[k])]
        if changed:
            raise PluginError(
                "a corrector changed the classifier that it was given", got=", ".join(changed[:3]), plugin=self.name
            )
        for state in states:
            if state.state.keys() != before.keys():
                raise PluginError("a corrected state does not fit the classifier", got=state.name, plugin=self.name)
        return states

    @abstractmethod
    def _correct(
        self, classifier: Classifier, data: Splits, failures: LabelledImages | None, context: Context
    ) -> Sequence[CorrectedState]: ...
